"""A host that floods, hangs, or sends half a report costs only itself: time and memory are bounded, and the others are shown."""

from __future__ import annotations

import asyncio
import os
import resource
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from core.config import LIMIT, load, parse
from core.errors import ConfigError, ParseError
from core.hosts import HostRef
from core.maps import load as load_map
from core.offline import read as read_saved
from core.pairs import parse_pairs, read_pairs
from core.ssh import SshTransport
from core.transport import Command, Status
from core.untrusted import json_of, text_file
from hostdrivers import DRIVERS
from tests.core.sshserver import QUICK, serve

FLOOD = "while :; do printf '%01000000d' 0; done\n"


async def test_a_host_that_floods_is_stopped_at_the_limit_with_its_reason_and_the_other_is_answered(tmp_path: Path) -> None:
    async with serve(tmp_path) as bad, serve(tmp_path) as good:
        (tmp_path / "known").write_text(bad.known_line() + good.known_line())
        limits = replace(QUICK, output=4 << 20)
        hosts = {"bad": bad.settings("bad"), "good": good.settings("good")}
        ssh = SshTransport(hosts, tmp_path / "known", read_only=True, extra_known_hosts=(), limits=limits)
        tracemalloc.start()
        try:
            flood, fine = await asyncio.gather(
                ssh.run(Command("bad", "discover bad", FLOOD, timeout=60)), ssh.run(Command("good", "t", "echo well\n"))
            )
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        await ssh.aclose()
    assert (fine.status, fine.stdout) == (Status.OK, "well\n")
    assert flood.status is Status.FAILED
    assert "more than 4194304 bytes of output" in flood.reason
    assert len(flood.stdout) <= limits.output
    assert peak < 8 * limits.output, f"{peak} bytes"  # pieces, joined bytes, text, and the window of the channel
    with pytest.raises(ParseError, match="more than 4194304 bytes"):
        DRIVERS["linux"].parse_discovery(HostRef("bad", "linux"), flood)


async def test_a_host_that_hangs_costs_its_timeout_and_no_more(tmp_path: Path) -> None:
    async with serve(tmp_path) as server:
        (tmp_path / "known").write_text(server.known_line())
        ssh = SshTransport({"alpha": server.settings()}, tmp_path / "known", read_only=True, extra_known_hosts=(), limits=QUICK)
        began = time.monotonic()
        hung = await ssh.run(Command("alpha", "t", "echo half; exec sleep 100\n", timeout=1.0))
        assert (hung.status, hung.stdout) == (Status.UNKNOWN, "half\n")
        assert "no answer in 1 s" in hung.reason
        assert time.monotonic() - began < 20
        await ssh.aclose()
    with pytest.raises(ParseError, match="no answer in 1 s"):
        DRIVERS["aix"].parse_discovery(HostRef("alpha", "aix"), hung)


def test_nesting_and_infinities_are_a_value_error_and_nothing_else() -> None:
    for text in ("[" * 100_000, '{"a":' * 100_000, "1e999", "NaN", "-Infinity", "9" * 5000, ""):
        with pytest.raises(ValueError, match=r"."):
            json_of(text)
    assert json_of('{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "aliases"), ("hosts: " + "[" * 20_000, "nested more than"), ("hosts: " + "{a: " * 5_000, "nested more than"),
        ("x" * (LIMIT - 10), "expected a mapping"), ("a\0: b", "no YAML"), ("\x1b[31m: b", "no YAML"),
        ("".join(f"k{n}: 1\n" for n in range(15_000)), "and 14950 more"), ("!!python/object:os.system [x]", "expected a mapping"),
    ],
    ids=["laughs", "lists", "mappings", "long line", "NUL", "escape", "many keys", "tag"],
)  # fmt: skip
def test_a_hostile_configuration_is_refused_in_bounded_time(text: str, words: str, tmp_path: Path) -> None:
    began = time.process_time()
    with pytest.raises(ConfigError, match=words) as refused:
        parse(text, tmp_path / "splitmount.yaml")
    assert time.process_time() - began < 15
    assert len(str(refused.value)) < 2 * LIMIT


@pytest.mark.parametrize("make", ["large", "pipe", "device", "directory", "binary", "zero"])
def test_what_is_no_file_of_its_kind_is_refused_at_once(make: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    match make:
        case "large":
            with path.open("wb") as file:
                file.truncate(1 << 40)
        case "pipe":
            os.mkfifo(path)
        case "device":
            path = Path("/dev/zero")
        case "directory":
            path.mkdir()
        case "binary":
            path.write_bytes(bytes(range(1, 256)))
        case _:
            path.write_bytes(b"7902C000 790B4000\n\0\n")
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    for reader in (read_pairs, load_map, load, read_saved):
        with pytest.raises(ConfigError):
            reader(path)
    assert time.monotonic() - began < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10, "KiB"


def test_a_million_lines_of_pairs_are_too_many_and_a_hundred_thousand_are_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs"
    path.write_text("".join(f"A{n:07d} B{n:07d}\n" for n in range(1_000_000)))
    with pytest.raises(ConfigError, match="larger than"):
        read_pairs(path)
    path.write_text("".join(f"A{n:07d} B{n:07d}\n" for n in range(100_000)))
    assert len(read_pairs(path)) == 100_000


@pytest.mark.parametrize("hidden", ["\x0c", "\x0b", "\x85", "\u2028", "\x1b[8m", "\u202e", "\r"])
def test_a_pair_that_an_editor_does_not_show_as_a_line_is_not_read(hidden: str) -> None:
    with pytest.raises(ConfigError, match="pairs:1: a character that an editor does not show"):
        parse_pairs(f"# a comment{hidden}7902C000 790B4000\n7902D000 790B5000\n", "pairs")


def test_a_file_with_a_byte_order_mark_and_dos_lines_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs"
    path.write_bytes("\ufeff# été\r\n7902C000\t790B4000\r\n".encode())
    assert text_file(path, 100).startswith("# été")
    assert len(read_pairs(path)) == 1
