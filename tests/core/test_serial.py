"""Serials and world-wide names in all the spellings that hosts use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.serial import SymmetrixSerial, alike, canonical, differing, refusal, symmetrix, symmetrix_wwn, wwn


def test_a_serial_has_one_spelling_whatever_pads_it() -> None:
    assert canonical(" 7902c000 \0\0\n") == "7902C000"


@given(st.text(max_size=20))
def test_the_one_spelling_stays_as_it_is(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)


def test_a_symmetrix_serial_reads_array_device_port() -> None:
    assert symmetrix("790b4000") == SymmetrixSerial("79", "0B4", "000")


@pytest.mark.parametrize(
    ("serial", "reason"),
    [
        ("7902F00", "has 7 characters"),
        ("7902F0000", "digits too many"),
        ("7902G000", "has 'G'"),
        ("", "empty"),
    ],
)
def test_a_serial_that_is_none_is_refused_with_the_reason(serial: str, reason: str) -> None:
    assert reason in refusal(serial)
    with pytest.raises(ValueError, match=reason):
        symmetrix(serial)


def test_the_short_serial_of_the_seed_is_told_what_is_missing() -> None:
    assert refusal("7902F00") == "'7902F00' has 7 characters and a Symmetrix serial has 8 (SSDDDPPP): a digit is missing"


def test_an_array_number_is_decimal() -> None:
    assert refusal("A902C000") == ""
    with pytest.raises(ValueError, match="two decimal digits"):
        symmetrix("A902C000")


NAA5 = "naa.5000c50000000200"
NAA6 = "naa.60000970000297600016533030334233"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("naa.5000c50000000200", NAA5),  # sysfs wwid
        ("0x5000c50000000200", NAA5),  # lsblk, udev ID_WWN
        ("0x5000C50000000200\n", NAA5),
        ("35000c50000000200", NAA5),  # scsi_id, multipath
        ("5000c50000000200", NAA5),
        ("wwn-0x5000c50000000200", NAA5),  # by-id
        ("/dev/disk/by-id/scsi-35000c50000000200", NAA5),
        ("dm-uuid-mpath-35000c50000000200", NAA5),
        ("mpath-35000c50000000200", NAA5),
        ("0x60000970000297600016533030334233", NAA6),
        ("360000970000297600016533030334233", NAA6),
        ("60000970000297600016533030334233", NAA6),
        ("eui.0025385b71b0a2f1", "eui.0025385b71b0a2f1"),
        ("20025385b71b0a2f1", "eui.0025385b71b0a2f1"),
        ("nvme-eui.0025385b71b0a2f10000000000000001", "eui.0025385b71b0a2f10000000000000001"),
        ("3333333000000007d", "naa.333333000000007d"),
    ],
)
def test_every_spelling_of_a_world_wide_name_is_one(text: str, name: str) -> None:
    assert wwn(text) == name


@pytest.mark.parametrize("text", ["", "0x6000097000029760", "naa.5000c5000000020", "t10.ATA disk", "0x1000c50000000200", "sda"])
def test_a_name_that_is_cut_short_or_of_no_kind_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no complete world-wide name"):
        wwn(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("360000970000297600016533030334233", ("000297600016", "003B3")),
        ("0x60000970000123406665533030303536", ("000123406665", "00056")),
        (NAA5, None),
        ("naa.60000971000297600016533030334233", None),
        ("naa.60000970000297600016543030334233", None),
        ("naa.60000970000297600016533030334273", None),
    ],
)
def test_a_symmetrix_name_holds_array_and_device(text: str, parts: tuple[str, str] | None) -> None:
    assert symmetrix_wwn(text) == parts


def test_differing_positions_are_those_to_highlight() -> None:
    assert differing("790B4000", "790b5000") == (4,)
    assert differing("7902C000", "7902C000") == ()
    assert differing("7902F00", "7902F000") == (7,)


def test_alike_serials_are_different_and_close() -> None:
    assert alike("790B4000", "790B5000")
    assert not alike("790B4000", "790B4000")
    assert not alike("7902C000", "790B5100")
    assert not alike("7902F00", "7902F000")
