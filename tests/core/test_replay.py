"""Transcripts: recorded from a real server, replayed without it."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from core.errors import ConfigError, ReadOnlyRefused, TransportError
from core.replay import Recorder, ReplayTransport
from core.transport import Channel, Command, Effect, Guard, Status
from tests.core.sshserver import connected, serve
from tui.__main__ import main

ASK = Command("alpha", "count", "")


async def test_a_recorded_estate_answers_again_in_order_and_then_stays(tmp_path: Path) -> None:
    file, counter = tmp_path / "transcript", tmp_path / "n"
    ask = Command("alpha", "count", f"echo x >> {counter}; wc -l < {counter} | tr -d ' '; echo e >&2\n")
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        recorder = Recorder(transport, file)
        first = await recorder.run(ask)
        await recorder.run(ask)
        await recorder.run(Command("alpha", "fail", "exit 4\n"))
        await recorder.run(Command("alpha", "change", "true\n", Effect.CHANGE, guard=Guard.OWN_DIRECTORY))
        session = await recorder.session(Command("alpha", "held", "echo ready; read a\n"))
        await session.expect(("ready",), 5)
        await session.close()
        await recorder.reconnect("alpha")
    replay = ReplayTransport.of(file)
    again = [await replay.run(ASK) for _ in range(4)]
    assert [result.stdout for result in again] == ["1\n", "2\n", "2\n", "2\n"]
    assert (again[0].stderr, again[0].started, again[0].status) == ("e\n", first.started, Status.OK)
    failed = await replay.run(Command("alpha", "fail", "whatever\n"))
    assert (failed.status, failed.exit_status) == (Status.FAILED, 4)
    titles = [json.loads(line)["title"] for line in file.read_text().splitlines()]
    assert titles == ["count", "count", "fail"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (recorder.read_only, replay.read_only) == (False, True)
    await replay.aclose()


async def test_a_transcript_refuses_changes_and_names_what_it_does_not_know(tmp_path: Path) -> None:
    file = tmp_path / "transcript"
    file.write_text("")
    replay = ReplayTransport.of(file)
    with pytest.raises(TransportError, match="alpha: count: not in the transcript"):
        await replay.run(ASK)
    for channel in Channel:
        with pytest.raises(ReadOnlyRefused):
            await replay.run(Command("alpha", "change", "true\n", Effect.CHANGE, channel, guard=Guard.OWN_DIRECTORY))
    with pytest.raises(ReadOnlyRefused):
        await replay.session(Command("alpha", "freeze", "true\n", Effect.CHANGE, guard=Guard.OWN_DIRECTORY))
    with pytest.raises(TransportError, match="no sessions"):
        await replay.session(ASK)
    with pytest.raises(TransportError, match="no streams"):
        async with replay.stream(ASK):
            raise AssertionError
    await replay.reconnect("alpha")


@pytest.mark.parametrize("line", ["{", "[]", '{"host": "a", "title": "t", "channel": "pigeon"}'])
def test_a_line_that_is_no_record_is_told_by_number(tmp_path: Path, line: str) -> None:
    file = tmp_path / "transcript"
    file.write_text(line + "\n")
    with pytest.raises(ConfigError, match="transcript:1: "):
        ReplayTransport.of(file)


def test_a_transcript_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none"):
        ReplayTransport.of(tmp_path / "none")


@pytest.mark.parametrize("where", ["/nodir/x", "/proc/rec", "/tmp"])
@pytest.mark.parametrize("words", [["inspect"], ["check"], ["run", "map", "web", "--yes"]], ids=" ".join)
def test_a_transcript_that_cannot_be_written_is_an_error_before_anything_is_asked(
    tmp_path: Path, words: list[str], where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "splitmount.yaml"
    config.write_text("hosts: {alpha: {os: linux, address: 127.0.0.1, port: 1}}\n")
    assert main(["--config", str(config), "--record", where, *words]) == 2
    assert f"Configuration: the transcript {where} cannot be written: " in capsys.readouterr().err


async def test_a_transcript_whose_disk_is_full_is_a_clear_error(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        with pytest.raises(ConfigError, match="cannot be written: No space left on device"):
            await Recorder(transport, Path("/dev/full")).run(Command("alpha", "say", "echo x\n"))
