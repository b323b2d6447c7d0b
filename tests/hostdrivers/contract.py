"""What every host driver must do, over real SSH: run on all emulated families, and in the lab on real Linux machines."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from core.errors import ParseError, Refused
from core.hosts import HostDriver, HostRef, ImportRequest, OwnGroup
from core.model import HostFacts, Pair
from core.moments import own_groups
from core.operations import import_requests
from core.plan import Step
from core.settings import HostSettings, SetSettings, Settings
from core.ssh import SshTransport
from core.transport import Command, Effect, Guard, Result, Status, bind

RUN = "/var/tmp/splitmount/contract"


@dataclass
class Subject:
    """A set on hosts that can be reached: its driver, and what a test does there. `split` makes the BCVs ready and equal."""

    settings: Settings
    set_name: str
    driver: HostDriver
    split: Callable[[], None]
    files: Callable[[str, str, tuple[str, ...]], Mapping[str, str]]
    values: dict[str, str] = field(default_factory=dict)
    done: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        """One connection for all that a test asks."""
        self.transport = SshTransport(self.settings.hosts, self.settings.known_hosts, read_only=False)

    @property
    def set(self) -> SetSettings:
        """The set's settings."""
        return self.settings.sets[self.set_name]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Those in use."""
        return tuple(Pair(p.std, p.bcv) for p in self.set.pairs)

    def ref(self, name: str) -> HostRef:
        """A host as drivers want it."""
        host: HostSettings = self.settings.hosts[name]
        return HostRef(host.name, host.os, host.become, host.work_dir)

    @property
    def source(self) -> HostRef:
        """The set's source."""
        return self.ref(self.set.source)

    @property
    def target(self) -> HostRef:
        """The set's target."""
        return self.ref(self.set.target)

    async def send(self, command: Command | None) -> Result:
        """A command as a run sends it: late values bound, `$RUN` set; what it binds is remembered."""
        assert command is not None
        bound = bind(command, self.values)
        head = f"RUN={RUN}; export RUN; mkdir -p $RUN\n"
        result = await self.transport.run(replace(bound, text=head + bound.text, timeout=300))
        for line in result.stdout.splitlines():
            if line.startswith("@bind "):
                _, name, value = line.split(" ", 2)
                self.values[name] = value
        return result

    async def do(self, step: Step) -> Result:
        """The step's command, remembered for `down`."""
        self.done.append(step)
        return await self.send(step.command)

    async def must(self, step: Step) -> None:
        """Do it; it must end well."""
        result = await self.do(step)
        assert result.exit_status == 0, (step.id, result.stderr)

    async def down(self) -> None:
        """Every undo, last first; each must end well."""
        while self.done:
            step = self.done.pop()
            if step.undo is not None:
                result = await self.send(step.undo)
                assert result.exit_status == 0, (step.id, result.stderr)
        await self.send(Command(self.target.name, "tidy", f"rm -rf {RUN}", Effect.CHANGE, guard=Guard.OWN_DIRECTORY))

    async def facts(self, host: HostRef) -> HostFacts:
        """Discover it now."""
        return self.driver.parse_discovery(host, await self.transport.run(self.driver.discovery(host)))

    async def requests(self, *, takeover: bool = False) -> tuple[ImportRequest, ...]:
        """What the planner asks of the target."""
        return import_requests(self.set, await self.facts(self.source), self.pairs, takeover=takeover)

    def chain(self, requests: tuple[ImportRequest, ...]) -> list[Step]:
        """All steps that bring the groups up."""
        used = tuple(dict.fromkeys(serial for r in requests for serial, _ in r.bcvs))
        steps = [self.driver.attach(self.target, used)]
        for request in requests:
            steps += [self.driver.import_group(self.target, request), self.driver.activate(self.target, request)]
        return steps + [self.driver.mount(self.target, r, m) for r in requests for m in r.mounts]

    async def own(self) -> tuple[OwnGroup, ...]:
        """The set's groups on their own host."""
        facts = await self.facts(self.source)
        groups = [g for name in self.set.volume_groups if (g := facts.group(name))]
        return own_groups(groups, facts)


def impatient(step: Step) -> Step:
    """A step that gives a device up sooner, where its driver waits for one: the wait itself is not what is tested."""
    assert step.command is not None
    return replace(step, command=replace(step.command, text=step.command.text.replace("patience=30\n", "patience=2\n")))


def without_times(facts: HostFacts) -> HostFacts:
    """What does not change from one look to the next."""
    return replace(facts, measured_at=datetime(2026, 1, 1, tzinfo=UTC))


def unchanged(before: HostFacts, after: HostFacts) -> None:
    """Nothing of ours is left: groups, mounts and table entries are as they were."""
    was, now = (([g.name for g in f.groups], sorted(x.mount_point for x in f.filesystems)) for f in (before, after))
    assert now == was, f"was {was}, is {now}"


class HostContract:
    """The suite; a class of a test module gives it the fixture `subject`."""

    async def test_discovery_is_one_read_that_tells_every_device_group_and_mount_of_the_set(self, subject: Subject) -> None:
        command = subject.driver.discovery(subject.source)
        assert command.effect is Effect.READ
        facts = await subject.facts(subject.source)
        for name in subject.set.volume_groups:
            group = facts.group(name)
            assert group is not None
            assert group.uuid
            assert {p.device_serial for p in group.physical} <= {p.std for p in subject.pairs}
            paths = {p.path for p in group.physical}
            assert all(set(v.devices) <= paths for v in group.volumes)
            assert all(v.size > 0 for v in group.volumes)
        used = [f for f in facts.filesystems if f.group in subject.set.volume_groups and f.mounted]
        assert used
        assert all(any(v.name == f.volume for g in facts.groups if g.name == f.group for v in g.volumes) for f in used)
        assert without_times(await subject.facts(subject.source)) == without_times(facts)

    async def test_half_a_report_is_an_error_and_never_an_emptier_host(self, subject: Subject) -> None:
        result = await subject.transport.run(subject.driver.discovery(subject.source))
        whole = result.stdout
        for part in (1, 2, 3):
            cut = whole[: len(whole) * part // 4]
            with pytest.raises(ParseError):
                subject.driver.parse_discovery(subject.source, replace(result, stdout=cut))
        failed = replace(result, stdout="", exit_status=1, status=Status.FAILED)
        with pytest.raises(ParseError):
            subject.driver.parse_discovery(subject.source, failed)

    async def test_check_is_a_read_and_finds_nothing_missing(self, subject: Subject) -> None:
        for host in (subject.source, subject.target):
            command = subject.driver.check(host)
            assert command.effect is Effect.READ
            result = await subject.transport.run(command)
            assert result.exit_status == 0, result.stderr
            assert "missing:" not in result.stdout

    async def test_every_change_says_so_and_has_its_fence_its_reason_and_its_undo(self, subject: Subject) -> None:
        requests = await subject.requests()
        steps = subject.chain(requests)
        steps += [subject.driver.table_entries(subject.target, r) for r in requests]
        own = await subject.own()
        steps += [subject.driver.stop_group(subject.source, o) for o in own]
        bcvs, stds = {p.bcv for p in subject.pairs}, {p.std for p in subject.pairs}
        for step in steps:
            assert step.command is not None
            assert step.undo is not None or step.command.effect is Effect.READ, step.id
            assert step.undo is None or {step.command.effect, step.undo.effect} == {Effect.CHANGE}
            assert step.explain.what
            assert step.explain.by_hand
            if not step.id.startswith("table-"):
                assert step.fence, step.id
                assert set(step.fence) <= (stds if step.id.startswith("stop-") else bcvs), step.id

    async def test_the_copy_comes_up_with_the_files_of_the_split_and_goes_without_a_trace(self, subject: Subject) -> None:
        subject.split()
        before = await subject.facts(subject.target)
        requests = await subject.requests()
        points = tuple(m.source_mount_point for r in requests for m in r.mounts)
        there = subject.files(subject.source.name, "", points)
        for step in subject.chain(requests):
            await subject.must(step)
        found = await subject.facts(subject.target)
        for request in requests:
            group = found.group(request.new_name)
            assert group is not None
            assert {p.device_serial for p in group.physical} == {serial for serial, _ in request.bcvs}
        assert subject.files(subject.target.name, subject.set.mount.prefix, points) == there
        assert len(there) > 5
        await subject.down()
        unchanged(before, await subject.facts(subject.target))

    @pytest.mark.parametrize("takeover", [False, True], ids=["below a prefix", "where the source has it"])
    async def test_files_of_the_target_never_vanish_under_a_copy(self, subject: Subject, takeover: bool) -> None:
        subject.split()
        requests = await subject.requests(takeover=takeover)
        chain = subject.chain(requests)
        points = [m.mount_point for r in requests for m in r.mounts]
        for step in chain[: -len(points)]:
            await subject.must(step)
        for step, point in zip(chain[-len(points) :], points, strict=True):
            file, title = shlex.quote(f"{point}/own"), "a file of its own"
            make = f"mkdir -p {shlex.quote(point)}; echo of the target > {file}\n"
            made = Command(subject.target.name, title, make, Effect.CHANGE, guard=Guard.OWN_DIRECTORY)
            if not any(point.startswith(other + "/") for other in points):
                await subject.send(made)
                refused = await subject.send(step.command)
                assert (refused.exit_status, "is not empty" in refused.stderr) == (90, True), (step.id, refused.stderr)
                await subject.send(replace(made, text=f"rm {file}\n"))
            elif takeover:
                await subject.send(made)  # in a directory of the copy itself: nobody's files vanish
            await subject.must(step)
        await subject.down()

    async def test_an_undo_of_what_was_never_done_does_nothing(self, subject: Subject) -> None:
        subject.split()
        before = await subject.facts(subject.target)
        requests = await subject.requests()
        attach, *others = subject.chain(requests)
        await subject.must(attach)
        for name in (r.group.name for r in requests):
            subject.values[f"vg_uuid.{name}"] = "none"
        for step in reversed(others):
            result = await subject.send(step.undo)
            assert result.exit_status in (0, 90), (step.id, result.stderr)
        await subject.down()
        unchanged(before, await subject.facts(subject.target))

    async def test_a_device_that_is_not_there_a_swapped_one_and_a_taken_name_are_refused(self, subject: Subject) -> None:
        subject.split()
        before = await subject.facts(subject.target)
        more = (*(p.bcv for p in subject.pairs), "0DEADBEEF")
        result = await subject.do(impatient(subject.driver.attach(subject.target, more)))
        assert result.exit_status not in (0, None)
        assert "0DEADBEEF" in result.stderr
        await subject.down()
        unchanged(before, await subject.facts(subject.target))
        request = next(r for r in await subject.requests() if len(r.bcvs) > 1)
        await subject.must(subject.driver.attach(subject.target, tuple(s for s, _ in request.bcvs)))
        (one, a), (two, b), *rest = request.bcvs
        swapped = replace(request, bcvs=((two, a), (one, b), *rest))
        result = await subject.send(subject.driver.import_group(subject.target, swapped).command)
        assert result.exit_status == 90, result.stderr
        await subject.must(subject.driver.import_group(subject.target, request))
        again = await subject.send(subject.driver.import_group(subject.target, request).command)
        assert again.exit_status == 90, again.stderr
        await subject.down()
        unchanged(before, await subject.facts(subject.target))

    async def test_a_group_stops_on_its_own_host_and_starts_again_as_it_was(self, subject: Subject) -> None:
        own = await subject.own()
        points = tuple(m.mount_point for o in own for m in o.mounts)
        there = subject.files(subject.source.name, "", points)
        before = await subject.facts(subject.source)
        for one in reversed(own):
            await subject.must(subject.driver.stop_group(subject.source, one))
        stopped = await subject.facts(subject.source)
        assert not [f for f in stopped.filesystems if f.mounted and f.mount_point in points]
        for one in own:
            result = await subject.send(subject.driver.start_group(subject.source, one).command)
            assert result.exit_status == 0, result.stderr
        subject.done.clear()
        unchanged(before, await subject.facts(subject.source))
        assert subject.files(subject.source.name, "", points) == there

    async def test_entries_of_a_takeover_go_into_the_table_once_and_out_again(self, subject: Subject) -> None:
        subject.split()
        before = await subject.facts(subject.target)
        requests = await subject.requests(takeover=True)
        for step in subject.chain(requests):
            await subject.must(step)
        for request in requests:
            step = subject.driver.table_entries(subject.target, request)
            await subject.must(step)
            again = await subject.send(step.command)
            assert again.exit_status == (0 if step.undo is None else 90), again.stderr
        found = await subject.facts(subject.target)
        for point in (m.mount_point for r in requests for m in r.mounts):
            assert [(f.mounted, f.in_table) for f in found.filesystems if f.mount_point == point] == [(True, True)]
        await subject.down()
        unchanged(before, await subject.facts(subject.target))

    async def test_freezing_says_when_and_thaws_and_refuses_what_the_thaw_needs(self, subject: Subject) -> None:
        with pytest.raises(Refused):
            subject.driver.freeze(subject.source, ("/usr",), 5)
        own = await subject.own()
        points = tuple(m.mount_point for o in own for m in o.mounts if m.kind in subject.driver.freezable)
        if not points:
            assert not subject.driver.freezable & {m.kind for o in own for m in o.mounts}
            return
        session = await subject.transport.session(subject.driver.freeze(subject.source, points, 20))
        await session.expect(("ready",), 20)
        await session.send("freeze")
        assert (await session.expect(("frozen", "failed"), 20)).startswith("frozen")
        await session.send("thaw")
        assert (await session.expect(("thawed", "expired"), 20)).startswith("thawed")
        await session.close()
