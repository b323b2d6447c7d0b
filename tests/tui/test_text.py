"""Untrusted text, outlines and the reducer."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from core.events import CommandEnded, CommandSent, Event, Outcome, RunStarted, StepEnded, StepOutput, StepProgress, StepStarted
from core.plan import Explain, Phase, Plan, Step, StepKind
from core.transport import Command, Status
from tui.plain import printable
from tui.rows import Row, visible
from tui.view import ViewState, fold, fold_all

NOW = datetime(2026, 11, 23, tzinfo=UTC)
EXPLAIN = Explain("a", "b", "c", "d")


@given(st.text())
def test_no_control_character_reaches_the_terminal(text: str) -> None:
    assert all(c.isprintable() or c == "\n" or c == " " or not c.isascii() for c in printable(text))
    assert "\x1b" not in printable(text)
    assert "\x9b" not in printable(text)


def test_an_escape_sequence_is_shown_and_not_obeyed() -> None:
    assert printable("a\x1b[31mred") == "a\\x1b[31mred"
    assert printable("right\u202eleft") == "right\\u202eleft"


def test_the_log_joins_a_command_with_its_end() -> None:
    state = fold(ViewState(), CommandSent(1, NOW, Command("a", "t", "x")))
    assert state.log[0].status is None
    state = fold(state, CommandEnded(1, Status.UNKNOWN, None, 1.5, "lost"))
    assert (state.log[0].status, state.log[0].note) == (Status.UNKNOWN, "lost")


def test_the_badge_of_a_frozen_source_lives_from_freeze_to_thaw() -> None:
    hold = Step("freeze", Phase.SPLIT, StepKind.HOLD, "f", "a", EXPLAIN)
    thaw = Step("thaw", Phase.SPLIT, StepKind.RELEASE, "t", "a", EXPLAIN)
    state = fold(ViewState(), RunStarted(1, NOW, Plan("split", "s", (hold, thaw), NOW)))
    for event in (StepStarted(1, "freeze", NOW), StepEnded(1, "freeze", Outcome.OK, 0.1)):
        state = fold(state, event)
    assert state.run is not None
    assert state.run.frozen_since == NOW
    for event in (StepStarted(1, "thaw", NOW), StepEnded(1, "thaw", Outcome.OK, 0.1)):
        state = fold(state, event)
    assert state.run is not None
    assert state.run.frozen_since is None


_STEPS = st.sampled_from(("a", "b"))
_EVENTS = st.one_of(
    st.builds(StepProgress, st.just(1), _STEPS, st.integers(0, 9), st.just(9)),
    st.builds(StepStarted, st.just(1), _STEPS, st.just(NOW)),
    st.builds(StepOutput, st.just(1), _STEPS, st.text(max_size=3)),
    st.builds(StepEnded, st.just(1), _STEPS, st.just(Outcome.OK), st.just(0.1)),
)


@given(st.lists(_EVENTS, max_size=20))
def test_many_events_at_once_leave_the_state_that_they_leave_one_by_one(events: list[Event]) -> None:
    state = begun = fold(ViewState(), RunStarted(1, NOW, Plan("split", "s", (), NOW)))
    for event in events:
        state = fold(state, event)
    assert fold_all(begun, events) == state


def test_a_folded_row_hides_all_that_is_below_it() -> None:
    rows = [Row("a", 0, "a"), Row("b", 1, "b", parent="a"), Row("c", 2, "c", parent="b"), Row("d", 0, "d")]
    assert [r.id for r in visible(rows, frozenset({"a"}), "")] == ["a", "d"]
    assert [r.id for r in visible(rows, frozenset(), "c")] == ["a", "b", "c"]


def test_help_imports_neither_textual_nor_asyncssh_nor_rich() -> None:
    code = (
        "import sys; from tui.__main__ import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted(m for m in ('textual', 'asyncssh', 'rich', 'yaml') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
