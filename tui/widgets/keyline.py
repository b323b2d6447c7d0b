"""The footer: keys of the page in one line, the first of them at every width, from the one table of keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.text import Text
from textual import events
from textual.widgets import Static

from tui.keys import FIRST, Key, name_of, of_page, pressed

GAP = 2


@dataclass(frozen=True, slots=True)
class Placed:
    """A key in the footer: where it begins, what is drawn, and whether it can be pressed now."""

    at: int
    key: Key
    sign: str
    can: bool

    @property
    def width(self) -> int:
        """In columns."""
        return len(self.sign) + 1 + len(self.key.label)


def placed(keys: Sequence[tuple[Key, str, bool]], width: int) -> list[Placed]:
    """As many as fit, in order; those in `FIRST` and the last one (the way out) have their place before the others."""
    sizes = [len(sign) + 1 + len(key.label) + GAP for key, sign, _ in keys]
    keep = {n for n, (key, _, _) in enumerate(keys) if key.action in FIRST} | {len(keys) - 1}
    room = width - 1 + GAP - sum(sizes[n] for n in keep)
    for n, size in enumerate(sizes):
        if n not in keep and size <= room:
            keep.add(n)
            room -= size
    out: list[Placed] = []
    at = 1
    for n, (key, sign, can) in enumerate(keys):
        if n in keep:
            out.append(Placed(at, key, sign, can))
            at += sizes[n]
    return out


class KeyLine(Static):
    """One line; a click on a key is the key."""

    def __init__(self, screen: str, act: Callable[[str], object]) -> None:
        """`screen` names the keys; `act` does the action that was clicked."""
        super().__init__(id="keys")
        self._screen, self._act = screen, act
        self._placed: list[Placed] = []

    def on_mount(self) -> None:
        """Draw, and again when what can be done changes."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.draw())
        self.draw()

    def on_resize(self, event: events.Resize) -> None:
        """As many keys as fit."""
        self.draw()

    def draw(self) -> None:
        """The line for the width that there is."""
        if not self.is_attached or not self.app.is_running:
            return
        changed: dict[str, str] = getattr(self.app, "changed_keys", {})
        keys = []
        now: tuple[str, ...] = getattr(self.screen, "keys_now", tuple)()
        for key in of_page(self._screen, now):
            can = self.screen.check_action(key.action.split("(")[0], ()) if not key.action.startswith("app.") else True
            if can is not False:
                keys.append((key, name_of(pressed(key, changed)[0]), can is True))
        self._placed = placed(keys, self.size.width or self.app.size.width)
        text = Text(no_wrap=True, overflow="crop")
        for one in self._placed:
            text.pad_right(one.at - len(text.plain))
            text.append(one.sign, style="bold" if one.can else "dim")
            text.append(f" {one.key.label}", style="" if one.can else "dim strike")
        self.update(text)

    def on_click(self, event: events.Click) -> None:
        """The key under the pointer."""
        hit = next((p for p in self._placed if p.at <= event.x < p.at + p.width and p.can), None)
        if hit is not None:
            self._act(hit.key.action)
