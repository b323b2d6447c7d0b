"""One machine is source and target: the copy comes up under another name beside the original, and never gets in its way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.errors import Refused
from core.events import StepEnded
from core.facade import PlanRequest
from core.settings import PostPolicy
from tests.lab.estate import Lab
from tests.lab.layouts import ALONE_MOUNTS, make_alone, remove_alone
from tests.lab.product import RUN_LIMIT, files_of, product

SHOWS = "pvs --noheadings -o pv_uuid,vg_name; vgs --noheadings -o vg_name,vg_uuid,vg_seqno; findmnt -rn -o TARGET,SOURCE"


def shown(lab: Lab) -> list[str]:
    """Physical volumes, groups and mounts of the machine, each in a line without its columns."""
    return sorted(" ".join(line.split()) for line in lab.ssh("target", SHOWS).stdout.splitlines())


@pytest.fixture
def alone(fresh_mirrors: Lab) -> Iterator[Lab]:
    make_alone(fresh_mirrors)
    yield fresh_mirrors
    remove_alone(fresh_mirrors)


@pytest.mark.long
def test_one_machine_is_rehearsed_backed_up_and_restored(alone: Lab) -> None:
    lab = alone
    with product(lab) as made:
        made.do("establish", "alone")
        known = shown(lab)
        before = files_of(lab, "target", "", ALONE_MOUNTS)
        assert len(before) > 80
        plan = made.plan("backup", "alone", post=PostPolicy.LEAVE_DOWN)
        texts = "\n".join(step.command.script for step in plan.steps if step.command)
        assert "nouuid" in texts
        assert "vgown_bcv" in texts
        end = made.run(plan)
        assert end.exit_code == 0, f"{end.message}\n{made.story(end.run)}"
        print(made.story(end.run))
        verified = next(e.message for e in made.events if isinstance(e, StepEnded) and e.step == "verify")
        assert f"{len(before)} files" in verified
        assert shown(lab) == known
        made.do("rehearse", "alone", post=PostPolicy.LEAVE_DOWN)
        assert shown(lab) == known
        lab.ssh("target", "rm -rf /srv/own/plain /srv/own/logs/plain; sync")
        plan = made.plan("restore", "alone")
        end = made.run(plan, confirmed="alone")
        assert end.exit_code == 0, f"{end.message}\n{made.story(end.run)}"
        print(made.story(end.run))
        assert files_of(lab, "target", "", ALONE_MOUNTS) == before
        assert shown(lab) == known


@pytest.mark.long
def test_one_machine_takes_over_beside_its_original_and_gives_the_work_back(alone: Lab) -> None:
    lab = alone
    with product(lab) as made:
        made.do("establish", "alone")
        known = shown(lab)
        table = lab.ssh("target", "cat /etc/fstab").stdout
        before = files_of(lab, "target", "", ALONE_MOUNTS)
        made.do("split", "alone")
        with pytest.raises(Refused, match="RELEASED"):
            made.plan("takeover", "alone")
        why = {"RELEASED": "the original is broken, and looked at later"}
        plan = made.engine.plan(PlanRequest("takeover", "alone", overrides=why)).result(RUN_LIMIT)
        end = made.run(plan, confirmed="alone")
        assert end.exit_code == 0, f"{end.message}\n{made.story(end.run)}"
        print(made.story(end.run))
        prefix = made.engine.settings.sets["alone"].mount.prefix.rstrip("/")
        assert files_of(lab, "target", prefix, ALONE_MOUNTS) == before
        assert files_of(lab, "target", "", ALONE_MOUNTS) == before
        assert set(known) < set(shown(lab))
        assert lab.ssh("target", f"findmnt -rn -o OPTIONS {prefix}{ALONE_MOUNTS[0]}").stdout.startswith("rw")
        lab.ssh("target", f"echo served > {prefix}{ALONE_MOUNTS[0]}/served; sync; mount -fav")
        served = files_of(lab, "target", prefix, ALONE_MOUNTS)
        end = made.run(made.plan("failback", "alone"), confirmed="alone")
        assert end.exit_code == 0, f"{end.message}\n{made.story(end.run)}"
        print(made.story(end.run))
        assert files_of(lab, "target", "", ALONE_MOUNTS) == served
        assert shown(lab) == known
        assert lab.ssh("target", "cat /etc/fstab").stdout == table
