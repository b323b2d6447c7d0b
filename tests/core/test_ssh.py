"""The transport against real servers: what is refused, what is unknown, what is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from core.errors import HostKeyChanged, HostKeyUnknown, OutcomeUnknown, ReadOnlyRefused, TransportError
from core.ssh import Limits, SshTransport
from core.transport import ByteStream, Channel, Command, Effect, Guard, Status, bind
from tests.core.sshserver import QUICK, ServerProcess, connected, free_port, openssh, serve

QSD = shutil.which("qemu-storage-daemon")


def read(text: str, **more: Any) -> Command:
    return Command("alpha", "look", text, **more)


def change(text: str, **more: Any) -> Command:
    return Command("alpha", "do", text, Effect.CHANGE, guard=Guard.OWN_DIRECTORY, **more)


def asking(verb: str, socket: Path, effect: Effect = Effect.READ, **more: Any) -> Command:
    guard = Guard.MARKS if effect is Effect.CHANGE else Guard.NONE
    return Command("alpha", verb, json.dumps({"execute": verb}), effect, Channel.QMP, socket=str(socket), guard=guard, **more)


# --- commands ---------------------------------------------------------------------------------------------------------


async def test_a_script_travels_on_standard_input_and_both_outputs_come_back_apart(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        result = await transport.run(read('echo "it\'s $((40 + 2))"\necho bad >&2\nexit 7\n', prelude="set -u\n"))
    assert (result.status, result.exit_status, result.stdout, result.stderr) == (Status.FAILED, 7, "it's 42\n", "bad\n")
    assert server.commands == ["/bin/sh -s"]


async def test_bytes_that_are_no_text_are_shown_as_escapes(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        result = await transport.run(read("printf 'a\\377b\\303\\244'\n"))
    assert result.stdout == "a\\xffb\xe4"


async def test_the_cipher_that_costs_the_console_least_is_asked_for_first(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        await transport.run(read("echo one\n"))
        (connection,) = server.connections
        assert connection.get_extra_info("send_cipher") == "aes256-gcm@openssh.com"


async def test_one_connection_serves_all_commands_to_a_host(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        results = await asyncio.gather(*(transport.run(read(f"echo {n}\n")) for n in range(20)))
    assert [r.stdout for r in results] == [f"{n}\n" for n in range(20)]
    assert len(server.connections) <= 1


async def test_no_more_channels_are_open_at_once_than_the_limit(tmp_path: Path) -> None:
    open_now, most = 0, 0

    async def count(process: ServerProcess) -> bool:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await process.stdin.read()
        open_now -= 1
        process.exit(0)
        return True

    async with serve(tmp_path, count) as server, connected(tmp_path, server, limits=replace(QUICK, channels=3)) as transport:
        await asyncio.gather(*(transport.run(read("true\n")) for _ in range(12)))
    assert most == 3


async def test_a_command_that_finds_every_channel_busy_is_not_sent(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server, limits=replace(QUICK, channels=1)) as transport:
        held = await transport.session(change("read line\n"))
        with pytest.raises(TransportError, match=r"busy for 0\.1 s; it was not sent"):
            await transport.run(change("true\n", timeout=0.1))
        await held.close()
        assert (await transport.run(read("true\n"))).status is Status.OK


async def test_a_connection_lost_in_mid_command_gives_unknown(tmp_path: Path) -> None:
    async def cut(process: ServerProcess) -> bool:
        await process.stdin.read()
        process.stdout.write(b"half of it")
        await process.stdout.drain()
        server.lose()
        return True

    async with serve(tmp_path, cut) as server, connected(tmp_path, server) as transport:
        for command in (read("true\n"), change("true\n")):
            result = await transport.run(command)
            assert (result.status, result.exit_status) == (Status.UNKNOWN, None)
            assert "lost" in result.reason


async def test_an_end_without_exit_status_gives_unknown(tmp_path: Path) -> None:
    async def vanish(process: ServerProcess) -> bool:
        await process.stdin.read()
        process.channel.close()
        return True

    async with serve(tmp_path, vanish) as server, connected(tmp_path, server) as transport:
        result = await transport.run(change("true\n"))
    assert (result.status, result.exit_status) == (Status.UNKNOWN, None)


async def test_a_shell_killed_by_a_signal_has_failed(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        result = await transport.run(change("kill -9 $$\n"))
    assert (result.status, result.exit_status) == (Status.FAILED, 137)


async def test_a_read_that_does_not_end_is_left_in_time_though_the_host_ignores_signals(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        began = time.monotonic()
        result = await transport.run(read("echo begun\nsleep 60\n", timeout=0.3))
        assert (result.status, result.exit_status, result.reason) == (Status.UNKNOWN, None, "no answer in 0.3 s")
        assert time.monotonic() - began < 5
        assert (await transport.run(read("echo next\n"))).stdout == "next\n"


async def test_a_change_is_waited_for_beyond_its_timeout(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        result = await transport.run(change("sleep 0.3; echo done\n", timeout=0.05))
    assert (result.status, result.stdout) == (Status.OK, "done\n")


async def test_a_read_that_floods_is_stopped_and_has_failed(tmp_path: Path) -> None:
    limits = replace(QUICK, output=100_000)
    async with serve(tmp_path) as server, connected(tmp_path, server, limits=limits) as transport:
        result = await transport.run(read("yes\n"))
        assert result.status is Status.FAILED
        assert "more than 100000 bytes" in result.reason
        assert len(result.stdout) == 100_000


async def test_a_change_that_floods_runs_to_its_end_and_the_rest_is_dropped_openly(tmp_path: Path) -> None:
    limits = replace(QUICK, output=1000)
    script = "i=0; while [ $i -lt 200 ]; do echo 0123456789; i=$((i+1)); done; exit 3\n"
    async with serve(tmp_path) as server, connected(tmp_path, server, limits=limits) as transport:
        result = await transport.run(change(script))
    assert (result.status, result.exit_status, len(result.stdout)) == (Status.FAILED, 3, 1000)
    assert "beyond 1000 bytes" in result.reason


async def test_a_connection_that_died_between_commands_is_replaced(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        for _ in range(3):
            assert (await transport.run(change("true\n"))).status is Status.OK
            server.lose()


async def test_reconnect_makes_a_new_connection(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        await transport.run(read("true\n"))
        await transport.reconnect("alpha")
        assert len(server.connections) == 2
        assert (await transport.run(read("true\n"))).status is Status.OK


async def test_a_cancelled_read_gives_its_channel_back(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server, limits=replace(QUICK, channels=1)) as transport:
        running = asyncio.create_task(transport.run(read("sleep 60\n")))
        await server.begun.wait()
        running.cancel()
        await asyncio.wait((running,))
        assert (await transport.run(read("echo free\n"))).stdout == "free\n"


async def test_closing_ends_what_runs_and_does_not_hang(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        running = asyncio.create_task(transport.run(change("sleep 60\n")))
        await server.begun.wait()
        began = time.monotonic()
        await transport.aclose()
        assert time.monotonic() - began < 3
        assert (await running).status is Status.UNKNOWN
        with pytest.raises(TransportError, match="closed"):
            await transport.run(read("true\n"))


async def test_a_value_that_is_not_bound_yet_is_not_sent(tmp_path: Path) -> None:
    waiting = change("mount @{path.79001}@ /mnt\n")
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        with pytest.raises(ValueError, match=r"path\.79001"):
            await transport.run(waiting)
        assert server.commands == []
        result = await transport.run(bind(read("echo @{x}@\n"), {"x": "a b; 'c'"}))
        assert result.stdout == "a b; 'c'\n"


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """The port of a server that accepts and never says a word."""
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda reader, writer: writers.append(writer), "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for writer in writers:
            writer.close()
        for writer in writers:
            with contextlib.suppress(OSError):
                await writer.wait_closed()


# --- connections ------------------------------------------------------------------------------------------------------


async def test_an_unknown_host_key_stops_with_the_command_that_stores_it(tmp_path: Path) -> None:
    async with serve(tmp_path) as server:
        transport = SshTransport({"alpha": server.settings()}, tmp_path / "none", read_only=True, extra_known_hosts=())
        with pytest.raises(HostKeyUnknown, match="splitmount trust alpha") as caught:
            await transport.run(read("true\n"))
        await transport.aclose()
    assert server.host_key.get_fingerprint() in str(caught.value)
    assert server.commands == []


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
async def test_a_changed_host_key_is_a_red_stop(tmp_path: Path, kind: str) -> None:
    async with serve(tmp_path) as server:
        other = asyncssh.generate_private_key(kind).export_public_key().decode()
        known = tmp_path / "known"
        known.write_text(f"[127.0.0.1]:{server.port} {other}")
        transport = SshTransport({"alpha": server.settings()}, known, read_only=True, extra_known_hosts=())
        with pytest.raises(HostKeyChanged, match="alpha"):
            await transport.run(read("true\n"))
        await transport.aclose()
    assert server.commands == []


async def test_a_revoked_host_key_is_a_red_stop(tmp_path: Path) -> None:
    async with serve(tmp_path) as server:
        known = tmp_path / "known"
        known.write_text(server.known_line() + "@revoked " + server.known_line())
        transport = SshTransport({"alpha": server.settings()}, known, read_only=True, extra_known_hosts=())
        with pytest.raises(HostKeyChanged, match="revoked"):
            await transport.run(read("true\n"))
        await transport.aclose()


async def test_a_key_that_is_known_in_another_file_is_known(tmp_path: Path) -> None:
    async with serve(tmp_path) as server:
        known = tmp_path / "theirs"
        known.write_text(server.known_line())
        hosts = {"alpha": server.settings()}
        transport = SshTransport(hosts, tmp_path / "ours", read_only=True, extra_known_hosts=(known,))
        assert (await transport.run(read("true\n"))).status is Status.OK
        await transport.aclose()


async def test_a_key_that_the_host_does_not_know_is_told_with_the_host(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        stranger = tmp_path / "stranger"
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(stranger)
        hosts = {"alpha": replace(server.settings(), key=stranger)}
        other = SshTransport(hosts, tmp_path / "known_hosts", read_only=True, extra_known_hosts=())
        with pytest.raises(TransportError, match="does not let op in"):
            await other.run(read("true\n"))
        await other.aclose()
        assert (await transport.run(read("true\n"))).status is Status.OK


async def test_hosts_that_cannot_be_reached_are_told_by_name(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, silent_server() as port:
        hosts = {
            "alpha": replace(server.settings(), port=free_port()),
            "beta": replace(server.settings("beta"), port=port),
            "gamma": replace(server.settings("gamma"), key=tmp_path / "no-such-key"),
        }
        known = tmp_path / "known"
        transport = SshTransport(hosts, known, read_only=True, extra_known_hosts=(), limits=Limits(connect=0.3, leave=0.5))
        for name, words in (("alpha", "refused|Connect"), ("beta", "no answer in 0.3 s"), ("gamma", "no-such-key")):
            with pytest.raises(TransportError, match=words):
                await transport.run(replace(read("true\n"), host=name))
        with pytest.raises(TransportError, match="no such host"):
            await transport.run(replace(read("true\n"), host="delta"))
        await transport.aclose()


async def test_those_who_wait_for_a_dead_host_share_one_attempt(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, silent_server() as port:
        hosts = {"alpha": replace(server.settings(), port=port)}
        limits = replace(QUICK, connect=0.3)
        transport = SshTransport(hosts, tmp_path / "known", read_only=True, extra_known_hosts=(), limits=limits)
        began = time.monotonic()
        got = await asyncio.gather(*(transport.run(read("true\n")) for _ in range(6)), return_exceptions=True)
        assert all(isinstance(error, TransportError) for error in got)
        assert time.monotonic() - began < 1.2
        await transport.aclose()


async def test_a_host_behind_another_is_reached_through_it(tmp_path: Path) -> None:
    async with serve(tmp_path) as bastion, serve(tmp_path) as inner:
        known = tmp_path / "known"
        known.write_text(bastion.known_line() + inner.known_line())
        hosts = {
            "alpha": inner.settings(jump="beta"),
            "beta": bastion.settings("beta"),
            "ring": inner.settings("ring", jump="gnir"),
            "gnir": inner.settings("gnir", jump="ring"),
        }
        transport = SshTransport(hosts, known, read_only=False, extra_known_hosts=(), limits=QUICK)
        assert (await transport.run(read("echo here\n"))).stdout == "here\n"
        assert (len(bastion.connections), len(bastion.commands)) == (1, 0)
        bastion.lose()
        assert (await transport.run(read("echo again\n"))).stdout == "again\n"
        with pytest.raises(TransportError, match="ring -> gnir -> ring"):
            await transport.run(replace(read("true\n"), host="ring"))
        assert (await transport.host_key("alpha")).fingerprint == inner.host_key.get_fingerprint()
        await transport.aclose()


# --- read-only --------------------------------------------------------------------------------------------------------


async def test_a_read_only_transport_refuses_every_path_of_a_change_before_it_connects(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server, read_only=True) as transport:
        with pytest.raises(ReadOnlyRefused, match="alpha: do is a change"):
            await transport.run(change("true\n"))
        with pytest.raises(ReadOnlyRefused):
            await transport.session(change("true\n"))
        with pytest.raises(ReadOnlyRefused):
            async with transport.stream(change("true\n")):
                raise AssertionError
        with pytest.raises(ReadOnlyRefused):
            await transport.run(asking("query-jobs", tmp_path / "q", Effect.CHANGE))
        assert server.connections == []
        assert (await transport.run(read("true\n"))).status is Status.OK
        assert transport.read_only


@pytest.mark.parametrize("verb", ["quit", "blockdev-backup", "Query-jobs", "transaction", "xquery-jobs"])
async def test_a_qmp_read_may_only_query(tmp_path: Path, verb: str) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        with pytest.raises(ReadOnlyRefused, match=verb):
            await transport.run(asking(verb, tmp_path / "q"))
        assert server.connections == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"exec-oob": "query-jobs"}', '{"execute": "query-jobs", "exec-oob": "quit"}'])
async def test_text_that_is_no_qmp_is_not_sent(tmp_path: Path, text: str) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        with pytest.raises(ValueError, match=r"."):
            await transport.run(replace(asking("query-jobs", tmp_path / "q"), text=text))
        assert server.connections == []


# --- sessions and streams ---------------------------------------------------------------------------------------------

HELD = "echo noise; echo ready\nwhile read line; do echo got $line; done\necho over > @WHERE@\n"


async def test_a_session_takes_lines_and_gives_those_that_are_waited_for(tmp_path: Path) -> None:
    over = tmp_path / "over"
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        session = await transport.session(change(HELD.replace("@WHERE@", str(over))))
        assert await session.expect(("ready",), 5) == "ready"
        await session.send("freeze")
        assert await session.expect(("got", "failed"), 5) == "got freeze"
        with pytest.raises(TransportError, match=r"no frozen in 0\.1 s"):
            await session.expect(("frozen",), 0.1)
        await session.send("thaw")
        assert await session.expect(("got",), 5) == "got thaw"
        await session.close()
        assert over.exists()
        await session.close()


async def test_a_session_that_ends_early_says_why(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        session = await transport.session(change("echo 'no such mount' >&2; exit 4\n"))
        with pytest.raises(TransportError, match="exit status 4: no such mount"):
            await session.expect(("ready",), 5)
        await session.close()


async def test_a_session_whose_connection_is_lost_raises_and_closes(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        session = await transport.session(change(HELD.replace("@WHERE@", "/dev/null")))
        await session.expect(("ready",), 5)
        server.lose()
        with pytest.raises(TransportError, match="lost"):
            await session.expect(("got",), 5)
        with pytest.raises(TransportError, match="lost"):
            await session.send("thaw")
        await session.close()


async def test_a_session_that_does_not_end_is_left(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        session = await transport.session(change("echo ready; sleep 60\n"))
        await session.expect(("ready",), 5)
        await asyncio.wait_for(session.close(limit=0.2), 3)  # type: ignore[call-arg]
        assert (await transport.run(read("true\n"))).status is Status.OK


async def test_a_stream_gives_the_bytes_of_a_read_unchanged(tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000
    (tmp_path / "data").write_bytes(data)
    async with (
        serve(tmp_path) as server,
        connected(tmp_path, server, read_only=True) as transport,
        transport.stream(read(f"cat {tmp_path}/data; echo said >&2\n")) as stream,
    ):
        got = b""
        while piece := await stream.read():
            got += piece
        result = await stream.finish()
    assert got == data
    assert (result.status, result.stderr) == (Status.OK, "said\n")


async def test_a_stream_carries_bytes_into_a_change(tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000
    async with (
        serve(tmp_path) as server,
        connected(tmp_path, server) as transport,
        transport.stream(change(f"cat > {tmp_path}/copy; wc -c < {tmp_path}/copy\n")) as stream,
    ):
        for at in range(0, len(data), 100_000):
            await stream.write(data[at : at + 100_000])
        result = await stream.finish()
    assert (result.status, result.stdout.strip()) == (Status.OK, str(len(data)))
    assert (tmp_path / "copy").read_bytes() == data


async def test_a_stream_whose_connection_is_lost_ends_unknown(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        async with transport.stream(read("echo begun; sleep 60\n")) as stream:
            assert await stream.read() == b"begun\n"
            server.lose()
            assert await stream.read() == b""
            result = await stream.finish()
        assert (result.status, result.exit_status) == (Status.UNKNOWN, None)
        assert (await transport.run(read("true\n"))).status is Status.OK


@pytest.mark.parametrize("effect", list(Effect))
async def test_a_stream_that_is_left_early_does_not_hang(tmp_path: Path, effect: Effect) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server, limits=replace(QUICK, channels=1)) as transport:
        began = time.monotonic()
        async with transport.stream(Command("alpha", "s", "yes\n", effect, guard=Guard.OWN_DIRECTORY)) as stream:
            await stream.read()
        assert time.monotonic() - began < 4
        assert (await transport.run(read("true\n"))).status is Status.OK


async def test_a_stream_into_a_host_that_cuts_at_once_is_unknown_or_not_opened_but_never_well(tmp_path: Path) -> None:
    async def cut(process: ServerProcess) -> bool:
        server.lose()
        return True

    async with serve(tmp_path, cut) as server, connected(tmp_path, server) as transport:
        try:
            async with transport.stream(change("true\n")) as stream:
                status = (await stream.finish()).status
        except OutcomeUnknown:
            status = Status.UNKNOWN
    assert status is Status.UNKNOWN


# --- QMP --------------------------------------------------------------------------------------------------------------


class FakeMonitor:
    """A QMP monitor of the test: one client at a time, stale lines and events in between, and `answer` decides."""

    def __init__(self, answer: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
        self.answer = answer
        self.seen: list[str] = []
        self.clients = 0
        self.turn = asyncio.Lock()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self.turn:
                await self._talk(reader, writer)
        except OSError:
            return
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.clients += 1
        writer.write(b'{"return": {}, "id": "of an earlier client"}\n{"QMP": {"version": {}}}\n')
        while line := await reader.readline():
            message = json.loads(line)
            self.seen.append(message["execute"])
            writer.write(b'{"event": "JOB_STATUS_CHANGE", "data": {}}\n')
            got = {"return": {}} if message["execute"] == "qmp_capabilities" else self.answer(message)
            if got is None:
                return
            writer.write(json.dumps({**got, "id": message["id"]}).encode() + b"\n")
            await writer.drain()


@asynccontextmanager
async def monitor(path: Path, answer: Callable[[dict[str, Any]], dict[str, Any] | None]) -> AsyncIterator[FakeMonitor]:
    fake = FakeMonitor(answer)
    server = await asyncio.start_unix_server(fake.serve, str(path))
    try:
        yield fake
    finally:
        server.close()


async def test_a_qmp_command_stops_at_its_first_error(tmp_path: Path) -> None:
    def answer(message: dict[str, Any]) -> dict[str, Any]:
        if message["execute"] == "block-export-del":
            return {"error": {"class": "GenericError", "desc": "no such export"}}
        return {"return": {"did": message["execute"]}}

    verbs = ("blockdev-add", "block-export-del", "quit")
    text = "\n".join(json.dumps({"execute": verb, "arguments": {}}) for verb in verbs)
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport, monitor(tmp_path / "q", answer) as fake:
        result = await transport.run(replace(asking("x", tmp_path / "q", Effect.CHANGE), text=text))
    assert (result.status, result.exit_status) == (Status.FAILED, 1)
    assert result.stdout == '{"did": "blockdev-add"}\n'
    assert result.stderr == "GenericError: no such export"
    assert fake.seen == ["qmp_capabilities", "blockdev-add", "block-export-del"]


async def test_a_qmp_answer_of_many_megabytes_arrives_whole(tmp_path: Path) -> None:
    nodes = [{"node-name": f"n{n}", "pad": "x" * 1000} for n in range(6000)]
    async with (
        serve(tmp_path) as server,
        connected(tmp_path, server) as transport,
        monitor(tmp_path / "q", lambda message: {"return": nodes}),
    ):
        result = await transport.run(asking("query-named-block-nodes", tmp_path / "q"))
    assert json.loads(result.stdout) == nodes


async def test_a_monitor_lost_before_the_answer_to_a_change_gives_unknown(tmp_path: Path) -> None:
    async with (
        serve(tmp_path) as server,
        connected(tmp_path, server) as transport,
        monitor(tmp_path / "q", lambda message: None) as fake,
    ):
        result = await transport.run(asking("transaction", tmp_path / "q", Effect.CHANGE))
    assert (result.status, result.exit_status) == (Status.UNKNOWN, None)
    assert fake.seen.count("transaction") == 1


async def test_a_monitor_that_does_not_answer_in_time_gives_unknown_and_is_let_go(tmp_path: Path) -> None:
    patient = asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"QMP": {}}\n')
        message = json.loads(await reader.readline())
        writer.write(json.dumps({"return": {}, "id": message["id"]}).encode() + b"\n")
        while await reader.readline():
            pass
        patient.set()
        writer.close()

    silent = await asyncio.start_unix_server(never, str(tmp_path / "q"))
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        result = await transport.run(asking("transaction", tmp_path / "q", Effect.CHANGE, timeout=0.2))
        assert (result.status, result.reason) == (Status.UNKNOWN, "no answer in 0.2 s")
        await asyncio.wait_for(patient.wait(), 5)
    silent.close()


async def test_a_monitor_is_kept_for_a_moment_and_then_given_back(tmp_path: Path) -> None:
    async with (
        serve(tmp_path) as server,
        connected(tmp_path, server) as transport,
        monitor(tmp_path / "q", lambda message: {"return": []}) as fake,
    ):
        ask = asking("query-jobs", tmp_path / "q")
        await asyncio.gather(*(transport.run(ask) for _ in range(5)))
        assert fake.clients == 1
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "q"))
        assert b"earlier" in await asyncio.wait_for(reader.readline(), 5)  # our turn came: ours was given back
        with pytest.raises(TransportError, match="another console may hold"):
            await transport.run(ask)
        writer.close()
        await writer.wait_closed()
        assert (await transport.run(ask)).status is Status.OK


async def test_a_socket_that_is_not_there_is_told_with_its_path(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server) as transport:
        with pytest.raises(TransportError, match=r"alpha: .*/none"):
            await transport.run(asking("query-jobs", tmp_path / "none"))


async def test_a_read_over_a_kept_monitor_that_died_is_asked_again(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, connected(tmp_path, server, limits=replace(QUICK, idle=60)) as transport:
        ask = asking("query-jobs", tmp_path / "q")
        async with monitor(tmp_path / "q", lambda message: {"return": []}):
            await transport.run(ask)
            server.lose()
            assert (await transport.run(ask)).status is Status.OK


async def answers(socket: Path) -> None:
    """Wait until somebody listens at the socket."""
    for _ in range(500):
        try:
            _, writer = await asyncio.open_unix_connection(str(socket))
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            await writer.wait_closed()
            return
    raise AssertionError(f"nobody listens at {socket}")


@pytest.mark.skipif(QSD is None, reason="qemu-storage-daemon is not installed")
async def test_a_real_storage_daemon_answers_over_ssh(tmp_path: Path) -> None:
    socket = tmp_path / "qmp.sock"
    daemon = await asyncio.create_subprocess_exec(
        str(QSD), "--chardev", f"socket,id=m,path={socket},server=on,wait=off", "--monitor", "chardev=m"
    )
    try:
        await answers(socket)
        async with serve(tmp_path) as server, connected(tmp_path, server, limits=replace(QUICK, idle=0)) as transport:
            add = {"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "n0", "read-zeroes": True}}
            made = await transport.run(replace(asking("x", socket, Effect.CHANGE), text=json.dumps(add)))
            assert (made.status, made.stdout) == (Status.OK, "{}\n")
            for _ in range(10):  # each over a new connection
                result = await transport.run(asking("query-named-block-nodes", socket))
                assert [node["node-name"] for node in json.loads(result.stdout)] == ["n0"]
            again = await transport.run(replace(asking("x", socket, Effect.CHANGE), text=json.dumps(add)))
            assert (again.status, again.exit_status) == (Status.FAILED, 1)
            assert again.stderr.startswith("GenericError: ")
            ended = await transport.run(asking("quit", socket, Effect.CHANGE))
            assert ended.status in (Status.OK, Status.UNKNOWN)
            assert await asyncio.wait_for(daemon.wait(), 10) == 0
    finally:
        if daemon.returncode is None:
            daemon.kill()
            await daemon.wait()


# --- OpenSSH ----------------------------------------------------------------------------------------------------------

Use = Callable[[SshTransport], Awaitable[None]]


async def with_openssh(directory: Path, use: Use, *extra: str, limits: Limits = QUICK) -> None:
    async with openssh(directory, *extra) as settings:
        known = directory / "known_hosts"
        transport = SshTransport({"alpha": settings}, known, read_only=False, extra_known_hosts=(), limits=limits)
        try:
            await use(transport)
        finally:
            await transport.aclose()


async def test_openssh_runs_scripts_sessions_and_streams(tmp_path: Path) -> None:
    async def use(transport: SshTransport) -> None:
        assert (await transport.run(read("echo out; echo err >&2; exit 3\n"))).exit_status == 3
        session = await transport.session(change("echo ready; read a; echo got $a\n"))
        await session.expect(("ready",), 5)
        await session.send("it")
        assert await session.expect(("got",), 5) == "got it"
        await session.close()
        async with transport.stream(change(f"cat > {tmp_path}/in\n")) as stream:
            await stream.write(b"\0\xff" * 500_000)
            assert (await stream.finish()).status is Status.OK
        assert (tmp_path / "in").stat().st_size == 1_000_000

    await with_openssh(tmp_path, use)


async def pour(stream: ByteStream, pieces: int) -> None:
    for _ in range(pieces):
        await stream.write(b"x" * 100_000)


async def test_a_stream_into_a_command_that_gave_up_tells_its_reason(tmp_path: Path) -> None:
    async def use(transport: SshTransport) -> None:
        async with transport.stream(change("echo 'disk full' >&2; exit 5\n")) as stream:
            with pytest.raises(TransportError, match="exit status 5: disk full"):
                await pour(stream, 1000)
            result = await stream.finish()
        assert (result.status, result.exit_status, result.stderr) == (Status.FAILED, 5, "disk full\n")

    await with_openssh(tmp_path, use)


async def test_openssh_whose_session_is_killed_gives_unknown_and_serves_again(tmp_path: Path) -> None:
    async def use(transport: SshTransport) -> None:
        result = await transport.run(change("kill -9 $PPID; sleep 5\n"))
        assert (result.status, result.exit_status) == (Status.UNKNOWN, None)
        assert (await transport.run(read("echo back\n"))).stdout == "back\n"

    await with_openssh(tmp_path, use)


async def test_reads_that_are_left_behind_do_not_use_up_the_sessions_of_openssh(tmp_path: Path) -> None:
    async def use(transport: SshTransport) -> None:
        for _ in range(4):
            result = await transport.run(read("trap '' 15; sleep 30 & sleep 30; wait\n", timeout=0.1))
            assert result.status is Status.UNKNOWN
        assert (await transport.run(read("echo still\n"))).stdout == "still\n"

    await with_openssh(tmp_path, use, "MaxSessions 2")


async def test_an_old_server_is_reached_with_the_legacy_profile(tmp_path: Path) -> None:
    old = ("KexAlgorithms diffie-hellman-group1-sha1", "Ciphers aes128-cbc", "MACs hmac-sha1", "HostKeyAlgorithms ssh-rsa")

    async def use(transport: SshTransport) -> None:
        assert (await transport.run(read("echo old\n"))).stdout == "old\n"
        assert (await transport.host_key("alpha")).algorithm == "ssh-rsa"

    await with_openssh(tmp_path, use, *old, limits=replace(QUICK, connect=20.0))
