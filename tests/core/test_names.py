"""Names from hosts: judged before they are quoted, and never taken for a late value."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import SplitmountError
from core.facade import PlanRequest
from core.names import odd_binding, odd_name
from core.transport import Effect
from tests.core.toy import ToyHost, source_facts
from tests.tui.toyengine import toy_engine

ODD = ["a\nb", "a\x1b[31m", "a\u202eb", "a\0b", "@{path of 790B4000}@", "-rf", "/" + "x" * 5000, "\udcff"]


@pytest.mark.parametrize("name", ["vgdata", "/srv/my data", "/srv/été", "it's", "$(id)", "a;b", "a@b{c}"])
def test_what_quoting_can_carry_is_a_name(name: str) -> None:
    assert odd_name(name) == ""


@pytest.mark.parametrize("name", ODD)
def test_what_it_cannot_is_none(name: str) -> None:
    assert odd_name(name)
    assert odd_binding("path.x", name)


def test_the_name_of_a_binding_is_plain() -> None:
    assert odd_binding("path.790B4000", "/dev/sdb") == ""
    assert odd_binding("x}@ `id`", "/dev/sdb")


@pytest.mark.parametrize("name", ODD)
def test_a_mount_point_that_no_plan_may_carry_stops_the_plan_before_anything_is_sent(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = source_facts()
    spoiled = replace(facts, filesystems=(replace(facts.filesystems[0], mount_point=f"/srv/{name}"),))
    plain = ToyHost.parse_discovery
    monkeypatch.setattr(ToyHost, "parse_discovery", lambda s, h, r: spoiled if h.name == "source" else plain(s, h, r))
    engine, world = toy_engine(tmp_path)
    try:
        if name == "-rf":
            engine.plan(PlanRequest("backup", "toy")).result()  # below /srv it is no option
        else:
            with pytest.raises(SplitmountError, match="NAME_UNSAFE"):
                engine.plan(PlanRequest("backup", "toy")).result()
    finally:
        engine.close()
    assert [c for c in world.sent if c.effect is Effect.CHANGE] == []


def test_a_job_that_names_a_made_up_value_fails_and_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _ = toy_engine(tmp_path)
    step = ToyHost.import_group

    def spoiled(self: ToyHost, host: object, request: object) -> object:
        made = step(self, host, request)  # type: ignore[arg-type]
        assert made.command is not None
        text = made.command.text + "printf '@bind path.x /dev/@\\173y}@\\n'\n"
        return replace(made, command=replace(made.command, text=text))

    monkeypatch.setattr(ToyHost, "import_group", spoiled)
    try:
        run = engine.start(engine.plan(PlanRequest("backup", "toy")).result()).result()
        while run in engine.running():
            pass
        (row,) = engine.history().result()
    finally:
        engine.close()
    assert "said what it made" in row.message
    assert not list((tmp_path / "target").glob("imported-*"))
