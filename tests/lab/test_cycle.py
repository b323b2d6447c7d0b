"""The whole cycle on the real estate, with a writer on the source all along."""

from __future__ import annotations

from core.transport import Command, Result
from tests.lab.estate import Lab
from tests.lab.layouts import AWKWARD_MOUNTS, ORDINARY_MOUNTS, start_writer
from tests.lab.product import Product, files_of, identity, product, restored_files, splitmount, traces

BEFORE_COPY = ("count files and bytes", "open the repository")


def _run_backup(lab: Lab, made: Product, name: str, mounts: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str], str]:
    """One backup: (files on the source at the split, files on the imported target, the backup's id)."""
    source: dict[str, str] = {}
    target: dict[str, str] = {}

    def look(command: Command, result: Result) -> None:
        if command.title.startswith("Split") and not source:
            source.update(files_of(lab, "source", "", mounts))  # it is still frozen: this is the instant of the split
        if command.title in BEFORE_COPY and command.host == "target" and not target:
            target.update(files_of(lab, "target", f"/mnt/splitmount/{name}", mounts))

    made.transport.after = look
    end = made.do("backup", name)
    made.transport.after = lambda command, result: None
    print(f"\n{made.story(end.run)}")
    return source, target, made.engine.backups(name).result()[0].id


def test_an_ordinary_set_goes_through_the_cycle_and_every_copy_is_equal(fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    with product(lab) as made:
        made.do("establish", "ordinary")
        before, there = identity(lab), traces(lab)
        writer = start_writer(lab, ORDINARY_MOUNTS)
        try:
            source, target, backup = _run_backup(lab, made, "ordinary", ORDINARY_MOUNTS)
        finally:
            writer.stop()
        assert len(source) > 80
        assert target == source
        assert identity(lab) == before
        assert traces(lab) == there
        made.engine.restore_files("ordinary", backup, "/var/tmp/restored-archive").result()
        assert restored_files(lab, "target", "/var/tmp/restored-archive") == source
    again = splitmount(lab, "restore-files", "ordinary", backup, "--to", "/var/tmp/restored-archive")
    assert again.returncode == 3, again.stderr
    assert "nothing was restored" in again.stderr
    lab.ssh("target", "rm -rf /var/tmp/restored-archive")


def test_an_awkward_set_goes_through_the_cycle_and_every_copy_is_equal(awkward: Lab, fresh_mirrors: Lab) -> None:
    lab = fresh_mirrors
    with product(lab) as made:
        made.do("establish", "awkward")
        before, there = identity(lab), traces(lab)
        writer = start_writer(lab, AWKWARD_MOUNTS)
        try:
            source, target, backup = _run_backup(lab, made, "awkward", AWKWARD_MOUNTS)
        finally:
            writer.stop()
        assert len(source) > 160
        assert target == source
        assert identity(lab) == before
        assert traces(lab) == there
        made.engine.restore_files("awkward", backup, "/var/tmp/restored-restic").result()
        restored = restored_files(lab, "target", "/var/tmp/restored-restic/mnt/splitmount/awkward")
        assert restored == source
    lab.ssh("target", "rm -rf /var/tmp/restored-restic /var/tmp/restic-repo")
