"""The preview: all that a run would do, before anything is done. Nothing runs that was not on this page."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static

from core.plan import Plan, Step
from core.settings import SetSettings
from core.transport import Command, shown
from tui.keys import bindings
from tui.plain import line, printable
from tui.rows import HEAD, Row, plan_rows
from tui.screens.ask import Ask, TypeName
from tui.screens.base import Page, put
from tui.view import ViewState
from tui.widgets.planage import PlanAge
from tui.widgets.rowlist import RowList


def step_text(step: Step, command: Command | None = None) -> Text:
    """The explanation pane: what, why, risk, by hand, and the exact commands; bound ones where the run has them."""
    text = Text()

    def part(label: str, body: str) -> None:
        if body:
            text.append(f"{label}\n", style="bold")
            text.append(f"{printable(body)}\n\n")

    text.append(f"{line(step.title)}\n\n", style="bold underline")
    part("What it does", step.explain.what)
    part("Why", step.explain.why)
    part("What can go wrong", step.explain.risk)
    part("Check by hand", step.explain.by_hand)
    part("Only on the devices with serial", ", ".join(line(serial) for serial in step.fence))
    if step.command is not None and step.command.guard:
        part("What keeps it to that", step.command.guard.value)
    exact = command or step.command
    part(f"Exact commands, on {exact.host}" if exact else "", shown(exact).strip() if exact else "")
    part("Taken back by", shown(step.undo).strip() if step.undo else "")
    return text


ALIKE = 2  # serials that differ in no more digits than this are taken for each other at night


def pair_text(std: str, bcv: str) -> Text:
    """The two serials, BCV -> STD, with the digits in which the two differ marked where they are alike."""
    near = len(std) == len(bcv) and sum(a != b for a, b in zip(std, bcv, strict=True)) <= ALIKE
    text = Text("  ")
    for word, other, after in ((bcv, std, " -> "), (std, bcv, "")):
        for place, letter in enumerate(word):
            text.append(letter, style="bold reverse" if near and letter != other[place] else "")
        text.append(after)
    return text


def overwrites(plan: Plan, settings: SetSettings) -> Text:
    """All that the plan says of itself; with the arrow and the digits marked where devices are overwritten, and only there."""
    pairs = {f"  {pair.bcv} -> {pair.std}": pair for pair, _ in plan.start_states}
    text = Text()
    for told in plan.summary:
        start = next((known for known in pairs if told.startswith(known)), "")
        if start and "==>" not in text.plain:
            text.append(f"{line(settings.target)} ==> {line(settings.source)}   BCV -> STD\n", style="bold")
        if start:
            text.append_text(pair_text(line(pairs[start].std), line(pairs[start].bcv)))
        text.append(line(told[len(start) :]) + "\n")
    return text


def consequences(plan: Plan, settings: SetSettings) -> Text:
    """What the plan comes to, then under which conditions, and what verification found."""
    text = overwrites(plan, settings)
    for one in plan.conditions:
        when = f"{one.at:%H:%M:%S}" if one.at else "not measured"
        text.append(f"\n{one.verdict.value}: {one.code} ({when})", style="bold")
        text.append(f"\n  {line(one.where)}: {line(one.sentence)}")
    for finding in plan.findings:
        text.append(f"\n{finding.severity.value}: {finding.code} {line(finding.subject)}", style="bold")
        text.append(f"\n  {line(finding.sentence)}")
    return text


class PlanPage(Page):
    """A plan, step by step."""

    BINDINGS = bindings("plan")
    SHEET = "plan"

    def __init__(self, plan: Plan, *, typed: bool = False) -> None:
        """The plan as the engine made it; `typed` asks for the set's name even where the plan itself does not."""
        super().__init__()
        self._plan = plan
        self._name = plan.confirm or (plan.set_name if typed else "")

    def compose(self) -> ComposeResult:
        """Policy and findings on top, steps at left, the explanation at right."""
        yield Static(id="title")
        yield Static(id="summary")
        with Horizontal(id="body"):
            yield RowList(id="steps")
            with VerticalScroll(id="detail"):
                yield Static(id="about")
        yield PlanAge(self._plan.made_at)
        yield self.needle()
        yield self.too_small()
        yield self.key_line()

    def heading(self) -> str:
        """What the plan is."""
        return f"PLAN  {self._plan.operation} of {self._plan.set_name}  {len(self._plan.steps)} steps, nothing was done yet"

    def opened(self) -> None:
        """Fill it."""
        lines = [*self._plan.summary, *(f"{f.severity.value}: {f.subject} {f.sentence}" for f in self._plan.findings)]
        put(self.query_one("#summary", Static), Text("\n".join(line(text) for text in lines[:4])))
        rows = self.query_one(RowList)
        rows.show([Row("consequences", 0, "WHAT WILL HAPPEN", HEAD), *plan_rows(self._plan)], follow="consequences")
        rows.focus()

    def hear(self, state: ViewState) -> None:
        """Only the title changes."""
        put(self.query_one("#title", Static), self.title_line())

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """Explain the step under the cursor."""
        step = next((s for s in self._plan.steps if event.row and s.id == event.row.id), None)
        settings = self.console_app.engine.settings.sets[self._plan.set_name]
        put(self.query_one("#about", Static), step_text(step) if step else consequences(self._plan, settings))
        self.query_one("#detail", VerticalScroll).scroll_home(animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Running is greyed in read-only mode; the engine refuses it anyway."""
        return None if action == "go" and self.console_app.engine.read_only else True

    def action_go(self, stepwise: bool) -> None:
        """Ask once, then start."""
        how = "step by step" if stepwise else "to its end"
        sends = sum(1 for s in self._plan.steps if s.command is not None)
        question = f"Run {self._plan.operation} of {self._plan.set_name} {how}?\n{len(self._plan.steps)} steps, {sends} of them send commands."

        def answered(yes: bool | None) -> None:
            if yes:
                self.console_app.start(self._plan, stepwise=stepwise)

        def typed(word: str | None) -> None:
            if word:
                self.console_app.start(self._plan, stepwise=stepwise, confirmed=word if self._plan.confirm else "")

        if self._name:
            settings = self.console_app.engine.settings.sets[self._plan.set_name]
            told = Text(f"{question}\n\n").append_text(overwrites(self._plan, settings))
            self.app.push_screen(TypeName(told, self._name, self._plan.made_at), typed)
        else:
            self.app.push_screen(Ask(question, "y", "run it", planned=self._plan.made_at), answered)
