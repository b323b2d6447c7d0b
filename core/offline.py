"""Offline inspection: a read as a script that saves its answer in one file on the host, and such files read again.

The script is the read itself, as a driver sends it; so a saved answer goes through the very parser of a live one.
A file has a first line that says of what, where and when it is, the output, the errors, and a last line with the exit status.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from core.arrays.base import ArrayDriver
from core.errors import ConfigError, TransportError
from core.events import CommandSent, Event
from core.logged import LoggedTransport
from core.model import Pair
from core.replay import ReplayTransport
from core.transport import Channel, Command, Result, Status
from core.untrusted import text_file

HOST, ARRAY = ".facts", ".array"  # how the files are called after the name of the host, or of the array
LIMIT = 64 << 20  # bytes of a file, as of an answer over SSH
TOTAL = 256 << 20  # bytes of all files, as of a transcript
FILES = 2000

_FORMAT = "splitmount-facts"
_VERSION = "1"
_TIME = "%Y%m%dT%H%M%SZ"
_HEAD = re.compile(r"\S+ \S+ ([a-z0-9:]{1,80}) ([A-Za-z0-9._-]{1,255}) ([0-9]{8}T[0-9]{6}Z) ([0-9a-f]{16})")
_AGAIN = "Remove it, and run the collector again on the host, or copy the file again, byte by byte"

# Plain words of /bin/sh, with backquotes: any Bourne shell. One that knows -C makes the file by itself or not at all.
_SCRIPT = r"""#!/bin/sh
# Saves what `splitmount inspect --from DIR` reads of @WHAT@. Run it there, as root.
# It changes nothing, and writes one new file into the directory where it is run. That is as confidential as the host.
umask 077
stop() { echo "$*" >&2; exit 1; }
host=`uname -n`
case $host in ''|*[!A-Za-z0-9._-]*) stop "nothing was written: the host's name is no name for a file: $host";; esac
file=@FILE@
ls -ld "$file" > /dev/null 2>&1 && stop "nothing was written: $file is there already; move it away first"
if (set -C) 2> /dev/null; then (set -C; : > "$file"); else : > "$file"; fi || stop "nothing was written: $file cannot be made here"
ask() {
/bin/sh -s <<'@END@'
@READ@
@END@
}
echo "@HEAD@ $host `date -u +%Y%m%dT%H%M%SZ` @TOKEN@" >> "$file" || stop "$file could not be written whole: remove it"
errors=`ask 2>&1 >> "$file"`; status=$?
cat >> "$file" <<@END@ || stop "$file could not be written whole: remove it"

@MARK@ errors
$errors
@MARK@ end $status
@END@
echo "$file is written. Bring it as it is into a directory DIR of the console: splitmount inspect --from DIR"
"""


def collector(command: Command, about: str, what: str, name: str = "$host" + HOST) -> str:
    """The script that saves a read's answer. `about` goes into the first line, `what` says it to a person, `name` is the file."""
    token = secrets.token_hex(8)
    words = {
        "WHAT": what,
        "FILE": name,
        "END": f"end-{token}",
        "HEAD": f"{_FORMAT} {_VERSION} {about}",
        "TOKEN": token,
        "MARK": f"{_FORMAT}-{token}",
        "READ": command.script.rstrip("\n"),
    }
    return re.sub(r"@([A-Z]+)@", lambda found: words[found[1]], _SCRIPT)


@dataclass(frozen=True, slots=True)
class Saved:
    """What one file holds. `about` is the system or the array's question, `host` what the host calls itself, `at` by its clock."""

    origin: str
    about: str
    host: str
    at: datetime
    exit_status: int
    stdout: str
    stderr: str

    def result(self, command: Command) -> Result:
        """It as the answer to the read that it was saved from."""
        status = Status.OK if self.exit_status == 0 else Status.FAILED
        return Result(command, status, self.exit_status, self.stdout, self.stderr, self.at, 0.0)


def parse(text: str, origin: str) -> Saved:
    """What a file's text holds. ConfigError names file, line, what was expected, and what to do."""
    first, _, rest = text.partition("\n")

    def refuse(line: int, problem: str) -> NoReturn:
        raise ConfigError(f"{origin}:{line}: {problem}. {_AGAIN}")

    if not text.strip():
        refuse(1, "the file is empty; a collector writes a first line that begins with " + _FORMAT)
    if not first.startswith(_FORMAT + " "):
        refuse(1, f"no collector wrote this: the first line must begin with {_FORMAT}, and is {first[:40]!a}")
    if first.endswith("\r"):
        refuse(1, "the ends of lines were changed on the way (CR LF): it must be copied as a binary file")
    if first.split(" ")[1] != _VERSION:
        refuse(
            1, f"version {first.split(' ')[1][:20]!a} of the format; this program reads {_VERSION}: print the collector anew"
        )
    head = _HEAD.fullmatch(first)
    if head is None:
        refuse(1, f"the first line must give version, system, host, time and token, and is {first[:160]!a}")
    about, host, time, token = head.groups()
    stdout, found, rest = rest.partition(f"\n{_FORMAT}-{token} errors\n")
    stderr, _, status = rest.rpartition(f"\n{_FORMAT}-{token} end ")
    last = text.count("\n") + (not text.endswith("\n"))
    if not found or not re.fullmatch(r"[0-9]{1,3}\n", status):
        refuse(last, f"the last line must be '{_FORMAT}-{token} end STATUS': the file was cut, or its collector was stopped")
    try:
        at = datetime.strptime(time, _TIME).replace(tzinfo=UTC)
    except ValueError:
        refuse(1, f"{time} is no time")
    return Saved(origin, about, host, at, int(status), stdout, stderr)


def read(path: Path) -> Saved:
    """The file of a collector. ConfigError as `parse`, and for what is no regular file or is too large."""
    return parse(text_file(path, LIMIT, errors="backslashreplace"), str(path))


def names(directory: Path) -> tuple[str, ...]:
    """The names of the collectors' files in a directory. ConfigError when it cannot be read, or holds none, or far too many."""
    try:
        found = sorted(name for name in os.listdir(directory) if name.endswith((HOST, ARRAY)))
        size = sum(os.stat(directory / name).st_size for name in found[:FILES])
    except OSError as error:
        raise ConfigError(f"{directory}: {error.strerror}") from error
    if not found:
        raise ConfigError(
            f"{directory}: there is no file HOST{HOST} in it; `splitmount collect --print SYSTEM` prints the script that writes one"
        )
    if len(found) > FILES or size > TOTAL:
        raise ConfigError(f"{directory}: more than {FILES} files of collectors, or more than {TOTAL >> 20} MiB of them")
    return tuple(found)


async def question(array: ArrayDriver, pairs: tuple[Pair, ...]) -> Command:
    """The one read by which a driver learns the states of pairs. ConfigError when that is none for a shell."""
    events = list[Event]()
    with contextlib.suppress(TransportError):  # nobody answers; what counts is what was asked
        await array.status(LoggedTransport(ReplayTransport((), "a question"), events.append), pairs)
    asked = [event.command for event in events if isinstance(event, CommandSent)]
    if [command.channel for command in asked] != [Channel.SHELL]:
        raise ConfigError(f"array {array.name}: no script can save what it answers; its pairs are unknown without it")
    return asked[0]


def about_array(command: Command) -> str:
    """What the first line says of an array's answer: to which question, so that one about other pairs is not taken."""
    return f"array:{hashlib.sha256(command.script.encode()).hexdigest()[:16]}"
