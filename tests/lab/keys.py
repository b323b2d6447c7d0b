"""The lab's SSH keys: made at start, kept in the work directory, gone with it. None is ever in the repository."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An ed25519 key on disk, the public half beside the private one."""

    private: Path

    @property
    def public_line(self) -> str:
        """The line for an authorized_keys file."""
        return self.private.with_name(self.private.name + ".pub").read_text().strip()

    def known_hosts_line(self, port: int) -> str:
        """The line for a known_hosts file, as OpenSSH writes it for a port other than 22."""
        kind, blob = self.public_line.split()[:2]
        return f"[127.0.0.1]:{port} {kind} {blob}"


def make_key(path: Path, comment: str) -> KeyPair:
    """Generate a key without a passphrase, because nobody is there to type one."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)], check=True)
    return KeyPair(path)
