"""Restore, takeover and rehearsal on the real estate: data is destroyed, and comes back as it was at the split."""

from __future__ import annotations

from core.model import PairState
from core.settings import PostPolicy
from tests.lab.estate import Lab
from tests.lab.layouts import ORDINARY_MOUNTS, last_numbers, start_writer
from tests.lab.product import Product, files_of, identity, product, splitmount, traces

DESTROYED = "rm -rf /srv/data/plain '/srv/data/with space'; rm -rf /srv/data/logs/*; echo gone > /srv/data/empty-handed; sync"
SUPERBLOCK = "dd if=/dev/zero of=/dev/vgdata/lvdata bs=64k count=32 conv=fsync status=none"


def point_in_time(lab: Lab, made: Product) -> dict[str, str]:
    """Split mirrors from a rehearsal, left down; the source's files at the split, by path."""
    made.do("establish", "ordinary")
    before = files_of(lab, "source", "", ORDINARY_MOUNTS)
    made.do("rehearse", "ordinary", post=PostPolicy.LEAVE_DOWN)
    return before


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
            end = made.run(plan, confirmed="ordinary")
            assert end.exit_code == 0, f"{end.message}\n{made.story(end.run)}"
            print(made.story(end.run))
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
        assert "/srv/data" in lab.ssh("source", "cat /etc/fstab").stdout
