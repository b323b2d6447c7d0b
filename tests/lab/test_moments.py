"""Restore, takeover and rehearsal on the real estate: data is destroyed, and comes back as it was at the split."""

from __future__ import annotations

import json

import pytest

from core.facade import PlanRequest
from core.model import PairState
from core.settings import PostPolicy
from core.transport import Command, Result
from tests.lab.estate import Lab
from tests.lab.layouts import AWKWARD_MOUNTS, FIND_DISK, ORDINARY_MOUNTS, last_numbers, start_writer
from tests.lab.product import RUN_LIMIT, Product, files_of, identity, product, splitmount, traces

DESTROYED = "rm -rf /srv/data/plain '/srv/data/with space'; rm -rf /srv/data/logs/*; echo gone > /srv/data/empty-handed; sync"
SUPERBLOCK = "dd if=/dev/zero of=/dev/vgdata/lvdata bs=64k count=32 conv=fsync status=none"


def point_in_time(lab: Lab, made: Product) -> dict[str, str]:
    """Split mirrors from a rehearsal, left down; the source's files at the split, by path."""
    made.do("establish", "ordinary")
    before = files_of(lab, "source", "", ORDINARY_MOUNTS)
    made.do("rehearse", "ordinary", post=PostPolicy.LEAVE_DOWN)
    return before


def copied_by(made: Product) -> list[int]:
    """How many bytes the array says that its restores copy, each time that somebody looks."""
    seen: list[int] = []

    def look(command: Command, result: Result) -> None:
        if command.title == "read pair states" and result.exit_status == 0:
            jobs = json.loads(result.stdout.splitlines()[1])
            seen.append(sum(job["total-progress"] for job in jobs if job["id"].startswith("sm.r.")))

    made.transport.after = look
    return seen


def differing(made: Product) -> int:
    """The bytes of all tracks in which standards and BCVs differ now."""
    pairs = made.measure("ordinary").estate.pairs
    return sum(((s.std_tracks or 0) + (s.bcv_tracks or 0)) * s.track_size for s in pairs)


def left(found: dict[str, str]) -> dict[str, str]:
    """What a run could leave, without what the target sees on the BCVs themselves, which hold another point in time now."""
    return {name: text for name, text in found.items() if name not in ("pvs", "vgs", "lvs")}


def test_a_rehearsal_leaves_nothing_and_what_was_destroyed_comes_back(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    with product(lab) as made:
        there, known = traces(lab), identity(lab)
        before = point_in_time(lab, made)
        assert len(before) > 80
        assert left(traces(lab)) == left(there)
        for damage in (DESTROYED, SUPERBLOCK):
            lab.ssh("source", damage)
            plan = made.plan("restore", "ordinary")
            print(f"\n{chr(10).join(plan.summary)}")
            differs, copied = differing(made), copied_by(made)
            end = made.run(plan, confirmed="ordinary")
            assert end.exit_code == 0, f"{end.message}\n{made.story(end.run)}"
            print(made.story(end.run))
            whole = sum(s.std_size or 0 for s in made.measure("ordinary").estate.pairs)
            print(f"differing tracks {differs} bytes before the unmounts; copied by the array {max(copied)} of {whole} bytes")
            assert max(copied) <= differs + (2 << 20)  # what the unmounts write comes to it
            assert files_of(lab, "source", "", ORDINARY_MOUNTS) == before
            assert made.states("ordinary") == [PairState.SPLIT, PairState.SPLIT]
        assert identity(lab)["pvs"] == known["pvs"]
        assert sorted(identity(lab)["findmnt"].splitlines()) == sorted(known["findmnt"].splitlines())
    refused = splitmount(lab, "run", "restore", "ordinary", "--yes")
    assert refused.returncode == 3
    assert files_of(lab, "source", "", ORDINARY_MOUNTS) == before


def test_a_machine_that_loses_power_while_it_writes_is_taken_over(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    with product(lab) as made:
        known = identity(lab)
        point_in_time(lab, made)
        made.do("establish", "ordinary")
        made.measure("ordinary")
        start_writer(lab, ORDINARY_MOUNTS)
        lab.source.power_cut()
        plan = made.plan("takeover", "ordinary")
        print(f"\n{chr(10).join(plan.summary)}")
        try:
            end = made.run(plan, confirmed="ordinary")
            assert end.exit_code == 0, f"{end.message}\n{made.story(end.run)}"
            print(made.story(end.run))
            files = files_of(lab, "target", "", ORDINARY_MOUNTS)
            assert len(files) > 80
            numbers = last_numbers(lab, "target", ORDINARY_MOUNTS)
            assert list(numbers) == sorted(numbers, reverse=True)
            lab.ssh("target", "echo served > /srv/data/served; grep -q /srv/data /etc/fstab")
        finally:
            lab.source.power_on()
            lab.source.wait()
        print(
            "mounted on the source after its return:",
            lab.ssh("source", "findmnt -rn -o TARGET | grep srv || true").stdout.split(),
        )
        served = files_of(lab, "target", "", ORDINARY_MOUNTS)
        plan = made.plan("failback", "ordinary")
        print(f"\n{chr(10).join(plan.summary)}")
        end = made.run(plan, confirmed="ordinary")
        assert end.exit_code == 0, f"{end.message}\n{made.story(end.run)}"
        print(made.story(end.run))
        assert files_of(lab, "source", "", ORDINARY_MOUNTS) == served
        assert sorted(known["findmnt"].splitlines()) == sorted(identity(lab)["findmnt"].splitlines())
        assert "/srv/data" not in lab.ssh("target", "cat /etc/fstab; findmnt -rn -o TARGET").stdout


def overwrite(lab: Lab, *disks: str) -> None:
    """Zeros over whole disks of the source, labels and all."""
    for disk in disks:
        lab.ssh("source", f"{FIND_DISK} dd if=/dev/zero of=$(disk {lab.serial_of[disk]}) bs=1M conv=fsync status=none || true")


@pytest.mark.long
def test_whole_disks_that_were_overwritten_come_back_with_their_group(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    with product(lab) as made:
        known = identity(lab)
        before = point_in_time(lab, made)
        for disks in (("std1",), ("std0", "std1")):
            overwrite(lab, *disks)
            plan = made.plan("restore", "ordinary")
            print("\n".join(f"{c.verdict}: {c.code} {c.sentence}" for c in plan.conditions))
            assert any(c.code == "GROUP_READABLE" for c in plan.conditions)
            end = made.run(plan, confirmed="ordinary")
            assert end.exit_code == 0, f"{end.message}\n{made.story(end.run)}"
            assert files_of(lab, "source", "", ORDINARY_MOUNTS) == before
        assert identity(lab)["pvs"] == known["pvs"]
        assert sorted(identity(lab)["findmnt"].splitlines()) == sorted(known["findmnt"].splitlines())


@pytest.mark.long
def test_files_come_back_from_an_archive_and_through_the_bcvs(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    with product(lab) as made:
        made.do("establish", "ordinary")
        before = files_of(lab, "source", "", ORDINARY_MOUNTS)
        made.do("backup", "ordinary")
        backup = made.engine.backups("ordinary").result(60)[0].id
        lab.ssh("source", DESTROYED)
        restored(made, PlanRequest("restore", "ordinary", backup=backup))
        lab.ssh("source", "rm -f /srv/data/empty-handed")
        assert files_of(lab, "source", "", ORDINARY_MOUNTS) == before
        made.do("split", "ordinary")
        overwrite(lab, "std0", "std1")
        restored(made, PlanRequest("restore", "ordinary", backup=backup, via_bcv=True))
        assert files_of(lab, "source", "", ORDINARY_MOUNTS) == before


@pytest.mark.long
def test_files_come_back_from_restic(awkward: Lab, fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    with product(lab) as made:
        made.do("establish", "awkward")
        before = files_of(lab, "source", "", AWKWARD_MOUNTS)
        made.do("backup", "awkward")
        backup = made.engine.backups("awkward").result(60)[0].id
        lab.ssh(
            "source",
            "cd '/srv/awk ward' && rm -rf plain 'with space' mirrored/plain mirrored/thin/plain; rm -rf /srv/part/*; sync",
        )
        restored(made, PlanRequest("restore", "awkward", backup=backup))
        assert files_of(lab, "source", "", AWKWARD_MOUNTS) == before


def restored(made: Product, request: PlanRequest) -> None:
    """Plan it, show it, run it with the name typed; it must end well."""
    plan = made.engine.plan(request).result(RUN_LIMIT)
    print(f"\n{chr(10).join(plan.summary)}")
    end = made.run(plan, confirmed=request.set_name)
    assert end.exit_code == 0, f"{end.message}\n{made.story(end.run)}"
    print(made.story(end.run))


@pytest.mark.long
def test_todays_state_is_kept_on_the_other_mirror_and_undoes_a_restore(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    rows = ((f"std{n}", mirror) for mirror in ("bcv", "bcvx") for n in (0, 1))
    two = lab.directory / "pairs-two-mirrors.txt"
    two.write_text("".join(f"{lab.serial_of[std]} {lab.serial_of[mirror + std[-1]]}\n" for std, mirror in rows))
    with product(lab, change=lambda body: body["sets"]["ordinary"].update(pairs=str(two))) as made:
        before = point_in_time(lab, made)
        lab.ssh("source", DESTROYED)
        today = files_of(lab, "source", "", ORDINARY_MOUNTS)
        restored(made, PlanRequest("restore", "ordinary", safety="mirror", compare="all"))
        assert files_of(lab, "source", "", ORDINARY_MOUNTS) == before
        restored(made, PlanRequest("restore", "ordinary", mirror=2, compare="none"))
        assert files_of(lab, "source", "", ORDINARY_MOUNTS) == today
