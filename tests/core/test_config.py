"""Configuration and pairs: what is right is typed, what is wrong is refused with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config import load
from core.errors import ConfigError
from core.model import Pair
from core.pairs import parse_pairs
from core.settings import PostPolicy, PrePolicy

GOOD = """\
hosts:
  a: {os: linux, address: 127.0.0.1, port: 2222, user: root, key: id}
  b: {os: linux, address: 127.0.0.1, become: sudo, jump: a}
arrays:
  x: {driver: qemu, host: a, socket: /run/qmp, devices: {79020000: std0, 790E4000: bcv0}}
sets:
  payroll: {source: a, target: b, array: x, pairs: pairs.txt, volume_groups: [vgdata], mount: /mnt/p,
            backup: {driver: archive, repository: repo}}
"""


def _load(tmp_path: Path, text: str, pairs: str = "79020000 790E4000\n") -> object:
    (tmp_path / "splitmount.yaml").write_text(text)
    (tmp_path / "pairs.txt").write_text(pairs)
    return load(tmp_path / "splitmount.yaml")


def test_a_right_file_gives_typed_settings_with_paths_relative_to_it(tmp_path: Path) -> None:
    _load(tmp_path, GOOD)
    settings = load(tmp_path / "splitmount.yaml")
    one = settings.sets["payroll"]
    assert (one.pre_policy, one.post_policy) == (PrePolicy.DOWN_IF_NEEDED, PostPolicy.AS_FOUND)
    assert one.pairs == (Pair("79020000", "790E4000"),)
    assert settings.hosts["a"].key == tmp_path / "id"
    assert one.backup is not None
    assert one.backup.repository == str(tmp_path / "repo")


def test_a_serial_that_looks_like_a_number_stays_text(tmp_path: Path) -> None:
    _load(tmp_path, GOOD)
    assert load(tmp_path / "splitmount.yaml").arrays["x"].devices == (("79020000", "std0"), ("790E4000", "bcv0"))


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("port: 2222", "prot: 2222", 2, ["hosts.a.prot", "unknown key", "did you mean 'port'"]),
        ("port: 2222", "port: many", 2, ["hosts.a.port", "a number from 1 to 65535", "'many'"]),
        ("port: 2222", "port: [1]", 2, ["hosts.a.port", "a list"]),
        ("os: linux, address: 127.0.0.1, become", "os: vms, address: 127.0.0.1, become", 3, ["hosts.b.os", "'vms'"]),
        ("jump: a", "jump: c", 3, ["hosts.b.jump", "no host 'c'"]),
        ("host: a, socket", "host: z, socket", 5, ["arrays.x.host", "no host 'z'"]),
        ("source: a", "source: q", 7, ["sets.payroll.source", "no host 'q'", "known: a, b"]),
        ("array: x", "array: y", 7, ["sets.payroll.array", "no array 'y'"]),
        ("volume_groups: [vgdata]", "volume_groups: vgdata", 7, ["volume_groups", "a list"]),
        ("mount: /mnt/p", "mount: mnt", 7, ["mount", "absolute path"]),
        ("repository: repo", "repository: repo, password: x", 8, ["a secret never stands"]),
        ("mount: /mnt/p", "pre_policy: split-it", 7, ["pre_policy", "expected one of bring-mirrors-down"]),
        ("user: root", "user: root, user: me", 2, ["stands twice"]),
        ("sets:", "stes:", 6, ["stes", "did you mean 'sets'"]),
    ],
)
def test_what_is_wrong_is_refused_with_its_line_and_key(
    tmp_path: Path, old: str, new: str, line: int, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as refused:
        _load(tmp_path, GOOD.replace(old, new))
    assert f"splitmount.yaml:{line}: " in str(refused.value)
    for word in words:
        assert word in str(refused.value)


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        _load(tmp_path, GOOD.replace("port: 2222", "port: x").replace("jump: a", "jump: c"))
    assert len(str(refused.value).splitlines()) == 2


def test_a_file_that_is_no_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"splitmount.yaml:2: this is no YAML"):
        _load(tmp_path, "hosts: {\n  a: [}\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("7902C000 790B4000\n7902F00 790B7000\n", ["p:2", "7902F00", "7 hexadecimal digits"]),
        ("7902C000\n", ["p:1", "1 columns"]),
        ("a b c d\n", ["p:1", "4 columns"]),
        ("7902C000 7902C000\n", ["p:1", "its own BCV"]),
        ("A1 B1\nA2 B1\n", ["p:2", "B1", "line 1"]),
        ("A1 B1\nB1 C1\n", ["p:2", "columns swapped"]),
        ("A1 B1\nA2 A1\n", ["p:2", "the standard in line 1"]),
        ("A1 B;1\n", ["p:1", "is no serial"]),
        ("# nothing\n\n", ["no pair in it"]),
    ],
)
def test_a_pairs_file_is_refused_by_line(text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_pairs(text, "p")
    for word in words:
        assert word in str(refused.value)


def test_two_or_three_columns_comments_and_several_bcvs_are_read() -> None:
    text = "# pairs\n7902C000 790B4000 c0t1d2 # first\n\n7902C000\t790C8000\n"
    assert parse_pairs(text, "p") == (Pair("7902C000", "790B4000", "c0t1d2"), Pair("7902C000", "790C8000"))
