"""A secret stands wherever one may: nothing that is written, printed, kept, or shown in a process list holds it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import asyncssh
import pytest

from core.backups.base import BackupRequest, RestoreRequest
from core.backups.restic import ResticDriver
from core.config import parse
from core.errors import ConfigError, SplitmountError
from core.jsonable import to_json
from core.replay import Recorder
from core.secrets import in_command, printed, without_passwords
from core.settings import HostSettings
from core.ssh import SshTransport
from core.transport import Command, Effect, Guard, shown
from tests.core.sshserver import openssh, serve
from tui.plain import printable

SECRET = "hunter2-Xq7"


class Watch:
    """Every command line of every process of this machine, as anybody on a host could list them, again and again."""

    def __init__(self) -> None:
        """Not yet."""
        self.seen: set[str] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._end.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self.seen.add(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """While this lasts."""
        self._thread.start()
        try:
            yield
        finally:
            self._end.set()
            self._thread.join()


def leaks(*places: Path) -> list[str]:
    """Files below these places that hold the secret."""
    return [str(p) for place in places for p in place.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]


@pytest.mark.skipif(shutil.which("restic") is None, reason="restic is not installed")
@pytest.mark.parametrize("way", ["file", "command", "environment", "broken"])
async def test_a_backup_with_restic_leaves_its_secrets_where_they_stand(tmp_path: Path, way: str) -> None:
    vault, work, data = (tmp_path / name for name in ("vault", "work", "data"))
    for place in (vault, work, data, tmp_path / "sshd"):
        place.mkdir()
    (data / "file").write_text("data")
    (vault / "password").write_text(SECRET)
    odd = (
        f"\nMORE=correct {SECRET}\n" if way == "broken" else ""
    )  # a blank, and no quotes: a shell takes the rest for a command
    (vault / "environment").write_text(f"RESTIC_PASSWORD={SECRET}\nAWS_SECRET_ACCESS_KEY={SECRET}\n{odd}")
    ways = {
        "file": {"password_file": f"{vault}/password"}, "command": {"password_command": f"cat {vault}/password"},
        "environment": {"environment_file": f"{vault}/environment"}, "broken": {"environment_file": f"{vault}/environment"},
    }  # fmt: skip
    driver = ResticDriver(f"{tmp_path}/repo", create=True, **ways[way])
    wrong = ResticDriver(f"{tmp_path}/repo", password_command="echo wrong")
    said: list[str] = []
    async with openssh(tmp_path / "sshd") as host:
        ssh = SshTransport({"alpha": host}, tmp_path / "sshd" / "known_hosts", read_only=False, extra_known_hosts=())
        transport, watch = Recorder(ssh, work / "transcript"), Watch()
        request = BackupRequest("web", "r-1", "alpha", ((str(data), "/srv"),), "s-1", datetime.now(UTC), f"{work}/jobs/r-1")
        said += [shown(command) for command in driver.commands(request)]
        failed = False
        with watch.on():
            try:
                record = await driver.run(transport, request, lambda progress: said.append(repr(progress)))
                record = await driver.verify(transport, request, record, lambda progress: None)
                listed = await driver.list(transport, "alpha", "", "web")
                names = await driver.names(transport, "alpha", "", record)
                into = RestoreRequest("web", record.id, "alpha", f"{work}/into", f"{work}/jobs/r-2")
                await driver.restore(transport, into, lambda progress: None)
                said += [json.dumps(to_json([record, *listed, *names.files]))]
            except SplitmountError as error:
                said += [str(error), error.title]
                failed = True
            with pytest.raises(SplitmountError) as refused:
                await wrong.run(transport, replace(request, run="r-3", job_dir=f"{work}/jobs/r-3"), lambda progress: None)
            said.append(str(refused.value))
        await ssh.aclose()
    assert failed == (way == "broken"), said
    if failed:
        assert any("the environment file" in text for text in said)
    else:
        assert any("restic" in line and "backup" in line for line in watch.seen), "the process list was not looked at"
        assert list(work.rglob("script*")) or list((work / "jobs").rglob("*"))
    assert [line for line in watch.seen if SECRET in line] == []
    assert leaks(work) == []
    assert [text for text in said if SECRET in text] == []


@pytest.mark.skipif(not Path("/usr/sbin/sshd").exists(), reason="needs OpenSSH's server")
async def test_the_script_of_a_read_is_in_no_process_list_not_even_of_a_stream(tmp_path: Path) -> None:
    async with openssh(tmp_path) as host:
        ssh, watch = SshTransport({"alpha": host}, tmp_path / "known_hosts", read_only=True, extra_known_hosts=()), Watch()
        with watch.on():
            await ssh.run(Command("alpha", "read", f": {SECRET}; sleep 0.2; echo done\n"))
            async with ssh.stream(Command("alpha", "stream", f": {SECRET}; sleep 0.2; echo done\n")) as stream:
                assert await stream.read() == b"done\n"
                await stream.finish()
        await ssh.aclose()
    assert watch.seen
    assert [line for line in watch.seen if SECRET in line] == []


@pytest.mark.skipif(not Path("/usr/sbin/sshd").exists(), reason="needs OpenSSH's server")
async def test_the_script_of_a_held_shell_or_of_a_stream_that_writes_is_in_no_process_list(tmp_path: Path) -> None:
    file, text = tmp_path / "written", f': {SECRET}\nread word; sleep 0.2; echo "said $word"\n'
    async with openssh(tmp_path) as host:
        ssh, watch = SshTransport({"alpha": host}, tmp_path / "known_hosts", read_only=False, extra_known_hosts=()), Watch()
        with watch.on():
            session = await ssh.session(Command("alpha", "hold", text, Effect.CHANGE, guard=Guard.TIMER))
            await session.send("ä\\n")
            assert await session.expect(("said",), 20) == "said ä" + "n"  # what follows the script is the script's own input
            await session.close()
            write = Command("alpha", "write", f": {SECRET}\nsleep 0.2; cat > {file}", Effect.CHANGE, guard=Guard.REPOSITORY)
            async with ssh.stream(write) as stream:
                await stream.write(b"\x00data\n" * 1000)
                await stream.finish()
        await ssh.aclose()
    assert file.read_bytes() == b"\x00data\n" * 1000
    assert watch.seen
    assert [line for line in watch.seen if SECRET in line] == []


async def test_a_key_that_wants_a_passphrase_is_refused_and_nothing_of_it_is_told(tmp_path: Path) -> None:
    async with serve(tmp_path) as server:
        key = tmp_path / "locked"
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(key, "pkcs8-pem", passphrase=SECRET)
        (tmp_path / "known").write_text(server.known_line())
        host = HostSettings("alpha", "linux", "127.0.0.1", server.port, "op", key)
        transport = SshTransport({"alpha": host}, tmp_path / "known", read_only=True, extra_known_hosts=())
        with pytest.raises(SplitmountError, match="belongs in the agent") as refused:
            await transport.run(Command("alpha", "t", "true\n"))
        await transport.aclose()
    assert SECRET not in str(refused.value)
    await asyncio.sleep(0)


WRITTEN = {
    "a repository's URL": f"backup: {{driver: restic, repository: 'rest:https://u:{SECRET}@vault/r', password_file: /x}}",
    "a password command": f"backup: {{driver: restic, repository: /r, password_command: echo {SECRET}}}",
    "a password command's option": f"backup: {{driver: restic, repository: /r, password_command: 'get --token={SECRET}'}}",
    "an application's command": f"application: {{name: db, stop: 'mysqladmin --password={SECRET} shutdown'}}",
    "an application's variable": f"application: {{name: db, running: 'PGPASSWORD={SECRET} psql -l'}}",
    "a key of its own": f"password: {SECRET}",
}


@pytest.mark.parametrize("what", WRITTEN)
def test_a_secret_in_the_configuration_is_refused_by_its_line_and_not_told(what: str, tmp_path: Path) -> None:
    hosts = "hosts:\n  a: {os: linux, address: a}\narrays:\n  q: {driver: qemu, host: a, socket: /s, devices: {S: n}}\n"
    rest = "source: a, target: a, array: q, pairs: p, volume_groups: [v], mount: /m"
    with pytest.raises(ConfigError, match="a secret never stands in the configuration") as refused:
        parse(f"{hosts}sets:\n  web: {{{rest}, {WRITTEN[what]}}}\n", tmp_path / "splitmount.yaml")
    assert SECRET not in str(refused.value)
    assert ":6:" in str(refused.value)


@pytest.mark.parametrize(
    "command",
    [
        "cat /root/.pass",
        "pass show web",
        "sh -c 'cat \"$PASS_FILE\"'",
        "vault read -field=password kv/web",
        "echo $TOKEN",
        "PASSWORD_FILE=/root/p psql",
    ],
)
def test_a_command_that_reads_its_secret_elsewhere_is_well(command: str) -> None:
    assert not printed(command)
    assert not in_command(command)


def test_a_password_in_what_a_tool_says_is_left_out() -> None:
    said = f"Fatal: rest:https://u:{SECRET}@vault:8000/r: connection refused"
    assert SECRET not in without_passwords(said)
    assert printable(said) == "Fatal: rest:https://u:***@vault:8000/r: connection refused"
