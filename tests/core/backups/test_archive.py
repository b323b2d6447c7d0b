"""Archives by real tar, from real trees: what comes back is what was there, and nothing half-done looks whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from core.backups import streams
from core.backups.archive import ArchiveDriver, _data_files, _new_id, tar_command
from core.backups.base import BackupRecord, BackupRequest, Progress, RestoreRequest
from core.backups.manifest import (
    Entry,
    Feed,
    difference,
    escapes,
    from_lines,
    parse_tree_digest,
    read_entries,
    size_command,
    to_lines,
    totals,
    tree_digest_command,
)  # fmt: skip
from core.errors import CommandFailed, OutcomeUnknown, ParseError, Refused
from core.transport import Command, Result
from tests.core.backups.localtransport import LocalTransport
from tests.core.sshserver import connected, serve

SPLIT = datetime(2026, 11, 23, 10, 11, 12, 345678, UTC)
SOURCES = ("/srv/app", "/var/a b, c&d\\e")


def quiet(progress: Progress) -> None:
    """Nobody listens."""


def populate(root: Path) -> None:
    """All that a filesystem may hold, with dates of its own."""
    top = os.fsencode(root)
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / "file").write_bytes(b"deep" * 50000)
    (root / "empty").touch()
    (root / ("long" * 40)).write_text("a name that is longer than an old header holds")
    (root / "blank name").write_text("blank")
    for name in (
        b"end\nof line",
        b"not \xff utf-8 \xfe",
        b"-dash",
        b"quote'\"$x`y`",
        b"back\\slash",
        b".hidden",
        "ümlaut".encode(),
    ):
        Path(os.fsdecode(top + b"/" + name)).write_bytes(name)
    (root / "suid").write_text("mode")
    (root / "suid").chmod(0o4755)
    (root / "secret").write_text("mode")
    (root / "secret").chmod(0o600)
    (root / "one").write_text("two names")
    os.link(root / "one", root / "deep" / "two")
    (root / "link").symlink_to("one")
    os.link(root / "link", root / "link2", follow_symlinks=False)
    (root / "dangling").symlink_to("./nowhere")
    (root / "absolute").symlink_to("/etc/hostname")
    os.mkfifo(root / "fifo")
    with (root / "sparse").open("wb") as file:
        file.seek(3 << 20)
        file.write(b"in the middle")
        file.truncate(6 << 20)
    os.link(root / "sparse", root / "sparse2")
    with contextlib.suppress(OSError):
        os.setxattr(root / "one", "user.note", b"kept")
    for path in sorted(root.rglob("*"), reverse=True):
        os.utime(path, (1_000_000_000.25, 1_000_000_000.25), follow_symlinks=False)
    os.utime(root, (1_100_000_000, 1_100_000_000))


def photograph(root: Path) -> dict[str, tuple[object, ...]]:
    """All that a restore must bring back, by path below `root`; names of one file share the number of the group."""
    groups: dict[tuple[int, int], str] = {}
    out: dict[str, tuple[object, ...]] = {}
    for path in sorted([root, *root.rglob("*")]):
        info = path.lstat()
        if stat.S_ISSOCK(info.st_mode):
            continue
        name = os.path.relpath(path, root)
        group = groups.setdefault((info.st_dev, info.st_ino), name)
        held: object = os.readlink(path) if path.is_symlink() else None
        if stat.S_ISREG(info.st_mode):
            held = hashlib.sha256(path.read_bytes()).hexdigest()
        extra = tuple(sorted(os.listxattr(path, follow_symlinks=False)))
        out[name] = (oct(info.st_mode), info.st_uid, info.st_gid, info.st_mtime, group, held, extra)
    return out


class Place:
    """Two trees, a driver, and a transport."""

    def __init__(self, base: Path, host: str = "") -> None:
        """`host` as the driver is told it."""
        self.base = base
        self.points = (base / "mnt one", base / "mnt2")
        for point in self.points:
            point.mkdir()
        self.repository = base / "repo"
        self.driver = ArchiveDriver(str(self.repository), host)
        self.transport = LocalTransport()
        trees = tuple((str(point), source) for point, source in zip(self.points, SOURCES, strict=True))
        self.request = BackupRequest("payroll", "7", "target", trees, "abc-1", SPLIT, str(base / "jobs"))
        self.into = base / "into"

    def restore(self, backup: str, directory: str | None = None) -> RestoreRequest:
        """What a restore is asked."""
        return RestoreRequest("payroll", backup, "target", directory or str(self.into), str(self.base / "jobs"))

    def kept(self) -> list[str]:
        """What lies in the repository."""
        return sorted(p.name for p in self.repository.glob("payroll/*"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    for point in made.points:
        populate(point)
    return made


@pytest.fixture
def small(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    (made.points[0] / "a").write_text("a")
    (made.points[1] / "b").write_text("bb")
    return made


def rewrite(place: Place, record: BackupRecord, name: str, data: bytes, *, known: bool) -> None:
    """Change a stored file; `known` writes its checksum into the record, as one who may write the repository could."""
    home = place.repository / "payroll" / record.id
    (home / name).write_bytes(data)
    if known:
        body = json.loads((home / "backup.json").read_text())
        body["facts"][name] = hashlib.sha256(data).hexdigest()
        (home / "backup.json").write_text(json.dumps(body))


@pytest.mark.parametrize("host", ["", "vault"])
async def test_what_is_restored_is_what_was_backed_up(tmp_path: Path, host: str) -> None:
    place = Place(tmp_path, host)
    for point in place.points:
        populate(point)
    record = await place.driver.run(place.transport, place.request, quiet)
    verified = await place.driver.verify(place.transport, place.request, record, quiet)
    assert verified.verified_at is not None
    assert (record.split_id, record.split_at, record.run, record.paths) == ("abc-1", SPLIT, "7", SOURCES)
    assert await place.driver.list(place.transport, "target", "", "payroll") == (verified,)
    assert await place.driver.restore(place.transport, place.restore(record.id), quiet) == record.files
    for point, source in zip(place.points, SOURCES, strict=True):
        assert photograph(Path(f"{place.into}{source}")) == photograph(point)


async def test_a_socket_cannot_be_kept_and_disturbs_nothing(small: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small.points[0])
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind("socket")
        record = await small.driver.run(small.transport, small.request, quiet)
        await small.driver.verify(small.transport, small.request, record, quiet)
    assert record.files == 2


async def test_attributes_beyond_the_users_own_come_back(small: Place) -> None:
    try:
        os.setxattr(small.points[0] / "a", "trusted.mark", b"of the system")
    except OSError as error:
        pytest.skip(f"attributes of the system cannot be set here: {error}")
    record = await small.driver.run(small.transport, small.request, quiet)
    await small.driver.restore(small.transport, small.restore(record.id), quiet)
    assert os.getxattr(small.into / "srv/app/a", "trusted.mark") == b"of the system"


@contextlib.contextmanager
def mounted(point: Path, kind: str = "tmpfs") -> Iterator[None]:
    """A filesystem of its own on a directory; the test is skipped where none can be mounted."""
    if subprocess.run(["mount", "-t", kind, "none", str(point)], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(point)], check=True)


async def test_a_filesystem_mounted_below_another_is_copied_once_and_keeps_its_dates(tmp_path: Path) -> None:
    place = Place(tmp_path)
    outer, inner = place.points[0], place.points[0] / "inner"
    inner.mkdir()
    request = replace(place.request, trees=((str(outer), "/srv"), (str(inner), "/srv/inner")))
    with mounted(inner):
        (inner / "deep").mkdir()
        (inner / "deep" / "file").write_text("once")
        os.utime(inner, (1_000_000_000, 1_000_000_000))
        record = await place.driver.run(place.transport, request, quiet)
        await place.driver.verify(place.transport, request, record, quiet)
        await place.driver.restore(place.transport, place.restore(record.id), quiet)
        assert (record.files, record.bytes) == (1, 4)
        assert photograph(place.into / "srv/inner") == photograph(inner)


async def test_a_restore_that_loses_attributes_restores_every_file_and_says_what_is_lost(small: Place) -> None:
    record = await small.driver.run(small.transport, small.request, quiet)
    small.into.mkdir()
    with mounted(small.into, "ramfs"):
        with pytest.raises(CommandFailed, match=r"all 2 files are in .* but not all about them.*ACLs"):
            await small.driver.restore(small.transport, small.restore(record.id), quiet)
        assert sorted(p.name for p in small.into.rglob("*") if p.is_file()) == ["a", "b"]


async def test_an_archive_can_be_restored_by_hand(place: Place) -> None:
    if not shutil.which("zstd"):
        pytest.skip("zstd is not installed")
    record = await place.driver.run(place.transport, place.request, quiet)
    place.into.mkdir()
    home = place.repository / "payroll" / record.id
    for number in range(2):
        line = f"zstd -dc '{home}/data-{number}.tar.zst' | tar -x --numeric-owner --acls --xattrs --xattrs-include='*' -p -C '{place.into}'"
        assert (await place.transport.run(Command("here", "by hand", line))).exit_status == 0
    assert photograph(Path(f"{place.into}{SOURCES[1]}")) == photograph(place.points[1])


async def test_progress_has_a_total_and_moves_inside_a_file(small: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "TOLD", 0.0)  # a fast machine is through the file before the next report is due
    (small.points[1] / "large").write_bytes(os.urandom(32 << 20))
    heard: list[Progress] = []
    record = await small.driver.run(small.transport, small.request, heard.append)
    assert {p.total for p in heard} == {record.bytes}
    assert heard[-1].done == record.bytes
    assert any(3 < p.done < record.bytes for p in heard)


async def test_a_file_that_changes_while_it_is_read_fails_the_backup(small: Place) -> None:
    large = small.points[0] / "large"
    large.write_bytes(bytes(16 << 20))

    def touch(progress: Progress) -> None:
        with large.open("ab") as file:
            file.write(b"more")

    with pytest.raises(CommandFailed, match="file changed as we read it"):
        await small.driver.run(small.transport, small.request, touch)
    assert small.kept() == []


class Meddling(LocalTransport):
    """Does something right after a command came back."""

    def __init__(self, title: str, act: Callable[[], object]) -> None:
        super().__init__()
        self._title, self._act = title, act

    async def run(self, command: Command) -> Result:
        result = await super().run(command)
        if command.title == self._title:
            self._act()
        return result


async def test_an_archive_that_holds_other_than_was_counted_is_no_backup(small: Place) -> None:
    new = small.points[0] / "new"
    transport = Meddling("count files and bytes", lambda: new.write_text("after the count"))
    with pytest.raises(CommandFailed, match="3 names, 2 files, 16 bytes in the archive; 2 names, 1 files, 1 bytes on the disk"):
        await small.driver.run(transport, small.request, quiet)
    assert small.kept() == []


async def test_a_mount_point_that_is_not_there_fails_before_anything_is_written(small: Place) -> None:
    request = replace(small.request, trees=((str(small.base / "absent"), "/srv"),))
    with pytest.raises(CommandFailed, match="could not be counted"):
        await small.driver.run(small.transport, request, quiet)
    assert not small.repository.exists()


async def test_a_connection_lost_in_the_middle_is_unknown_and_leaves_no_backup(small: Place) -> None:
    (small.points[0] / "large").write_bytes(os.urandom(64 << 20))
    async with serve(small.base) as server, connected(small.base, server) as transport:
        request = replace(small.request, host="alpha")
        with pytest.raises(OutcomeUnknown, match="the incomplete copy is not listed"):
            await small.driver.run(transport, request, lambda progress: server.lose())
        assert small.kept() == []
        assert await small.driver.list(transport, "alpha", "", "payroll") == ()


async def test_a_backup_and_a_restore_go_over_ssh_to_a_backup_host(small: Place) -> None:
    async with serve(small.base) as target, serve(small.base) as vault, connected(small.base, target, vault) as transport:
        driver, request = ArchiveDriver(str(small.repository), "beta"), replace(small.request, host="alpha")
        record = await driver.run(transport, request, quiet)
        await driver.verify(transport, request, record, quiet)
        assert await driver.restore(transport, replace(small.restore(record.id), host="alpha"), quiet) == 2
    assert (small.into / "srv/app/a").read_text() == "a"


async def test_an_incomplete_backup_and_strange_names_are_not_listed(small: Place) -> None:
    record = await small.driver.run(small.transport, small.request, quiet)
    for name in ("20261123T101112Z-x.partial", ".notes", "lost+found"):
        (small.repository / "payroll" / name).mkdir()
    assert await small.driver.list(small.transport, "target", "", "payroll") == (record,)
    assert await small.driver.list(small.transport, "target", "", "unheard-of") == ()


def test_two_backups_of_one_split_within_a_second_have_two_names() -> None:
    at = datetime(2026, 11, 25, 23, 59, 59, tzinfo=UTC)
    first = _new_id(at, "split-1", [])
    second = _new_id(at, "split-1", [first])
    third = _new_id(at, "split-1", [first, second + ".partial"])
    assert (first, second, third) == ("20261125T235959Z-split-1", "20261126T000000Z-split-1", "20261126T000001Z-split-1")


async def test_a_damaged_record_is_an_error_that_names_the_other_backups(small: Place) -> None:
    record = await small.driver.run(small.transport, small.request, quiet)
    other = "20200101T000000Z-old"
    shutil.copytree(small.repository / "payroll" / record.id, small.repository / "payroll" / other)
    with pytest.raises(CommandFailed, match=f"backup {other} .* is damaged.*The others .*: {record.id}"):
        await small.driver.list(small.transport, "target", "", "payroll")


@pytest.mark.parametrize("name", ["data-0.tar.zst", "data-1.tar.zst", "manifest.jsonl.zst"])
async def test_one_flipped_bit_in_the_repository_is_found(small: Place, name: str) -> None:
    record = await small.driver.run(small.transport, small.request, quiet)
    path = small.repository / "payroll" / record.id / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    rewrite(small, record, name, bytes(data), known=False)
    with pytest.raises(CommandFailed, match=r"is damaged|is not what was written"):
        await small.driver.verify(small.transport, small.request, record, quiet)
    with pytest.raises(CommandFailed, match=r"is damaged|is not what was written"):
        await small.driver.restore(small.transport, small.restore(record.id), quiet)


@pytest.mark.parametrize("lacking", [4, 1 << 19])
async def test_an_archive_cut_short_is_found_even_if_its_checksum_was_put_right(small: Place, lacking: int) -> None:
    (small.points[0] / "noise").write_bytes(os.urandom(1 << 20))
    record = await small.driver.run(small.transport, small.request, quiet)
    data = (small.repository / "payroll" / record.id / "data-0.tar.zst").read_bytes()
    rewrite(small, record, "data-0.tar.zst", data[:-lacking], known=True)
    (cut,) = await small.driver.list(small.transport, "target", "", "payroll")
    with pytest.raises(CommandFailed, match=r"damaged or cut|not what was written"):
        await small.driver.verify(small.transport, small.request, cut, quiet)


async def test_a_sound_archive_of_something_else_is_not_taken_for_the_backup(small: Place) -> None:
    record = await small.driver.run(small.transport, small.request, quiet)
    (small.points[0] / "a").write_text("A")
    second = await small.driver.run(small.transport, replace(small.request, split_id="abc-2"), quiet)
    other = (small.repository / "payroll" / second.id / "data-0.tar.zst").read_bytes()
    rewrite(small, record, "data-0.tar.zst", other, known=False)
    with pytest.raises(CommandFailed, match="is not what was written"):
        await small.driver.restore(small.transport, small.restore(record.id), quiet)


async def test_a_tree_that_changed_since_the_backup_does_not_verify(small: Place) -> None:
    record = await small.driver.run(small.transport, small.request, quiet)
    (small.points[0] / "later").write_text("x")
    with pytest.raises(CommandFailed, match="on the disk"):
        await small.driver.verify(small.transport, small.request, record, quiet)


@pytest.mark.parametrize("held", ["file", ".hidden", "\n"])
async def test_a_restore_never_touches_a_directory_that_holds_something(small: Place, held: str) -> None:
    record = await small.driver.run(small.transport, small.request, quiet)
    small.into.mkdir()
    (small.into / held).write_text("mine")
    with pytest.raises(Refused, match="is not empty; nothing was restored"):
        await small.driver.restore(small.transport, small.restore(record.id), quiet)
    assert [p.name for p in small.into.iterdir()] == [held]


@pytest.mark.parametrize("directory", ["relative", "", "-x", "/a\nb"])
async def test_a_restore_goes_to_an_absolute_path_only(small: Place, directory: str) -> None:
    request = replace(small.restore("20261123T101112Z-x"), directory=directory)
    with pytest.raises(Refused, match="not an absolute path; nothing was restored"):
        await small.driver.restore(small.transport, request, quiet)


async def test_a_directory_named_like_a_command_is_only_a_name(small: Place) -> None:
    record = await small.driver.run(small.transport, small.request, quiet)
    into = small.base / f"$(touch {small.base.name})`id`'\""
    (into / "held").mkdir(parents=True)
    with pytest.raises(Refused, match="is not empty"):
        await small.driver.restore(small.transport, small.restore(record.id, str(into)), quiet)
    shutil.rmtree(into)
    assert await small.driver.restore(small.transport, small.restore(record.id, str(into)), quiet) == 2


@pytest.mark.parametrize("backup", ["20261123T101112Z-absent", "..", "20261123T101112Z-x.partial", "a/b"])
async def test_a_backup_that_is_not_there_is_refused(small: Place, backup: str) -> None:
    await small.driver.run(small.transport, small.request, quiet)
    (small.repository / "payroll" / "20261123T101112Z-x.partial").mkdir()
    with pytest.raises(Refused, match="there is no backup"):
        await small.driver.restore(small.transport, small.restore(backup), quiet)
    assert not small.into.exists()


async def test_an_archive_that_leads_out_of_the_directory_is_refused_before_anything_is_written(small: Place) -> None:
    record = await small.driver.run(small.transport, small.request, quiet)
    evil = file_entry("srv/app/../../../etc/passwd")
    packed = zstandard.compress(to_lines([evil]).encode())
    rewrite(small, record, "manifest.jsonl.zst", packed, known=True)
    with pytest.raises(Refused, match="lead out of the directory"):
        await small.driver.restore(small.transport, small.restore(record.id), quiet)
    assert not small.into.exists()


def file_entry(path: str, kind: str = "file", link: str = "") -> Entry:
    """An entry with nothing special."""
    return Entry(path, kind, 0, 0o644, 0, 0, "", "", 0.0, link=link)


def test_absolute_names_parents_and_names_through_links_lead_out() -> None:
    link, again = file_entry("srv/x", "symlink", "/etc"), file_entry("srv/y", "hard link", "srv/x")
    good = [link, again, file_entry("srv/xx/f"), file_entry("srv/..f"), file_entry(".")]
    assert escapes(good) == []
    through = file_entry("srv/h", "hard link", "srv/x/passwd")
    bad = [file_entry("/a"), file_entry("a/../b"), file_entry(".."), file_entry("srv/x/f"), file_entry("srv/y/f/g"), through]
    assert escapes([*good, *bad]) == [entry.path for entry in bad]


async def test_a_target_without_gnu_tools_and_a_repository_out_of_reach_are_said(small: Place) -> None:
    assert await small.driver.check(small.transport, "target", "") == ()
    (small.base / "file").touch()
    driver = ArchiveDriver(str(small.base / "file" / "repo"))
    assert len(await driver.check(small.transport, "target", "")) == 1
    bare = LocalTransport(environment={"PATH": "/nonexistent"})
    assert [s.split(" is ")[0] for s in await small.driver.check(bare, "target", "")] == ["target: GNU tar", "target: GNU find"]


def test_the_plan_shows_the_tar_of_every_tree(small: Place) -> None:
    texts = [command.text for command in small.driver.commands(small.request)]
    assert [str(point) in text for point, text in zip(small.points, texts, strict=True)] == [True, True]
    assert "sudo -n `gnu tar` --create" in small.driver.commands(replace(small.request, become="sudo"))[0].text


async def test_archives_beyond_ten_keep_their_order(small: Place) -> None:
    record = await small.driver.run(small.transport, small.request, quiet)
    many = replace(record, facts={f"data-{n}.tar.zst": "" for n in (10, 2, 0, 1, 11)} | {"manifest.jsonl.zst": ""})
    assert _data_files(many) == [f"data-{n}.tar.zst" for n in (0, 1, 2, 10, 11)]


# --- manifest ---------------------------------------------------------------------------------------------------------

NAMES = st.binary(min_size=1, max_size=200).map(lambda b: b.replace(b"\0", b"_").replace(b"/", b"|")).filter(
    lambda b: b not in (b".", b"..")
)  # fmt: skip


def archived(root: str, source: str) -> list[Entry]:
    """The entries of a tree, by the real tar."""
    ran = subprocess.run(["/bin/sh", "-c", tar_command("h", "", root, source).script], capture_output=True, check=True)
    feed = Feed()
    for start in range(0, len(ran.stdout), 1 << 20):
        feed.put(ran.stdout[start : start + (1 << 20)])
    feed.end()
    return read_entries(feed)


@settings(max_examples=60, deadline=None)
@given(names=st.sets(NAMES, min_size=1, max_size=5), source=st.sampled_from(["/", *SOURCES]))
def test_any_name_goes_through_tar_and_manifest_unchanged(names: set[bytes], source: str) -> None:
    with TemporaryDirectory() as root:
        for name in names:
            with open(os.fsencode(root) + b"/" + name, "wb") as file:
                file.write(name)
        entries = archived(root, source)
        top = os.fsencode(source.strip("/") or ".")
        wanted = {(top + b"/" + name, hashlib.sha256(name).hexdigest()) for name in names}
        assert {(e.path.encode("utf-8", "surrogateescape"), e.sha256) for e in entries if e.kind == "file"} == wanted
        assert list(from_lines(to_lines(entries))) == entries
        assert difference(entries, from_lines(to_lines(entries))) == []
        counted = subprocess.run(["/bin/sh", "-c", size_command("h", "", (root,)).script], capture_output=True, check=True)
        sums = totals(entries)
        assert counted.stdout.split() == [b"%d" % n for n in (sums.names, sums.files, sums.bytes, sums.bytes, 0)]


def test_another_name_of_a_symlink_is_no_file(tmp_path: Path) -> None:
    populate(tmp_path)
    entries = archived(str(tmp_path), "/srv")
    assert totals(entries).files == sum(1 for p in tmp_path.rglob("*") if p.is_file() and not p.is_symlink())


def test_devices_are_noted_with_their_numbers(tmp_path: Path) -> None:
    try:
        os.mknod(tmp_path / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("devices can be made by root only")
    entry = next(e for e in archived(str(tmp_path), "/dev") if e.path == "dev/null")
    assert (entry.kind, entry.device) == ("character device", "1:3")


def test_differences_are_named() -> None:
    same, old, new = file_entry("same"), file_entry("changed"), replace(file_entry("changed"), sha256="ff")
    found = difference([same, old, file_entry("gone")], [same, new, file_entry("extra")])
    assert found == ["differs: 'changed'", "missing: 'gone'", "not in the manifest: 'extra'"]


async def test_the_checksums_of_a_tree_are_those_of_its_files(place: Place) -> None:
    points = tuple(str(point) for point in place.points)
    result = await place.transport.run(tree_digest_command("h", "", points))
    for point, digests in zip(place.points, parse_tree_digest("h", result.stdout, points), strict=True):
        wanted = {str(p.relative_to(point)): p for p in point.rglob("*") if p.is_file() and not p.is_symlink()}
        escaped = {os.fsencode(name).decode("utf-8", "backslashreplace"): path for name, path in wanted.items()}
        assert digests == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in escaped.items()}


@pytest.mark.parametrize("text", ["", "@@ 0\n", "@@ 0\nnonsense\n@@ 1\n", f"{'0' * 64}  /m/f\n@@ 0\n@@ 1\n", "@@ 0\n@@ 2\n"])
def test_checksums_that_are_not_whole_are_not_understood(text: str) -> None:
    with pytest.raises(ParseError):
        parse_tree_digest("h", text, ("/m", "/n"))
