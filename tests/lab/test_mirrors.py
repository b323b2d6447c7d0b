"""Policies, refusals and figures of the mirrors, on the real array."""

from __future__ import annotations

import json
import shlex
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import ReadOnlyRefused, Refused
from core.events import RunEnded, StepStarted
from core.facade import PlanRequest
from core.model import PairState
from core.plan import Plan
from core.settings import PostPolicy, PrePolicy
from core.transport import Command, Result
from tests.lab.cycle import ManualPair, establish, split
from tests.lab.estate import Lab
from tests.lab.layouts import FIND_DISK, ORDINARY_MOUNTS, reset_mirrors
from tests.lab.product import Product, drive, product, splitmount, traces

E, S = PairState.ESTABLISHED, PairState.SPLIT
SLOW = 24 << 20  # bytes a second of a copy that is still under way when it is looked at

# (pre-policy, state of the set) -> the verbs that are sent, None for a refusal: the table of the product's page.
CELLS: dict[tuple[PrePolicy, str], tuple[str, ...] | None] = {
    (PrePolicy.DOWN, "established"): ("split",),
    (PrePolicy.DOWN, "split"): None,
    (PrePolicy.DOWN, "mixed"): None,
    (PrePolicy.DOWN, "copying"): ("split",),
    (PrePolicy.VERIFY_DOWN, "established"): None,
    (PrePolicy.VERIFY_DOWN, "split"): (),
    (PrePolicy.VERIFY_DOWN, "mixed"): None,
    (PrePolicy.VERIFY_DOWN, "copying"): None,
    (PrePolicy.DOWN_IF_NEEDED, "established"): ("split",),
    (PrePolicy.DOWN_IF_NEEDED, "split"): (),
    (PrePolicy.DOWN_IF_NEEDED, "mixed"): None,
    (PrePolicy.DOWN_IF_NEEDED, "copying"): ("split",),
    (PrePolicy.DOWN_AFTER_ESTABLISHING, "established"): ("split",),
    (PrePolicy.DOWN_AFTER_ESTABLISHING, "split"): ("establish", "split"),
    (PrePolicy.DOWN_AFTER_ESTABLISHING, "mixed"): ("establish", "split"),
    (PrePolicy.DOWN_AFTER_ESTABLISHING, "copying"): ("split",),
}


def _bring_to(lab: Lab, made: Product, state: str) -> None:
    """Bring the ordinary set to a state, from nothing."""
    reset_mirrors(lab)
    if state == "copying":
        drive(made, "ordinary", "establish", speed=SLOW)
        return
    drive(made, "ordinary", "establish")
    if state == "split":
        drive(made, "ordinary", "split")
    if state == "mixed":
        drive(made, "ordinary", "split", only=0)


def _until_import(made: Product, plan: Plan) -> RunEnded:
    """Run a backup up to the end of its mirror part, then let it stop and take everything back."""
    number = made.engine.start(plan).result()
    while not any(isinstance(e, StepStarted) and e.run == number and e.step == "await-ready" for e in made.events):
        made.listen()
        time.sleep(0.02)
    made.engine.stop_after_step(number)
    return made.wait(number)


@pytest.mark.parametrize("state", ["established", "split", "mixed", "copying"])
def test_every_pre_policy_does_what_its_table_says(fresh_mirrors: Lab, state: str) -> None:
    lab = fresh_mirrors
    with product(lab) as made:
        there = False  # in that state: a refusal leaves it so, unless it was a copy under way
        for policy in PrePolicy:
            verbs = CELLS[policy, state]
            if not there:
                _bring_to(lab, made, state)
            there = verbs is None and state != "copying"
            made.transport.changes.clear()
            if verbs is None:
                with pytest.raises(Refused, match="nothing was changed"):
                    made.plan("backup", "ordinary", policy, PostPolicy.LEAVE_DOWN)
                assert made.transport.changes == []
                continue
            end = _until_import(made, made.plan("backup", "ordinary", policy, PostPolicy.LEAVE_DOWN))
            assert end.exit_code == 4, end.message
            sent = [v for c in made.transport.changes for v in ("establish", "split") if c.title.lower().startswith(v)]
            assert tuple(sent) == verbs, (policy, state, made.story(end.run))
            assert made.states("ordinary") == [S, S]


@pytest.mark.parametrize(
    ("post", "start", "after"),
    [
        (PostPolicy.LEAVE_DOWN, "established", [S, S]),
        (PostPolicy.AS_FOUND, "established", [E, E]),
        (PostPolicy.AS_FOUND, "split", [S, S]),
    ],
)
def test_every_post_policy_leaves_the_mirrors_as_its_table_says(
    fresh_mirrors: Lab, post: PostPolicy, start: str, after: list[PairState]
) -> None:
    """bring-mirrors-up is what the cycle's own tests run."""
    lab = fresh_mirrors
    with product(lab) as made:
        _bring_to(lab, made, start)
        there = traces(lab)
        made.do("backup", "ordinary", PrePolicy.DOWN_IF_NEEDED, post)
        assert made.states("ordinary") == after
        assert traces(lab)["dmsetup"] == there["dmsetup"]
        if after == [S, S] and start == "established":  # the point in time stays restorable: it carries the source's identity
            lab.array.make_ready("bcv0", "bcv1")
            seen = lab.ssh("target", "pvs --nohints --noheadings -o vg_name,vg_uuid 2>/dev/null | sort -u").stdout.split()
            on_source = lab.ssh("source", "vgs --noheadings -o vg_name,vg_uuid vgdata").stdout.split()
            assert on_source[1] in seen


def test_an_incremental_establish_copies_no_more_than_the_changed_tracks(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    copied: list[int] = []

    def look(command: Command, result: Result) -> None:
        if command.title == "read pair states" and result.exit_status == 0:
            jobs = json.loads(result.stdout.splitlines()[1])
            copied.append(sum(job["total-progress"] for job in jobs if job["id"].startswith("sm.e.")))

    with product(lab) as made:
        _bring_to(lab, made, "split")
        written = 3 << 20
        lab.ssh("source", f"dd if=/dev/urandom of=/srv/data/changed bs=1M count={written >> 20} conv=fsync status=none; sync")
        tracks = sum(s.std_tracks or 0 for s in made.measure("ordinary").estate.pairs)
        made.transport.after = look
        made.do("establish", "ordinary")
    by_array = max(copied)
    print(
        f"\nwritten to files {written} bytes; changed tracks {tracks} ({tracks * 65536} bytes); copied by the array {by_array} bytes"
    )
    assert written <= tracks * 65536 < written + (2 << 20)
    assert by_array <= tracks * 65536 + (1 << 20)


def test_the_freeze_window_is_near_that_of_a_bare_script(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    ours, bare = [], []
    with product(lab) as made:
        _bring_to(lab, made, "established")
        for _ in range(3):
            end = made.do("split", "ordinary")
            thaw = next(line for line in made.story(end.run).splitlines() if line.startswith("thaw:"))
            ours.append(float(thaw.split("frozen for ")[1].split(" ms")[0]))
            made.do("establish", "ordinary")
    reset_mirrors(lab)
    for _ in range(3):
        bare.append(_bare_window(lab))
        reset_mirrors(lab)
    ratio = statistics.median(ours) / statistics.median(bare)
    print(f"\nfreeze window: ours {ours} ms, bare script {bare} ms, ratio of medians {ratio:.2f}")
    assert ratio <= 1.5


def _bare_window(lab: Lab) -> float:
    """Freeze, split and thaw by hand: one ssh command each way over a shared connection, and the array's own transaction."""
    pairs = (ManualPair("std0", "bcv0"), ManualPair("std1", "bcv1"))
    establish(lab.array, pairs)
    points = [shlex.quote(point) for point in reversed(ORDINARY_MOUNTS)]
    began = lab.ssh("source", "date +%s.%N; " + "; ".join(f"fsfreeze -f {p}" for p in points)).stdout
    split(lab.array, pairs)
    ended = lab.ssh("source", "; ".join(f"fsfreeze -u {p}" for p in reversed(points)) + "; date +%s.%N").stdout
    return 1000 * (float(ended) - float(began))


def test_a_pairs_file_with_swapped_columns_is_refused_before_any_change(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    before = traces(lab)
    lines = (lab.directory / "pairs-ordinary.txt").read_text().split()
    swapped = lab.directory / "pairs-swapped.txt"
    swapped.write_text("".join(f"{bcv} {std}\n" for std, bcv in zip(lines[::2], lines[1::2], strict=True)))
    config = _with(lab, lambda body: body["sets"]["ordinary"].update(pairs=str(swapped)))
    done = splitmount(lab, "run", "backup", "ordinary", "--yes", config=config)
    assert done.returncode == 3, done.stderr
    assert "nothing was changed" in done.stderr
    assert traces(lab) == before
    print("\n" + done.stderr)


def test_devices_swapped_on_the_target_are_refused_before_anything_is_written_to_them(fresh_mirrors: Lab) -> None:
    """The array believes that serial 790B4000 is the other node: on the target the serials carry each other's data."""
    lab = fresh_mirrors

    def swap(body: dict[str, Any]) -> None:
        nodes = body["arrays"]["lab"]["devices"]
        one, two = lab.serial_of["bcv0"], lab.serial_of["bcv1"]
        nodes[one], nodes[two] = nodes[two], nodes[one]

    before = traces(lab)
    with product(lab, change=swap) as made:
        drive(made, "ordinary", "establish")
        end = made.run(made.plan("backup", "ordinary", None, PostPolicy.LEAVE_DOWN))
        assert end.exit_code == 4
        assert "is not what the map says" in end.message
        assert not any(s.startswith("activate") for s in made.story(end.run).splitlines())
        print("\n" + end.message)
    assert traces(lab)["dmsetup"] == before["dmsetup"]
    assert traces(lab)["findmnt"] == before["findmnt"]


def test_a_standards_serial_where_a_bcv_should_be_on_the_target_is_refused_before_any_change(fresh_mirrors: Lab) -> None:
    """The target was given a standard in the place of a BCV: its disk says so by its serial."""
    lab = fresh_mirrors
    right = lab.target.disks
    with product(lab) as made:
        drive(made, "ordinary", "establish")
        made.transport.changes.clear()
        lab.target.disks = (replace(right[0], serial=lab.serial_of["std0"]), *right[1:])
        try:
            lab.target.reboot()
            made.engine._submit(made.transport.reconnect("target")).result()
            with pytest.raises(Refused, match="nothing was changed") as refused:
                made.plan("backup", "ordinary")
            print("\n" + str(refused.value))
            assert made.transport.changes == []
            assert made.states("ordinary") == [E, E]
        finally:
            lab.target.disks = right
            lab.target.reboot()


def test_a_set_of_two_instants_is_refused_although_lvm_accepts_it(fresh_mirrors: Lab) -> None:
    """Accident 2, the kind that LVM cannot see: the same sequence number, another instant."""
    lab = fresh_mirrors
    with product(lab) as made:
        drive(made, "ordinary", "establish")
        drive(made, "ordinary", "split", only=0)
        lab.ssh("source", "date > /srv/data/between; sync")
        drive(made, "ordinary", "split", only=1)
        with pytest.raises(Refused, match="set is mixed"):
            made.plan("backup", "ordinary", PrePolicy.VERIFY_DOWN)
    lab.array.make_ready("bcv0", "bcv1")
    accepted = lab.ssh(
        "target", FIND_DISK + "vgimportclone -n torn $(disk {bcv0}) $(disk {bcv1})".format(**lab.serial_of), check=False
    )
    print(f"\nvgimportclone of two instants with one sequence number: exit {accepted.returncode} {accepted.stderr.strip()}")
    assert accepted.returncode == 0


def test_a_set_of_two_generations_of_metadata_is_refused_by_the_import_itself(fresh_mirrors: Lab) -> None:
    """Accident 2, the other kind: the group changed between the two splits. The import's own check needs no array to see it."""
    lab = fresh_mirrors
    with product(lab) as made:
        drive(made, "ordinary", "establish")
        drive(made, "ordinary", "split", only=0)
        lab.ssh("source", "lvcreate -q -y -n between -L 4m vgdata; sync")
        drive(made, "ordinary", "split", only=1)
        with pytest.raises(Refused):
            made.plan("backup", "ordinary", PrePolicy.VERIFY_DOWN)
        plan = made.plan("backup", "ordinary", PrePolicy.DOWN_AFTER_ESTABLISHING)
        step = next(s for s in plan.steps if s.id == "import-vgdata")
        assert step.command is not None
        lab.array.make_ready("bcv0", "bcv1")
        script = f"RUN=/run/torn-test; export RUN; mkdir -p $RUN\n{step.command.script}"
        refused = lab.ssh("target", f"sh -s <<'END-OF-IT'\n{script}\nEND-OF-IT", check=False)
        print("\n" + refused.stderr)
        assert refused.returncode == 90
        assert "sequence number" in refused.stderr or "is not what the map says" in refused.stderr
    lab.ssh("source", "lvremove -q -y vgdata/between")


def test_read_only_refuses_every_change_in_the_transport(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    with product(lab) as writable:
        drive(writable, "ordinary", "establish")
    with product(lab, read_only=True) as made:
        plan = made.engine.plan(PlanRequest("backup", "ordinary")).result()
        with pytest.raises(ReadOnlyRefused):
            made.engine.start(plan).result()
        for step in plan.steps:
            if step.command is not None and step.command.effect == "change":
                with pytest.raises(ReadOnlyRefused):
                    made.engine._submit(made.transport.run(step.command)).result()
        assert made.states("ordinary") == [E, E]


def _with(lab: Lab, change: Any) -> Path:
    from tests.lab.product import config_of

    return config_of(lab, change)
