"""The commands for runs without an end, and for locks and holds: the same engine, in plain lines or JSON."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.engine import Engine
from core.errors import ConfigError, Refused
from core.facade import PlanRequest
from core.plan import Plan
from core.recovery import lines_of
from tui.lines import answer, plan_lines
from tui.newfile import write_new
from tui.progress import tell_run
from tui.say import say, unstopped


def recover(options: argparse.Namespace, engine: Engine) -> int:
    """Show runs without an end; with a number, do about it what was asked for."""
    if options.run is None:
        if options.resume or options.undo or options.by_hand or options.give_up or options.export:
            raise ConfigError("say which run: splitmount recover lists them")
        accounts = engine.unfinished().result()
        if options.json:
            return answer(accounts)
        say(*([line for one in accounts for line in (*lines_of(one), "")] or ["every run has an end"]))
        return 5 if accounts else 0
    if options.export:
        return _export(options.export, engine.export_run(options.run).result())
    if options.give_up:
        engine.give_up(options.run, options.give_up, options.confirm).result()
        with unstopped():
            say(f"run {options.run} has an end in the journal: a person takes over")
        return 0
    account = engine.account(options.run).result()
    if options.by_hand:
        say(*("\n".join(account.by_hand).splitlines() or ["there is nothing to take back, by the journal"]))
        return 0
    if options.undo:
        request = PlanRequest("undo", account.set_name, run=options.run, leave_mirrors=options.leave_mirrors)
        return confirmed_run(engine, engine.plan(request).result(), options)
    agreed = options.confirm == account.confirm if account.confirm else options.yes
    if options.resume and (agreed or account.ended):  # of one that has ended the engine says why not
        return tell_run(engine, lambda: engine.resume(options.run, confirmed=options.confirm).result(), as_json=options.json)
    if options.json and not options.resume:
        return answer(account)
    say(*lines_of(account))
    if options.resume:
        say("", "what it still sends:", *("\n".join(account.still_to_send).splitlines()))
        how = f"--confirm {account.confirm}" if account.confirm else "--yes"
        raise Refused(f"nothing was done. Add {how} to go on with it")
    return 0


def _export(path: Path, text: str) -> int:
    write_new(path, text)
    say(f"written to {path}; on the other console: splitmount take-up --file FILE")
    return 0


def take_up(options: argparse.Namespace, engine: Engine) -> int:
    """Get runs into this journal."""
    if bool(options.file) == bool(options.set):
        raise ConfigError("take-up needs either a SET, whose target is asked, or --file FILE")
    if options.file:
        try:
            text = options.file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{options.file}: {error}") from error
        runs = [engine.import_run(text).result()]
    else:
        runs = [*engine.rebuild_runs(options.set, options.key).result()]
    with unstopped():  # they are in the journal, whoever reads it
        if options.json:
            return answer(runs)
        say(*(f"run {run} is in the journal of this console now: splitmount recover {run}" for run in runs))
    return 0


def claim(options: argparse.Namespace, engine: Engine) -> int:
    """Hold, let go, unlock."""
    until, reason = getattr(options, "until", ""), getattr(options, "reason", "")
    plan = engine.plan(PlanRequest(options.command, options.set, until=until, reason=reason)).result()
    return confirmed_run(engine, plan, options)


def confirmed_run(engine: Engine, plan: Plan, options: argparse.Namespace) -> int:
    """Run a plan that was agreed to: by the typed name where it asks for one, else by --yes; a hold needs neither."""
    agreed = getattr(options, "confirm", "") == plan.confirm if plan.confirm else getattr(options, "yes", True)
    if not agreed:
        say(*plan_lines(plan))
        how = f"--confirm {plan.confirm}" if plan.confirm else "--yes"
        raise Refused(f"this is the plan; nothing was done. Add {how} to run it")
    return tell_run(engine, lambda: engine.start(plan, confirmed=plan.confirm).result(), as_json=options.json)
