"""Every change of every driver: it cannot be built without a guard, and a fence stands before the first word that writes."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.arrays.base import SplitMark
from core.arrays.qemu import QemuArray
from core.arrays.symmetrix import SymmetrixArray
from core.backups import putback
from core.backups.archive import extract_command
from core.backups.base import PutBack, RestoreRequest, TarStream
from core.backups.manifest import empty_directory
from core.errors import Refused
from core.hosts import HostDriver, HostRef, ImportRequest, Mount, OwnGroup
from core.model import HostFacts, Pair, PairState, PairStatus, VolumeGroup
from core.plan import Step
from core.transport import Command, Effect, Guard
from hostdrivers import DRIVERS
from hostdrivers.emulated.estate import Estate, Family
from hostdrivers.emulated.families import FAMILIES
from hostdrivers.invocations import flat, invocations, mark, parts, plain
from hostdrivers.pins import PINS
from tests.hostdrivers.machines import facts, run, step
from tests.hostdrivers.test_linux_discovery import facts_of

ROOT = Path(__file__).parents[2]
RUN = "/var/tmp/splitmount/runs/r1"
RECORDED = ("layered_std", "layered", "multipath", "filesystems")

# The functions by which a script finds devices by what they are: a serial, or the identity that an import gave.
FENCES = ("need", "disks_of", "ours", "look_own", "look_lost")
# What a change may run as root that is exempt from a fence of devices, by the words that it begins with.
EXEMPT = {Guard.OWN_LINES: ("sed -i", "cp {RUN}/keep/"), Guard.TIMER: ("fsfreeze", "chfs -a freeze=", "lockfs")}

# Which module may say which guard: a new exemption is a decision that shows here.
GUARDS = {
    "core/applications/commands.py": {"APPLICATION"},
    "core/applications/database.py": {"APPLICATION", "MOUNTED"},
    "core/applications/oracle.py": {"TIMER"},
    "core/applications/postgresql.py": {"APPLICATION", "MOUNTED", "OWN_DIRECTORY", "TIMER"},
    "core/arrays/qemu.py": {"MARKS"},
    "core/arrays/symmetrix.py": {"ARRAY"},
    "core/backups/archive.py": {"EMPTY"},
    "core/backups/putback.py": {"MOUNTED"},
    "core/backups/restic.py": {"REPOSITORY", "EMPTY"},
    "core/backups/stores.py": {"REPOSITORY"},
    "core/jobs.py": {"OWN_DIRECTORY"},
    "core/locks.py": {"OWN_DIRECTORY"},
    "core/operations.py": {"OWN_DIRECTORY", "TIMER"},
    "hostdrivers/aix_steps.py": {"DEVICES", "TIMER"},
    "hostdrivers/hpux_steps.py": {"DEVICES", "OWN_LINES"},
    "hostdrivers/linux_steps.py": {"DEVICES", "OWN_LINES", "TIMER"},
    "hostdrivers/solaris_steps.py": {"DEVICES", "OWN_LINES", "TIMER"},
}


# --- by construction --------------------------------------------------------------------------------------------------


def test_a_change_without_a_fence_or_a_reason_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="needs a guard"):
        Command("alpha", "write", "dd of=/dev/sda\n", Effect.CHANGE)
    with pytest.raises(ValueError, match="needs a guard"):
        replace(Command("alpha", "look", "true\n"), effect=Effect.CHANGE)


def test_each_module_uses_the_guards_that_were_decided_for_it() -> None:
    found: dict[str, set[str]] = {}
    for top in ("core", "hostdrivers", "tui"):
        for path in (ROOT / top).rglob("*.py"):
            name = str(path.relative_to(ROOT))
            if name == "core/transport.py":
                continue
            tree = ast.walk(ast.parse(path.read_text()))
            used = {
                n.attr for n in tree if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "Guard"
            }
            if used - {"NONE"}:
                found[name] = used - {"NONE"}
    assert found == GUARDS


# --- hosts ------------------------------------------------------------------------------------------------------------


def requests(facts: HostFacts, groups: Iterable[VolumeGroup], bcv_of: dict[str, str]) -> Iterator[ImportRequest]:
    """What the planner would ask for each group: a backup, and a takeover."""
    for group in groups:
        mounts = tuple(
            Mount(f.volume, f.kind, "/copy" + f.mount_point, f.mount_point)
            for f in facts.filesystems
            if f.group == group.name and f.mount_point.startswith("/")
        )
        bcvs = tuple((bcv_of.get(p.device_serial, f"B{p.device_serial}"), p.uuid) for p in group.physical)
        yield ImportRequest(group, group.name + "_b", bcvs, mounts=mounts, prefix="/copy")
        bare = tuple(replace(m, mount_point=m.source_mount_point) for m in mounts)
        yield ImportRequest(group, group.name, bcvs, mounts=bare, read_only=False)


def steps(driver: HostDriver, ref: HostRef, request: ImportRequest) -> Iterator[Step]:
    """Every step that the driver has for a group, as target and as source."""
    yield driver.attach(ref, tuple(serial for serial, _ in request.bcvs))
    yield driver.import_group(ref, request)
    yield driver.activate(ref, request)
    yield from (driver.mount(ref, request, m) for m in request.mounts)
    yield driver.table_entries(ref, request)
    own = OwnGroup(request.group, request.mounts, tuple(p.device_serial for p in request.group.physical))
    for lost in (False, True) if driver.restores_lost else (False,):
        yield driver.stop_group(ref, replace(own, lost=lost))
        yield driver.start_group(ref, replace(own, lost=lost))


def writes(system: str, command: Command) -> list[tuple[int, str]]:
    """Where, in the order of execution, a script runs something as root that is no read."""
    found = invocations(command.script)
    return [(i.at, str(i)) for i in found if not PINS[system].reads(tuple(plain(w) for w in i.words))]


def unfenced(system: str, command: Command, *, undo: bool = False) -> str:
    """What a change writes before its fence; nothing when all is well."""
    written = writes(system, command)
    if not written:
        return ""
    if command.guard in EXEMPT:
        return next((f"{command.title}: {text}" for _, text in written if not text.startswith(EXEMPT[command.guard])), "")
    text, (at, word) = flat(command.script), written[0]
    places = [place for name in FENCES if (place := text.find(mark(name))) >= 0]
    if command.guard is not Guard.DEVICES or not places or min(places) > at:
        return f"{command.title}: {word} comes before any fence ({command.guard.name})"
    if undo and mark("ours") not in text[:at] and "keep/" not in text[:at]:
        return f"{command.title}: {word} is taken back without a look at what the run kept"
    return ""


def all_unfenced(driver: HostDriver, given: Iterable[ImportRequest]) -> tuple[int, list[str]]:
    """How many commands were looked at, and what is wrong with them."""
    ref, seen, wrong = HostRef("alpha", driver.os, "sudo"), 0, list[str]()
    for request in given:
        try:
            built = tuple(steps(driver, ref, request))
        except Refused:
            continue  # a layout that is never imported
        for one in built:
            for command, undo in ((one.command, False), (one.undo, not one.id.startswith("stop-"))):
                if command is not None and command.effect is Effect.CHANGE:
                    seen += 1
                    wrong.append(unfenced(driver.os, command, undo=undo))
    return seen, [text for text in wrong if text]


@pytest.mark.parametrize("build", FAMILIES, ids=lambda build: build.__name__)
async def test_every_change_on_emulated_hosts_finds_its_devices_before_it_writes(build: object, tmp_path: Path) -> None:
    family = family_of(build, tmp_path)
    driver, found = DRIVERS[family.source.os], await facts(DRIVERS[family.source.os], family.source)
    groups = [g for name in family.groups if (g := found.group(name))]
    bcv_of = {std.serial: bcv.serial for std, bcv in family.pairs}
    seen, wrong = all_unfenced(driver, requests(found, groups, bcv_of))
    assert not wrong
    assert seen >= 20


def test_every_change_on_recorded_linux_hosts_finds_its_devices_before_it_writes() -> None:
    seen, wrong = 0, list[str]()
    for name in RECORDED:
        found = facts_of(name)
        count, bad = all_unfenced(DRIVERS["linux"], requests(found, found.groups, {}))
        seen, wrong = seen + count, wrong + bad
    assert not wrong
    assert seen >= 40


def test_a_fence_that_comes_too_late_or_is_missing_is_found() -> None:
    late = Command("a", "late", '$S dd of="$d"\nneed "$s"\n', Effect.CHANGE, prelude="need() { echo; }\n", guard=Guard.DEVICES)
    assert "before any fence" in unfenced("linux", late)
    none = Command("a", "none", "work\n", Effect.CHANGE, prelude='work() {\n$S mount "$a" /b\n}\n', guard=Guard.DEVICES)
    assert "before any fence" in unfenced("linux", none)
    other = Command("a", "other", "$S mkfs /dev/sda\n", Effect.CHANGE, guard=Guard.OWN_LINES)
    assert "mkfs" in unfenced("linux", other)


def test_a_freeze_runs_nothing_but_the_freeze_and_the_thaw() -> None:
    for system, driver in DRIVERS.items():
        if driver.freezable:
            command = driver.freeze(HostRef("alpha", system, "sudo"), ("/srv/a",), 5)
            assert writes(system, command)
            assert not unfenced(system, command)


# --- the same, done ---------------------------------------------------------------------------------------------------


def family_of(build: object, directory: Path) -> Family:
    """A family that is not served: its machines and its array."""
    (family,) = Estate(directory / "estate", (build,)).families  # type: ignore[arg-type]
    return family


async def brought_up(family: Family) -> tuple[list[Step], dict[str, str]]:
    """The family's groups on the target, mounted; the steps that did it."""
    driver, values, done = DRIVERS[family.source.os], dict[str, str](), list[Step]()
    family.source.sync()
    family.array.settle()
    family.array.split(list(family.pairs))
    family.array.settle()
    found = await facts(driver, family.source)
    bcv_of = {std.serial: bcv.serial for std, bcv in family.pairs}
    for request in requests(found, [g for n in family.groups if (g := found.group(n))], bcv_of):
        if request.prefix:
            ref = HostRef(family.target.name, family.target.os)
            chain = [driver.attach(ref, tuple(s for s, _ in request.bcvs)), driver.import_group(ref, request)]
            ordered = sorted(request.mounts, key=lambda m: m.mount_point)
            chain += [driver.activate(ref, request), *(driver.mount(ref, request, m) for m in ordered)]
            for one in chain:
                result = await step(family.target, one.command, values)
                assert result.exit_status == 0, (one.id, result.stderr)
            return [*done, *chain], values
    raise AssertionError("no group")


@pytest.mark.parametrize("build", FAMILIES, ids=lambda build: build.__name__)
async def test_an_undo_touches_nothing_that_the_run_cannot_prove_to_be_its_own(build: object, tmp_path: Path) -> None:
    family = family_of(build, tmp_path)
    done, values = await brought_up(family)
    there = sorted(family.target.mounts)
    await run(family.target, f"rm -f {RUN}/keep/*/uuid")
    for one in reversed([s for s in done if s.id.startswith("mount-")]):
        result = await step(family.target, one.undo, values)
        assert result.exit_status == 90, (one.id, result.stderr)
        assert sorted(family.target.mounts) == there


@pytest.mark.parametrize("build", FAMILIES, ids=lambda build: build.__name__)
async def test_the_undo_of_a_scan_that_never_ran_removes_no_disk(build: object, tmp_path: Path) -> None:
    family = family_of(build, tmp_path)
    driver, ref = DRIVERS[family.target.os], HostRef(family.target.name, family.target.os)
    family.array.split(list(family.pairs))
    family.array.settle()
    attach = driver.attach(ref, tuple(bcv.serial for _, bcv in family.pairs))
    assert (await step(family.target, attach.command, {})).exit_status == 0
    await run(family.target, f"rm -f {RUN}/keep/visible-*")  # as if the disks had been there, and this run had never looked
    before = (await facts(driver, family.target)).devices
    assert (await step(family.target, attach.undo, {})).exit_status == 0
    assert (await facts(driver, family.target)).devices == before


# --- arrays -----------------------------------------------------------------------------------------------------------

PAIRS = tuple(Pair(f"7902{n}000", f"790B{n}000") for n in "CD")


def statuses(state: PairState, private: tuple[str, ...], *, ready: bool = False) -> tuple[PairStatus, ...]:
    """Both pairs in a state."""
    return tuple(PairStatus(pair, state, ready, private=private) for pair in PAIRS)


def test_every_change_of_a_symmetrix_proves_each_device_and_each_pair_before_it() -> None:
    array = SymmetrixArray("a", "mgmt", "000000000079")
    split, established = statuses(PairState.SPLIT, ("Split",)), statuses(PairState.ESTABLISHED, ("Synchronized",))
    shown = statuses(PairState.SPLIT, ("Split",), ready=True)
    made = (
        *array.establish(split), *array.establish(split, full=True), *array.split(established, SplitMark("x")),
        *array.restore(split), *array.restore(split, full=True), *array.ready(split), *array.not_ready(shown),
    )  # fmt: skip
    commands = [c for one in made for c in (one.command, one.undo) if c is not None]
    assert len(commands) >= 9
    for command in commands:
        before, called, _ = parts(command.script)[0].partition("\nchange ")
        assert called
        assert command.guard is Guard.ARRAY
        for pair in PAIRS:
            for serial in (pair.std, pair.bcv):
                assert f"\nserial {serial[2:5]} {serial}\n" in before, (command.title, serial)
            assert f"\npair {pair.std[2:5]} {pair.bcv[2:5]} " in before, command.title


def test_every_change_of_a_block_array_needs_the_marks_of_each_pair_in_the_same_exchange() -> None:
    array = QemuArray("a", "mgmt", "/s", {s: f"n{s}" for pair in PAIRS for s in (pair.std, pair.bcv)})
    mark_ = "mark:sm.split.abcdefgh-0000"
    split, shown = (statuses(PairState.SPLIT, ("tracked", "written", mark_), ready=r) for r in (False, True))
    established = statuses(PairState.ESTABLISHED, ("tracked", "written", "mark:sm.est"))
    never = statuses(PairState.NEVER, ())
    made = (
        *array.establish(shown), *array.establish(never), *array.split(established, SplitMark("x")), *array.restore(shown),
        *array.ready(split), *array.not_ready(shown),
    )  # fmt: skip
    commands = [c for one in made for c in (one.command, one.undo) if c is not None]
    assert len(commands) >= 9
    for command in commands:
        lines = [json.loads(line) for line in command.text.splitlines()]
        first = next(n for n, line in enumerate(lines) if line["execute"].startswith(("block-export-", "transaction")))
        looked = json.dumps([line for line in lines[: first + 1] if "bitmap" in json.dumps(line)])
        for pair in PAIRS:
            assert f'"n{pair.bcv}"' in looked, (command.title, pair.bcv)


# --- backups ----------------------------------------------------------------------------------------------------------


def test_a_tar_that_writes_refuses_first_in_its_own_shell() -> None:
    request = RestoreRequest("s", "b", "alpha", "/restored", "/x")
    for name in ("data-0.tar.zst", "data-1.tar.zst"):
        text = extract_command(request, name, "4711").text
        assert text.index("= 4711 ] ||") < text.index("exec "), name
    assert empty_directory("", "/restored") in extract_command(request, "data-0.tar.zst", "4711").text
    what = PutBack("b", "alpha", "", "", ("/srv/a",), "beta", "")
    stream = TarStream("t", "", ("/srv/a",), lambda transport: None)  # type: ignore[arg-type,return-value]
    text = putback.command_of(what, stream).text
    assert text.index("mounted /srv/a\n") < text.index("exec ")
