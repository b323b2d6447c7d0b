"""What every emulated host has: a tree of files, disks of the array, mounts, and a shell that knows its commands."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace

import bashkit

from hostdrivers.emulated import filesystem
from hostdrivers.emulated.filesystem import Damaged, Header, empty_tree
from hostdrivers.emulated.program import Answer, Call, Failed, Program, Usage
from hostdrivers.emulated.tools import common_programs
from hostdrivers.emulated.volumes import Disk, VolumeBytes

Sink = Callable[[bytes], Awaitable[None]]

# Words of the sandboxed shell that no system of that age has: a script that uses one must fail here as it would there.
MODERN = frozenset(
    """
    arch assert b2sum base32 base64 basenc bunzip2 busybox bzcat bzip2 column csv curl dotenv envsubst factor flock glob gunzip
    gzip hexdump http jq json log md5sum nproc numfmt openssl parallel pgrep pkill readlink realpath retry rev rg semver seq
    sha1sum sha224sum sha256sum sha384sum sha512sum shasum shuf stat sudo tac template timeout tomlq tree truncate unzip
    uuidgen verify watch wget xxd yq zip mktemp free mapfile readarray shopt install gawk less nano
    """.split()  # noqa: SIM905  one list of words
)


@dataclass(slots=True)
class Mounted:
    """A mounted filesystem: its files are in the host's tree until they are synced; `beneath` is what they hide there."""

    point: str
    device: str
    volume: VolumeBytes
    header: Header
    beneath: bytes
    read_only: bool
    options: str = ""
    frozen: bool = False


@dataclass(slots=True)
class Slot:
    """A device of the array that this host may see: where it is in the host's naming, and whether it was scanned."""

    disk: Disk
    seen: bool = True
    name: str = ""


@dataclass(slots=True)
class Faults:
    """The accidents that are switched on, by name; each emulator looks up those that it knows."""

    on: set[str] = field(default_factory=set)

    def __contains__(self, name: str) -> bool:
        return name in self.on

    def take(self, name: str) -> bool:
        """Whether it is on; then it is off: an accident that happens once."""
        if name in self.on:
            self.on.discard(name)
            return True
        return False


class Machine:
    """A host. Subclasses are the systems: they add commands, and say how their volume manager reads the disks."""

    os = ""
    modern: frozenset[str] = frozenset()
    gnu = "/opt/freeware/bin"
    system_group = "system"
    not_found = "sh: {}:  not found."
    no_file = "ls: 0653-341 The file {} does not exist."

    def __init__(self, name: str, slots: Iterable[Slot] = ()) -> None:
        """`name` is the host's own; `slots` are the devices that the array shows to it."""
        self.name = name
        self.slots = list(slots)
        self.root = empty_tree()
        self.mounts: dict[str, Mounted] = {}
        self.faults = Faults()
        self.at_unmount: list[Callable[[str], None]] = []  # who wants to look before a filesystem is let go
        self.holders: list[Callable[[str], bool]] = []  # software that may work in a filesystem
        self.added: dict[str, Program] = {}  # commands of software that was installed
        self.background: set[asyncio.Task[None]] = set()
        self.processes: set[int] = set()  # scripts that run, by the number that `$$` is in them
        self._numbers = itertools.count(20_001)
        directories = ("/bin", "/dev", "/etc", "/tmp", "/var/tmp", "/usr/bin", "/usr/sbin", "/sbin", "/root")  # noqa: S108  not ours
        for directory in (*directories, self.gnu):
            self.root.mkdir(directory, True)
        self.root.write_file("/dev/null", b"")
        self.root.write_file("/bin/sh", b'#!/bin/sh\nexec sh "$@"\n')  # the sandboxed shell itself, by its path
        self.root.chmod("/bin/sh", 0o755)
        self.boot()

    # --- what a system adds -----------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Make the files that its system has from the start."""

    def programs(self) -> dict[str, Program]:
        """The commands of its system."""
        return {}

    # --- devices ----------------------------------------------------------------------------------------------------

    def disks(self) -> list[Slot]:
        """The devices that the host has scanned, in the order of their names."""
        return [slot for slot in self.slots if slot.seen]

    def knows(self, slot: Slot) -> bool:
        """Whether the host's volume manager has a record of the device."""
        return slot.seen

    def device(self, path: str) -> Disk | None:
        """The device behind a name in /dev; None when that is no device. OSError when it is gone."""
        return None

    def special(self, path: str) -> tuple[str, str] | None:
        """How `ls -l` shows a device file: the letter of its kind, and what stands where files have their size."""
        return ("b", "17,  0") if self.device(path) is not None else None

    def scan(self) -> None:
        """Look for new devices, as an administrator would make the host do."""
        raise NotImplementedError

    def extend_group(self, group: str, disk: Disk) -> None:
        """Add a device that was scanned to a group."""
        raise NotImplementedError

    def take_name(self, group: str, disk: Disk) -> None:
        """Make a group of that name on a device that was scanned."""
        raise NotImplementedError

    def greeting(self) -> str:
        """What a person reads who logs in."""
        return f"{self.name}: an emulated {self.os} host; nothing here is real. Type exit to leave.\r\n"

    # --- mounts -----------------------------------------------------------------------------------------------------

    def mount(self, point: str, device: str, volume: VolumeBytes, *, read_only: bool, options: str = "") -> None:
        """Mount what lies on a volume. Failed with no words when it is not clean; Damaged when it cannot be read."""
        header = filesystem.read_header(volume)
        if header is None:
            raise Damaged("there is no filesystem")
        data = filesystem.load(volume, header)
        if not self.root.exists(point):
            raise Failed(f"{point}: no such directory")
        if not read_only:
            header = replace(header, clean=False)
            filesystem.write_header(volume, header)
        beneath = filesystem.pack(self.root, point)
        filesystem.clear(self.root, point)
        filesystem.unpack(data, self.root, point)
        self.mounts[point] = Mounted(point, device, volume, header, beneath, read_only, options)

    def unmount(self, point: str) -> None:
        """Write everything back, let go, and show again what was hidden."""
        held = self.mounts[point]
        for look in self.at_unmount:
            look(point)
        self.sync_one(held)
        if not held.read_only:
            filesystem.write_header(held.volume, replace(held.header, clean=True))
        del self.mounts[point]
        filesystem.clear(self.root, point)
        filesystem.unpack(held.beneath, self.root, point)

    def busy(self, point: str) -> bool:
        """Whether somebody works there: software that was installed, or an accident."""
        return bool({"busy", f"busy:{point}"} & self.faults.on) or any(holds(point) for holds in self.holders)

    def users(self, call: Call) -> Answer:
        """What `fuser` prints: the processes on its output, the names on the other."""
        words = [word for word in call.argv if word.startswith("/")]
        busy = [word for word in words if word in self.mounts and self.busy(word)]
        return Answer("".join(" 4711" for _ in busy), "".join(f"{word}: {'c' * (word in busy)}\n" for word in words))

    def inside(self, point: str) -> set[str]:
        """The mount points below one."""
        return {p for p in self.mounts if p.startswith(point.rstrip("/") + "/")}

    def sync_one(self, held: Mounted) -> None:
        """Bring the files of one mount into the bytes of its volume; a frozen one waits for its thaw."""
        if not held.read_only and not held.frozen:
            data = filesystem.pack(self.root, held.point, self.inside(held.point))
            held.header = filesystem.store(held.volume, held.header, data)

    def sync(self) -> None:
        """Bring all files into the bytes; a device that is gone keeps nothing, as in life."""
        for held in self.mounts.values():
            try:
                self.sync_one(held)
            except OSError:
                continue

    def visible(self, path: str) -> bool:
        """Whether there is something at that path."""
        return path == "/" or bool(self.root.exists(path))

    def read_file(self, path: str) -> bytes:
        """A file's contents. OSError when there is none."""
        if not self.root.exists(path):
            raise FileNotFoundError(2, "No such file or directory")
        return bytes(self.root.read_file(path))

    def write_file(self, path: str, data: bytes) -> None:
        """Write a file, and the directories above it."""
        parent = path.rsplit("/", 1)[0]
        if parent and not self.root.exists(parent):
            self.root.mkdir(parent, True)
        self.root.write_file(path, data)

    def executable(self, path: str) -> None:
        """A file for a command that is known by its path."""
        if not self.root.exists(path):
            self.write_file(path, b"")
            self.root.chmod(path, 0o755)

    # --- the shell --------------------------------------------------------------------------------------------------

    async def run(self, script: str, out: Sink, err: Sink, lines: asyncio.StreamReader | None = None) -> int:
        """Run a script as root's shell would; the exit status. `lines` is the standard input that `line` reads from.

        `read word` from a live channel is `line`, which the sandboxed shell can do. There each shell is process 1, which runs
        as long as anybody asks; here a script has a number of its own, and none is alive after its end.
        """
        number = next(self._numbers)
        script = script.replace("$$", str(number)).replace("kill -0 ", "alive ")
        if lines is not None:
            script = re.sub(r"^read word\b", "word=`line`", script, flags=re.MULTILINE)

        spoke = False

        async def say(data: bytes) -> None:
            nonlocal spoke
            spoke = True
            await out(data)

        async def own(data: bytes) -> None:
            nonlocal spoke
            spoke = True
            await err(self.in_own_words(data))

        self.processes.add(number)
        try:
            for _ in range(_TRIES):
                result = await self.shell(lines).execute(script, capture=False, stdout=say, stderr=own)
                if spoke or _TOO_SLOW not in (result.error or ""):
                    break
        finally:
            self.processes.discard(number)
        if result.error is not None:  # the sandbox's own: a syntax error, or a limit of its time
            await err(f"sh: {result.error}\n".encode())
        self.sync()
        return int(result.exit_code)

    def in_own_words(self, errors: bytes) -> bytes:
        """What the sandboxed shell says of a command that is not there, as this system's shell says it."""
        return _NOT_FOUND.sub(lambda found: self.not_found.format(found[1].decode()).encode(), errors)

    def shell(self, lines: asyncio.StreamReader | None = None) -> bashkit.Bash:
        """A shell on this host's files, mounts and commands."""
        many = 1_000_000  # commands and rounds: a script ends by itself, or by whoever sent it
        shell = bashkit.Bash(
            username="root", hostname=self.name, cwd="/", timeout_seconds=86_400.0, max_commands=many, max_loop_iterations=many
        )
        shell.mount("/", self.root)
        table: dict[str, Program] = dict.fromkeys(MODERN - self.modern, self._missing)
        table |= common_programs(self, lines)
        table |= self.programs()
        table |= self.added
        table["type"] = _type(frozenset(table) - (MODERN - self.modern), frozenset(shell.capabilities().builtins) - MODERN)
        for name, program in table.items():
            command = _adapted(self, program)
            shell.add_command(name, command)
            if "/" in name:
                self.executable(name)
            else:
                for directory in ("/usr/bin", "/usr/sbin", "/sbin"):
                    shell.add_command(f"{directory}/{name}", command)
        return shell

    def _missing(self, call: Call) -> Answer:
        return Answer("", self.not_found.format(call.name) + "\n", 127)


# The sandbox gives up a script that it has not read after 5 s by the clock: on a machine with far too much to do, before anything ran.
_TOO_SLOW, _TRIES = "parser timeout", 5
_NOT_FOUND = re.compile(rb"bash: line \d+: (\S+): command not found(?:\. Did you mean: [^\n]*)?")


def _type(commands: frozenset[str], builtins: frozenset[str]) -> Program:
    def program(call: Call) -> Answer:
        gone = [name for name in call.argv if name not in commands | builtins]
        return Answer(
            "".join(f"{n} is /usr/bin/{n}\n" for n in call.argv if n not in gone),
            "".join(f"{n} not found\n" for n in gone),
            int(bool(gone)),
        )

    return program


def _adapted(machine: Machine, program: Program) -> Callable[[bashkit.CommandContext], Awaitable[int]]:
    """A program as the sandboxed shell wants it."""

    async def command(context: bashkit.CommandContext) -> int:
        data = b"".join([piece async for piece in context.stdin]) if _reads(program) else b""
        call = Call(context.name.rsplit("/", 1)[-1], tuple(context.argv), data, dict(context.env), context.cwd)
        try:
            answer = program(call)
            if isinstance(answer, Awaitable):
                answer = await answer
        except Usage as wrong:
            answer = Answer("", wrong.text.rstrip("\n") + "\n", wrong.code)
        except OSError as error:
            answer = Answer("", f"{call.name}: {error.strerror or error}\n", 5)
        text = answer.out if isinstance(answer.out, bytes) else answer.out.encode("utf-8", "surrogateescape")
        data = _translated(text) if "locale" in machine.faults else text
        if data:
            await context.stdout.write(data)
        if answer.err:
            await context.stderr.write(answer.err.encode())
        return answer.code

    return command


# What a host in a German locale would print for a few words that parsers look for.
_WORDS = {b"active": b"aktiv", b"available": b"verf\xc3\xbcgbar", b"online": b"bereit", b"mounted": b"eingeh\xc3\xa4ngt", b"VOLUME GROUP": b"DATENTR\xc3\x84GERGRUPPE"}  # fmt: skip


def _translated(data: bytes) -> bytes:
    for word, other in _WORDS.items():
        data = data.replace(word, other)
    return data


def _reads(program: Program) -> bool:
    return bool(getattr(program, "reads_input", False))


def options(argv: tuple[str, ...], flags: str, values: str, usage: str, code: int = 1) -> tuple[dict[str, str], list[str]]:
    """The options of a command line by getopt's rules: letters without and with a value, and the operands that follow.

    A letter that stands twice keeps the last value. Usage with the text for one that is not known, or lacks its value.
    """
    found: dict[str, str] = {}
    rest = list(argv)
    while rest and re.match(r"-.", rest[0]):
        word = rest.pop(0)
        if word == "--":
            break
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in flags:
                found[letter] = ""
            elif letter in values:
                if not letters and not rest:
                    raise Usage(usage, code)
                found[letter] = letters or rest.pop(0)
                letters = ""
            else:
                raise Usage(usage, code)
    return found, rest
