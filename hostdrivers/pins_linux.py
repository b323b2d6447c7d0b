"""What the variables of the Linux scripts may hold, as expressions for sudoers, and which of the commands are reads."""

from __future__ import annotations

from collections.abc import Mapping

from hostdrivers.privileges import Pins, Scope, above, any_of, below, copies_below, escaped, places, sources

_NAME = "[A-Za-z0-9_+.][A-Za-z0-9_+.-]*"
_DISK = "([a-z]+[0-9]*|nvme[0-9]+n[0-9]+(p[0-9]+)?)"
_DEVICE = f"/dev/({_DISK}|mapper/[A-Za-z0-9_.:+-]+)"
_UUID = "[A-Za-z0-9-]+"
_WORD = "[A-Za-z0-9_/:@%{}()!~.+-]+"
_FILE = "/[^ ]*( [^- ][^ ]*)*"  # a name with blanks, but no word that could be an option
_OPTION = "(ro|rw|nosuid|nodev|noexec|noatime)"
_OWN_OPTIONS = f"(defaults|{_OPTION}(,{_OPTION})*)"
_CRAFTED = "whoever feeds root's tar can leave a program there that makes him root: files of a backup are put back by root"
_NB = escaped("backup{backup=0 archive=0}")
_SYSTEM = escaped('local{extra_system_ids=["') + "[A-Za-z0-9_.:-]+" + escaped('"]}')
_FILTER = f'["]r[|]\\^{_DEVICE}\\$[|]["]'

# Commands of these names lie in a directory of their own; all others in /usr/bin.
_SBIN = frozenset(
    "lvm vgimportclone blockdev dmsetup blkid multipath fsfreeze fsck e2fsck xfs_repair runuser".split()  # noqa: SIM905  one list of words
)


def _path(command: str) -> str:
    return f"/usr/sbin/{command}" if command in _SBIN else f"/usr/bin/{command}"


def _nodes(groups: tuple[str, ...]) -> str:
    """The device-mapper nodes of any volume of these groups."""
    return f"/dev/mapper/{any_of(group.replace('-', '--') for group in groups)}-{_NAME}" if groups else ""


def _holes(scope: Scope) -> Mapping[str, str]:
    """The patterns; an empty one stands for what only a kept map tells."""
    own_points = any_of(m.point for m in scope.mounts)
    own_nodes = any_of(f"/dev/mapper/{m.group.replace('-', '--')}-{m.volume.replace('-', '--')}" for m in scope.mounts)
    kinds = any_of(m.kind for m in scope.mounts)
    taken = f"|{own_points}" if own_points else ""
    point = f"({copies_below(scope)}{taken})" if scope.target else own_points
    made = any_of(above([scope.prefix, *places(scope)]))
    serials = any_of(scope.serials)
    named = f"/dev/disk/by-id/[A-Za-z0-9_.:+-]*[_-]{serials}(-part[0-9]+)?" if serials else ""
    copies = any_of(scope.copies)
    marks = f"{escaped('# splitmount takeover of ')}{any_of(scope.groups)}"
    beside = f"|{_nodes(scope.copies)} {copies_below(scope)}" if scope.target else ""
    entry = f"-e \\$a ({own_nodes} {own_points}{beside}) {kinds} {_OWN_OPTIONS}(,nouuid)? 0 2"
    table = f"-e \\$a {marks} begin( {entry})+ -e \\$a {marks} end" if own_points else ""
    return {
        "NB": _NB, "DEVS": f"{_DEVICE}(,{_DEVICE})*", "ALL": f"{_DEVICE}( {_DEVICE})*",
        "config": f"{_NB}( {_SYSTEM})?", "rejects#,": f"{_FILTER}(,{_FILTER})*",
        "k": _DISK, "d": _DEVICE, "p": _DEVICE, "n": "/dev/mapper/[A-Za-z0-9_.:+-]+", "m": "/dev/mapper/[A-Za-z0-9_.:+-]+",
        "head n": named, "dd n": named, "dd device": named, "dd 1": "[0-9]+", "dd 2": "[0-9]+", "start": "[0-9]+",
        "lvm 1": "[a-z_,]+", "h": "/sys/class/scsi_host/host[0-9]+", "uuid": _UUID,
        "old": any_of((*scope.groups, *scope.copies)), "new": copies, "final": copies,
        "kind": "[a-z0-9]+", "options": "(ro|rw),nodev,nosuid(,nouuid)?",
        "node": _nodes(scope.copies), "dmsetup node": f"{any_of(g.replace('-', '--') for g in scope.groups)}-{_NAME}",
        "point": point, "mkdir 1": f"({below(scope.prefix)}|{made})", "rmdir d": f"({below(scope.prefix)}|{made})",
        "own_node": own_nodes, "own_point": own_points, "own_kind": kinds, "own_options": _OWN_OPTIONS,
        "find p": point, "find 1": own_points, "f": _FILE, "mark": marks, "@": table,
        "POINT": point, "OWN": own_points, "TREE": copies_below(scope), "SOURCE": sources(scope), "WORD": _WORD,
        "part": "[0-9a-f]+", "ID": "[0-9a-f]+",
        "TIME": "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}",
        "gnu sha256sum": "(/usr/local/bin/)?sha256sum",
    }  # fmt: skip


_LVM_READS = frozenset({"pvs", "vgs", "lvs", "pvck", "fullreport", "systemid", "version"})
_READS = frozenset({"id", "blkid", "fuser", "head", "ls", "cksum", "find"})
_RESTIC_READS = frozenset({"cat", "snapshots", "ls", "dump"})


def reads(words: tuple[str, ...]) -> bool:
    """Whether a command, as its words stand in a script, can change nothing."""
    command, *rest = words
    if command == "timeout":
        return reads(tuple(rest[next(i for i, w in enumerate(rest) if w.isalpha() and w.islower()) :]))
    if command == "lvm":
        return rest[0] in _LVM_READS
    if command == "restic":
        return "--no-lock" in rest and bool(_RESTIC_READS & set(rest))
    return (
        command in _READS
        or (command == "tar" and rest == ["--version"])
        or (command == "dmsetup" and rest[0] == "info")
        or (command == "dd" and not any(w.startswith("of=") and w != "of=/dev/null" for w in rest))
        or (command in ("e2fsck", "xfs_repair") and "-n" in rest)
    )


LINUX = Pins(
    holes=_holes,
    before={
        "gnu find": ("find",),
        "FIND": ("find",),
        "gnu tar": ("tar",),
        "T": ("", "timeout -s KILL 40"),
        "T:+timeout -s KILL 5": ("", "timeout -s KILL 5"),
    },
    path=_path,
    reads=reads,
    never={
        "tar --extract": _CRAFTED,
        "mkdir -p": "the directory of a restore of files is anybody's choice: root makes and fills it",
        "ls -Aq": "only a restore of files asks this, which root does",
        "ls -di": "only a restore of files asks this, which root does",
        "cp {RUN}": "it would let the account write the whole table of filesystems; it is sent only where that table is empty",
    },
    loose={
        "tee /sys/block/{k}": "any disk can be taken out of the kernel; a scan brings it back",
        "lvm vgchange": "a group is known by its name and by the devices that the script found",
        "restic": "whoever may back up may read every file of the set, and forget backups",
    },
)
