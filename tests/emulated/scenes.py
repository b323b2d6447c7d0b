"""What an estate looks like from outside, and what differs between two looks: for tests of whatever may befall a run."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

from hostdrivers.emulated.array import TRACK, Disk
from hostdrivers.emulated.estate import Family
from hostdrivers.emulated.hpux import IDENTITY_AT
from hostdrivers.emulated.machine import Machine
from hostdrivers.emulated.volumes import LABEL_AT
from hostdrivers.emulated.witness import digests
from tests.emulated.bench import Bench


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a run may have changed, and that must be as it was, or as a run that nothing befell leaves it."""

    states: tuple[str, ...]
    mounts: tuple[tuple[str, ...], ...]
    tables: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    standards: tuple[str, ...]
    mirrors: tuple[str, ...]
    claims: tuple[str, ...]
    copies: int
    partial: tuple[str, ...]


def scene(made: Bench, family: Family, *, mirrors: bool = True) -> Scene:
    """Look at array, hosts, files and repository."""

    def see() -> Scene:
        array = made.estate.array
        array.settle()
        copies = _listed(made.estate.vault, f"/backup/{family.set_name}")
        partial = tuple(name for name in copies if name.endswith(".partial"))
        states = tuple(f"{array.word(std, bcv)} {bcv.ready}" for std, bcv in family.pairs)
        machines = (family.source, family.target)
        files = tuple(
            sorted((m.name + p + path, digest) for m in machines for p in m.mounts for path, digest in digests(m, p).items())
        )
        return Scene(
            states,
            tuple(tuple(sorted(m.mounts)) for m in machines),
            tuple(_tables(m) for m in machines),
            files,
            tuple(held(std, machines[0].os) for std, _ in family.pairs),
            tuple(held(bcv, machines[0].os) for _, bcv in family.pairs) if mirrors else (),
            tuple(c for m in made.estate.machines.values() for c in _claims(m)),
            len(copies) - len(partial),
            partial,
        )

    seen: Scene = made.running.do(see)
    return seen


def _tables(machine: Machine) -> str:
    for path in ("/etc/fstab", "/etc/vfstab", "/etc/filesystems"):
        if machine.root.exists(path):
            return hashlib.sha256(machine.root.read_file(path)).hexdigest()
    return ""


def _claims(machine: Machine) -> list[str]:
    top = "/var/tmp/splitmount/locks"
    return [f"{machine.name}{top}/{name}" for name in _listed(machine, top) if name != "taken"]


def _listed(machine: Machine, top: str) -> list[str]:
    return sorted(str(entry["name"]) for entry in machine.root.read_dir(top)) if machine.root.exists(top) else []


def seen_from(reference: Scene, one: Scene) -> Scene:
    """The scene with its devices named by what they held in a reference scene of the same estate: each estate has ids of its own."""
    names = {image: f"mirror {n}" for n, image in enumerate(reference.mirrors)}
    names |= {image: f"standard {n}" for n, image in enumerate(reference.standards)}
    standards, mirrors = (tuple(names.get(image, "another") for image in images) for images in (one.standards, one.mirrors))
    like = tuple(str(m == s) for m, s in zip(one.mirrors, one.standards, strict=True))
    return replace(one, standards=standards, mirrors=(*mirrors, *like))


def differences(one: Scene, other: Scene) -> list[str]:
    """The names of what is not equal, with both."""
    return [
        f"{name}: {getattr(one, name)!r:.300} != {getattr(other, name)!r:.300}"
        for name in Scene.__dataclass_fields__
        if getattr(one, name) != getattr(other, name)
    ]


_CLEAN = re.compile(rb"(?<=\n)clean=(?:yes|no)\n")


_GROUP_ID_AT = IDENTITY_AT % TRACK + 8
_LABEL_IDS = re.compile(rb'(?<= )[0-9a-f]{64}(?=\n\{)|(?<="id": ")[0-9a-f]{16}(?=")')  # the label's checksum, and the id in it


def _without_group_id(track: int, data: bytes) -> bytes:
    if track == IDENTITY_AT // TRACK:
        return data[:_GROUP_ID_AT] + bytes(8) + data[_GROUP_ID_AT + 8 :]
    return _LABEL_IDS.sub(b"", data) if track == LABEL_AT // TRACK else data


def held(disk: Disk, os: str) -> str:
    """A checksum of what a device of a host of that kind holds: of its tracks that are not all zeros, and where they are.

    Whether a filesystem was unmounted cleanly is left out: a takeover mounts it for writing, which replays its journal.
    So is the group id of HP-UX: vgchgid gives every copy that is imported a new one, and only an establish brings back the old.
    """
    total = hashlib.sha256()
    for track in sorted(disk.written):
        data = disk.image_of(track)
        if os == "hpux":
            data = _without_group_id(track, data)
        head, _, rest = data.partition(b"\0")
        if _CLEAN.search(head):  # the header, then zeros up to the files
            data = _CLEAN.sub(b"", head) + rest.lstrip(b"\0")
        if data.strip(b"\0"):
            total.update(f"{track}:".encode() + data)
    return total.hexdigest()
