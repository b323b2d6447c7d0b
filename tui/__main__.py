"""The command: reads its words, and only then imports what they need. `--help` knows neither textual nor asyncssh."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.errors import ConfigError, SplitmountError
from tui.arguments import parser
from tui.browser import end_with_the_server, in_browser
from tui.look import AGAIN, Look, look_from
from tui.say import complain, forgiving, say, unread

if TYPE_CHECKING:
    from core.facade import Facade
    from tui.answers import Person, Tell


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    forgiving()
    try:
        try:
            return _command(arguments)
        finally:
            sys.stdout.flush()  # whether anybody reads it shows now, or at the end of the process as noise
    except BrokenPipeError:
        return unread()


def _command(arguments: Sequence[str] | None) -> int:
    options = parser().parse_args(arguments)
    try:
        if options.command == "demo":
            from tui.demo import run_demo

            return run_demo(options)
        if options.command == "init":
            from tui.init import run as run_init

            return run_init(options)
        if options.command == "completion":
            from tui.completion import SHELLS
            from tui.words import commands_of

            say(*SHELLS[options.shell](commands_of(parser())).splitlines())
            return 0
        if options.command == "names":
            from tui.known import known

            say(*known(options.kinds, options.config))
            return 0
        if options.command == "serve":
            from tui.serve import run_serve

            return run_serve(options)
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
    seen = in_browser() or (os.environ.get("TERM", "dumb") != "dumb" and sys.stdout.isatty() and sys.stdin.isatty())
    if not seen:
        raise ConfigError("the console needs a terminal; use a command instead: inspect, plan, run, history (see --help)")
    os.environ.setdefault("TEXTUAL_FPS", "120")  # a key waits for a frame or two; nothing is drawn where nothing changed
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")  # operators sit behind slow lines; read when textual is imported
    look = look_from(options)
    while (code := _console_once(options, look)) == AGAIN and not in_browser():
        pass  # the configuration was written anew; a browser begins anew by itself
    return code


def _console_once(options: argparse.Namespace, look: Look) -> int:
    """The console on the configuration as it is now; without any it asks for one."""
    from core.config import load
    from tui.app import run_console
    from tui.later import LateEngine

    settings = load(options.config)

    def make() -> Facade:
        from tui.wiring import build_engine, carrier_of

        carrier = carrier_of(settings, options.read_only, options.record, options.replay)
        return build_engine(settings, options.read_only, carrier)

    def ask(person: Person, tell: Tell) -> bool:
        from tui.init import begin
        from tui.initoptions import nothing

        return begin(nothing(options.config, options.read_only), person, tell)

    engine = LateEngine(settings, options.read_only or options.replay is not None, make)
    if in_browser():
        end_with_the_server(engine)
    try:
        return run_console(engine, look=look, talk=None if options.replay else ask)
    finally:
        engine.close()


if __name__ == "__main__":
    sys.exit(main())
