"""The list of rows: what is drawn after a change is what a whole drawing would give, and a small change draws few lines."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region

from tui.rows import BAD, HEAD, Row
from tui.widgets.rowlist import RowList


class Listed(App[None]):
    def compose(self) -> ComposeResult:
        yield RowList(id="rows")


def rows_of(groups: int, size: int = 4) -> list[Row]:
    out = [Row("top", 0, "Groups", HEAD)]
    for group in range(groups):
        out.append(Row(f"g{group}", 1, f"group {group}", parent="top", folds=True))
        out += [Row(f"g{group}/{n}", 2, f"device {group}-{n}", parent=f"g{group}") for n in range(size)]
    return out


def drawn(app: Listed) -> list[str]:
    return [strip.text for strip in app.screen._compositor.render_strips(app.size)]


@pytest.mark.parametrize("seed", range(4))
async def test_after_any_change_the_screen_is_what_a_whole_drawing_gives(seed: int) -> None:
    app, chance = Listed(), random.Random(seed)
    async with app.run_test(size=(40, 12)) as pilot:
        listed = app.query_one(RowList)
        listed.focus()
        rows = rows_of(3)
        listed.show(rows)
        for _ in range(40):
            match chance.randrange(8):
                case 0:
                    rows = rows_of(chance.randrange(5))
                case 1 | 2:
                    n = chance.randrange(len(rows))
                    rows = [
                        *rows[:n],
                        replace(rows[n], text=f"{rows[n].text[:8]} {chance.random():.3f}", tone=BAD),
                        *rows[n + 1 :],
                    ]
                case 3:
                    listed.filter(chance.choice(("", "1-2", "group", "no such")))
                case 4:
                    listed.action_open_or_close()
                case 5:
                    listed.action_page(chance.choice((-1, 1)))
                case 6:
                    listed.show(rows, follow=chance.choice(rows).id)
                case _:
                    listed.action_move(chance.randrange(-3, 4))
            listed.show(rows)
            await pilot.pause()
            partly = drawn(app)
            listed.refresh()
            await pilot.pause()
            assert partly == drawn(app)


async def test_a_row_that_changed_draws_its_line_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Listed()
    async with app.run_test(size=(40, 12)) as pilot:
        listed = app.query_one(RowList)
        rows = rows_of(8)
        listed.show(rows)
        await pilot.pause()
        asked: list[tuple[Region, ...]] = []
        monkeypatch.setattr(listed, "refresh", lambda *regions, **_: asked.append(regions))
        listed.show([*rows[:4], replace(rows[4], text="now another"), *rows[5:]])
        assert [[region.y for region in regions] for regions in asked] == [[4]]
        asked.clear()
        listed.action_move(1)
        assert [[region.y for region in regions] for regions in asked] == [[0], [1]]
        asked.clear()
        listed.show([*listed._all[:30], replace(rows[30], text="out of sight"), *rows[31:]])
        assert asked == []


async def test_a_filter_that_is_given_up_leaves_the_cursor_where_it_was_put_and_one_with_a_hit_leaves_it_there() -> None:
    app = Listed()
    async with app.run_test(size=(40, 12)) as pilot:
        listed = app.query_one(RowList)
        listed.show(rows_of(3))
        listed.filter("no such")
        await pilot.pause()
        assert listed.row is None
        assert "no line has these letters" in drawn(app)[0]
        listed.filter("")
        assert listed.row is not None
        assert listed.row.id == "top"
        listed.action_move(3)
        for needle in ("2-1", "no such", ""):
            listed.filter(needle)
        assert listed.row.id == "g0/1"
        await pilot.pause()
        assert "no line" not in "".join(drawn(app))
        listed.filter("2-1")
        listed.action_edge(1)
        listed.filter("")
        assert listed.row.id == "g2/1"
        listed.show([row for row in rows_of(3) if row.id != "g2/1"])
        there = listed.row.id
        listed.filter("")
        assert listed.row.id == there
