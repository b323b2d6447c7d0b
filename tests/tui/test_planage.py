"""How old a plan is, as of now, wherever it is decided on."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from core.ages import age_then
from core.plan import Plan
from tests.core.samples import NOW
from tests.tui.still import OVER, PLAN, Still
from tests.tui.test_screens import shows, until
from tui.app import Console
from tui.look import Look
from tui.screens.ask import Ask, TypeName
from tui.screens.plan import PlanPage
from tui.widgets.planage import PlanAge, planned_words


def test_how_long_ago_a_plan_was_made_is_told_as_of_now_and_warns_when_that_is_long() -> None:
    at = datetime.fromisoformat("2026-11-23T13:11:10+00:00")
    assert planned_words(at, at + timedelta(seconds=53)) == "planned at 13:11:10 UTC, 53 seconds ago"
    late = planned_words(at, at + timedelta(minutes=4))
    assert late == "planned at 13:11:10 UTC, 4 minutes ago: ages and states are of then; Esc, and plan again"


def test_an_age_in_a_plan_says_when_it_was_that_age() -> None:
    at = datetime.fromisoformat("2026-11-23T13:11:10+00:00")
    told = "2026-11-23 13:11:10 UTC, 53 seconds old when this was planned at 13:12:03"
    assert age_then(at, at + timedelta(seconds=53)) == told


def told(app: Console) -> str:
    """What the page or question on top says of the plan's age."""
    return str(app.screen.query_one(PlanAge).content)


@pytest.mark.parametrize(("plan", "dialog"), [(PLAN, Ask), (OVER, TypeName)], ids=["key", "name"])
async def test_a_plan_and_the_question_before_its_run_grow_older_while_they_are_looked_at(
    plan: Plan, dialog: type[Ask] | type[TypeName]
) -> None:
    now = NOW + timedelta(seconds=50)
    app = Console(Still(), look=Look(watch=0), clock=lambda: now)  # type: ignore[arg-type]
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(PlanPage(plan))
        await until(app, lambda: shows(app, "50 seconds ago"))
        await pilot.press("r")
        await until(app, lambda: isinstance(app.screen, dialog) and told(app).endswith("50 seconds ago"))
        assert not app.screen.query_one(PlanAge).has_class("-late")
        now = NOW + timedelta(minutes=4)
        await until(app, lambda: "4 minutes ago" in told(app) and app.screen.query_one(PlanAge).has_class("-late"))
