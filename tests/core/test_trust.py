"""Host keys: fetched from real servers, stored once, and never replaced."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from core.errors import HostKeyChanged, TransportError
from core.settings import HostSettings
from core.ssh import SshTransport
from core.transport import Command, Status
from core.trust import HostKey, described, fetch_key, known, read_known, store_key
from tests.core.sshserver import free_port, serve

HOST = HostSettings("alpha", "linux", "db1.example", 22)


def some_key(host: HostSettings, kind: str = "ssh-ed25519") -> HostKey:
    return described(host, asyncssh.generate_private_key(kind))


async def test_a_fetched_key_that_is_stored_lets_the_transport_in(tmp_path: Path) -> None:
    file = tmp_path / "new" / "known_hosts"
    async with serve(tmp_path) as server:
        host = server.settings()
        key = await fetch_key(host)
        assert (key.fingerprint, key.algorithm) == (server.host_key.get_fingerprint("sha256"), "ssh-ed25519")
        assert key.line.startswith(f"[127.0.0.1]:{server.port} ssh-ed25519 ")
        assert known([file], host, key) == "unknown"
        assert store_key(file, host, key)
        transport = SshTransport({"alpha": host}, file, read_only=True, extra_known_hosts=())
        assert (await transport.run(Command("alpha", "look", "true\n"))).status is Status.OK
        assert await transport.host_key("alpha") == key
        await transport.aclose()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert known([file], host, key) == "known"
    assert not store_key(file, host, key)
    assert file.read_text() == key.line + "\n"


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
def test_another_key_for_a_known_host_is_never_stored(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "known_hosts"
    store_key(file, HOST, some_key(HOST))
    before = file.read_text()
    other = some_key(HOST, kind)
    assert known([file], HOST, other) == "changed"
    with pytest.raises(HostKeyChanged, match="another key is stored"):
        store_key(file, HOST, other)
    with pytest.raises(HostKeyChanged, match="another key is stored"):
        store_key(tmp_path / "second", HOST, other, files=[file])
    assert file.read_text() == before
    assert not (tmp_path / "second").exists()


def test_keys_are_told_apart_by_address_and_port(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    store_key(file, HOST, some_key(HOST))
    beside = replace(HOST, name="beta", address="db2.example")
    assert store_key(file, beside, some_key(beside))
    assert len(file.read_text().splitlines()) == 2


def test_a_last_line_without_an_end_is_not_glued_to_ours(tmp_path: Path) -> None:
    file, beside = tmp_path / "known_hosts", replace(HOST, address="db2.example")
    first, second = some_key(HOST), some_key(beside)
    file.write_text(first.line)
    store_key(file, beside, second)
    assert file.read_text() == f"{first.line}\n{second.line}\n"


def test_a_revoked_key_is_not_known(tmp_path: Path) -> None:
    file, key = tmp_path / "known_hosts", some_key(HOST)
    file.write_text(f"{key.line}\n@revoked {key.line}\n")
    assert known([file], HOST, key) == "changed"


def test_a_file_that_is_broken_is_told_by_name(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text("@nonsense db1.example ssh-ed25519 AAAA\n")
    with pytest.raises(TransportError, match=str(file)):
        known([file], HOST, some_key(HOST))


async def test_a_host_that_shows_no_key_of_the_stored_kind_is_a_red_stop(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    async with serve(tmp_path) as server:
        host = server.settings()
        file.write_text(some_key(host, "ecdsa-sha2-nistp256").line + "\n")
        with pytest.raises(HostKeyChanged, match="ecdsa-sha2-nistp256"):
            await fetch_key(host, files=[file])


async def test_a_host_that_does_not_answer_is_told_by_name(tmp_path: Path) -> None:
    host = replace(HOST, address="127.0.0.1", port=free_port())
    with pytest.raises(TransportError, match="alpha"):
        await fetch_key(host, timeout=5)


def test_a_file_that_stays_as_it_is_is_parsed_once_and_each_change_of_it_is_seen(tmp_path: Path) -> None:
    file, key = tmp_path / "known_hosts", some_key(HOST)
    store_key(file, HOST, key)
    first = read_known([file])
    assert read_known([file]) is first
    when = file.stat()
    file.write_text(file.read_text().replace("db1.example", "db9.example"))
    os.utime(file, ns=(when.st_atime_ns, when.st_mtime_ns))
    assert known([file], HOST, key) == "unknown"
    file.unlink()
    assert known([file], HOST, key) == "unknown"
