"""The pairs file: which BCV mirrors which standard. Two or three columns, `#` comments; refused by file and line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from core.errors import ConfigError
from core.model import Pair
from core.serial import canonical
from core.untrusted import text_file

_SERIAL = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_HEX = re.compile(r"[0-9A-Fa-f]+")
LIMIT = 4 << 20  # bytes: far more than an array has devices
SYMMETRIX = 8  # digits of a Symmetrix serial, SSDDDPPP


def read_pairs(path: Path) -> tuple[Pair, ...]:
    """The pairs of a file, in its order. ConfigError names file and line, and says what was expected."""
    return parse_pairs(text_file(path, LIMIT), str(path))


def parse_pairs(text: str, origin: str) -> tuple[Pair, ...]:
    """The pairs of a text; `origin` is its name in errors."""
    pairs: list[Pair] = []
    lines: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        where = f"{origin}:{number}"
        if not line.replace("\t", " ").removesuffix("\r").isprintable():
            raise ConfigError(f"{where}: a character that an editor does not show; what is seen and what is read would differ")
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if len(words) not in (2, 3):
            raise ConfigError(f"{where}: expected a standard, its BCV, and perhaps the BCV's address; got {len(words)} columns")
        std, bcv = (_serial(where, word) for word in words[:2])
        _refuse_clashes(where, std, bcv, lines)
        lines.setdefault(std, ("standard", number))
        lines[bcv] = ("BCV", number)
        pairs.append(Pair(std, bcv, words[2] if len(words) == 3 else ""))
    if not pairs:
        raise ConfigError(f"{origin}: no pair in it; expected lines of a standard and its BCV, such as: 7902C000 790B4000")
    _refuse_odd_lengths(origin, text, pairs)
    return tuple(pairs)


def _serial(where: str, word: str) -> str:
    if not _SERIAL.fullmatch(word):
        raise ConfigError(f"{where}: {word!a} is no serial: letters, digits and _ . : - are allowed, 64 at the most")
    return canonical(word)


def _refuse_clashes(where: str, std: str, bcv: str, lines: dict[str, tuple[str, int]]) -> None:
    if std == bcv:
        raise ConfigError(f"{where}: {std} cannot be its own BCV")
    if std in lines and lines[std][0] == "BCV":
        raise ConfigError(f"{where}: {std} is a standard here and the BCV of line {lines[std][1]}; are the columns swapped?")
    if bcv in lines:
        word, line = lines[bcv]
        again = "listed as a BCV" if word == "BCV" else "the standard"
        raise ConfigError(f"{where}: {bcv} is a BCV here and {again} in line {line}; a BCV mirrors one standard only")


def _refuse_odd_lengths(origin: str, text: str, pairs: Iterable[Pair]) -> None:
    """A serial of hexadecimal digits has eight of them where the others have: one that lacks a digit is a slip."""
    serials = [s for pair in pairs for s in (pair.std, pair.bcv)]
    digits = [s for s in serials if _HEX.fullmatch(s)]
    if not any(len(s) == SYMMETRIX for s in digits):
        return
    for odd in (s for s in digits if len(s) != SYMMETRIX):
        number = next(n for n, line in enumerate(text.split("\n"), 1) if odd in line.split("#", 1)[0].upper().split())
        raise ConfigError(
            f"{origin}:{number}: {odd} has {len(odd)} hexadecimal digits; a Symmetrix serial has {SYMMETRIX} "
            "(two of the array's serial number, three of the device, three of the port)"
        )
