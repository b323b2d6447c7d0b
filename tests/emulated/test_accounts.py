"""Runs by an account without privileges on the emulated estate: a sudo that knows the written rules, and nothing besides."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import bashkit
import pytest

from core.engine import Engine
from core.errors import Refused
from core.facade import PlanRequest
from core.settings import ApplicationSettings, DatabaseSettings
from hostdrivers.emulated.machine import Machine
from hostdrivers.privileges import Role, Rule
from tests.emulated.bench import NAMES, Bench, bench
from tests.hostdrivers.test_privileges import permitted
from tui.__main__ import main
from tui.accounts import account_file
from tui.wiring import build_engine

READS_INPUT = ("dd of=", "tee ", "cat")


def guard(machine: Machine, rules: tuple[Rule, ...], refused: list[str]) -> None:
    """Give a machine a sudo that runs what the rules permit, and notes what they do not."""
    plain, idle = machine.shell, list[bashkit.Bash]()

    def shell(lines: object = None) -> bashkit.Bash:
        made = plain(lines)  # type: ignore[arg-type]

        async def sudo(context: bashkit.CommandContext) -> int:
            argv = list(context.argv)[1:]
            text = " ".join(argv)
            if not permitted(rules, argv):
                refused.append(f"{machine.name}: {text}")
                await context.stderr.write(b"sudo: a password is required\n")
                return 1
            call = " ".join("'" + word.replace("'", "'\\''") + "'" for word in argv)
            if text.startswith(READS_INPUT):
                data = b"".join([piece async for piece in context.stdin])
                machine.write_file("/tmp/sudo-input", data)
                call += " < /tmp/sudo-input"

            async def out(piece: bytes) -> None:
                await context.stdout.write(piece)

            async def err(piece: bytes) -> None:
                await context.stderr.write(piece)

            inner = idle.pop() if idle else plain()
            result = await inner.execute(call, capture=False, stdout=out, stderr=err)
            idle.append(inner)
            return int(result.exit_code)

        made.add_command("sudo", sudo)
        return made

    machine.shell = shell  # type: ignore[method-assign]


@contextmanager
def as_account(made: Bench, role: Role, refused: list[str], *, read_only: bool = False) -> Iterator[Engine]:
    """A console whose hosts are reached by an account with that role's rules."""
    settings = made.engine.settings
    for family in made.estate.families:
        for machine in {id(m): m for m in (family.source, family.target)}.values():
            _, rules, _ = account_file(settings, machine.name, "operator", role)
            made.running.do(lambda m=machine, r=rules: guard(m, r, refused))  # type: ignore[misc]
    machines = {m.name for f in made.estate.families for m in (f.source, f.target)}
    hosts = {n: replace(h, become="sudo") if n in machines else h for n, h in settings.hosts.items()}
    engine = build_engine(replace(settings, hosts=hosts), read_only)
    try:
        yield engine
    finally:
        engine.close()


@pytest.mark.parametrize("name", NAMES)
def test_an_operator_backs_up_restores_and_takes_over_with_no_more_than_his_rules(name: str, tmp_path: Path) -> None:
    with bench(tmp_path, (name,)) as made:
        assert made.run(PlanRequest("map", name)).exit_code == 0
        refused: list[str] = []
        with as_account(made, Role.OPERATOR, refused) as engine:
            made.engine.close()
            made.engine = engine
            rows = engine.check().result()
            assert all(row.ok for row in rows), [row for row in rows if not row.ok]
            alive = {"SOURCE_ALIVE": "to see that it goes", "RELEASED": "to see that it goes"}
            for operation in ("backup", "split", "restore", "takeover"):
                plan = made.plan(PlanRequest(operation, name, overrides=alive if operation == "takeover" else {}))
                end = made.finish(engine.start(plan, confirmed=plan.confirm).result())
                assert (end.exit_code, refused) == (0, []), (operation, end.message)


@pytest.mark.parametrize("name", NAMES)
def test_an_inspector_measures_everything_and_every_change_stops_at_sudo(name: str, tmp_path: Path) -> None:
    with bench(tmp_path, (name,)) as made:
        assert made.run(PlanRequest("map", name)).exit_code == 0
        refused: list[str] = []
        with as_account(made, Role.INSPECTOR, refused) as engine:
            engine.measure_set(name).result()
            assert all(row.ok for row in engine.check().result())
            assert not refused
            made.engine.close()
            made.engine = engine
            end = made.run(PlanRequest("backup", name))
            assert end.exit_code != 0
            assert refused


def test_visudo_takes_every_file_and_none_names_a_shell_or_an_editor(tmp_path: Path) -> None:
    if shutil.which("visudo") is None:
        pytest.skip("visudo is not installed here (Debian's package sudo)")
    with bench(tmp_path) as made:
        for name in NAMES:
            assert made.run(PlanRequest("map", name)).exit_code == 0
        checked = 0
        for host in made.engine.settings.hosts:
            for role in Role:
                try:
                    text, rules, left = account_file(made.engine.settings, host, "operator", role)
                except Refused:
                    continue  # an array's management host, or one that only keeps backups
                path = tmp_path / f"{host}-{role.value}"
                path.write_text(text)
                done = subprocess.run(["visudo", "-c", "-f", str(path)], capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr
                names = {rule.path.rsplit("/", 1)[-1] for rule in rules}
                assert not names & {"sh", "bash", "ksh", "vi", "ed", "env", "awk", "perl", "python", "su", "sudo", "chown"}
                assert not [one for one in left if one.reason.startswith(("nothing is known", "no kept map", "its pattern"))]
                checked += 1
        assert checked == 2 * 2 * len(NAMES)


def test_an_operator_may_be_the_user_of_the_database_and_an_inspector_may_not(tmp_path: Path) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        settings = made.engine.settings
        database = DatabaseSettings("/srv/web/db", "/usr/bin", user="pg.web")
        app = ApplicationSettings("shop", driver="postgresql", database=database)
        settings = replace(settings, sets={n: replace(s, application=app) for n, s in settings.sets.items()})
        host = settings.sets["linux-web"].source
        text, rules, _ = account_file(settings, host, "operator", Role.OPERATOR)
        (own,) = [rule for rule in rules if rule.path.endswith("/runuser")]
        for good in ("-u pg.web -- cat /srv/web/db/PG_VERSION", "-u pg.web -- env A=b psql -c select"):
            assert re.fullmatch(own.arguments, good)
        for bad in ("-u root -- id", "-u pg.web", "-u pg.web -- ", "-u pgxweb -- id", "-l pg.web -- id", "-c id"):
            assert not re.fullmatch(own.arguments, bad)
        assert "any command as pg.web" in text
        looking, fewer, left = account_file(settings, host, "operator", Role.INSPECTOR)
        assert not [rule for rule in fewer if rule.path.endswith("/runuser")]
        assert [one.text for one in left if one.text.startswith("runuser")] == ["runuser -u pg.web -- ..."]
        if shutil.which("visudo") is not None:
            for words in (text, looking):
                (tmp_path / "rules").write_text(words)
                done = subprocess.run(
                    ["visudo", "-c", "-f", str(tmp_path / "rules")], capture_output=True, text=True, check=False
                )
                assert done.returncode == 0, done.stderr


def test_the_command_prints_the_file_and_says_what_waits_for_a_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with bench(tmp_path, ("linux-web",)) as made:
        _commands(str(made.estate.config), capsys)


def _commands(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", config, "sudoers", "webdr", "--role", "operator", "--account", "op"]) == 0
    said = capsys.readouterr()
    assert "op ALL=(root) NOPASSWD: /usr/sbin/lvm ^vgchange" in said.out
    assert 'Defaults:op secure_path="/usr/sbin:/usr/bin:/sbin:/bin"' in said.out
    assert "runcwd=/" in said.out
    assert "run `splitmount map SET`" in said.err
    assert main(["--config", config, "sudoers", "webdr", "--account", "op", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert (body["role"], {"command", "arguments", "for"}) == ("inspector", set(body["rules"][0]))
    for host, account, words in (
        ("webdr", "root", "no account that needs rules"),
        ("nobody", "op", "no host 'nobody'"),
        ("symadm", "op", "neither"),
    ):
        assert main(["--config", config, "sudoers", host, "--account", account]) in (2, 3)
        assert words in capsys.readouterr().err
