"""The archive of write-ahead log that both machines reach: a directory beside the array, behind one address of their network.

A connection is one request: `put NAME SIZE` and its bytes, or `get NAME`. As the manual of PostgreSQL asks, nothing that is
there is ever overwritten by something else.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import BinaryIO

ADDRESS, PORT = "10.0.2.100", 9000
CLIENT = "/usr/local/bin/walstore"
_NAME = re.compile(r"[0-9A-F]{8}([0-9A-F]{16}(\.partial|\.[0-9A-F]{8}\.backup)?|\.history)")

# For the machines: `walstore put PATH NAME` as archive_command, `walstore get NAME PATH` as restore_command.
SCRIPT = f"""#!/bin/bash
exec 3<>/dev/tcp/{ADDRESS}/{PORT} || exit 1
case $1 in
put) printf 'put %s %s\\n' "$3" "$(stat -c %s "$2")" >&3; cat "$2" >&3 || exit 1
     read -r -t 60 answer <&3; [ "$answer" = ok ];;
get) printf 'get %s\\n' "$2" >&3; read -r -t 60 size <&3 && [ "$size" -gt 0 ] || exit 1
     head -c "$size" <&3 >"$3"; [ "$(stat -c %s "$3")" = "$size" ];;
*) exit 2;;
esac
"""


def forward(directory: Path) -> str:
    """The option of qemu's user network: each connection to the address starts this program for the directory."""
    return f"guestfwd=tcp:{ADDRESS}:{PORT}-cmd:{sys.executable} {Path(__file__).resolve()} {directory}"


def serve(directory: Path, read: BinaryIO, write: BinaryIO) -> None:
    """Answer one request; what is not understood gets no good answer."""
    verb, name, *rest = read.readline().decode().split()
    if not _NAME.fullmatch(name):
        return
    file = directory / name
    if verb == "get":
        body = file.read_bytes() if file.exists() else b""
        write.write(f"{len(body)}\n".encode() + body)
    elif verb == "put":
        body = read.read(int(rest[0]))
        write.write(b"ok\n" if len(body) == int(rest[0]) and _kept(file, body) else b"no\n")
    write.flush()


def _kept(file: Path, body: bytes) -> bool:
    if file.exists():
        return file.read_bytes() == body
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(file.name + ".new")
    new.write_bytes(body)
    new.rename(file)
    return True


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
