"""A plan as a POSIX shell script that does the same over OpenSSH, for the day when this tool is not there.

Every step that has a command sends those very bytes, with their fence, as a job in a directory that can be made once. What has
no command (measuring, waiting for the array, the backup itself) is told, and waits for a person. The script keeps late values
and what it did in a directory of its own, so that it can go on, or take back in reverse.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from importlib.resources import files

from core.errors import Refused
from core.plan import Plan, Step, StepKind
from core.settings import HostSettings, Settings
from core.transport import Channel, Command, late_names, shown
from tui.plain import line

_SENT = frozenset({StepKind.COMMAND, StepKind.OWN_FILES, StepKind.KEEP_MAP})


def script_of(plan: Plan, settings: Settings) -> str:
    """The whole script. What hosts said is quoted, or in here-documents that end with a mark that is not in them.

    Refused for a plan that overwrites the source or takes its place: that needs the console's measurements at every step.
    """
    if plan.confirm:
        raise Refused(
            f"{plan.operation} has no script, only a runbook (a name that ends in .md): it must be measured at every step"
        )
    head = [
        "#!/bin/sh",
        _comment(f"{plan.operation} of {plan.set_name}, by hand: {len(plan.steps)} steps"),
        _comment(f"from the plan made at {plan.made_at:%Y-%m-%d %H:%M:%S} UTC, digest {plan.digest}"),
        *(_comment(text) for text in plan.summary),
        *(_comment(f"pair {p.std}/{p.bcv} was {state.value}") for p, state in plan.start_states),
    ]
    numbers = {step.id: number for number, step in enumerate(plan.steps, 1)}
    parts = [*head, files("tui").joinpath("byhand.sh").read_text("utf-8"), _hosts(plan, settings)]
    undo = [_undo(step, numbers, settings) for step in reversed(plan.steps) if step.undo is not None]
    parts += ["if [ $UNDO = yes ]; then", *undo, "echo; echo 'taken back'; exit 0", "fi"]
    parts += [_step(step, plan.steps, numbers, settings) for step in plan.steps]
    return "\n".join([*parts, "echo; echo 'all steps done'", ""])


def _comment(text: str) -> str:
    return f"# {line(text)}"


def _word(text: str) -> str:
    return shlex.quote(line(text))


def _hosts(plan: Plan, settings: Settings) -> str:
    """The function `at HOST COMMAND`, with how each host of the plan is reached."""
    names = dict.fromkeys(c.host for s in plan.steps for c in (s.command, s.undo) if c is not None)
    rows = [f'  {shlex.quote(name)}) $SSH {_reach(settings.hosts[name], settings)} "$2";;' for name in names]
    return "\n".join(["at() { # HOST COMMAND", "case $1 in", *rows, '  *) echo "unknown host $1" >&2; return 2;;', "esac", "}"])


def _reach(host: HostSettings, settings: Settings) -> str:
    known = f"UserKnownHostsFile={settings.known_hosts} ~/.ssh/known_hosts"
    words = ["-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", known, "-p", str(host.port)]
    words += ["-i", str(host.key)] if host.key is not None else []
    words += ["-J", _jump(host.jump, settings)] if host.jump else []
    words += ["-l", host.user] if host.user else []
    return shlex.join([*words, "--", host.address])


def _jump(name: str, settings: Settings) -> str:
    if name not in settings.hosts:
        return name
    host = settings.hosts[name]
    return f"{f'{host.user}@' if host.user else ''}{host.address}:{host.port}"


def _step(step: Step, steps: Sequence[Step], numbers: dict[str, int], settings: Settings) -> str:
    number = numbers[step.id]
    body = [*_body(step, f"{number:04d}-{step.id}", str(number), settings)]
    if step.undoes in numbers:
        body.append(f'rm -f "$HERE/done/{numbers[step.undoes]}"')
    if _within_freeze(step, steps):
        body = ["[ -n \"$HOLDER\" ] || stop 'nothing is frozen: begin anew'", *body]
    return "\n".join([f"if begin_step {number} {_word(f'{step.title} ({step.host})')}; then", *body, "fi"])


def _within_freeze(step: Step, steps: Sequence[Step]) -> bool:
    """Whether the step comes after a freeze and before its thaw."""
    before = [s.kind for s in steps[: [s.id for s in steps].index(step.id)] if s.kind in (StepKind.HOLD, StepKind.RELEASE)]
    return before[-1:] == [StepKind.HOLD] and step.kind is not StepKind.RELEASE


def _body(step: Step, name: str, place: str, settings: Settings) -> list[str]:
    command = step.command
    if step.kind is StepKind.DEPOSIT:
        return ["echo 'left out: what it leaves on the target is for the console alone'"]
    if step.kind is StepKind.RELEASE:
        return ["release"]
    if command is not None and step.kind is StepKind.HOLD:
        return [
            "if [ $YES = no ]; then ask 'freeze? type yes:'; fi",
            f"hold {shlex.quote(step.host)} {shlex.quote(shlex.quote(command.script))}",
        ]
    if command is not None and step.kind in _SENT and command.channel is Channel.SHELL:
        return ["if [ $YES = no ]; then ask 'do it? type yes:'; fi", *_job(command, name, place, settings)]
    return _manual(step)


def _manual(step: Step) -> list[str]:
    """Told, with the exact command where there is one; a person does it, and says so."""
    out = []
    if step.command is not None:
        where = f" to the socket {step.command.socket}" if step.command.socket else ""
        out = [f"echo {_word(f'the tool would send, on {step.command.host}{where}:')}"]
        out += [f"echo {_word('  | ' + text)}" for text in shown(step.command).strip().splitlines()]
    return [*out, f"by_hand {_word(step.explain.what)} {_word(step.explain.by_hand)}"]


def _job(command: Command, name: str, place: str, settings: Settings, missing: str = "stop 'a value is missing'") -> list[str]:
    """The shell lines that send a command; `name` is shell text for its directory, `missing` what to do without a late value."""
    names = late_names(command)
    values = [f"v{n}=`value {shlex.quote(late)}` || {missing}" for n, late in enumerate(names)]
    binds = [f'-e "s|@{{{re.escape(late).replace("/", chr(92) + "/")}}}@|$v{n}|g"' for n, late in enumerate(names)]
    mark = "END-OF-STEP"
    while f"\n{mark}\n" in f"\n{command.script}\n":
        mark += "-"
    text = command.script if command.script.endswith("\n") else f"{command.script}\n"
    head = f'job {shlex.quote(command.host)} {shlex.quote(settings.hosts[command.host].work_dir)} "{name}" {place}'
    return [*values, f"{head} {' '.join(binds) or '-e p -n'} <<'{mark}'", text + mark]


def _undo(step: Step, numbers: dict[str, int], settings: Settings) -> str:
    command, number = step.undo, numbers[step.id]
    if command is None:
        return ""
    body = [f"N={number}; echo; echo {_word(f'--- taking back {number}. {step.title}')}"]
    if command.channel is Channel.SHELL:
        body += ["if [ $YES = no ]; then ask 'take it back? type yes:'; fi"]
        body += _job(command, f"{number:04d}-undo-{step.id}-$$", f"undo-{number}", settings, missing=":")
    else:
        body += [f"echo {_word('  | ' + text)}" for text in shown(command).strip().splitlines()]
        body.append(f"by_hand {_word(command.title)} {_word('Send the lines shown.')}")
    return "\n".join([f'if [ -f "$HERE/done/{number}" ]; then', *body, f'rm -f "$HERE/done/{number}"', "fi"])
