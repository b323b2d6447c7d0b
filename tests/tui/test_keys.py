"""The table of keys: no key of a screen does two things."""

from __future__ import annotations

from collections import Counter

from tui.keys import KEYS


def test_no_key_of_a_screen_does_two_things() -> None:
    screens = {key.screen for key in KEYS}
    for screen in screens:
        pressed = Counter(one for key in KEYS if key.screen in (screen, "everywhere") for one in key.keys.split(","))
        assert [key for key, times in pressed.items() if times > 1 and (screen, key) != ("text", "q")] == []
