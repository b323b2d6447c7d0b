"""Kept maps: versions on a real disk."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest

from core.errors import ConfigError
from core.mapfile import MapFile, build_map, mirror_map, read
from core.maps import MapKeeper, load
from tests.core.samples import DATA, NOW, PAIRS, SOURCE, with_group


def sides(minutes: int = 0, seqno: int = 7) -> tuple[MapFile, MapFile]:
    facts = replace(with_group(SOURCE, replace(DATA, seqno=seqno)), measured_at=NOW + timedelta(minutes=minutes))
    std = build_map("payroll", facts, ("vgdata", "vgpart"))
    return std, mirror_map(std, PAIRS)


def test_the_first_map_is_version_one_on_both_sides(tmp_path: Path) -> None:
    std, bcv = sides()
    path = MapKeeper(tmp_path / "maps").keep(std, bcv)
    assert path == tmp_path / "maps/payroll/0001-20261123T120000Z.std"
    assert read(path.read_text(), "x") == std
    assert read(path.with_suffix(".bcv").read_text(), "x") == bcv


def test_a_map_that_differs_in_its_time_only_is_no_new_version(tmp_path: Path) -> None:
    keeper = MapKeeper(tmp_path)
    first = keeper.keep(*sides())
    assert keeper.keep(*sides(minutes=5)) == first
    assert len(keeper.versions("payroll")) == 1


def test_a_changed_group_is_a_new_version_and_the_old_one_stays(tmp_path: Path) -> None:
    keeper = MapKeeper(tmp_path)
    keeper.keep(*sides())
    keeper.keep(*sides(minutes=5, seqno=8))
    assert [k.version for k in keeper.versions("payroll")] == [1, 2]
    assert keeper.versions("payroll")[1].measured_at == NOW + timedelta(minutes=5)
    assert keeper.newest("payroll") == sides(minutes=5, seqno=8)[0]


def test_another_mirror_alone_is_a_new_version(tmp_path: Path) -> None:
    keeper = MapKeeper(tmp_path)
    std, bcv = sides()
    keeper.keep(std, bcv)
    keeper.keep(std, mirror_map(std, PAIRS, {PAIRS[0].bcv: "/dev/sdx"}))
    assert len(keeper.versions("payroll")) == 2


def test_going_back_to_an_older_layout_is_a_new_version(tmp_path: Path) -> None:
    keeper = MapKeeper(tmp_path)
    for seqno in (7, 8, 7):
        keeper.keep(*sides(seqno=seqno))
    assert [k.version for k in keeper.versions("payroll")] == [1, 2, 3]


def test_versions_are_in_the_order_of_their_numbers_beyond_four_digits(tmp_path: Path) -> None:
    keeper = MapKeeper(tmp_path)
    path = keeper.keep(*sides())
    for suffix in (".std", ".bcv"):
        path.with_suffix(suffix).rename(path.with_name(f"9999-20261123T120000Z{suffix}"))
    assert keeper.keep(*sides(seqno=8)).name.startswith("10000-")
    assert [k.version for k in keeper.versions("payroll")] == [9999, 10000]


def test_a_version_whose_writing_was_cut_off_is_not_there_and_its_number_is_not_used_again(tmp_path: Path) -> None:
    keeper = MapKeeper(tmp_path)
    keeper.keep(*sides()).unlink()
    (tmp_path / "payroll/.writing-abc").write_text("half")
    assert keeper.versions("payroll") == ()
    assert keeper.newest("payroll") is None
    assert keeper.keep(*sides()).name.startswith("0002-")


def test_nothing_is_made_on_the_disk_just_to_look(tmp_path: Path) -> None:
    keeper = MapKeeper(tmp_path / "maps")
    assert keeper.versions("payroll") == ()
    assert keeper.newest("payroll") is None
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_newest_map_is_an_error_and_no_older_one_stands_in(tmp_path: Path) -> None:
    keeper = MapKeeper(tmp_path)
    keeper.keep(*sides())
    path = keeper.keep(*sides(seqno=8))
    path.write_bytes(path.read_bytes()[:-50] + b"\xff\n")
    with pytest.raises(ConfigError, match="0002-"):
        keeper.newest("payroll")
    assert load(keeper.versions("payroll")[0].std) == sides()[0]


def test_a_damaged_newest_map_is_followed_by_a_whole_one(tmp_path: Path) -> None:
    keeper = MapKeeper(tmp_path)
    keeper.keep(*sides()).write_bytes(b"\xff")
    assert keeper.keep(*sides()).name.startswith("0002-")
    assert keeper.newest("payroll") == sides()[0]


def test_an_absent_other_side_is_made_again(tmp_path: Path) -> None:
    keeper = MapKeeper(tmp_path)
    keeper.keep(*sides()).with_suffix(".bcv").unlink()
    assert keeper.keep(*sides()).with_suffix(".bcv").exists()


def test_only_the_owner_may_read_what_is_kept(tmp_path: Path) -> None:
    path = MapKeeper(tmp_path / "maps").keep(*sides())
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_failed_write_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: str, target: object) -> None:
        raise OSError(28, "No space left on device")

    keeper = MapKeeper(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space"):
            keeper.keep(*sides())
    assert list((tmp_path / "payroll").iterdir()) == []


@pytest.mark.parametrize("name", ["../etc", "", ".hidden", "a/b", "a b"])
def test_a_set_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="set name"):
        MapKeeper(tmp_path).versions(name)


def test_the_sides_must_belong_together(tmp_path: Path) -> None:
    std, bcv = sides()
    for pair in ((bcv, std), (std, std), (std, replace(bcv, set_name="other"))):
        with pytest.raises(ValueError, match="two sides"):
            MapKeeper(tmp_path).keep(*pair)


def test_consoles_that_keep_at_once_never_give_one_number_twice(tmp_path: Path) -> None:
    threads = [Thread(target=MapKeeper(tmp_path).keep, args=sides(seqno=10 + n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [k.version for k in MapKeeper(tmp_path).versions("payroll")] == list(range(1, 9))
