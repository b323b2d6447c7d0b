"""A list of rows on the line API: only the lines that are seen are drawn, so a hundred thousand rows cost as little as ten."""

from __future__ import annotations

from itertools import zip_longest

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.keys import bindings
from tui.plain import line
from tui.rows import DIM, HEAD, Row, visible

GUIDE = "  "
OPEN, SHUT, LEAF = "v ", "> ", "  "
NO_HIT = "  no line has these letters"


class RowList(ScrollView, can_focus=True):
    """Rows with a cursor, folding, and a filter."""

    BINDINGS = bindings("list")
    COMPONENT_CLASSES = {
        "row--cursor", "row--ok", "row--note", "row--warn", "row--bad", "row--dim", "row--head",
    }  # fmt: skip

    class Moved(Message):
        """The cursor is on another row."""

        def __init__(self, row: Row | None) -> None:
            """The row under the cursor, or none in an empty list."""
            super().__init__()
            self.row = row

    class Chosen(Message):
        """Enter was pressed on a row that neither opens nor closes."""

        def __init__(self, row: Row) -> None:
            """The row."""
            super().__init__()
            self.row = row

    def __init__(self, *, id: str) -> None:  # noqa: A002  Textual's own name
        """Empty."""
        super().__init__(id=id)
        self._all: list[Row] = []
        self._rows: list[Row] = []
        self._folded: frozenset[str] = frozenset()
        self._needle = ""
        self._cursor = 0
        self._kept = ""  # the row at which the cursor was put, which it has again when the filter lets it through
        self._drawn: tuple[int, list[tuple[str, str, bool]]] = (
            0,
            [],
        )  # the first line that is seen; what all say, tone, cursor

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self._rows[self._cursor] if 0 <= self._cursor < len(self._rows) else None

    @property
    def shown(self) -> list[Row]:
        """The rows that neither folding nor the filter takes away."""
        return list(self._rows)

    def show(self, rows: list[Row], *, follow: str = "") -> None:
        """Take new rows; the cursor stays on its row, or goes to the one that `follow` names."""
        here = follow or (self.row.id if self.row else self._kept)
        if rows == self._all and not follow:
            return
        self._all = rows
        self._lay_out(here)
        if follow or not any(row.id == self._kept for row in rows):
            self.keep()

    def filter(self, needle: str) -> None:
        """Show only rows with these letters, and what they belong to; the cursor is back where it was put once that is shown."""
        self._needle = needle
        self._lay_out(self._kept)

    def keep(self) -> None:
        """The row under the cursor is where it was put: a filter that is cleared does not take it away."""
        if self.row is not None:
            self._kept = self.row.id

    def first_below(self) -> None:
        """Put the cursor on the first row that is not a heading."""
        self._put(next((n for n, row in enumerate(self._rows) if row.tone != HEAD), 0))

    def reveal(self, row: str) -> None:
        """Put the cursor on a row, and open whatever it is folded into."""
        parents = {one.id: one.parent for one in self._all}
        at = parents.get(row, "")
        while at:
            self._folded -= {at}
            at = parents.get(at, "")
        self._lay_out(row)
        self.keep()
        self.focus()

    def _lay_out(self, here: str) -> None:
        self._rows = visible(self._all, self._folded, self._needle)
        if (row := self.row) is not None and row.id == here:
            wanted = self._cursor
        else:
            last = min(self._cursor, max(0, len(self._rows) - 1))
            wanted = next((n for n, row in enumerate(self._rows) if row.id == here), last)
        self.virtual_size = Size(1, len(self._rows))  # it is never scrolled sideways, and another width would draw it all
        self._go(wanted)

    def _put(self, place: int) -> None:
        self._go(place)
        self.keep()

    def _go(self, place: int) -> None:
        self._cursor = max(0, min(place, len(self._rows) - 1))
        self._see()
        self._draw_changes()
        self.post_message(self.Moved(self.row))

    def _draw_changes(self) -> None:
        """Draw the lines that are others than they were: a terminal may be far away."""
        top = self.scroll_offset.y
        shown = range(top, min(top + self.size.height, len(self._rows)))
        lines = [(self._text(n), self._rows[n].tone, n == self._cursor) for n in shown]
        before, now = self._drawn, (top, lines or [(self._nothing(), DIM, False)])
        self._drawn = now
        if before[0] != top:
            self.refresh()
            return
        for n, (old, new) in enumerate(zip_longest(before[1], now[1])):
            if old != new:
                self.refresh_line(top + n)

    def _see(self) -> None:
        """Scroll to the cursor."""
        top, height = self.scroll_offset.y, max(1, self.scrollable_content_region.height)
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False)
        elif self._cursor >= top + height:
            self.scroll_to(y=self._cursor - height + 1, animate=False)

    def on_resize(self) -> None:
        """The cursor stays in sight; before the first size nothing can be scrolled."""
        self._see()

    def render_line(self, y: int) -> Strip:
        """One line of the widget."""
        place = self.scroll_offset.y + y
        width = self.size.width
        if place >= len(self._rows):
            if place == 0 and self._nothing():
                tone = self.rich_style + self.get_component_rich_style("row--dim", partial=True)
                return Strip([Segment(self._nothing(), tone)]).crop_extend(0, width, tone)
            return Strip.blank(width, self.rich_style)
        row = self._rows[place]
        base = self.rich_style
        tone = base + self.get_component_rich_style(f"row--{row.tone}", partial=True) if row.tone else base
        if place == self._cursor:
            tone = (
                tone + self.get_component_rich_style("row--cursor", partial=True) if self.has_focus else tone + Style(bold=True)
            )
        text = self._text(place)
        return Strip([Segment(text, tone)]).crop_extend(self.scroll_offset.x, self.scroll_offset.x + width, tone)

    def _nothing(self) -> str:
        """What stands in a list of which the filter leaves nothing."""
        return NO_HIT if self._all and self._needle and not self._rows else ""

    def _text(self, place: int) -> str:
        """What one row says, as far as it is wide."""
        row = self._rows[place]
        sign = (SHUT if row.id in self._folded else OPEN) if row.folds else LEAF
        return f"{'>' if place == self._cursor else ' '}{GUIDE * row.depth}{sign if row.tone != 'head' else ''}{line(row.text)}"

    def on_focus(self) -> None:
        """Draw the cursor."""
        self.refresh()

    def on_blur(self) -> None:
        """Draw it weaker."""
        self.refresh()

    def action_move(self, by: int) -> None:
        """Up or down."""
        self._put(self._cursor + by)

    def action_page(self, by: int) -> None:
        """A page up or down."""
        self._put(self._cursor + by * max(1, self.size.height - 1))

    def action_edge(self, last: int) -> None:
        """To the first or the last row."""
        self._put(len(self._rows) - 1 if last else 0)

    def action_open_or_close(self) -> None:
        """Open or close what folds; choose what does not."""
        if self.row is not None and self.row.folds:
            self._folded = self._folded ^ {self.row.id}
            self.keep()
            self._lay_out(self.row.id)
        elif self.row is not None:
            self.post_message(self.Chosen(self.row))

    def action_fold_up(self) -> None:
        """Close, or go to the parent."""
        row = self.row
        if row is None:
            return
        if row.folds and row.id not in self._folded:
            self.action_open_or_close()
        else:
            self._lay_out(row.parent or row.id)
            self.keep()

    def action_unfold(self) -> None:
        """Open."""
        if self.row is not None and self.row.id in self._folded:
            self.action_open_or_close()
