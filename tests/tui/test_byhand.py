"""A plan that was exported: the script does the same over OpenSSH, without this tool; the runbook says the same."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from core.facade import PlanRequest
from core.plan import StepKind
from tests.emulated.bench import NAMES, Bench, bench, in_the_gate
from tui.__main__ import main
from tui.byhand import script_of
from tui.runbook import runbook

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="no OpenSSH client here")


def run(directory: Path, script: str, *words: str, answers: int = 99) -> subprocess.CompletedProcess[str]:
    """Run it, with so many times yes on its standard input."""
    file = directory / "script.sh"
    file.write_text(script)
    return subprocess.run(
        ["/bin/sh", str(file), *words],
        cwd=directory,
        input="yes\n" * answers,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def exported(made: Bench, name: str, operation: str = "backup") -> str:
    return script_of(made.plan(PlanRequest(operation, name)), made.engine.settings)


@pytest.mark.parametrize("name", NAMES)
def test_every_script_is_posix_shell(tmp_path: Path, name: str) -> None:
    shell = shutil.which("dash") or "/bin/sh"
    with bench(tmp_path, (name,)) as made:
        for operation in ("backup", "split", "rehearse"):
            script = exported(made, name, operation)
            done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", in_the_gate("linux-web"))
def test_a_backup_by_hand_splits_imports_mounts_and_takes_everything_back(tmp_path: Path, name: str) -> None:
    with bench(tmp_path, (name,)) as made:
        family, script = made.family(name), exported(made, name)
        seen: list[str] = []
        keep = family.target.unmount

        def look_and_unmount(point: str) -> None:
            seen.extend(family.target.mounts)
            keep(point)

        family.target.unmount = look_and_unmount  # type: ignore[method-assign]
        made.engine.close()
        done = run(tmp_path, script, "--yes")
        assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
        assert done.stdout.endswith("all steps done\n")
        assert set(seen) == {family.prefix + point for point in family.source.mounts}
        assert family.target.mounts == {}
        assert not [s for s in family.target.slots if family.target.knows(s)]
        assert {made.estate.array.word(s, b) for s, b in family.pairs} <= {"Synchronized", "SyncInProg"}


def test_a_script_that_stopped_is_taken_back_from_what_it_kept(tmp_path: Path) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        family, plan = made.family("linux-web"), made.plan(PlanRequest("backup", "linux-web"))
        script = script_of(plan, made.engine.settings)
        made.engine.close()
        manual = [s.id for s in plan.steps if s.kind in (StepKind.MEASURE, StepKind.AWAIT, StepKind.BACKUP)]
        done = run(tmp_path, script, "--yes", answers=manual.index("backup"))  # no yes for the backup: the copy is mounted
        assert done.returncode == 3, done.stderr
        assert family.target.mounts
        key = re.findall(r"key of this run is (\S+);", done.stdout)[0]
        assert run(tmp_path, script, "--from", "2").returncode == 2
        back = run(tmp_path, script, "--yes", "--undo", "--key", key)
        assert back.returncode == 0, back.stdout + back.stderr
        assert family.target.mounts == {}
        assert not [s for s in family.target.slots if family.target.knows(s)]


def test_what_hosts_said_is_no_line_of_the_script_or_the_runbook(tmp_path: Path) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        plan = made.plan(PlanRequest("backup", "linux-web"))
        odd = "x\n$(touch owned)`touch owned`'; touch owned #\n# heading"
        steps = tuple(
            replace(s, kind=StepKind.AWAIT, title=odd, explain=replace(s.explain, what=odd, by_hand=odd), command=None)
            for s in plan.steps
        )
        hostile = replace(plan, steps=steps, summary=(odd,))
        assert run(tmp_path, script_of(hostile, made.engine.settings), "--yes").returncode in (0, 5)
        assert not (tmp_path / "owned").exists()
        assert "\n# heading" not in runbook(hostile)


def test_the_runbook_has_every_step_with_its_command(tmp_path: Path) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        plan = made.plan(PlanRequest("backup", "linux-web"))
        text = runbook(plan)
        assert len(re.findall(r"^## \d+\. ", text, re.MULTILINE)) == len(plan.steps)
        assert plan.digest in text
        assert "fsfreeze -f /srv/web" in text


def test_the_command_writes_new_files_of_two_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        plan = ["--config", str(made.estate.config), "plan", "backup", "linux-web", "--export"]
        for name, first in (("a.md", "# backup of linux-web"), ("a.sh", "#!/bin/sh")):
            assert main([*plan, str(tmp_path / name)]) == 0
            assert (tmp_path / name).read_text().splitlines()[0] == first
            assert main([*plan, str(tmp_path / name)]) == 2, "a file that is there is kept"
        assert main([*plan, str(tmp_path / "a.txt")]) == 2
        assert "ends in .md or .sh" in capsys.readouterr().err
        assert main(["--config", str(made.estate.config), "run", "split", "linux-web", "--yes"]) == 0
        restore = ["--config", str(made.estate.config), "plan", "restore", "linux-web", "--export"]
        assert main([*restore, str(tmp_path / "r.sh")]) == 3, "what overwrites the source is no script"
        assert not (tmp_path / "r.sh").exists()
        assert main([*restore, str(tmp_path / "r.md")]) == 0
