"""The commands beside the console: the same engine, in plain lines or JSON."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from core.config import load
from core.engine import Engine
from core.errors import ConfigError, Refused
from core.events import HostMeasured, SetMeasured
from core.evidence import check_journal, check_maps
from core.evidencepack import pack, rows_of
from core.facade import PlanRequest
from core.mapfile import build_map, mirror_map, write
from core.maps import MapKeeper
from core.model import Severity
from core.operations import pairs_in_use
from core.plan import Plan
from core.settings import PostPolicy, PrePolicy, Settings
from core.ssh import SshTransport
from core.trust import HostKey, default_files, store_key
from tui import accounts
from tui.byhand import script_of
from tui.lines import answer, plan_lines
from tui.newfile import write_new
from tui.offline import collect, dated, opened
from tui.outline import host_lines, set_lines
from tui.playing import play
from tui.progress import tell_run
from tui.recovering import claim, recover, take_up
from tui.runbook import runbook
from tui.say import complain, say, say_json, unstopped
from tui.wiring import build_engine, carrier_of


def run(options: argparse.Namespace) -> int:
    """Dispatch; the exit code."""
    settings = load(options.config)
    if options.command == "collect":
        return collect(options, settings)
    offline = getattr(options, "from_dir", None) is not None
    if settings.path is None and not (offline and options.command == "inspect"):
        raise ConfigError(
            "no splitmount.yaml here nor in the user's configuration; `splitmount init` makes one, `splitmount demo` needs none"
        )
    if offline:
        return _offline(options, settings)
    if options.command == "trust":
        return _trust(options, settings)
    if options.command == "sudoers":
        return accounts.run(options, settings)
    if options.command == "history" and options.evidence is not None:
        return _evidence(options, settings)
    if options.command == "history" and (options.verify or options.head):
        return _verify(options, settings)
    read_only = options.read_only or options.command not in _CHANGE
    return _with(build_engine(settings, read_only, carrier_of(settings, read_only, options.record, options.replay)), options)


def _with(engine: Engine, options: argparse.Namespace) -> int:
    try:
        return _COMMANDS[options.command](options, engine)
    finally:
        engine.close()


def _offline(options: argparse.Namespace, settings: Settings) -> int:
    """The same command on what hosts saved of themselves; what each file is comes first, except before JSON."""
    if options.record is not None or options.replay is not None:
        raise ConfigError("saved files and a transcript are two sources: leave out --record and --replay")
    files = opened(settings, options.from_dir)
    for sentence in files.left:
        complain(f"splitmount: {sentence}")
    if not options.json:
        say(*files.lines, "")
    return _with(build_engine(files.settings, True, files.transport), options)


# --- looking ---------------------------------------------------------------------------------------------------------


def _inspect(options: argparse.Namespace, engine: Engine) -> int:
    without = engine.settings.path is None  # saved files alone: there are hosts, and no sets
    names = [options.name] if options.name else [*(engine.settings.hosts if without else engine.settings.sets)]
    if options.name and options.name not in engine.settings.sets and options.name not in engine.settings.hosts:
        raise ConfigError(f"{options.name!r} is neither a set nor a host of {engine.settings.path or options.from_dir}")
    found = [_measure_host(engine, n) if n not in engine.settings.sets else _measure_set(engine, n) for n in names]
    if options.from_dir is not None:
        found = [dated(one) for one in found]
    if options.json:
        answer(found)
    else:
        for one in found:
            lines = host_lines(one) if isinstance(one, HostMeasured) else set_lines(engine.settings, one)
            say(*lines, "")
    return max((_code(one) for one in found), default=0)


def _code(found: HostMeasured | SetMeasured) -> int:
    if isinstance(found, HostMeasured):
        return 4 if found.error else 0
    return 4 if found.estate.errors else 0


def _measure_set(engine: Engine, name: str) -> SetMeasured:
    engine.measure_set(name).result()
    return next(e for e in engine.drain() if isinstance(e, SetMeasured) and e.set_name == name)


def _measure_host(engine: Engine, name: str) -> HostMeasured:
    engine.discover_host(name).result()
    return next(e for e in engine.drain() if isinstance(e, HostMeasured) and e.host == name)


def _map(options: argparse.Namespace, engine: Engine) -> int:
    """Keep the map by a run, or only write it to a directory."""
    if options.out is None:
        return _do(engine, engine.plan(PlanRequest("map", options.set)).result(), options.json)
    found = _measure_set(engine, options.set)
    errors = [f for f in found.findings if f.severity is Severity.ERROR]
    if found.estate.source is None or errors:
        lines = [f"{f.code} {f.subject}: {f.sentence} {f.action}" for f in errors]
        raise Refused("\n  ".join([f"the map of {options.set} was not written:", *found.estate.errors.values(), *lines]))
    settings = engine.settings.sets[options.set]
    std = build_map(settings.name, found.estate.source, settings.volume_groups)
    texts = {"std": write(std), "bcv": write(mirror_map(std, pairs_in_use(settings.pairs)))}
    paths = [_write(options.out, f"{settings.name}.{kind}", text) for kind, text in texts.items()]
    if options.json:
        return answer(paths)
    say(*(str(p) for p in paths))
    return 0


def _write(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    try:
        directory.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return path


def _check(options: argparse.Namespace, engine: Engine) -> int:
    rows = engine.check().result()
    if options.json:
        answer(rows)
    else:
        say(*(f"[{'ok' if r.ok else '!!'}] {r.subject}: {r.sentence} {r.action}".rstrip() for r in rows))
    return 0 if all(r.ok for r in rows) else 3


def _history(options: argparse.Namespace, engine: Engine) -> int:
    if options.play:
        return play(options, engine)
    rows = [r for r in engine.history().result() if options.run in (None, r.run)]
    if options.json:
        return answer(rows)
    if options.run is not None and not rows:
        raise ConfigError(f"there is no run {options.run} in the journal of this console")
    for r in rows:
        outcome = r.outcome.value if r.outcome else "UNKNOWN"
        seconds = f"{(r.ended - r.started).total_seconds():.0f} s" if r.ended else "-"
        say(
            f"{r.run:>5}  {r.started:%Y-%m-%d %H:%M:%S}  {r.set_name}  {r.operation}  {outcome}  {seconds}  {r.operator}@{r.console}"
        )
        if options.run is not None:
            say(f"       {r.message}", *(f"       {line}" for line in r.summary))
    return 0


def _verify(options: argparse.Namespace, settings: Settings) -> int:
    """Journal and kept maps; 5 when anything is wrong with them."""
    found = check_journal(settings.state_dir / "journal.db", options.head)
    maps, odd = check_maps(MapKeeper(settings.state_dir / "maps"), settings.sets)
    found = replace(found, maps=maps, wrong=(*found.wrong, *odd))
    if options.json:
        answer(found)
    else:
        say(f"journal: {found.records} records follow from each other; newest hash {found.head or 'none'}")
        say(f"kept maps: {found.maps} files can be used")
        say(*(f"WRONG: {sentence}" for sentence in found.wrong))
    return 5 if found.wrong else 0


def _evidence(options: argparse.Namespace, settings: Settings) -> int:
    """The pack of a run; 5 when the chain does not hold, which the pack says too."""
    if options.run is None:
        raise ConfigError("--evidence: say of which run: splitmount history RUN --evidence DIR")
    journal = settings.state_dir / "journal.db"
    rows, found = rows_of(journal, options.run), check_journal(journal, options.head)
    files = pack(rows, found)
    try:
        options.evidence.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise ConfigError(f"{options.evidence}: {error.strerror}") from error
    paths = [options.evidence / name for name in files]
    for path in paths:
        write_new(path, files[path.name])
    bad = (*found.wrong, *(f"record {r.seq} does not follow from the one before it" for r in rows if not r.follows))
    if options.json:
        return answer({"files": [str(p) for p in paths], "wrong": bad}, 5 if bad else 0)
    say(*(str(p) for p in paths), *(f"WRONG: {sentence}" for sentence in bad))
    return 5 if bad else 0


def _backups(options: argparse.Namespace, engine: Engine) -> int:
    rows = engine.backups(options.set).result()
    if options.json:
        return answer(rows)
    for r in rows:
        verified = "verified" if r.verified_at else "not verified"
        say(f"{r.id}  split {r.split_at:%Y-%m-%d %H:%M:%S}  {r.files} files  {r.bytes} bytes  {verified}")
    return 0


def _restore_files(options: argparse.Namespace, engine: Engine) -> int:
    files = engine.restore_files(options.set, options.backup, options.directory).result()
    target = engine.settings.sets[options.set].target
    with unstopped():  # they are there, whoever reads it
        if options.json:
            return answer({"files": files})
        say(f"{files} files restored to {options.directory} on {target}")
    return 0


# --- planning and running --------------------------------------------------------------------------------------------


def _policy(text: str | None, kind: type[PrePolicy] | type[PostPolicy]) -> PrePolicy | PostPolicy | None:
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError:
        raise ConfigError(f"unknown policy {text!r}; known: {', '.join(kind)}") from None


def _request(options: argparse.Namespace) -> PlanRequest:
    pre, post = _policy(options.pre_policy, PrePolicy), _policy(options.post_policy, PostPolicy)
    return PlanRequest(
        options.operation,
        options.set,
        pre if isinstance(pre, PrePolicy) else None,
        post if isinstance(post, PostPolicy) else None,
        options.allow_mixed,
        options.full,
        _overrides(options.override),
        options.mirror,
        tuple(options.group),
        "" if options.from_ in ("", "bcv") else options.from_,
        tuple(options.path),
        options.via_bcv,
        options.keep_today,
        options.compare,
        recover_to=options.recover_to,
    )


def _overrides(words: list[str]) -> dict[str, str]:
    out = {}
    for word in words:
        code, _, reason = word.partition("=")
        if not code or not reason.strip():
            raise ConfigError(f"--override {word!r}: expected CODE=REASON, with a reason")
        out[code] = reason
    return out


def _plan(options: argparse.Namespace, engine: Engine) -> int:
    kind = options.export.suffix if options.export is not None else ""
    if options.export is not None and kind not in _EXPORTS:
        raise ConfigError(f"--export {options.export}: a name that ends in {' or '.join(_EXPORTS)}")
    plan = engine.plan(_request(options)).result()
    if options.export is None:
        _show(plan, options.json)
        return 0
    write_new(options.export, _EXPORTS[kind](plan, engine.settings), 0o700 if kind == ".sh" else 0o600)
    return answer({"file": str(options.export), "digest": plan.digest}) if options.json else _told(str(options.export))


def _told(text: str) -> int:
    say(text)
    return 0


_EXPORTS: Mapping[str, Callable[[Plan, Settings], str]] = {".md": lambda plan, _: runbook(plan), ".sh": script_of}


def _show(plan: Plan, as_json: bool) -> None:
    if as_json:
        say_json(plan)
    else:
        say(*plan_lines(plan))


def _run(options: argparse.Namespace, engine: Engine) -> int:
    plan = engine.plan(_request(options)).result()
    if plan.confirm and options.confirm != plan.confirm:
        _show(plan, options.json)
        raise Refused(
            f"this is the plan; nothing was done. It overwrites or takes over: add --confirm {plan.confirm} to run it"
        )
    if not options.yes and not plan.confirm:
        _show(plan, options.json)
        raise Refused("this is the plan; nothing was done. Add --yes to run it")
    return _do(engine, plan, options.json)


def _do(engine: Engine, plan: Plan, as_json: bool) -> int:
    return tell_run(engine, lambda: engine.start(plan, confirmed=plan.confirm).result(), as_json=as_json)


# --- trust -----------------------------------------------------------------------------------------------------------


def _trust(options: argparse.Namespace, settings: Settings) -> int:
    if options.host not in settings.hosts:
        raise ConfigError(f"there is no host {options.host!r} in {settings.path}; known: {', '.join(settings.hosts)}")
    host = settings.hosts[options.host]
    key = asyncio.run(_shown_key(settings, host.name, options.read_only))
    if options.json:
        say_json({"host": host.name, "algorithm": key.algorithm, "fingerprint": key.fingerprint})
    else:
        say(f"{host.name} ({host.address} port {host.port}): {key.algorithm} {key.fingerprint}")
    if options.read_only:
        raise Refused("read-only: the key was shown and not stored")
    if not options.yes and not _agrees():
        raise Refused("the key was not stored; compare the fingerprint with the host's own, then answer yes")
    new = store_key(settings.known_hosts, host, key, files=default_files())
    say(f"stored in {settings.known_hosts}" if new else f"was known already in {settings.known_hosts}")
    return 0


async def _shown_key(settings: Settings, host: str, read_only: bool) -> HostKey:
    transport = SshTransport(settings.hosts, settings.known_hosts, read_only=read_only)
    try:
        return await transport.host_key(host)
    finally:
        await transport.aclose()


def _agrees() -> bool:
    if not sys.stdin.isatty():
        return False
    return input("Is this the fingerprint that the host itself shows? Type yes to store it: ").strip() == "yes"


_CHANGE = frozenset({"run", "map", "restore-files", "recover", "hold", "let-go", "unlock"})

_COMMANDS: Mapping[str, Callable[[argparse.Namespace, Engine], int]] = {
    "inspect": _inspect,
    "map": _map,
    "plan": _plan,
    "run": _run,
    "history": _history,
    "backups": _backups,
    "restore-files": _restore_files,
    "check": _check,
    "recover": recover,
    "take-up": take_up,
    "hold": claim,
    "let-go": claim,
    "unlock": claim,
}
