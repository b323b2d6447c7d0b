"""The command line: what may be typed. Nothing is imported for it but argparse and words."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tui import initoptions
from tui.look import THEMES
from tui.plain import printable

Add = Callable[[str, str], argparse.ArgumentParser]  # a command that can answer in JSON, by its name and what it does
VERSION = "0.1.0"

_COMPLETION = "print the completion of commands, options and names for bash, zsh or fish"
_NAMES = "print the names that the configuration has, one a line: what the completion of a shell offers; asks no host"
_DEMO = "open the console on an estate of emulated hosts; nothing in it is real"
_EXITS = """exit codes:
  0  done
  2  usage or configuration
  3  refused by a check, nothing changed
  4  failed, and what was done on the target was taken back
  5  failed and needs attention (says what)
  6  outcome unknown
  130  interrupted (Ctrl-C) where no run was under way
  141  nobody read what was shown (a closed pipe); a run goes on to its end and gives its own code
"""
_SERVE = "the console in a browser on this machine, read-only; prints its secret address"


class _Parser(argparse.ArgumentParser):
    """Its errors quote what was typed, or what a script passed on: made printable, as all else."""

    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message(printable(message), file)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(
        prog="splitmount",
        description="Split array mirrors, mount them on another host, back them up, and put them back. Without a command: the console.",
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"splitmount {VERSION}")
    top.add_argument(
        "--config", type=Path, metavar="FILE", help="default: splitmount.yaml here, then in the user's configuration"
    )
    top.add_argument("--read-only", action="store_true", help="refuse every change, in the transport")
    _appearance(top)
    transcript = top.add_mutually_exclusive_group()
    transcript.add_argument(
        "--record", type=Path, metavar="FILE", help="append what hosts and arrays answer to FILE; as confidential as they are"
    )
    transcript.add_argument(
        "--replay", type=Path, metavar="FILE", help="answer from such a file instead of from hosts; nothing can be changed"
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text)
        one.add_argument("--json", action="store_true", help="machine-readable output")
        return one

    _looking(add)
    _running(add)
    _looking_back(add)
    _recovery(add)
    _backups(add)
    _setting_up(add)
    _apart(commands)
    return top


def _looking(add: Add) -> None:
    """What hosts and arrays hold, asked or saved."""
    inspect = add("inspect", "measure hosts and pairs and show them; changes nothing")
    inspect.add_argument("name", nargs="?", metavar="SET|HOST")
    inspect.add_argument(
        "--from",
        dest="from_dir",
        type=Path,
        metavar="DIR",
        help="ask nobody: look at the files in DIR that `collect` made hosts write; without a configuration, at each by itself",
    )
    collect = add(
        "collect", "print a script for a host without access: it saves there what `inspect --from` reads, and changes nothing"
    )
    of = collect.add_mutually_exclusive_group(required=True)
    of.add_argument(
        "--print", dest="system", choices=["aix", "hpux", "linux", "solaris"], help="of a host with this system: HOSTNAME.facts"
    )
    of.add_argument(
        "--array", default="", metavar="ARRAY", help="of an array of the configuration, on its management host: ARRAY.array"
    )


def _running(add: Add) -> None:
    """Maps, plans and runs."""
    map_ = add("map", "discover, verify and keep the map of a set; with --out write it to a directory and change nothing else")
    map_.add_argument("set", metavar="SET")
    map_.add_argument("--out", type=Path, metavar="DIR")
    plan = add("plan", "show what a run would do; changes nothing")
    _operation(plan)
    plan.add_argument(
        "--export", type=Path, metavar="FILE", help="write it to a new file: a runbook (FILE.md), or a shell script (FILE.sh)"
    )
    plan.add_argument(
        "--from-dir", type=Path, metavar="DIR", help="ask nobody: plan from the files in DIR, as `inspect --from` reads them"
    )
    run = add("run", "do it: backup, map, split, establish, cleanup, rehearse, restore, takeover, failback")
    _operation(run)
    run.add_argument(
        "--confirm",
        metavar="SET",
        default="",
        help="for restore, takeover and failback: the set's name once more, instead of --yes",
    )
    run.add_argument(
        "--yes", action="store_true", help="start without asking; without it the plan is shown and nothing is done"
    )


def _looking_back(add: Add) -> None:
    """The journal."""
    history = add("history", "the runs of this console")
    history.add_argument("run", nargs="?", type=int, metavar="RUN")
    history.add_argument(
        "--verify", action="store_true", help="is the journal what was written, and can the kept maps be used?"
    )
    history.add_argument("--head", default="", metavar="HASH", help="with --verify: a hash that was noted then must be in it")
    history.add_argument(
        "--evidence", type=Path, metavar="DIR", help="of RUN: write its records, hashes and timeline to a new directory"
    )
    history.add_argument("--play", action="store_true", help="of RUN: show it once more from the journal; nothing runs")
    history.add_argument(
        "--speed", type=_speed, default=1.0, metavar="N", help="with --play: N times as fast as it was; 0 for at once"
    )


def _backups(add: Add) -> None:
    """What is in the repository."""
    add("backups", "the backups of a set").add_argument("set", metavar="SET")
    restore = add("restore-files", "restore a backup into an empty directory of the target")
    restore.add_argument("set", metavar="SET")
    restore.add_argument("backup", metavar="BACKUP")
    restore.add_argument("--to", required=True, metavar="DIR", dest="directory")


def _setting_up(add: Add) -> None:
    """Accounts, keys, and whether all of it answers."""
    add("check", "try every host, array and repository of the configuration; read-only")
    sudoers = add("sudoers", "print what an account may run as root on a host: a file for sudoers, or lines for Solaris' RBAC")
    sudoers.add_argument("host", metavar="HOST")
    sudoers.add_argument("--role", choices=["inspector", "operator"], default="inspector")
    sudoers.add_argument("--account", default="", metavar="NAME", help="the account; else the user of the configuration")
    trust = add("trust", "show a host's key, and store it in our known_hosts")
    trust.add_argument("host", metavar="HOST")
    trust.add_argument("--yes", action="store_true", help="store it without asking: you have compared the fingerprint already")


def _apart(commands: Any) -> None:
    """Commands that answer a person alone."""
    initoptions.add_to(
        commands.add_parser("init", help=initoptions.WHAT, description=initoptions.WHAT, epilog=initoptions.MORE)
    )
    completion = commands.add_parser("completion", help=_COMPLETION, description=_COMPLETION)
    completion.add_argument("shell", choices=["bash", "zsh", "fish"], metavar="SHELL")
    names = commands.add_parser("names", help=_NAMES, description=_NAMES)
    names.add_argument("kinds", nargs="+", choices=["sets", "hosts", "arrays"], metavar="KIND")
    _serving(commands.add_parser("serve", help=_SERVE, description=_SERVE))
    demo = commands.add_parser("demo", help=_DEMO, description=_DEMO)
    demo.add_argument("--plain", action="store_true", help="print what the console would show first, and end")
    demo.add_argument(
        "--serve", action="store_true", help="no console: keep the estate up, and print where its configuration is"
    )
    other = demo.add_mutually_exclusive_group()
    other.add_argument("--size", type=int, metavar="N", help="another estate: N sources of 64 devices each")
    other.add_argument("--oracle", action="store_true", help="the same estate with an Oracle database on each source")
    demo.add_argument("--fault", action="append", metavar="NAME@HOST", help="switch an accident on; `--fault list` names them")


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 <= speed < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: a number from 0 on is wanted")
    return speed


def _serving(one: argparse.ArgumentParser) -> None:
    one.add_argument("--address", default="127.0.0.1", metavar="ADDRESS", help="127.0.0.1; any other is refused")
    one.add_argument("--port", type=int, default=0, metavar="N", help="default: one that is free")
    one.add_argument("--allow-changes", action="store_true", help="without it every console is read-only")


def _appearance(top: argparse.ArgumentParser) -> None:
    """How the console looks; None keeps what the person's console.yaml says."""
    top.add_argument("--theme", choices=THEMES, help="of the console; console.yaml beside the user's configuration has more")
    top.add_argument("--ascii", action="store_const", const=True, help="draw the console in ASCII alone")
    top.add_argument(
        "--no-color", action="store_const", const=False, dest="color", help="send no colour code; so does NO_COLOR"
    )
    top.add_argument("--no-mouse", action="store_const", const=False, dest="mouse", help="leave the mouse to the terminal")


def _recovery(add: Add) -> None:
    """The commands for runs without an end, and for locks and holds."""
    recover = add("recover", "runs that have no end: show them, go on with one, take one back, or hand one over to a person")
    recover.add_argument("run", nargs="?", type=int, metavar="RUN")
    way = recover.add_mutually_exclusive_group()
    way.add_argument("--resume", action="store_true", help="measure, then go on where it stopped")
    way.add_argument("--undo", action="store_true", help="measure, then take back what it did")
    way.add_argument("--by-hand", action="store_true", help="print the commands that take it back, for a person")
    way.add_argument("--give-up", metavar="REASON", default="", help="end it in the journal, because a person takes over")
    way.add_argument("--export", type=Path, metavar="FILE", help="write its journal to a new file, for another console")
    recover.add_argument("--leave-mirrors", action="store_true", help="with --undo: keep the point in time that it split")
    recover.add_argument(
        "--yes", action="store_true", help="start without asking; without it the plan is shown and nothing is done"
    )
    recover.add_argument(
        "--confirm", metavar="SET", default="", help="with --give-up, or --resume of what asks for it: the set's name once more"
    )
    take = add("take-up", "get runs into this journal: from another console's file, or from what they left on the target")
    take.add_argument("set", nargs="?", metavar="SET", default="")
    take.add_argument("--file", type=Path, metavar="FILE", help="what `recover RUN --export FILE` wrote")
    take.add_argument(
        "--key", default="", help="of SET, the run with this key; else the newest that this journal does not know"
    )
    hold = add("hold", "forbid every change of a set, from every console, until a time")
    hold.add_argument("set", metavar="SET")
    hold.add_argument("--until", required=True, metavar="TIME", help="90m, 8h, 3d, or 2026-12-24T18:00 (UTC)")
    hold.add_argument("--reason", required=True)
    for name, text in (("let-go", "end the hold of a set"), ("unlock", "take away the lock of a run that is dead for good")):
        one = add(name, text)
        one.add_argument("set", metavar="SET")
        one.add_argument("--confirm", metavar="SET", default="", help="the set's name once more; without it the plan is shown")


def _operation(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "operation", choices=["backup", "map", "split", "establish", "cleanup", "rehearse", "restore", "takeover", "failback"]
    )
    one.add_argument("set", metavar="SET")
    one.add_argument("--pre-policy", metavar="POLICY")
    one.add_argument("--post-policy", metavar="POLICY")
    one.add_argument("--allow-mixed", action="store_true", help="go on with a set that is not one point in time")
    one.add_argument("--full", action="store_true", help="copy everything when establishing or restoring")
    one.add_argument("--mirror", type=int, default=1, metavar="N", help="work with the N-th BCV of each standard")
    one.add_argument(
        "--from", dest="from_", default="", metavar="bcv|BACKUP", help="what a restore takes: the mirror, or a backup"
    )
    one.add_argument(
        "--path", action="append", default=[], help="of a backup, only this file or directory of the source; may be repeated"
    )
    one.add_argument("--via-bcv", action="store_true", help="put a backup onto the BCVs first, then copy BCV -> STD")
    one.add_argument(
        "--recover-to",
        default="",
        metavar="TIME",
        help="after a restore the database goes on to this time with its archived log (ISO 8601; UTC where it names no zone)",
    )
    one.add_argument(
        "--keep-today",
        default="",
        choices=["mirror", "backup"],
        help="before a restore overwrites anything, keep today's state: on another mirror, or as a backup",
    )
    one.add_argument(
        "--compare",
        default="sample",
        choices=["sample", "all", "none"],
        help="how much of each standard is compared with its BCV after a restore from the mirror",
    )
    one.add_argument("--group", action="append", default=[], metavar="VG", help="only this group of the set; may be repeated")
    one.add_argument(
        "--override",
        action="append",
        default=[],
        metavar="CODE=REASON",
        help="go on although a condition is not met; the journal keeps why",
    )
