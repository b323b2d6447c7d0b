"""Hosts without access: their collectors run on the emulated machines, and what they saved is looked at without any host."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core import offline
from core.config import load
from core.errors import ConfigError
from core.facade import PlanRequest
from core.hosts import HostRef
from core.model import HostFacts
from core.plan import Plan
from hostdrivers import DRIVERS
from hostdrivers.emulated.machine import Machine
from tests.emulated.bench import NAMES, Bench, bench
from tests.hostdrivers.machines import facts, run
from tui.__main__ import main
from tui.offline import opened


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(tmp_path_factory.mktemp("offline")) as made:
        yield made


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The script that `collect` prints."""
    capsys.readouterr()
    assert main([*words]) == 0
    return capsys.readouterr().out


def save(made: Bench, machine: Machine, script: str, name: str, directory: Path) -> Path:
    """Run a collector on a machine, and bring what it wrote here."""
    done = made.running.call(run(machine, f"rm -f {name}\n{script}"))
    assert (done.exit_status, done.stderr) == (0, ""), done
    directory.mkdir(exist_ok=True)
    (directory / name).write_bytes(machine.read_file(f"/{name}"))
    return directory / name


def live(made: Bench, machine: Machine) -> HostFacts:
    return made.running.call(facts(DRIVERS[machine.os], machine))


@pytest.mark.parametrize("name", NAMES)
def test_what_a_collector_saved_gives_the_facts_that_a_live_discovery_gives(
    name: str, estate: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    family = estate.family(name)
    script = printed(capsys, "collect", "--print", family.source.os)
    for machine in (family.source, family.target):
        saved = offline.read(save(estate, machine, script, f"{machine.name}.facts", tmp_path))
        driver, ref = DRIVERS[machine.os], HostRef(machine.name, machine.os)
        found = driver.parse_discovery(ref, saved.result(driver.discovery(ref)))
        assert (saved.about, saved.host, saved.exit_status) == (machine.os, machine.name, 0)
        assert replace(found, measured_at=saved.at) == replace(live(estate, machine), measured_at=saved.at)
        assert found.devices or machine is family.target


@pytest.fixture
def saved(estate: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A directory with what both hosts of one set and the array wrote."""
    family, config = estate.family("linux-web"), str(estate.estate.config)
    script = printed(capsys, "collect", "--print", "linux")
    for machine in (family.source, family.target):
        save(estate, machine, script, f"{machine.name}.facts", tmp_path / "saved")
    script = printed(capsys, "--config", config, "collect", "--array", "symmetrix")
    save(estate, estate.estate.machines["symadm"], script, "symmetrix.array", tmp_path / "saved")
    return tmp_path / "saved"


class Offline:
    """The command line, on an estate that answers nobody."""

    def __init__(self, config: Path, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._config, self._from, self._capsys = str(config), str(directory), capsys

    def ask(self, *words: str, config: bool = True) -> tuple[int, str, str]:
        """Exit code, output and errors of a command on the directory."""
        option = "--from-dir" if words[0] == "plan" else "--from"
        code = main([*(["--config", self._config] if config else []), *words, option, self._from])
        said = self._capsys.readouterr()
        return code, said.out, said.err


@pytest.fixture
def offline_(estate: Bench, saved: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Offline]:
    before = {name: len(front.commands) for name, front in estate.estate.fronts.items()}
    yield Offline(estate.estate.config, saved, capsys)
    assert {name: len(front.commands) for name, front in estate.estate.fronts.items()} == before, "a host was asked"


def test_tree_pairs_and_findings_come_from_the_files_and_each_file_is_told_with_its_time(offline_: Offline) -> None:
    code, out, err = offline_.ask("inspect", "linux-web")
    assert (code, err) == (0, "")
    assert re.search(r"^webprod\.facts: of webprod, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC by its clock$", out, re.MULTILINE)
    assert "[=] established  BCV 790D0000" in out
    assert "volume site-logs  striped  40.0 MiB  xfs /srv/web/logs" in out
    assert "info: BCV_NOT_ON_TARGET 790D0000" in out
    assert "aixprod.facts: not in" in out, "other sets of the configuration are unknown"
    assert "CLAIMS_UNKNOWN" in out, "whether it is locked was not saved"
    code, out, _ = offline_.ask("inspect", "webprod", "--json")
    (row,) = json.loads(out)
    assert (code, row["facts"]["groups"][0]["name"]) == (0, "web-data")


def test_what_was_not_saved_is_unknown_and_never_empty(offline_: Offline, saved: Path) -> None:
    (saved / "symmetrix.array").unlink()
    (saved / "webdr.facts").rename(saved / "renamed.facts")
    code, out, err = offline_.ask("inspect", "linux-web")
    assert code == 4
    assert f"webdr.facts: not in {saved}: what it would tell is unknown" in out
    assert "target could not be measured: webdr: discover webdr: not in the files of" in out
    assert out.count("[?] NOT MEASURED") == 2
    assert "error: PAIRS_UNREADABLE" in out
    assert "UNPAIRED" not in out
    assert "renamed.facts: left out: the configuration has no such name; rename it" in err
    assert offline_.ask("plan", "backup", "linux-web")[0] == 3


@pytest.fixture
def planned(estate: Bench) -> Plan:
    """What a live console plans, before anything is looked at offline."""
    return estate.plan(PlanRequest("backup", "linux-web"))


def test_a_plan_is_made_from_the_files_and_one_that_needs_more_says_so(planned: Plan, offline_: Offline) -> None:
    code, out, _ = offline_.ask("plan", "backup", "linux-web", "--json")
    assert (code, [step["title"] for step in json.loads(out)["steps"]]) == (0, [step.title for step in planned.steps])
    assert [offline_.ask("plan", one, "linux-web")[0] for one in ("split", "establish", "rehearse", "map")] == [0, 0, 0, 0]
    code, _, err = offline_.ask("plan", "restore", "linux-web")
    assert (code, "not in the files of" in err) == (4, True)


def test_without_a_configuration_each_file_is_shown_by_itself(
    offline_: Offline, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    code, out, err = offline_.ask("inspect", config=False)
    assert (code, "host webprod  webprod" in out, "host webdr  webdr" in out) == (0, True, True)
    assert "device 79011000  /dev/sdc" in out
    assert "only a configuration can tell" in err
    assert offline_.ask("plan", "backup", "linux-web", config=False)[0] == 2
    text = (saved / "webprod.facts").read_text()
    (saved / "webprod.facts").write_text(text.replace("lvm.end 0", "lvm.end 5", 1))
    code, out, _ = offline_.ask("inspect", config=False)
    assert (code, "host webprod: could not be measured: webprod: lvm: exit status 5" in out) == (4, True)
    (saved / "webprod.facts").write_text(text.replace(" linux ", " plan9 ", 1))
    code, _, err = offline_.ask("inspect", config=False)
    assert (code, "webprod.facts:1: 'plan9' is no system that this program knows" in err) == (2, True)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("webprod.facts", lambda text: text[:-20], "the last line must be"),
        ("webprod.facts", lambda text: "", "the file is empty"),
        ("webprod.facts", lambda text: text.replace(" linux ", " aix ", 1), "save it with: splitmount collect --print linux"),
        ("webdr.facts", lambda text: "\x1b[2J" + text, "no collector wrote this"),
        ("symmetrix.array", lambda text: re.sub("array:[0-9a-f]+", "array:0", text), "saved for other pairs"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_believed_is_refused_by_name(
    name: str, change: Callable[[str], str], words: str, offline_: Offline, saved: Path
) -> None:
    (saved / name).write_text(change((saved / name).read_text()))
    code, out, err = offline_.ask("inspect", "linux-web")
    assert (code, out) == (2, "")
    assert f"{saved / name}:1: " in err or "the last line" in words
    assert words in err
    assert "\x1b" not in err


def test_two_arrays_of_one_management_host_are_never_taken_for_each_other(estate: Bench, saved: Path) -> None:
    settings = load(estate.estate.config)
    (saved / "other.array").write_text((saved / "symmetrix.array").read_text())
    arrays = settings.arrays | {"other": replace(settings.arrays["symmetrix"], name="other")}
    sets = settings.sets | {f"{name}-2": replace(one, array="other") for name, one in settings.sets.items()}
    with pytest.raises(ConfigError, match=r"other\.array: symmetrix has the same management host"):
        opened(replace(settings, arrays=arrays, sets=sets), saved)


def test_collect_refuses_what_it_cannot_print_and_has_a_script_for_every_driver(
    estate: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = estate.estate.directory / "odd.yaml"
    text = estate.estate.config.read_text()
    odd.write_text(text.replace("  symmetrix:\n", '  "x; id":\n').replace("array: symmetrix\n", 'array: "x; id"\n'))
    assert main(["--config", str(odd), "collect", "--array", "x; id"]) == 2
    said_of_it = capsys.readouterr()
    assert (said_of_it.out, "its name is no name for a file" in said_of_it.err) == ("", True), said_of_it.err
    config = ["--config", str(estate.estate.config)]
    for words, said in (
        (["collect", "--array", "none"], "there is no array 'none' in the configuration; known: symmetrix"),
        (["--replay", "x", "inspect", "--from", "y"], "leave out --record and --replay"),
    ):
        assert main([*config, *words]) == 2
        assert said in capsys.readouterr().err
    for system in DRIVERS:
        assert json.loads(printed(capsys, "collect", "--print", system, "--json"))["script"].startswith("#!/bin/sh\n")
