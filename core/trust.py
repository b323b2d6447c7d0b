"""Host keys: which are known, what a host shows, and how a key becomes known. Nothing here trusts by itself.

A key becomes known in one way only: a person looked at its fingerprint and `store_key` was called.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import asyncssh

from core.errors import HostKeyChanged, TransportError
from core.settings import HostSettings

Verdict = Literal["known", "unknown", "changed"]

LEGACY: Mapping[str, str] = {
    "kex_algs": "+diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha1,diffie-hellman-group1-sha1",
    "encryption_algs": "+aes128-cbc,aes256-cbc,3des-cbc",
    "mac_algs": "+hmac-sha1,hmac-md5",
    "signature_algs": "+ssh-rsa",
}
# Put before asyncssh's own order: its ChaCha20 makes three ciphers for each packet, its AES-GCM one.
CIPHERS = "^aes256-gcm@openssh.com,aes128-gcm@openssh.com"


@dataclass(frozen=True, slots=True)
class HostKey:
    """A key that a host showed: what a person compares, and the line that makes it known."""

    fingerprint: str
    algorithm: str
    line: str


def default_files() -> tuple[Path, ...]:
    """The user's and the system's known_hosts, where they exist: keys known there are known here too."""
    places = (Path.home() / ".ssh/known_hosts", Path("/etc/ssh/ssh_known_hosts"))
    return tuple(path for path in places if path.is_file())


def read_known(files: Sequence[Path]) -> asyncssh.SSHKnownHosts:
    """The keys of all files; one that does not exist adds nothing. TransportError names a file that cannot be read."""
    texts = []
    for path in files:
        try:
            texts.append((path.read_text(encoding="utf-8", errors="surrogateescape"), str(path)))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise TransportError(f"{path}: known host keys cannot be read: {error}") from error
    return _together(tuple(texts))


@lru_cache(maxsize=1)
def _together(texts: tuple[tuple[str, str], ...]) -> asyncssh.SSHKnownHosts:
    """By the very texts: a thousand connections to a thousand hosts would else hold a thousand times a thousand keys."""
    together = asyncssh.import_known_hosts("")
    for text, origin in texts:
        parse_known(text, origin, together)
    return together


def parse_known(text: str, origin: str, into: asyncssh.SSHKnownHosts | None = None) -> asyncssh.SSHKnownHosts:
    """The keys in the text of a known_hosts file, added to `into`. TransportError names `origin` when it is none."""
    together = into or asyncssh.import_known_hosts("")
    try:
        together.load(text)
    except ValueError as error:
        raise TransportError(f"{origin}: known host keys cannot be read: {error}") from error
    return together


def stored_keys(files: Sequence[Path], host: HostSettings, peer: str = "") -> tuple[asyncssh.SSHKey, ...]:
    """All keys that are stored for the host, revoked ones and authorities too; `peer` is its numeric address."""
    found = read_known(files).match(host.address, peer, _port(host))
    return (*found[0], *found[1], *found[2])


def known(files: Sequence[Path], host: HostSettings, key: HostKey) -> Verdict:
    """Whether that very key is stored for the host, or none is, or another one: then somebody must find out why."""
    shown = asyncssh.import_public_key(key.line.split(" ", 1)[1])
    trusted, _, revoked = read_known(files).match(host.address, "", _port(host))[:3]
    if shown in trusted and shown not in revoked:
        return "known"
    return "changed" if stored_keys(files, host) else "unknown"


async def fetch_key(
    host: HostSettings,
    *,
    files: Sequence[Path] = (),
    jump: asyncssh.SSHClientConnection | None = None,
    timeout: float = 20.0,
) -> HostKey:
    """Ask the host for its key, of a kind that is stored already where one is. TransportError when it does not answer.

    Nothing is sent but the key exchange, so that a host can be looked at before it is trusted.
    """
    where = f"{host.name} ({host.address} port {host.port})"
    kinds = list(dict.fromkeys(key.get_algorithm() for key in stored_keys(files, host)))
    asked: dict[str, Any] = {"tunnel": jump} if jump is not None else {}
    if kinds:
        asked["server_host_key_algs"] = _signatures(kinds)
    if host.legacy:
        asked["kex_algs"] = LEGACY["kex_algs"]
    try:
        async with asyncio.timeout(timeout):
            options = asyncssh.SSHClientConnectionOptions(config=None, **(LEGACY if host.legacy else {}))
            key = await asyncssh.get_server_host_key(host.address, host.port, config=None, options=options, **asked)
    except TimeoutError as error:
        raise TransportError(f"{where}: no answer in {timeout:g} s") from error
    except asyncssh.KeyExchangeFailed as error:
        if kinds and "host key" in str(error).lower():
            raise HostKeyChanged(f"{where}: shows no key of the stored kind ({', '.join(kinds)}): {error}") from error
        raise TransportError(f"{where}: {error}; an old host may need `legacy: true`") from error
    except (OSError, asyncssh.Error) as error:
        raise TransportError(f"{where}: {error}") from error
    if key is None:
        raise TransportError(f"{where}: showed no host key")
    return described(host, key)


def described(host: HostSettings, key: asyncssh.SSHKey) -> HostKey:
    """The key as a person and a known_hosts file need it."""
    name = host.address if host.port == asyncssh.DEFAULT_PORT else f"[{host.address}]:{host.port}"
    public = key.export_public_key("openssh").decode("ascii").split()
    return HostKey(key.get_fingerprint("sha256"), public[0], f"{name} {public[0]} {public[1]}")


def store_key(known_hosts: Path, host: HostSettings, key: HostKey, *, files: Sequence[Path] = ()) -> bool:
    """Make a key known by one appended line; False when it was known before.

    `files` are other files that are believed too. HostKeyChanged when another key is stored for the host: it stays.
    """
    verdict = known((known_hosts, *files), host, key)
    if verdict == "changed":
        raise changed(known_hosts, host, key)
    if verdict == "unknown":
        known_hosts.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _append(known_hosts, key.line)
    return verdict == "unknown"


def changed(known_hosts: Path, host: HostSettings, key: HostKey) -> HostKeyChanged:
    """The red stop for a host that shows another key than the stored one."""
    return HostKeyChanged(
        f"{host.name}: another key is stored for {host.address} port {host.port} than {key.fingerprint}. "
        f"Find out why it changed; only then remove the old line by hand from {known_hosts}"
    )


def _append(path: Path, line: str) -> None:
    """One write at the end of the file, on disk when this returns; a last line without its end is ended first."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(handle).st_size
        whole = size == 0 or os.pread(handle, 1, size - 1) == b"\n"
        os.write(handle, f"{'' if whole else chr(10)}{line}\n".encode("ascii"))
        os.fsync(handle)
    finally:
        os.close(handle)


def _port(host: HostSettings) -> int | None:
    """The port as known_hosts files write it: the standard one is left out."""
    return None if host.port == asyncssh.DEFAULT_PORT else host.port


def _signatures(kinds: Sequence[str]) -> list[str]:
    """The algorithms by which keys of these kinds sign: an RSA key has several."""
    rsa = ("rsa-sha2-256", "rsa-sha2-512", "ssh-rsa")
    return [name for kind in kinds for name in (rsa if kind == "ssh-rsa" else (kind,))]
