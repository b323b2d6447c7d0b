"""One spelling for the identity of a device, from every notation in which hosts and arrays write it.

Serials are compared, shown and typed by people; world-wide names come with four different prefixes for the same bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest

_HEX = re.compile(r"[0-9A-F]+")
_SYMMETRIX = re.compile(r"([0-9]{2})([0-9A-F]{3})([0-9A-F]{3})")
_BLANK = " \t\r\n\0"

# What stands before the digits: /dev/disk/by-id, udev, sysfs, device-mapper's and lsblk's spellings.
_WRAPPING = re.compile(r"^(?:/dev/disk/by-id/)?(?:dm-uuid-)?(?:mpath-|wwn-|scsi-|nvme-)?", re.IGNORECASE)
_NAA_DIGITS = {"2": 16, "3": 16, "5": 16, "6": 32}  # SPC-5, 7.7.6.6: digits of each NAA type
_EUI_DIGITS = frozenset({16, 24, 32})  # EUI-64 and its extensions of 12 and 16 bytes
_SCSI_ID_KINDS = {"3": "naa.", "2": "eui."}  # the digit that scsi_id and multipath put in front: the designator's type
_SYMMETRIX_OUI = "60000970"


@dataclass(frozen=True, slots=True)
class SymmetrixSerial:
    """The parts of SSDDDPPP: the last two digits of the array's serial number, the device number, the port."""

    array: str
    device: str
    port: str


def canonical(serial: str) -> str:
    """The serial in capitals without the blanks and NULs that fixed-width inquiry fields pad it with."""
    return serial.strip(_BLANK).upper()


def symmetrix(serial: str) -> SymmetrixSerial:
    """The parts of a Symmetrix serial. ValueError says what is wrong with it."""
    text = canonical(serial)
    reason = refusal(text)
    parts = _SYMMETRIX.fullmatch(text)
    if reason or parts is None:
        raise ValueError(reason or f"{text!r} is no Symmetrix serial: SSDDDPPP begins with two decimal digits")
    return SymmetrixSerial(*parts.groups())


def refusal(serial: str) -> str:
    """Why this cannot be a Symmetrix serial (8 hexadecimal digits, SSDDDPPP), as a sentence; empty when it can."""
    text = canonical(serial)
    if not text:
        return "the serial is empty"
    if len(text) != 8:
        fault = "a digit is missing" if len(text) < 8 else "there are digits too many"
        return f"{text!r} has {len(text)} characters and a Symmetrix serial has 8 (SSDDDPPP): {fault}"
    if not _HEX.fullmatch(text):
        odd = ", ".join(dict.fromkeys(repr(c) for c in text if not _HEX.fullmatch(c)))
        return f"{text!r} has {odd}, and a Symmetrix serial has hexadecimal digits only"
    return ""


def wwn(text: str) -> str:
    """A world-wide name as `naa.` or `eui.` and digits in lower case. ValueError when it is none, or was cut short.

    Takes sysfs (`naa.5000...`), lsblk and udev (`0x5000...`), scsi_id and multipath (`35000...`, `2...` for EUI),
    `/dev/disk/by-id` names and bare digits. Sources: SPC-5 7.7.6; NAA types 2, 3 and 5 have 16 digits, type 6 has 32.
    """
    bare = _WRAPPING.sub("", text.strip(_BLANK)).lower()
    kind, digits = _kind_and_digits(bare)
    wanted = _EUI_DIGITS if kind == "eui." else {_NAA_DIGITS.get(digits[:1], 0)}
    if not re.fullmatch(r"[0-9a-f]+", digits) or len(digits) not in wanted:
        raise ValueError(f"{text!r} is no complete world-wide name: a NAA name has 16 digits, or 32 when it begins with 6")
    return kind + digits


def _kind_and_digits(bare: str) -> tuple[str, str]:
    for prefix, kind in (("naa.", "naa."), ("eui.", "eui."), ("0x", "naa.")):
        if bare.startswith(prefix):
            return kind, bare[len(prefix) :]
    if len(bare) % 2 and bare[:1] in _SCSI_ID_KINDS:
        return _SCSI_ID_KINDS[bare[:1]], bare[1:]
    return "naa.", bare


def symmetrix_wwn(text: str) -> tuple[str, str] | None:
    """The array's id (12 digits) and the device (5 hexadecimal digits) in a Symmetrix name, or None for any other.

    The layout: 60000970, the id, then `S` and the device's number as ASCII codes. ValueError as `wwn`.
    """
    digits = wwn(text).removeprefix("naa.")
    if len(digits) != 32 or not digits.startswith(_SYMMETRIX_OUI):
        return None
    symid, tail = digits[8:20], bytes.fromhex(digits[20:]).decode("ascii", "replace")
    if not symid.isdecimal() or not re.fullmatch(r"S[0-9A-F]{5}", tail):
        return None
    return symid, tail[1:]


def differing(a: str, b: str) -> tuple[int, ...]:
    """The positions at which two serials differ in their one spelling, to be highlighted; beyond the shorter's end all do."""
    return tuple(i for i, (x, y) in enumerate(zip_longest(canonical(a), canonical(b))) if x != y)


def alike(a: str, b: str) -> bool:
    """Whether two different serials are easily taken for each other: of one length, and at most two characters apart."""
    return len(canonical(a)) == len(canonical(b)) and 1 <= len(differing(a, b)) <= 2
