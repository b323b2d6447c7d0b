"""Remote jobs in real shells behind a real SSH server: started once, followed, found again, never guessed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core import jobs
from core.errors import ReadOnlyRefused, TransportError
from core.jobs import JobEnd, JobPhase, JobRef, launch_script, look_script, parse_look, read_job, run_job
from core.ssh import SshTransport
from core.transport import Command, Effect, Guard, Status
from tests.core.sshserver import Server, ServerProcess, connected, openssh, serve


def change(text: str, **more: Any) -> Command:
    return Command("alpha", "step", text, Effect.CHANGE, guard=Guard.OWN_DIRECTORY, **more)


def ref(directory: Path, name: str = "0001-step") -> JobRef:
    run = directory / "work" / "runs" / "set-1"
    return JobRef("alpha", str(run), str(run / name))


@asynccontextmanager
async def estate(directory: Path, *, read_only: bool = False) -> AsyncIterator[tuple[Server, SshTransport]]:
    async with serve(directory) as server, connected(directory, server, read_only=read_only) as transport:
        yield server, transport


def prepare(job: JobRef) -> None:
    """Make the directories of a job as if it had been started."""
    Path(job.directory_step).mkdir(parents=True)


async def until(path: Path) -> None:
    """Wait for a file that a job makes."""
    for _ in range(1000):
        if os.access(path, os.F_OK):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{path} did not appear")


def facts(end: JobEnd) -> tuple[Status, int | None, str, str]:
    return end.status, end.exit_status, end.stdout, end.stderr


@pytest.mark.parametrize("live", [False, True])
async def test_a_job_gives_its_outputs_and_its_end(tmp_path: Path, live: bool) -> None:
    heard: list[str] = []
    text = "echo one\nprintf 'two\\303\\244 %s' \"it's\"\necho bad >&2\nexit 3"
    async with estate(tmp_path) as (_, transport):
        end = await run_job(transport, change(text, live=live), ref(tmp_path), heard.append)
    assert facts(end) == (Status.FAILED, 3, "one\ntwo\xe4 it's", "bad\n")
    assert "".join(heard) == end.stdout
    assert end.seconds > 0


async def test_a_job_knows_its_directories_and_they_are_ours_alone(tmp_path: Path) -> None:
    job = ref(tmp_path)
    async with estate(tmp_path) as (_, transport):
        end = await run_job(transport, change('echo "$RUN $JOB $PWD"; touch "$RUN/kept"\n', prelude="set -u\n"), job)
    assert end.stdout == f"{job.directory_run} {job.directory_step} /\n"
    assert (Path(job.directory_run) / "kept").exists()
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "work").rglob("*")} == {0}


async def test_a_script_is_carried_to_the_letter(tmp_path: Path) -> None:
    text = "cat <<'EOF'\n$HOME `id` @MARK@ @SCRIPT@ \\n\nEOF\ntrue"
    async with estate(tmp_path) as (_, transport):
        end = await run_job(transport, change(text), ref(tmp_path))
    assert end.stdout == "$HOME `id` @MARK@ @SCRIPT@ \\n\n"


async def test_a_job_is_never_started_twice(tmp_path: Path) -> None:
    job = ref(tmp_path)
    async with estate(tmp_path) as (_, transport):
        command = change(f"echo x >> {tmp_path}/count; sleep 0.2; echo done\n")
        ends = await asyncio.gather(*(run_job(transport, command, job) for _ in range(4)))
        again = await run_job(transport, change(f"echo other >> {tmp_path}/count\n"), job)
    assert {facts(end) for end in [*ends, again]} == {(Status.OK, 0, "done\n", "")}
    assert (tmp_path / "count").read_text() == "x\n"


@pytest.mark.parametrize("live", [False, True])
async def test_a_job_outlives_a_lost_connection_and_its_end_is_read(tmp_path: Path, live: bool) -> None:
    heard: list[str] = []
    text = f"echo begun; touch {tmp_path}/on; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; echo over; exit 5\n"
    async with estate(tmp_path) as (server, transport):
        running = asyncio.create_task(run_job(transport, change(text, live=live), ref(tmp_path), heard.append))
        await until(tmp_path / "on")
        server.lose()
        (tmp_path / "go").touch()
        end = await running
    assert facts(end) == (Status.FAILED, 5, "begun\nover\n", "")
    assert "".join(heard) == end.stdout


async def test_a_job_outlives_the_death_of_its_shell_and_its_console(tmp_path: Path) -> None:
    text = f"touch {tmp_path}/on; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; echo over\n"
    job = ref(tmp_path)
    async with estate(tmp_path) as (server, transport):
        running = asyncio.create_task(run_job(transport, change(text), job))
        await until(tmp_path / "on")
        running.cancel()
        await asyncio.wait((running,))
        server.shells[0].send_signal(signal.SIGKILL)
        (tmp_path / "go").touch()
        assert facts(await run_job(transport, change(text), job)) == (Status.OK, 0, "over\n", "")


async def test_a_launch_that_did_not_arrive_is_made_again_once(tmp_path: Path) -> None:
    lost = 0

    async def lose_first(process: ServerProcess) -> bool:
        nonlocal lost
        if lost:
            return False
        lost += 1
        await process.stdin.read()
        process.channel.close()
        return True

    async with serve(tmp_path, lose_first) as server, connected(tmp_path, server) as transport:
        end = await run_job(transport, change(f"echo x >> {tmp_path}/count\n"), ref(tmp_path))
    assert end.status is Status.OK
    assert (tmp_path / "count").read_text() == "x\n"


async def test_a_launch_that_arrives_in_part_does_nothing(tmp_path: Path) -> None:
    job = ref(tmp_path)
    whole = launch_script(change("true\n"), job, "@@mark")
    async with estate(tmp_path) as (_, transport):
        for cut in (whole.index("cat >"), whole.rindex("launch &&"), len(whole) // 2):
            await transport.run(change(whole[:cut]))
            assert (await read_job(transport, job)).phase is JobPhase.NOT_STARTED
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("live", [False, True])
async def test_a_job_that_was_killed_is_unknown(tmp_path: Path, live: bool) -> None:
    job = ref(tmp_path)
    text = f"echo part; touch {tmp_path}/on; sleep 60\n"
    async with estate(tmp_path) as (_, transport):
        running = asyncio.create_task(run_job(transport, change(text, live=live), job))
        await until(tmp_path / "on")
        assert (await read_job(transport, job)).phase is JobPhase.RUNNING
        os.kill(int((Path(job.directory_step) / "pid").read_text()), signal.SIGKILL)
        end = await asyncio.wait_for(running, 20)
        assert (await read_job(transport, job)).phase is JobPhase.VANISHED
    assert facts(end) == (Status.UNKNOWN, None, "part\n", "")
    assert "left no end" in end.reason


async def test_a_job_whose_host_was_booted_since_has_vanished(tmp_path: Path) -> None:
    job = ref(tmp_path)
    step = Path(job.directory_step)
    async with estate(tmp_path) as (_, transport):
        await run_job(transport, change("true\n"), job)
        (step / "rc").unlink()
        (step / "pid").write_text(f"{os.getpid()}\n")
        assert (await read_job(transport, job)).phase is JobPhase.RUNNING
        (step / "boot").write_text("another\n")
        assert (await read_job(transport, job)).phase is JobPhase.VANISHED


async def test_a_prepared_job_without_a_process_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "GET_GOING", 0.1)
    job = ref(tmp_path)
    prepare(job)
    async with estate(tmp_path) as (_, transport):
        end = await run_job(transport, change("true\n"), job)
    assert (end.status, end.reason) == (Status.UNKNOWN, "the job was prepared, but its process did not begin")


async def test_a_host_that_stays_away_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        text = f"touch {tmp_path}/on; sleep 60\n"
        running = asyncio.create_task(run_job(transport, change(text), ref(tmp_path), patience=0.5))
        await until(tmp_path / "on")

        async def refuse(process: ServerProcess) -> bool:
            server.lose()
            return True

        server.act = refuse
        server.lose()
        end = await asyncio.wait_for(running, 20)
    assert (end.status, end.exit_status) == (Status.UNKNOWN, None)
    assert "could not be looked at for 0.5 s" in end.reason


async def test_a_job_that_cannot_be_sent_raises_and_one_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("in the way")
    async with estate(tmp_path) as (_, transport):
        end = await run_job(transport, change(f"touch {tmp_path}/done\n"), ref(tmp_path))
        assert (end.status, end.exit_status) == (Status.FAILED, 90)
        assert re.search(r"^refused: .*cannot be made$", end.stderr, re.MULTILINE)
        other = JobRef("beta", "/tmp/r", "/tmp/r/s")
        with pytest.raises(TransportError, match="beta: no such host"):
            await run_job(transport, Command("beta", "step", "true\n", Effect.CHANGE, guard=Guard.OWN_DIRECTORY), other)
    assert not (tmp_path / "done").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    job = ref(tmp_path)
    prepare(replace(job, directory_step=f"{job.directory_run}/0000-other"))
    os.chown(tmp_path / "work", 12345, 12345)
    async with estate(tmp_path) as (_, transport):
        end = await run_job(transport, change("true\n"), job)
        assert (end.status, end.exit_status) == (Status.FAILED, 90)
        assert f"not ours: {tmp_path}/work" in end.stderr
        assert (await read_job(transport, job)).phase is JobPhase.NOT_STARTED


async def test_a_login_that_runs_nothing_is_a_refused_job_and_not_an_endless_one(tmp_path: Path) -> None:
    async def look_only(process: ServerProcess) -> bool:
        script = await process.stdin.read()
        if b"mkdir" in script:
            process.stderr.write(b"This account is not available.\n")
            process.exit(1)
        else:
            mark = re.search(rb"@@[0-9a-f]+", script)
            process.stdout.write(b"%b phase not-started\n%b end\n" % ((mark.group(0) if mark else b"",) * 2))
            process.exit(0)
        return True

    async with serve(tmp_path, look_only) as server, connected(tmp_path, server) as transport:
        end = await run_job(transport, change("true\n"), ref(tmp_path))
    assert facts(end) == (Status.FAILED, 90, "", "This account is not available.")


async def test_output_of_a_job_comes_whole_through_many_looks(tmp_path: Path) -> None:
    heard: list[str] = []
    text = 'i=0; while [ $i -lt 40000 ]; do echo "$i \303\244\303\266 a line of some length that adds up"; i=$((i+1)); done\n'
    async with estate(tmp_path) as (_, transport):
        end = await run_job(transport, change(text.encode("latin-1").decode()), ref(tmp_path), heard.append)
    lines = [f"{n} \xe4\xf6 a line of some length that adds up" for n in range(40000)]
    assert end.stdout.splitlines() == lines
    assert all(part.endswith("\n") for part in heard)
    assert len(heard) > 1


async def test_output_beyond_the_limit_stays_on_the_host_and_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "OUTPUT_LIMIT", 10_000)
    async with estate(tmp_path) as (_, transport):
        end = await run_job(transport, change("dd if=/dev/zero bs=1000 count=3000 2>/dev/null | tr '\\0' x\n"), ref(tmp_path))
    assert (end.status, len(end.stdout)) == (Status.OK, 10_000)
    assert "first 10000 bytes" in end.reason
    assert (Path(ref(tmp_path).directory_step) / "out").stat().st_size == 3_000_000


async def test_a_live_job_tells_whole_lines_while_it_runs(tmp_path: Path) -> None:
    heard: list[str] = []
    first = asyncio.Event()

    def hear(text: str) -> None:
        heard.append(text)
        first.set()

    text = f"printf '@progress 1 2\\n@progr'; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; printf 'ess 2 2\\n'\n"
    async with estate(tmp_path) as (_, transport):
        running = asyncio.create_task(run_job(transport, change(text, live=True), ref(tmp_path), hear))
        await asyncio.wait_for(first.wait(), 10)
        assert heard == ["@progress 1 2\n"]
        (tmp_path / "go").touch()
        assert (await running).status is Status.OK
    assert heard == ["@progress 1 2\n", "@progress 2 2\n"]


async def test_a_look_that_takes_long_stays_until_the_end_and_comes_rarely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stays, honest = list[int](), jobs.read_job

    async def read_job(transport: Any, job: JobRef, offset: int = 0, stay: int = 0) -> jobs.JobState:
        stays.append(stay)
        await asyncio.sleep(0.4)
        return await honest(transport, job, offset, stay)

    monkeypatch.setattr(jobs, "read_job", read_job)
    async with estate(tmp_path) as (_, transport):
        end = await run_job(transport, change("sleep 3; echo over\n", live=True), ref(tmp_path))
    assert (end.status, end.stdout) == (Status.OK, "over\n")
    assert set(stays[1:-1]) <= {4}
    assert stays[0] == 0
    assert len(stays) <= 3


@pytest.mark.parametrize(
    ("cost", "age", "stay", "naps"),
    [
        (0.05, 3600, 0, []),  # a look that costs little comes each second, however old the job is
        (0.2, 1, 2, [1, 1]),
        (5.0, 1, 4, [1, 1, 1, 1]),
        (0.2, 80, 4, [1, 1, 1, 1]),
        (0.4, 120, 11, [2, 2, 2, 2, 2, 1]),
        (0.4, 86_400, 20, [4, 4, 4, 4, 4]),
    ],
)
def test_a_job_is_looked_at_the_more_rarely_the_older_it_is(cost: float, age: float, stay: int, naps: list[int]) -> None:
    assert jobs._stay(cost, age) == stay
    assert jobs._naps(stay) == naps


async def test_a_look_stays_no_longer_than_the_limit_of_its_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stays, honest = list[int](), jobs.read_job

    async def read_job(transport: Any, job: JobRef, offset: int = 0, stay: int = 0) -> jobs.JobState:
        stays.append(stay)
        return await honest(transport, job, offset, stay)

    monkeypatch.setattr(jobs, "read_job", read_job)
    monkeypatch.setattr(jobs, "_stay", lambda cost, age: 20)
    async with estate(tmp_path) as (_, transport):
        end = await run_job(transport, change("sleep 4\n", live=True), ref(tmp_path), limit=2)
    assert (end.status, end.running) == (Status.UNKNOWN, True)
    assert 0 < max(stays) <= 2


async def test_a_look_that_stays_is_back_when_the_job_has_ended_and_when_there_is_none(tmp_path: Path) -> None:
    async with estate(tmp_path) as (_, transport):
        await run_job(transport, change("true\n"), ref(tmp_path))
        for name, phase in (("0001-step", JobPhase.ENDED), ("0002-step", JobPhase.NOT_STARTED)):
            look = read_job(transport, ref(tmp_path, name), stay=600)
            assert (await asyncio.wait_for(look, 20)).phase is phase


async def test_a_read_only_transport_starts_no_job_and_may_look(tmp_path: Path) -> None:
    async with estate(tmp_path, read_only=True) as (_, transport):
        with pytest.raises(ReadOnlyRefused):
            await run_job(transport, change("true\n"), ref(tmp_path))
        assert (await read_job(transport, ref(tmp_path))).phase is JobPhase.NOT_STARTED
    assert not (tmp_path / "work").exists()


async def test_a_job_behind_openssh_survives_the_end_of_its_session(tmp_path: Path) -> None:
    text = f"touch {tmp_path}/on; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; echo over\n"
    async with openssh(tmp_path) as settings:
        transport = SshTransport({"alpha": settings}, tmp_path / "known_hosts", read_only=False, extra_known_hosts=())
        running = asyncio.create_task(run_job(transport, change(text), ref(tmp_path)))
        await until(tmp_path / "on")
        await transport.reconnect("alpha")
        (tmp_path / "go").touch()
        assert facts(await running) == (Status.OK, 0, "over\n", "")
        await transport.aclose()


@pytest.mark.parametrize(
    ("run", "step"),
    [
        ("relative", "relative/s"),
        ("/a/../b", "/a/../b/s"),
        ("/a", "/b/s"),
        ("/a", "/a"),
        ("/a\nb", "/a\nb/s"),
        ("/a", "/a/b/c"),
    ],
)
def test_a_job_lives_right_below_its_run(run: str, step: str) -> None:
    with pytest.raises(ValueError, match=r"path|below"):
        JobRef("alpha", run, step)


def test_a_cut_look_is_not_understood() -> None:
    whole = "noise\n@@m phase ended 0\n@@m out 3\n 61 62\n 0a\n@@m end\n"
    assert parse_look(whole, "@@m").out == b"ab\n"
    for cut in range(6, len(whole) - 2):
        with pytest.raises((ValueError, KeyError)):
            parse_look(whole[:cut], "@@m")


def test_scripts_quote_what_they_are_given() -> None:
    job = JobRef("alpha", "/w/it's $x", "/w/it's $x/s;t")
    for script in (look_script(job, 0, "@@m"), launch_script(change("true\n"), job, "@@m")):
        assert "STEP='/w/it'\"'\"'s $x/s;t'" in script
