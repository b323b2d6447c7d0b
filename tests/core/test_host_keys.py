"""No path around the host keys: unknown, changed and revoked are told apart, on the host in between too, and nothing turns the check off."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import asyncssh
import pytest

from core.errors import HostKeyChanged, HostKeyUnknown, TransportError
from core.ssh import SshTransport
from core.transport import Command
from core.trust import fetch_key, known, store_key
from tests.core.sshserver import QUICK, Server, serve

ROOT = Path(__file__).parents[2]
PRODUCT = [path for part in ("core", "hostdrivers", "tui") for path in sorted((ROOT / part).rglob("*.py"))]
OFF = re.compile(
    r"StrictHostKeyChecking(?!=yes)|UserKnownHostsFile\s*[= ]\s*/dev/null|known_hosts\s*=\s*(None|\(\)|\[\])|AutoAddPolicy|WarningPolicy"
)


def test_nothing_in_the_product_turns_verification_off() -> None:
    found = [
        f"{p.name}:{n}: {line.strip()}"
        for p in PRODUCT
        for n, line in enumerate(p.read_text().splitlines(), 1)
        if OFF.search(line)
    ]
    assert found == []


def test_there_is_one_place_that_connects_and_it_always_gives_the_known_keys() -> None:
    calls = []
    for path in PRODUCT:
        if "emulated" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name.startswith("asyncssh.") and re.search(
                "connect|listen|run_client|scp|get_server|SSHClientConnection$", name
            ):
                calls.append((path.name, name))
    assert sorted(calls) == [("ssh.py", "asyncssh.connect"), ("trust.py", "asyncssh.get_server_host_key")]
    source = (ROOT / "core/ssh.py").read_text()
    assert source.count('"known_hosts": read_known(self._known)') == 1
    assert '"known_hosts"' not in source.replace('"known_hosts": read_known(self._known)', "")
    assert source.count('"config": None') == 1  # no ssh_config of a user's can say otherwise
    assert "return True" not in source[source.index("def validate_host_public_key") : source.index("class _Host:")]


def line_of(server: Server, key: str) -> str:
    """A known_hosts line of this server with another key."""
    return f"[127.0.0.1]:{server.port} {key}"


@pytest.mark.parametrize(
    ("bastion_is", "error"), [("unknown", HostKeyUnknown), ("changed", HostKeyChanged), ("revoked", HostKeyChanged)]
)
async def test_a_host_in_between_is_verified_as_any_other(tmp_path: Path, bastion_is: str, error: type[TransportError]) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    async with serve(tmp_path) as bastion, serve(tmp_path) as inner:
        lines = {
            "unknown": "", "changed": line_of(bastion, other), "revoked": bastion.known_line() + "@revoked " + bastion.known_line()
        }  # fmt: skip
        file = tmp_path / "known"
        file.write_text(inner.known_line() + lines[bastion_is])
        hosts = {"alpha": inner.settings(jump="beta"), "beta": bastion.settings("beta")}
        transport = SshTransport(hosts, file, read_only=True, extra_known_hosts=(), limits=QUICK)
        with pytest.raises(error, match="beta"):
            await transport.run(Command("alpha", "t", "true\n"))
        with pytest.raises(error, match="beta"):
            await transport.host_key("alpha")
        await transport.aclose()
        assert (inner.connections, bastion.commands, inner.commands) == ([], [], [])


async def test_behind_a_trusted_host_the_inner_key_is_verified_too(tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    async with serve(tmp_path) as bastion, serve(tmp_path) as inner:
        file = tmp_path / "known"
        hosts = {"alpha": inner.settings(jump="beta"), "beta": bastion.settings("beta")}
        errors: tuple[tuple[str, type[TransportError]], ...] = (("", HostKeyUnknown), (line_of(inner, other), HostKeyChanged))
        for line, error in errors:
            file.write_text(bastion.known_line() + line)
            transport = SshTransport(hosts, file, read_only=True, extra_known_hosts=(), limits=QUICK)
            with pytest.raises(error, match="alpha"):
                await transport.run(Command("alpha", "t", "true\n"))
            await transport.aclose()
        assert inner.commands == []


async def test_changed_is_not_unknown_and_trust_never_replaces_a_key(tmp_path: Path) -> None:
    async with serve(tmp_path) as server:
        host, file = server.settings(), tmp_path / "known"
        key = await fetch_key(host)
        assert known((file,), host, key) == "unknown"
        assert store_key(file, host, key)
        assert known((file,), host, key) == "known"
        file.write_text(line_of(server, asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()))
        assert known((file,), host, key) == "changed"
        before = file.read_text()
        with pytest.raises(HostKeyChanged):
            store_key(file, host, key)
        assert file.read_text() == before


def test_each_has_a_title_of_its_own_and_the_changed_one_is_loud() -> None:
    assert HostKeyChanged.title == "HOST KEY CHANGED"
    assert len({HostKeyChanged.title, HostKeyUnknown.title, TransportError.title}) == 3
