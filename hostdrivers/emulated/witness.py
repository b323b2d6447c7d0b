"""A witness of checksums on the embedded estate: a set's files at the split, as the target had them, and as the archive keeps them.

It looks from inside, past SSH and drivers, so that what the console shows at the end of a backup does not rest on the product's own word.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence

import zstandard

from hostdrivers.emulated import filesystem
from hostdrivers.emulated.array import Disk
from hostdrivers.emulated.estate import Family
from hostdrivers.emulated.machine import Machine


def digests(machine: Machine, top: str) -> dict[str, str]:
    """SHA-256 of every file below a directory of a host, by path below it; in the estate's own thread."""
    rows = filesystem.walk(machine.root, top) if machine.root.exists(top) else ()
    return {
        path[len(top) :]: hashlib.sha256(machine.root.read_file(path)).hexdigest()
        for path, known in rows
        if known["file_type"] == "file"
    }


def newest_archive(vault: Machine, repository: str, set_name: str) -> dict[str, str]:
    """SHA-256 of every file in a set's newest whole archive, by its path on the source; empty when there is none."""
    top = f"{repository}/{set_name}"
    names = [str(entry["name"]) for entry in vault.root.read_dir(top)] if vault.root.exists(top) else []
    place = max((f"{top}/{name}" for name in names if not name.endswith(".partial")), default="")
    if not place:
        return {}
    out: dict[str, str] = {}
    for number, _ in enumerate(json.loads(vault.read_file(f"{place}/backup.json"))["paths"]):
        packed = io.BytesIO(vault.read_file(f"{place}/data-{number}.tar.zst"))
        data = zstandard.ZstdDecompressor().stream_reader(packed).read()
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                held = archive.extractfile(member) if member.isreg() else None
                if held is not None:
                    out["/" + member.name] = hashlib.sha256(held.read()).hexdigest()
    return out


class Witness:
    """Watches one set. `source` are the files at the last split of its pairs, `target` those that were unmounted since."""

    def __init__(self, family: Family) -> None:
        """Watch from now on."""
        self.source: dict[str, str] = {}
        self.target: dict[str, str] = {}
        self._family = family
        family.array.at_split.append(self._split)
        family.target.at_unmount.append(self._unmounted)

    def _split(self, pairs: Sequence[tuple[Disk, Disk]]) -> None:
        if set(self._family.pairs) & set(pairs):
            source = self._family.source
            self.source = {p + path: digest for p in source.mounts for path, digest in digests(source, p).items()}
            self.target = {}

    def _unmounted(self, point: str) -> None:
        place = point.removeprefix(self._family.prefix)
        self.target |= {place + path: digest for path, digest in digests(self._family.target, point).items()}

    def report(self, archive: dict[str, str]) -> str:
        """Whether all three are equal, in a sentence."""
        source, target = self._family.source.name, self._family.target.name
        told = f"files on {source} at the split: {len(self.source)}, on {target} while mounted: {len(self.target)}, in the archive: {len(archive)}"
        if self.source and self.source == self.target == archive:
            return f"EQUAL by SHA-256: {told}"
        everywhere = self.source.keys() | self.target.keys() | archive.keys()
        odd = sorted(p for p in everywhere if len({self.source.get(p), self.target.get(p), archive.get(p)}) > 1)
        return f"NOT EQUAL by SHA-256: {told}; they differ in: {', '.join(odd[:3]) or 'nothing, there are none'}"
