"""The lab's archive of write-ahead log keeps what it has, and gives back what it was given. Needs no machine."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.lab.walstore import serve

SEGMENT = "000000010000000000000007"


def asked(directory: Path, request: bytes) -> bytes:
    answer = io.BytesIO()
    serve(directory, io.BytesIO(request), answer)
    return answer.getvalue()


def test_a_segment_comes_back_as_it_was_and_nothing_is_overwritten_by_something_else(tmp_path: Path) -> None:
    assert asked(tmp_path, b"put %s 5\nhello" % SEGMENT.encode()) == b"ok\n"
    assert asked(tmp_path, b"put %s 5\nhello" % SEGMENT.encode()) == b"ok\n"
    assert asked(tmp_path, b"put %s 5\nother" % SEGMENT.encode()) == b"no\n"
    assert asked(tmp_path, b"get %s\n" % SEGMENT.encode()) == b"5\nhello"
    assert asked(tmp_path, b"get 00000002.history\n") == b"0\n"


@pytest.mark.parametrize("request_", [b"put %s 9\nshort" % SEGMENT.encode(), b"put ../../etc/x 1\nx", b"get ../x\n"])
def test_what_is_cut_short_or_no_name_of_a_segment_is_not_kept(tmp_path: Path, request_: bytes) -> None:
    (tmp_path / "wal").mkdir()
    assert asked(tmp_path / "wal", request_) in (b"no\n", b"")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
