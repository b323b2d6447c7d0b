"""An application by commands of the configuration, on the emulated estate: quiesced around the split, and let go whatever happens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import Refused
from core.facade import PlanRequest
from core.handlers import utc_now
from core.settings import ApplicationSettings, DatabaseSettings
from tests.emulated.bench import Bench, bench
from tui.rows import estate_rows
from tui.view import ViewState, fold

QUIET = ApplicationSettings(
    "shop",
    running="true",
    quiesce="echo quiet > /var/tmp/quiet; echo q >> /var/tmp/story",
    release="rm -f /var/tmp/quiet; echo r >> /var/tmp/story",
    files=("/srv/web",),
)


def with_application(made: Bench, application: ApplicationSettings) -> None:
    made.engine.close()
    made.engine = made.another_engine(application=application)


def story(made: Bench) -> tuple[str, bool]:
    """What the commands wrote on the source, in order; and whether it is quiesced now."""

    def look() -> tuple[str, bool]:
        root = made.family("linux-web").source.root
        there = root.exists("/var/tmp/story")
        return (bytes(root.read_file("/var/tmp/story")).decode() if there else "").replace("\n", ""), root.exists(
            "/var/tmp/quiet"
        )

    return made.running.do(look)


@pytest.mark.parametrize("operation", ["backup", "rehearse", "split"])
def test_it_is_quiesced_before_the_freeze_and_let_go_after_the_thaw(tmp_path: Path, operation: str) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        with_application(made, QUIET)
        plan = made.plan(PlanRequest(operation, "linux-web"))
        order = [step.id for step in plan.steps]
        at = [order.index(one) for one in ("quiesce", "freeze", "thaw", "let-go-application", "await-split")]
        assert at == sorted(at)
        end = made.finish(made.engine.start(plan).result())
        assert end.exit_code == 0, end.message
        assert story(made) == ("qr", False)


def test_what_does_not_become_quiet_is_let_go_and_nothing_is_split(tmp_path: Path) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        with_application(
            made, ApplicationSettings("shop", running="true", quiesce=f"{QUIET.quiesce}; false", release=QUIET.release)
        )
        end = made.run(PlanRequest("backup", "linux-web"))
        assert end.exit_code == 4
        assert "quiesce ended with 1" in end.message
        assert story(made) == ("qr", False)
        assert not any("split" in str(s.split_id) for s in made.engine.mirrors("linux-web").result()[0])


def test_a_split_that_fails_still_lets_it_go(tmp_path: Path) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        with_application(made, QUIET)
        number = made.engine.start(made.plan(PlanRequest("backup", "linux-web")), stepwise=True).result()
        made.go(number, "quiesce")
        family = made.family("linux-web")
        made.running.do(lambda: family.array.split([family.pairs[0]]))
        made.engine.proceed(number, to_end=True)
        end = made.finish(number)
        steps = made.steps(number)
        assert end.exit_code != 0
        assert [steps[one].outcome.value for one in ("quiesce", "let-go-application")] == ["ok", "ok"]
        assert story(made) == ("qr", False)


def test_the_timer_lets_it_go_and_the_split_is_not_used(tmp_path: Path) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        slow = ApplicationSettings(
            "shop", running="true", quiesce=f"{QUIET.quiesce}; sleep 4", release=QUIET.release, seconds=2
        )
        with_application(made, slow)
        end = made.run(PlanRequest("backup", "linux-web"))
        assert end.exit_code == 4
        assert "expired" in end.message
        assert story(made)[1] is False


def test_a_release_that_fails_needs_attention(tmp_path: Path) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        with_application(made, ApplicationSettings("shop", running="true", quiesce="true", release="echo no >&2; false"))
        end = made.run(PlanRequest("backup", "linux-web"))
        assert end.exit_code == 5
        assert "could not be let go in order: release ended with 1" in end.message


def test_what_does_not_run_is_not_quiesced(tmp_path: Path) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        with_application(made, ApplicationSettings("shop", running="false", quiesce=QUIET.quiesce, release=QUIET.release))
        assert "quiesce" not in [step.id for step in made.plan(PlanRequest("backup", "linux-web")).steps]


def test_files_outside_the_set_refuse_until_there_is_a_reason_and_the_console_shows_them(tmp_path: Path) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        with_application(made, ApplicationSettings("shop", running="true", files=("/srv/web/db", "/opt/shop/log")))
        with pytest.raises(Refused, match=r"APPLICATION_WHOLE.*outside the set.*/opt/shop/log"):
            made.plan(PlanRequest("backup", "linux-web"))
        forced = PlanRequest("backup", "linux-web", overrides={"APPLICATION_WHOLE": "the log may be lost"})
        assert made.plan(forced).steps
        made.engine.measure_set("linux-web").result()
        state = ViewState()
        for event in made.engine.drain():
            state = fold(state, event)
        about = next(row.about for row in estate_rows(state, made.engine.settings, utc_now()) if row.id == "set/linux-web")
        assert "application shop (commands): running" in about
        assert "  OUTSIDE THE SET: files /opt/shop/log" in about
        assert any(line.startswith("  the copy is consistent as of:") for line in about)


DATABASE = ApplicationSettings(
    "shop", driver="postgresql", database=DatabaseSettings("/srv/web/db", "/usr/bin", restore_command="cp /srv/archive/%f %p")
)
WHY = {"APPLICATION": "this machine has no database that could be asked"}


@pytest.mark.parametrize(
    ("operation", "application", "why"),
    [
        ("split", QUIET, "only a restore recovers to a time"),
        ("restore", QUIET, "recovers to no chosen time"),
        ("restore", None, "has no application that could recover"),
        ("restore", replace(DATABASE, database=DatabaseSettings("/srv/web/db", "/usr/bin")), "restore_command is needed"),
    ],
)
def test_a_time_to_recover_to_is_refused_where_nothing_could_go_there(
    tmp_path: Path, operation: str, application: ApplicationSettings | None, why: str
) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        if operation == "restore":
            assert made.run(PlanRequest("split", "linux-web")).exit_code == 0
        if application is not None:
            with_application(made, application)
        with pytest.raises(Refused, match=why):
            made.plan(PlanRequest(operation, "linux-web", overrides=WHY, recover_to="2026-12-24T18:00"))


def test_a_restored_database_is_recovered_before_its_start_and_only_forward(tmp_path: Path) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        assert made.run(PlanRequest("backup", "linux-web")).exit_code == 0
        backup = made.engine.backups("linux-web").result()[0].id
        assert made.run(PlanRequest("split", "linux-web")).exit_code == 0
        after = f"{utc_now():%Y-%m-%dT%H:%M:%S.%f}"
        with_application(made, DATABASE)
        mirror = PlanRequest("restore", "linux-web", overrides=WHY, recover_to=after)
        plan = made.plan(mirror)
        order = [step.id for step in plan.steps]
        assert order.index("await-restored") < order.index("recover-application")
        assert any(line.startswith(f"  then: Recover shop to {after[:10]} ") for line in plan.summary)
        for wrong, told in (("2001-01-01", "lies before the point in time"), ("2999-01-01", "has not come yet")):
            with pytest.raises(Refused, match=told):
                made.plan(replace(mirror, recover_to=wrong))
        order = [step.id for step in made.plan(replace(mirror, backup=backup)).steps]
        swept = ["mark-application", "put-back", "sweep-application", "recover-application"]
        assert [step for step in order if step in swept] == swept
        order = [step.id for step in made.plan(replace(mirror, backup=backup, via_bcv=True)).steps]
        assert [step for step in order if step in swept] == swept
        assert order.index("sweep-application") < order.index("await-restored") < order.index("recover-application")
        with pytest.raises(Refused, match="leave out a part of the database"):
            made.plan(replace(mirror, backup=backup, paths=("/srv/web",)))
        part = made.plan(replace(mirror, backup=backup, recover_to="", paths=("/srv/web",)))
        assert not set(swept) - {"put-back"} & {step.id for step in part.steps}
