"""Files of a backup go onto the filesystems of the set and nowhere else: real tar, real mounts in a namespace of its own."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tarfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.backups import putback
from core.backups.base import Names, PutBack, TarStream
from core.backups.manifest import shape_command
from core.backups.putback import astray, command_of, in_scope
from core.errors import CommandFailed, Refused

NAMESPACE = ("unshare", "--map-root-user", "--mount") if shutil.which("unshare") else ()
AS_IT_WAS = "of the backup"
TODAY = "of today, and not of the set"


def can_mount() -> bool:
    return (
        bool(NAMESPACE)
        and not subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode
    )


needs_mount = pytest.mark.skipif(not can_mount(), reason="no namespace of mounts (unshare -r -m)")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A tree `data`, its backup `old.tar` with names as the archive driver has them, and a directory outside."""
    conf = tmp_path / "data" / "app" / "conf"
    conf.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (conf / "server.cfg").write_text(AS_IT_WAS)
    (tmp_path / "data" / "logs").mkdir()
    subprocess.run(["tar", "-C", "/", "-cf", str(tmp_path / "old.tar"), str(tmp_path / "data")[1:]], check=True)
    return tmp_path


def what_of(place: Path, paths: Sequence[str], trees: Sequence[str] = ("data",), apart: Sequence[str] = ()) -> PutBack:
    whole, wanted, alone = (tuple(f"{place}/{name}" for name in names) for names in (trees, paths, apart))
    return PutBack("b", "here", "", "", whole, "here", "", wanted, alone)


def poured(
    place: Path, today: str, *paths: str, trees: Sequence[str] = ("data",), shell: str = "sh", apart: Sequence[str] = ()
) -> tuple[int, str, str]:
    """Make the tree a filesystem, bring about what is there today, restore; exit status, errors, and all that is there then."""
    what = what_of(place, paths, trees, apart)
    stream = TarStream("data-0", "", what.trees, lambda transport: iter(()))  # type: ignore[arg-type,return-value]
    (place / "put").write_text(command_of(what, stream).script)
    show = "stat -c %a data/logs; find data outside -printf '%y %p\\n' | sort; find data outside -type f | sort | xargs cat"
    script = f"""cd {shlex.quote(str(place))}; cp -a data kept
mount -t tmpfs none data; cp -a kept/. data; {today}
{shell} put < old.tar; code=$?
{show}; exit $code
"""
    done = subprocess.run([*NAMESPACE, "sh", "-c", script], capture_output=True, text=True)
    return done.returncode, done.stderr, done.stdout


LINK = f"rm -r data/app/conf; ln -s ../../outside data/app/conf; echo {TODAY!r} > outside/server.cfg"
MOUNT = f"rm data/app/conf/*; mount -t tmpfs none data/app/conf; echo {TODAY!r} > data/app/conf/server.cfg"


@needs_mount
@pytest.mark.parametrize("shell", [s for s in ("dash", "mksh", "posh", "bash") if shutil.which(s)])
@pytest.mark.parametrize("path", ["data/app/conf/server.cfg", "data/app/conf"])
def test_a_link_on_the_way_to_a_path_is_refused_and_what_it_leads_to_stays(place: Path, path: str, shell: str) -> None:
    code, said, there = poured(place, LINK, path, shell=shell)
    assert (code, "is a symbolic link here" in said) == (90, True), said
    assert TODAY in there
    assert AS_IT_WAS not in there


@needs_mount
@pytest.mark.parametrize("shell", [s for s in ("dash", "mksh", "posh", "bash") if shutil.which(s)])
@pytest.mark.parametrize("paths", [(), ("data/app",), ("data/app/conf",), ("data/app/conf/server.cfg",)])
def test_a_filesystem_of_others_in_the_tree_is_refused_and_its_files_stay(
    place: Path, paths: tuple[str, ...], shell: str
) -> None:
    code, said, there = poured(place, MOUNT, *paths, shell=shell)
    assert (code, f"{place}/data/app/conf" in said) == (90, True), said
    assert TODAY in there
    assert AS_IT_WAS not in there


@needs_mount
def test_what_lies_beside_them_comes_back_and_so_does_what_is_missing(place: Path) -> None:
    more = f"mkdir data/new; mount -t tmpfs none data/new; {LINK}; mkdir data/app/other; echo x > data/logs/x"
    assert poured(place, more, "data/logs")[0] == 0
    (place / "again").mkdir()
    code, said, there = poured(place, "rm -r data/app", "data/app/conf/server.cfg")
    assert (code, said) == (0, "")
    assert AS_IT_WAS in there


@needs_mount
def test_a_filesystem_of_the_set_inside_another_is_none_of_others(place: Path) -> None:
    code, said, there = poured(
        place, "mount -t tmpfs none data/logs; echo changed > data/app/conf/server.cfg", trees=("data", "data/logs")
    )
    assert (code, said) == (0, "")
    assert AS_IT_WAS in there


@needs_mount
@pytest.mark.parametrize("shell", [s for s in ("dash", "mksh", "posh", "bash") if shutil.which(s)])
def test_a_filesystem_of_others_of_which_the_backup_has_nothing_is_left_alone(place: Path, shell: str) -> None:
    today = f"mount -t tmpfs -o mode=711 none data/logs; echo {TODAY!r} > data/logs/x; rm data/app/conf/server.cfg"
    assert poured(place, today, shell=shell)[0] == 90
    shutil.rmtree(place / "kept")
    code, said, there = poured(place, today, shell=shell, apart=("data/logs",))
    assert (code, said, there.splitlines()[0]) == (0, "", "711")
    assert TODAY in there
    assert AS_IT_WAS in there


# --- the look before ----------------------------------------------------------------------------------------------------


def looked(place: Path, today: str, *paths: str, trees: Sequence[str] = ("data",)) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the preview says of the tree as it is today, and what it would leave alone."""
    what = what_of(place, paths, trees)
    (place / "look").write_text(shape_command("here", "", what.trees).script)
    script = f"cd {shlex.quote(str(place))}; cp -a data kept; mount -t tmpfs none data; cp -a kept/. data; {today}; sh look"
    done = subprocess.run([*NAMESPACE, "sh", "-c", script], capture_output=True, check=True)
    shutil.rmtree(place / "kept")
    rows = [row.decode().split(" ", 2) for row in done.stdout.split(b"\0") if row]
    directories = frozenset(f"{place}/data/{name}".rstrip("/") for name in ("", "app", "app/conf", "logs"))
    names = in_scope(Names(frozenset({f"{place}/data/app/conf/server.cfg"}), directories), what.paths)
    odd, apart = astray(what, names, [(kind, number, path) for kind, number, path in rows])
    return tuple(line.replace(f"{place}/", "") for line in odd), tuple(line.replace(f"{place}/", "") for line in apart)


@needs_mount
def test_the_preview_names_each_link_and_each_filesystem_through_which_files_would_go_elsewhere(place: Path) -> None:
    link, mount = "'data/app/conf' is a symbolic link today", "'data/app/conf' is a filesystem of its own today"
    for today, sentence in ((LINK, link), (MOUNT, mount)):
        for number, paths in enumerate(((), ("data/app",), ("data/app/conf",), ("data/app/conf/server.cfg",))):
            (found,), apart = looked(place, today, *paths)
            assert found.startswith(sentence), (number, found)
            assert apart == ()


@needs_mount
def test_the_preview_names_each_filesystem_that_is_left_alone(place: Path) -> None:
    assert looked(place, "mount -t tmpfs none data/logs") == ((), ("data/logs",))
    assert looked(place, "mkdir data/new; mount -t tmpfs none data/new") == ((), ("data/new",))
    assert looked(place, "mount -t tmpfs none data/logs", "data/app") == ((), ())


@needs_mount
def test_a_link_that_is_no_directory_of_the_backup_and_a_filesystem_of_the_set_are_nothing_to_the_preview(place: Path) -> None:
    harmless = "ln -s /etc data/current; ln -s conf data/app/now; mount -t tmpfs none data/logs"
    assert looked(place, harmless, trees=("data", "data/logs")) == ((), ())


@pytest.mark.parametrize(("written", "error"), [(0, Refused), (1, CommandFailed)])
async def test_a_refusal_after_a_part_was_written_is_not_told_as_nothing_written(
    monkeypatch: pytest.MonkeyPatch, written: int, error: type[Exception]
) -> None:
    what, left = PutBack("b", "here", "", "", ("/a", "/b"), "here", ""), iter([*[""] * written, "refused"])

    async def none(transport: object) -> AsyncIterator[bytes]:
        for piece in (tarfile.NUL * 10240,):
            yield piece

    async def pour(transport: object, command: object, pieces: AsyncIterator[bytes], meter: object) -> str:
        async for _ in pieces:
            pass
        if next(left):
            raise Refused("here: refused: /b is not a mounted filesystem here; nothing was written")
        return ""

    monkeypatch.setattr(putback, "pour", pour)
    driver: Any = SimpleNamespace(tars=lambda *_: [TarStream(f"data-{tree}", "", (tree,), none) for tree in what.trees])
    record: Any = SimpleNamespace(bytes=0)
    with pytest.raises(error) as told:
        await putback.put_back(driver, driver, record, what, frozenset(), lambda _: None)
    assert ("nothing was written" in str(told.value)) is (error is Refused)


@pytest.fixture(autouse=True)
def tidy(tmp_path: Path) -> Iterator[None]:
    yield
    shutil.rmtree(tmp_path, ignore_errors=True)
