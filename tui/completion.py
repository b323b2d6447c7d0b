"""Completion for bash, zsh and fish, made from the table of words. Pure; the scripts ask `splitmount names`, and no host, for names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tui.words import CommandWords, Word

PROGRAM = "splitmount"
NAMED: Mapping[str, str] = {
    "SET": "sets",
    "HOST": "hosts",
    "ARRAY": "arrays",
    "SET|HOST": "sets hosts",
}  # what stands for a known name

# `cmd` is the command so far, `at` how many words of its own there are; an option's value is never one of them.
_BASH = """# bash completion for splitmount: eval "$(splitmount completion bash)"
_splitmount_takes() {
    case "$1" in
        @TAKES@) return 0 ;;
    esac
    return 1
}
_splitmount_names() {
    "${COMP_WORDS[0]}" ${config:+--config "${config/#\\~/$HOME}"} names "$@" 2> /dev/null
}
_splitmount() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd='' n=1 at=0 words='' config=''
    COMPREPLY=()
    if [[ $cur == = ]]; then cur=''
    elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}
    fi
    while ((n < COMP_CWORD)); do
        if _splitmount_takes "$cmd:${COMP_WORDS[n]}"; then
            ((n++))
            if [[ ${COMP_WORDS[n]} == = ]]; then ((n++)); fi
            case $cmd:${COMP_WORDS[n-1]}:${COMP_WORDS[n-2]} in
                :--config:*|:=:--config) config=${COMP_WORDS[n]} ;;
            esac
        elif [[ ${COMP_WORDS[n]} != -* ]]; then
            if [[ $cmd ]]; then ((at++)); else cmd=${COMP_WORDS[n]}; fi
        fi
        ((n++))
    done
    case "$cmd:$prev" in
        @VALUES@
        *) if _splitmount_takes "$cmd:$prev"; then return
        elif [[ $cur == -* ]]; then
            case "$cmd" in
                @OPTIONS@
            esac
        else
            case "$cmd:$at" in
                @POSITIONALS@
            esac
        fi ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _splitmount splitmount
"""


def bash(commands: Sequence[CommandWords]) -> str:
    """A function that bash calls for the words so far."""
    takes, values, options, positionals = [], [], [], []
    for command in commands:
        options.append(f"{quoted(command.name)}) words={quoted(' '.join(_names(command)))} ;;")
        for word in (w for w in command.options if w.value):
            patterns = [f"{command.name}:{name}" for name in word.names]
            takes += patterns
            values += [f"{'|'.join(patterns)}) {_bash_value(word)} ;;"] if _offers(word) or word.files else []
        places = command.positionals if command.name else (Word((), "COMMAND", "", tuple(c.name for c in commands if c.name)),)
        for at, word in enumerate(places):
            positionals += [f"{command.name}:{at}) {_bash_value(word)} ;;"] if _offers(word) else []
    blocks = {"VALUES": values, "OPTIONS": options, "POSITIONALS": positionals}
    out = _BASH.replace("@TAKES@", "|".join(takes))
    for name, lines in blocks.items():
        indent = next(row for row in _BASH.splitlines() if f"@{name}@" in row).partition("@")[0]
        out = out.replace(f"@{name}@", f"\n{indent}".join(lines))
    return out


def _bash_value(word: Word) -> str:
    if word.files:
        return "compopt -o default 2> /dev/null; return"
    return f"words=$(_splitmount_names {NAMED[word.value]})" if _is_name(word) else f"words={quoted(' '.join(word.choices))}"


def _is_name(word: Word) -> bool:
    return word.value in NAMED and not word.choices


def _offers(word: Word) -> bool:
    return bool(word.choices) or _is_name(word)


def _names(command: CommandWords) -> list[str]:
    return [name for word in command.options for name in word.names]


def quoted(text: str) -> str:
    """A word for a shell that is between apostrophes whatever is in it."""
    return "'" + text.replace("'", "'\\''") + "'"


# --- zsh --------------------------------------------------------------------------------------------------------------


def zsh(commands: Sequence[CommandWords]) -> str:
    """A function for `_arguments`; to be put into a file `_splitmount` of `fpath`, or evaluated after compinit."""
    top, *rest = commands
    offers = " ".join(quoted(f"{c.name}:{c.about}") for c in rest)
    cases = "\n".join(f"                {c.name}) _arguments {_zsh_words(c)} ;;" for c in rest)
    return f"""#compdef {PROGRAM}
_{PROGRAM}_names() {{
    local -a found
    found=(${{(f)"$({PROGRAM} ${{config:+--config}} ${{config:+${{~config}}}} names $@ 2> /dev/null)"}})
    compadd -a found
}}
_{PROGRAM}() {{
    local context state state_descr line config
    typeset -A opt_args
    _arguments -C {_zsh_words(top)} '1: :->command' '*:: :->words'
    config=${{opt_args[--config]}}
    case $state in
        command)
            local -a commands
            commands=({offers})
            _describe command commands ;;
        words)
            case $words[1] in
{cases}
            esac ;;
    esac
}}
if [ "$funcstack[1]" = _{PROGRAM} ]; then _{PROGRAM} "$@"; else compdef _{PROGRAM} {PROGRAM}; fi
"""


def _zsh_words(command: CommandWords) -> str:
    out = []
    for word in command.options:
        value = f":{_zsh(word.value)}:{_zsh_value(word)}" if word.value else ""
        out += [quoted(f"{name}[{_zsh(word.about)}]{value}") for name in word.names]
    out += [quoted(f":{'' if w.least else ':'}{_zsh(w.value)}:{_zsh_value(w)}") for w in command.positionals]
    return " ".join(out)


def _zsh(text: str) -> str:
    return "".join(f"\\{c}" if c in "[]:\\" else c for c in text)


def _zsh_value(word: Word) -> str:
    if _is_name(word):
        return f" _{PROGRAM}_names {NAMED[word.value]}"  # the blank: to be called with these words alone
    return "_files" if word.files else (f"({' '.join(word.choices)})" if word.choices else " ")


# --- fish -------------------------------------------------------------------------------------------------------------


# Whether the command so far is this one; without a word, whether there is none yet.
_FISH = """complete -c splitmount -f
function __splitmount_at
    set -l skip 0
    for word in (commandline -opc)[2..]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case @TAKES@
                set skip 1
            case '-*'
            case '*'
                test "$word" = "$argv[1]"
                return
        end
    end
    test -z "$argv[1]"
end
function __splitmount_names
    set -l words (commandline -opc)
    set -l config
    if set -l at (contains -i -- --config $words)
        set config --config $words[(math $at + 1)]
    end
    for word in (string match -- '--config=*' $words)
        set config $word
    end
    splitmount $config names $argv 2>/dev/null
end
"""


def fish(commands: Sequence[CommandWords]) -> str:
    """One line for each word; to be put into `completions/splitmount.fish`."""
    top, *rest = commands
    out = [_FISH.replace("@TAKES@", " ".join(name for w in top.options if w.value for name in w.names)).rstrip()]
    out += [f"complete -c {PROGRAM} -n __splitmount_at -a {c.name} -d {_fish(c.about)}" for c in rest]
    for command in commands:
        head = f"complete -c {PROGRAM} -n {_fish(f'__splitmount_at {command.name}'.strip())}"
        for word in command.options:
            names = " ".join(f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in word.names)
            out.append(f"{head} {names}{_fish_value(word)} -d {_fish(word.about)}")
        out += [f"{head} -a {_fish(_fish_offer(w))}" for w in command.positionals if _offers(w)]
    return "\n".join(out) + "\n"


def _fish_value(word: Word) -> str:
    if word.files:
        return " -r -F"
    return (f" -x -a {_fish(_fish_offer(word))}" if _offers(word) else " -x") if word.value else ""


def _fish_offer(word: Word) -> str:
    return f"(__splitmount_names {NAMED[word.value]})" if _is_name(word) else " ".join(word.choices)


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SHELLS: Mapping[str, Callable[[Sequence[CommandWords]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
