"""Real inputs, spoiled: the lines, words and numbers of a report are what its parser looks at, so these are what is changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

LONGEST = 1 << 17

HOSTILE: tuple[bytes, ...] = (
    b"", b"0", b"-1", b"9" * 25, b"9" * 5000, b"1e999", b"NaN", b"null", b"true", b"[]", b"{}", b"[" * 40, b"[" * 20000, b'{"a":' * 3000,
    b'"', b"'", b"\\", b"\0", b"\x1b[31m", b"\x1b]0;x\x07", b"\x9b", b"\xff\xfe", "\u202e".encode(), "\u2028".encode(), "\ufeff".encode(),
    "\u0663".encode(), "\u00b2".encode(), b"\r", b"\t", b"\x0b", b"\x1c", b"../../etc", b"/", b"-", b"--", b"=", b":", b"|", b"%s", b"@{x}@",
    b"$(id)", b"`id`", b";id", b"a" * 70000, b"*a", b"&a", b"!!python/object", b"#", b"<!ENTITY a 'b'>", b"&a;", b"<a>", b"]]>", b"0x10",
    b"1_000", b" ", b"\n\n", b"[red]", b"[@click=app.bell]x[/]", b"2026-13-45", b"99999-01-01", b"Infinity", b"-0", b"1.5",
    b" " * 30000, b"a  " * 10000, b"a " * 15000, b"/" * 30000, b"/dev/" * 6000, b"." * 30000, b"=" * 30000, b"a=b " * 8000, b"\t" * 30000,
)  # fmt: skip

Change = Callable[[bytes, Random, Sequence[bytes]], bytes]


def _some_line(data: bytes, chance: Random) -> tuple[list[bytes], int]:
    lines = data.split(b"\n")
    return lines, chance.randrange(len(lines))


def _without_line(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    lines, at = _some_line(data, chance)
    del lines[at : at + chance.choice((1, 1, 1, 5, 50))]
    return b"\n".join(lines)


def _line_again(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    lines, at = _some_line(data, chance)
    to = chance.randrange(len(lines) + 1)
    return b"\n".join([*lines[:to], *[lines[at]] * chance.choice((1, 1, 2, 300)), *lines[to:]])


def _other_line(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    lines, at = _some_line(data, chance)
    source, there = _some_line(chance.choice(others), chance)
    lines[at] = source[there]
    return b"\n".join(lines)


def _words(data: bytes, chance: Random, pattern: bytes, put: Callable[[bytes], bytes]) -> bytes:
    """One of the words that the pattern finds after a random place, changed."""
    match = re.compile(pattern).search(data, chance.randrange(len(data) + 1)) or re.search(pattern, data)
    return data if match is None else data[: match.start()] + put(match.group()) + data[match.end() :]


def _word(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    return _words(data, chance, rb"[^\s\"',:=|<>]+", lambda word: chance.choice(HOSTILE))


def _number(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    return _words(data, chance, rb"\d+", lambda n: str(chance.choice((0, 1, int(n[:18]) + 1, 1 << 63, -1))).encode())


def _value(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    """A JSON value of another kind."""
    kinds = (b"null", b"[]", b"{}", b"0", b'"x"', b"true", b"1e999", b"[null]", b'{"x": []}')
    return _words(data, chance, rb'"[^"\n]*"|\b\d+\b|\[\]|\{\}', lambda _: chance.choice(kinds))


def _cut(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _hole(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at + chance.choice((1, 2, 8, 100, 2000)) :]


def _bytes(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.randbytes(chance.choice((1, 1, 2, 16))) + data[at + 1 :]


def _put_in(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(HOSTILE) + data[at:]


def _spliced(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    other = chance.choice(others)
    return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other) + 1) :]


CHANGES: tuple[Change, ...] = (
    _without_line, _line_again, _other_line, _word, _word, _word, _number, _value, _cut, _hole, _bytes, _put_in, _spliced,
)  # fmt: skip


def mutated(seeds: Sequence[bytes], chance: Random) -> bytes:
    """One of the seeds with one to eight changes, at most `LONGEST` bytes."""
    data = chance.choice(seeds)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        data = chance.choice(CHANGES)(data, chance, seeds)[:LONGEST]
    return data
