"""Themes, and the nets below every widget: no unsafe character, and where it was asked for no colour, no glyph outside ASCII."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import get_character_cell_size
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import Theme

from tui.plain import masked

# Blue and orange are told apart by eyes that do not tell red from green; every mark has its letter and word besides.
OWN_THEMES = (
    Theme(
        "splitmount-light", primary="#1f5f99", secondary="#3d4f60", accent="#6639ba", foreground="#1b1f24", background="#f2f2f2",
        surface="#fafafa", panel="#d5dbe1", success="#116329", warning="#7d4e00", error="#a40e26", dark=False, variables={"text-muted": "#57606a"},
    ),
    Theme(
        "splitmount-high-contrast", primary="#ffffff", secondary="#00ffff", accent="#00ffff", foreground="#ffffff", background="#000000",
        surface="#000000", panel="#333333", success="#00ff00", warning="#ffff00", error="#ff6060", dark=True,
        variables={"text-muted": "#ffffff", "footer-description-foreground": "#ffffff"},
    ),
    Theme(
        "splitmount-deuteranopia", primary="#2a6fb0", secondary="#6699cc", accent="#cc99ff", foreground="#e6e6e6", background="#101418",
        surface="#181d22", panel="#26303a", success="#56b4e9", warning="#f0e442", error="#e69f00", dark=True,
    ),
)  # fmt: skip
THEME_NAMES: Mapping[str, str] = {
    "dark": "textual-dark", "light": "splitmount-light", "high-contrast": "splitmount-high-contrast",
    "deuteranopia": "splitmount-deuteranopia", "16-colours": "ansi-dark",
}  # fmt: skip
COLOURLESS_THEME = "ansi-dark"  # the one that relies on attributes, not on shades


class UnsafeFilter(LineFilter):
    """No unsafe character is drawn, whoever forgot to make it printable."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments of a line, with a mark in place of each unsafe character."""
        return [s if s.control else Segment(masked(s.text, keep=""), s.style) for s in segments]


@dataclass(frozen=True, slots=True)
class _Glyphs:
    """Which ASCII stands for a range of glyphs, by words in their Unicode names; the first that fits."""

    words: tuple[str, ...]
    sign: str


PARTS = ("HALF", "ONE EIGHTH", "ONE QUARTER", "THREE EIGHTHS", "FIVE EIGHTHS", "THREE QUARTERS", "SEVEN EIGHTHS")
_STANDS_FOR = (
    _Glyphs(("BOX DRAWINGS LIGHT VERTICAL", "BOX DRAWINGS HEAVY VERTICAL", "BOX DRAWINGS DOUBLE VERTICAL"), "|"),
    _Glyphs(("BOX DRAWINGS LIGHT HORIZONTAL", "BOX DRAWINGS HEAVY HORIZONTAL", "BOX DRAWINGS DOUBLE HORIZONTAL"), "-"),
    _Glyphs(("BOX DRAWINGS",), "+"),
    _Glyphs(("LEFT RIGHT ARROW", "LEFT RIGHT DOUBLE ARROW"), "-"),
    _Glyphs(("RIGHTWARDS ARROW", "RIGHTWARDS DOUBLE ARROW", "RIGHT-POINTING"), ">"),
    _Glyphs(("LEFTWARDS ARROW", "LEFTWARDS DOUBLE ARROW", "LEFT-POINTING"), "<"),
    _Glyphs(("DOUBLE QUOTATION MARK",), '"'),
    _Glyphs(("SINGLE QUOTATION MARK",), "'"),
    _Glyphs(("EN DASH", "EM DASH"), "-"),
    _Glyphs(("MULTIPLICATION SIGN",), "x"),
    _Glyphs(("LEFT HALF BLOCK", "LEFT ONE", "LEFT THREE", "LEFT FIVE", "LEFT SEVEN", "RIGHT HALF BLOCK", "RIGHT ONE EIGHTH BLOCK"), "|"),
    _Glyphs(tuple(f"{half} {part} BLOCK" for half in ("UPPER", "LOWER") for part in PARTS), "-"),
    _Glyphs(("FULL BLOCK", "SHADE"), "#"),
    _Glyphs(("ELLIPSIS",), "."),
)  # fmt: skip


@lru_cache(4096)
def ascii_of(text: str) -> str:
    """The text in its very width, in ASCII: lines, blocks and arrows by what looks like them, `?` for what has nothing like it."""
    return text if text.isascii() else "".join(c if c.isascii() else _ascii(c) for c in text)


def _ascii(character: str) -> str:
    width = get_character_cell_size(character)
    name = unicodedata.name(character, "")
    if width == 1 and name == "NO-BREAK SPACE":
        return " "
    sign = next((g.sign for g in _STANDS_FOR if width == 1 and any(word in name for word in g.words)), "?")
    return sign * width


class AsciiFilter(LineFilter):
    """Not one glyph outside ASCII."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The line in ASCII."""
        return [s if s.control else Segment(ascii_of(s.text), s.style) for s in segments]


@lru_cache(4096)
def _attributes(style: Style) -> Style:
    return style.without_color


class ColourlessFilter(LineFilter):
    """Not one colour: grey is a colour too. Bold, dim, underlined and reversed stay."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The line without colours."""
        return [Segment(s.text, _attributes(s.style) if s.style else None, s.control) for s in segments]


@lru_cache(4096)
def _sixteen(style: Style) -> Style:
    front, back = (c.downgrade(ColorSystem.STANDARD) if c else None for c in (style.color, style.bgcolor))
    return style.without_color + Style(color=front, bgcolor=back)


class SixteenFilter(LineFilter):
    """The nearest of the sixteen colours that every terminal has."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The line in sixteen colours."""
        return [Segment(s.text, _sixteen(s.style) if s.style else None, s.control) for s in segments]
