"""The configuration's file and new pairs files on disk: whole or not at all, never over what is not ours to replace."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from core.config import LIMIT
from core.configedit import Draft
from core.errors import ConfigError
from core.untrusted import text_file

_MARK = b"\xef\xbb\xbf"


def opened(path: Path) -> Draft:
    """A draft of the file as it is, or of one that is not there yet. ConfigError for a symbolic link, and as `core.config`."""
    text = _now(path)
    draft = Draft(path, text, text or "")
    _ = draft.settings  # what is wrong with it is told before any question
    return draft


@contextlib.contextmanager
def pairs_written(draft: Draft) -> Iterator[None]:
    """Write the new pairs files; they are taken away again when what follows fails. ConfigError for one that is there, and as `put`."""
    _refuse_changed(draft)
    made: list[Path] = []
    try:
        for path, text in draft.pairs.items():
            _make(path, text.encode())
            made.append(path)
        yield
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise


def put(draft: Draft) -> None:
    """Write the configuration. ConfigError when the file is not what the draft was made from, and then it is left alone."""
    _refuse_changed(draft)
    if draft.before is None:
        _make(draft.path, draft.text.encode())
        return
    with _errors(draft.path):
        old, head = draft.path.stat(), draft.path.read_bytes()[:3]
        mark = _MARK if head == _MARK else b""
        with _beside(draft.path, mark + draft.text.encode(), old) as made:
            os.replace(made, draft.path)
        _settle(draft.path.parent)


def _refuse_changed(draft: Draft) -> None:
    if _now(draft.path) != draft.before:
        raise ConfigError(f"{draft.path}: was changed while this one was made, and was left alone: begin again")


def _now(path: Path) -> str | None:
    if path.is_symlink():
        raise ConfigError(f"{path}: is a symbolic link to {os.readlink(path)}; name that file itself with --config")
    return text_file(path, LIMIT) if os.path.lexists(path) else None


def _make(path: Path, data: bytes) -> None:
    """A file that was not there: linked to its name when it is whole, which never replaces another."""
    with _errors(path):
        with _beside(path, data) as made:
            os.link(made, path)
        _settle(path.parent)


@contextlib.contextmanager
def _beside(path: Path, data: bytes, like: os.stat_result | None = None) -> Iterator[str]:
    """The data on disk under another name in the same directory, with owner and mode of a file that it is to replace."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # readable by its owner alone
    try:
        with open(handle, "wb") as file:
            if like is not None:
                mine = os.fstat(file.fileno())
                if (like.st_uid, like.st_gid) != (mine.st_uid, mine.st_gid):
                    os.fchown(file.fileno(), like.st_uid, like.st_gid)
                os.fchmod(file.fileno(), like.st_mode & 0o7777)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield name
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _settle(directory: Path) -> None:
    """The names in a directory are on disk when this returns."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise ConfigError(f"{path}: is there already, and is never overwritten") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
