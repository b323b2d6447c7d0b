"""The command: reads its words, and only then imports what they need. `--help` knows neither textual nor asyncssh."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from core.errors import ConfigError, SplitmountError
from tui.plain import printable
from tui.say import complain, forgiving

VERSION = "0.1.0"

_EXITS = """exit codes:
  0  done
  2  usage or configuration
  3  refused by a check, nothing changed
  4  failed, and what was done on the target was taken back
  5  failed and needs attention (says what)
  6  outcome unknown
"""


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

    add("inspect", "measure hosts and pairs and show them; changes nothing").add_argument("name", nargs="?", metavar="SET|HOST")
    map_ = add("map", "discover, verify and keep the map of a set; with --out write it to a directory and change nothing else")
    map_.add_argument("set", metavar="SET")
    map_.add_argument("--out", type=Path, metavar="DIR")
    _operation(add("plan", "show what a run would do; changes nothing"))
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
    history = add("history", "the runs of this console")
    history.add_argument("run", nargs="?", type=int, metavar="RUN")
    history.add_argument(
        "--verify", action="store_true", help="is the journal what was written, and can the kept maps be used?"
    )
    history.add_argument("--head", default="", metavar="HASH", help="with --verify: a hash that was noted then must be in it")
    _recovery(add)
    add("backups", "the backups of a set").add_argument("set", metavar="SET")
    restore = add("restore-files", "restore a backup into an empty directory of the target")
    restore.add_argument("set", metavar="SET")
    restore.add_argument("backup", metavar="BACKUP")
    restore.add_argument("--to", required=True, metavar="DIR", dest="directory")
    add("check", "try every host, array and repository of the configuration; read-only")
    sudoers = add("sudoers", "print what an account may run as root on a host: a file for sudoers, or lines for Solaris' RBAC")
    sudoers.add_argument("host", metavar="HOST")
    sudoers.add_argument("--role", choices=["inspector", "operator"], default="inspector")
    sudoers.add_argument("--account", default="", metavar="NAME", help="the account; else the user of the configuration")
    trust = add("trust", "show a host's key, and store it in our known_hosts")
    trust.add_argument("host", metavar="HOST")
    trust.add_argument("--yes", action="store_true", help="store it without asking: you have compared the fingerprint already")
    demo = commands.add_parser("demo", help="open the console on an estate of emulated hosts; nothing in it is real")
    demo.add_argument("--plain", action="store_true", help="print what the console would show first, and end")
    demo.add_argument(
        "--serve", action="store_true", help="no console: keep the estate up, and print where its configuration is"
    )
    demo.add_argument("--size", type=int, metavar="N", help="another estate: N sources of 64 devices each")
    demo.add_argument("--fault", action="append", metavar="NAME@HOST", help="switch an accident on; `--fault list` names them")
    return top


def _recovery(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
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
    recover.add_argument("--confirm", metavar="SET", default="", help="with --give-up: the set's name once more")
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    forgiving()
    options = parser().parse_args(arguments)
    try:
        if options.command == "demo":
            from tui.demo import run_demo

            return run_demo(options)
        if options.command is None:
            return _console(options)
        from tui import cli

        return cli.run(options)
    except SplitmountError as error:
        complain(f"splitmount: {error.title}: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _console(options: argparse.Namespace) -> int:
    if os.environ.get("TERM", "dumb") == "dumb" or not sys.stdout.isatty() or not sys.stdin.isatty():
        raise ConfigError("the console needs a terminal; use a command instead: inspect, plan, run, history (see --help)")
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")  # operators sit behind slow lines; read when textual is imported
    from core.config import load
    from tui.wiring import build_engine, carrier_of

    settings = load(options.config)
    if settings.path is None:
        raise ConfigError(
            "no splitmount.yaml here nor in the user's configuration; see docs/configuration.md, or try: splitmount demo"
        )
    carrier = carrier_of(settings, options.read_only, options.record, options.replay)
    engine = build_engine(settings, options.read_only, carrier)
    try:
        from tui.app import run_console

        return run_console(engine)
    finally:
        engine.close()


if __name__ == "__main__":
    sys.exit(main())
