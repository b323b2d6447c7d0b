"""The one table of keys: bindings, footer, help, the palette and docs/keys.md are all made from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True, slots=True)
class Key:
    """A key on a screen. `shown` puts it in the footer; `help` is the sentence of the help screen."""

    screen: str
    keys: str
    action: str
    label: str
    help: str
    shown: bool = True

    @property
    def id(self) -> str:
        """The name by which a person's console.yaml gives it other keys: `start.backup`."""
        return f"{self.screen}.{self.label.lower().replace(' ', '-')}"


KEYS: tuple[Key, ...] = (
    Key("everywhere", "question_mark", "app.help", "Help", "show this page"),
    Key("everywhere", "slash", "filter", "Filter", "show only lines with some letters; Escape clears it"),
    Key("everywhere", "q,ctrl+q", "app.leave", "Quit", "leave; during a run it asks, and never leaves a source frozen"),
    Key(
        "everywhere",
        "colon,ctrl+p",
        "app.find",
        "Find",
        "find any command, set, host, device serial or mount point, and go there",
    ),
    Key("start", "b", "plan('backup')", "Backup", "plan a backup of the set under the cursor; nothing runs before its preview"),
    Key("start", "s", "plan('split')", "Split", "plan a split"),
    Key("start", "e", "plan('establish')", "Establish", "plan an establish"),
    Key("start", "m", "plan('map')", "Map", "plan to keep a new map"),
    Key(
        "start", "o", "guide('restore')", "Restore", "the guide that puts a point in time back: from a mirror, or from a backup"
    ),
    Key("start", "T", "guide('takeover')", "Take over", "the guide that lets the target take the place of a dead source"),
    Key("start", "F", "guide('failback')", "Failback", "the guide of the way back after a takeover", shown=False),
    Key("start", "R", "plan('rehearse')", "Rehearse", "plan a takeover that leaves nothing behind", shown=False),
    Key("start", "c", "plan('cleanup')", "Cleanup", "plan to remove what an earlier run left on the target", shown=False),
    Key(
        "start",
        "u",
        "recover",
        "No end",
        "a run of the set that has no end: what is known, resume it, take it back",
        shown=False,
    ),
    Key("start", "r", "measure", "Measure", "measure all sets and hosts again"),
    Key("start", "w", "watch", "Watch", "begin or end the watch over the mirrors of every set", shown=False),
    Key("start", "L", "log", "Log", "the activity log with the exact text of every command", shown=False),
    Key("start", "H", "history", "History", "the runs of this console; each can be played once more", shown=False),
    Key("start", "B", "backups", "Backups", "the backups of the set under the cursor", shown=False),
    Key("start", "D", "lessons", "Lessons", "in the demonstration: the offer of lessons again", shown=False),
    Key("start", "A", "accidents", "Accidents", "in the demonstration: switch accidents on and off", shown=False),
    Key("start", "tab", "app.focus_next", "Next pane", "go to the next pane", shown=False),
    Key("start", "escape", "back", "Clear", "clear the filter", shown=False),
    Key("start", "p", "picture", "Picture", "the set under the cursor as a picture, with the state of every link", shown=False),
    Key("start", "n", "new_set", "New set", "add hosts, arrays and sets to the configuration, by questions", shown=False),
    Key("newset", "escape", "back", "Leave", "leave the questions; what was not written yet is as it was"),
    Key("newset", "pageup", "scroll(-1)", "Page up", "one page up", shown=False),
    Key("newset", "pagedown", "scroll(1)", "Page down", "one page down", shown=False),
    Key("plan", "r", "go(False)", "Run all", "run the plan to its end; asks once, and Enter never confirms"),
    Key("plan", "t", "go(True)", "Step by step", "run the plan, one key press a step"),
    Key("plan", "escape", "back", "Back", "leave the preview; nothing was done"),
    Key("guide", "escape", "back", "Back", "one decision back; nothing was done"),
    Key("guide", "m", "again", "Measure", "measure the conditions again"),
    Key(
        "guide",
        "w",
        "reason",
        "Give a reason",
        "go on although the condition under the cursor is not met; the journal keeps why",
    ),
    Key("guide", "c", "tidy", "Clean up", "plan the cleanup that frees the BCVs on the target"),
    Key("run", "n", "proceed(False)", "Next step", "let a paused run do its next step"),
    Key("run", "a", "proceed(True)", "All the rest", "let a paused run go on to its end"),
    Key(
        "run", "x", "stop", "Stop after step", "stop when the current step has ended; what was done on the target is taken back"
    ),
    Key("run", "L", "log", "Log", "the activity log"),
    Key("run", "p", "picture", "Picture", "the set as a picture, which follows the run"),
    Key("run", "escape", "back", "Back", "go back when the run has ended"),
    Key("recover", "r", "resume", "Resume", "go on with it where it stopped, after measuring; asks once"),
    Key("recover", "u", "undo", "Take back", "plan to take back what it did; nothing runs before its preview"),
    Key("recover", "escape", "back", "Back", "leave it as it is"),
    Key("list", "up,k", "move(-1)", "Up", "one line up", shown=False),
    Key("list", "down,j", "move(1)", "Down", "one line down", shown=False),
    Key("list", "pageup", "page(-1)", "Page up", "one page up", shown=False),
    Key("list", "pagedown", "page(1)", "Page down", "one page down", shown=False),
    Key("list", "home,g", "edge(0)", "First", "the first line", shown=False),
    Key("list", "end,G", "edge(1)", "Last", "the last line", shown=False),
    Key("list", "enter,space", "open_or_close", "Open", "open or close what is under the cursor", shown=False),
    Key("list", "left,h", "fold_up", "Close", "close it, or go to what it belongs to", shown=False),
    Key("list", "right,l", "unfold", "Unfold", "open it", shown=False),
    Key("picture", "escape", "back", "Back", "close the picture"),
    Key("log", "y", "copy(False)", "Copy", "copy the command under the cursor to the clipboard (OSC 52) and to a file"),
    Key("log", "Y", "copy(True)", "Copy all", "copy all commands that the filter shows"),
    Key("log", "escape", "back", "Back", "close the log"),
    Key("history", "p", "play", "Play", "the run under the cursor once more, from the journal; nothing runs"),
    Key("history", "escape", "back", "Back", "close the history"),
    Key("replay", "p", "hold", "Hold", "stand still, or go on"),
    Key("replay", "f", "pace(1)", "Faster", "faster"),
    Key("replay", "s", "pace(-1)", "Slower", "slower"),
    Key("replay", "e", "finish", "To the end", "all that is left, at once"),
    Key("replay", "escape", "back", "Back", "close the replay"),
    Key("text", "escape,q", "back", "Back", "close this page"),
    Key("text", "up,k", "scroll(-1)", "Up", "one line up", shown=False),
    Key("text", "down,j", "scroll(1)", "Down", "one line down", shown=False),
    Key("text", "home,g", "edge(0)", "First", "the first line", shown=False),
    Key("text", "end,G", "edge(1)", "Last", "the last line", shown=False),
    Key("school", "escape", "back", "Look around", "close the offer"),
    Key("find", "escape", "back", "Back", "find nothing, stay where you were"),
    Key("find", "up", "move(-1)", "Up", "one line up, while letters are typed", shown=False),
    Key("find", "down", "move(1)", "Down", "one line down, while letters are typed", shown=False),
    Key("find", "enter", "take", "Take", "do the command, or go to the place"),
)

Changed = Mapping[str, str]  # other keys for some actions, by `Key.id`; several are parted by commas
_NAMES: Mapping[str, str] = {
    "question_mark": "?", "slash": "/", "colon": ":", "escape": "Esc", "pageup": "PgUp", "pagedown": "PgDn",
    "up": "Up", "down": "Down", "left": "Left", "right": "Right", "home": "Home", "end": "End", "enter": "Enter", "space": "Space", "tab": "Tab",
}  # fmt: skip
_SIGNS: Mapping[str, str] = {"?": "question_mark", "/": "slash", ":": "colon"}
FIRST = ("app.help", "app.find")  # of the footer, at every width


def bindings(*screens: str) -> list[BindingType]:
    """The bindings of some screens, for a BINDINGS attribute; their ids let `set_keymap` give them other keys."""
    return [Binding(k.keys, k.action, k.label, show=k.shown, id=k.id) for k in KEYS if k.screen in screens]


def pressed(key: Key, changed: Changed) -> tuple[str, ...]:
    """The keys that do it, as Textual names them."""
    return tuple(changed.get(key.id, key.keys).split(","))


def name_of(key: str) -> str:
    """A key as a person names it: `?`, Esc, Ctrl+P."""
    if key.startswith("ctrl+"):
        return f"Ctrl+{key.removeprefix('ctrl+').upper()}"
    return _NAMES.get(key, key)


def names_of(key: Key, changed: Changed) -> str:
    """All keys that do it."""
    return ", ".join(name_of(one) for one in pressed(key, changed))


def of_page(screen: str, now: Sequence[str] = ()) -> Iterator[Key]:
    """The keys of a page that stand in its footer: help and the finder first, then what is due `now` (actions), those for leaving last."""
    everywhere = [k for k in KEYS if k.screen == "everywhere" and k.shown]
    yield from (k for k in everywhere if k.action in FIRST)
    yield from (k for k in KEYS if k.screen == screen and k.action in now)
    yield from (k for k in KEYS if k.screen == screen and k.shown and k.action not in now)
    yield from (k for k in everywhere if k.action not in FIRST)


def keymap_of(given: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """A person's own keys, and what is wrong with them: an action that is none, or a key of one screen that would do two things."""
    known = {key.id for key in KEYS}
    wrong = [f"{name}: there is no such action; docs/keys.md lists them" for name in given if name not in known]
    changed = {
        name: ",".join(_SIGNS.get(one.strip(), one.strip()) for one in keys.split(","))
        for name, keys in given.items()
        if name in known
    }
    wrong += [f"{name}: no key" for name, keys in changed.items() if not all(keys.split(","))]
    for screen in dict.fromkeys(k.screen for k in KEYS):
        before, after = clashes(screen, {}), clashes(screen, changed)
        wrong += [f"{name_of(key)} would do two things on {screen}" for key in sorted(after - before)]
    return changed, wrong


def clashes(screen: str, changed: Changed) -> set[str]:
    """The keys of a screen that do two things there."""
    here = (screen, "everywhere") if screen != "list" else ("list",)
    times = Counter(one for key in KEYS if key.screen in here for one in pressed(key, changed))
    return {key for key, n in times.items() if n > 1}


def help_lines(changed: Changed | None = None) -> list[str]:
    """The help page."""
    out: list[str] = []
    for screen in dict.fromkeys(k.screen for k in KEYS):
        out += ["", screen]
        out += [f"  {names_of(k, changed or {}):<16} {k.label:<16} {k.help}" for k in KEYS if k.screen == screen]
    return out[1:]


def document() -> list[str]:
    """docs/keys.md."""
    out = [
        "# Keys",
        "",
        "Made by `make keys` from the table that the console itself works with (`tui/keys.py`). `?` shows them, `:` finds each by name.",
        "Other keys are given by name in `console.yaml` beside the user's `splitmount.yaml` ([console.md](console.md)).",
    ]
    for screen in dict.fromkeys(k.screen for k in KEYS):
        out += ["", f"## {screen}", "", "| keys | name | what |", "|---|---|---|"]
        out += [f"| {names_of(k, {})} | `{k.id}` | {k.help} |" for k in KEYS if k.screen == screen]
    return out
