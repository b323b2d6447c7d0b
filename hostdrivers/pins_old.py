"""What the variables of the scripts for AIX, HP-UX and Solaris may hold, and which of their commands are reads."""

from __future__ import annotations

from collections.abc import Mapping

from hostdrivers.privileges import Pins, Scope, above, any_of, below, copies_below, escaped, places, sources

_NAME = "[A-Za-z0-9_.-]+"
_WORD = "[A-Za-z0-9_/:@%{}()!~.+-]+"
_FILE = "/[^ ]*( [^- ][^ ]*)*"
_GNU = ("find", "tar", "sha256sum")
_TABLE = (
    "what the file holds cannot be seen: the account could write the whole table of filesystems. Without it a takeover fails"
)
_CRAFTED = "whoever feeds root's tar can leave a program there that makes him root: files of a backup are put back by root"
_FILES = "only a restore of files asks this, which root does"
_UNNAMED = "a disk is known by its name alone here: no rule can tell a BCV from another disk"


def _common(scope: Scope) -> dict[str, str]:
    """What all three share: places, names of groups, words for restic."""
    own_points = any_of(m.point for m in scope.mounts)
    taken = f"|{own_points}" if own_points else ""
    point = f"({copies_below(scope)}{taken})"
    made = f"({below(scope.prefix)}|{any_of(above([scope.prefix, *places(scope)]))})"
    copies = any_of(scope.copies)
    return {
        "point": point if scope.target else own_points, "mkdir 1": made, "chmod 1": made, "rmdir d": made, "p": point,
        "new": copies, "old": any_of(scope.groups), "kind": "[a-z0-9]+", "options": "(ro|rw)", "f": _FILE,
        "cp RUN": f"{escaped(scope.work_dir)}/runs/{_NAME}", "POINT": point, "OWN": own_points,
        "/opt/freeware/bin/find 1": own_points, "/usr/local/bin/find 1": own_points,
        "/usr/sfw/bin/gfind 1": own_points,
        "/usr/gnu/bin/find 1": own_points, "/opt/csw/bin/gfind 1": own_points, "TREE": copies_below(scope), "SOURCE": sources(scope), "WORD": _WORD,
        "ID": "[0-9a-f]+",
        "part": "[0-9a-f]+", "TIME": "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}",
    }  # fmt: skip


class _Reads:
    """Whether a command is a read: by its name alone, or by its first words; never a dd that writes to more than /dev/null."""

    def __init__(self, names: frozenset[str], begins: tuple[str, ...]) -> None:
        self._names, self._begins = names, begins

    def __call__(self, words: tuple[str, ...]) -> bool:
        text = " ".join(words)
        if any(word.startswith("of=") and word != "of=/dev/null" for word in words):
            return False
        if words[0] == "restic":
            return "--no-lock" in words
        if words[0].rsplit("/", 1)[-1] in ("tar", "gtar"):
            return words[1:] == ("--version",)
        return words[0].rsplit("/", 1)[-1] in self._names or text.startswith(self._begins)


def _reads(names: str, *begins: str) -> _Reads:
    return _Reads(frozenset(names.split()), begins)


def _never(*tars: str) -> dict[str, str]:
    """What none of them can pin."""
    return {f"{tar} --extract": _CRAFTED for tar in tars} | {"mkdir -p": _FILES, "ls -Aq": _FILES, "ls -di": _FILES}


def _gnu(*heads: str) -> dict[str, tuple[str, ...]]:
    """Where GNU's tools can lie, in the order in which the scripts look for them; the rules name all these places."""
    found = {f"gnu {name}": tuple(head + name for head in heads) for name in _GNU}
    return found | {"FIND": found["gnu find"]}


# --- AIX --------------------------------------------------------------------------------------------------------------

_HDISK = "[A-Za-z]+[0-9]+"


def _aix(scope: Scope) -> Mapping[str, str]:
    own_nodes = any_of(f"/dev/{m.volume}" for m in scope.mounts)
    return {
        **_common(scope), "d": _HDISK, "device": f"/dev/r{_HDISK}", "dd 1": "[0-9]+", "dd 2": "[0-9]+", "lquerypv 1": _HDISK,
        "lqueryvg 1": _HDISK, "lscfg 1": _HDISK, "importvg 1": _HDISK,
        "l": _NAME, "prefix:-/": f"({below(scope.prefix)}|/)", "ALL": f"{_HDISK}( {_HDISK})*", "node": own_nodes,
        "gnu sha256sum": "/opt/freeware/bin/sha256sum",
    }  # fmt: skip


_AIX_BIN = frozenset("id dd mkdir rmdir chmod ls cksum find restic".split())  # noqa: SIM905

AIX = Pins(
    holes=_aix,
    before=_gnu("/opt/freeware/bin/"),
    path=lambda command: command if command.startswith("/") else f"/usr/{'bin' if command in _AIX_BIN else 'sbin'}/{command}",
    reads=_reads("id lscfg lquerypv lqueryvg bootinfo getlvcb fuser ls cksum find"),
    never=_never("/opt/freeware/bin/tar"),
    loose={"dd ": _UNNAMED, "chdev ": _UNNAMED, "rmdev ": _UNNAMED, "recreatevg ": _UNNAMED, "importvg ": _UNNAMED},
)

# --- HP-UX ------------------------------------------------------------------------------------------------------------

_PREVIEWED = "root writes the map where the account has a directory, and would follow a link that the account puts there"
_PREVIEW = "/tmp/splitmount[.][0-9]+([.][0-9]+)?"  # noqa: S108  a name that the discovery makes anew
_BLOCK = "/dev/(dsk/c[0-9]+t[0-9]+d[0-9]+|disk/disk[0-9]+)"
_RAW = "/dev/(rdsk/c[0-9]+t[0-9]+d[0-9]+|rdisk/disk[0-9]+)"


def _hpux(scope: Scope) -> Mapping[str, str]:
    groups = (*scope.groups, *scope.copies)
    nodes = any_of(f"/dev/{g}/{m.volume}" for m in scope.mounts for g in groups)
    raws = any_of(f"/dev/{g}/r{m.volume}" for m in scope.mounts for g in groups)
    keep = f"{scope.work_dir}/runs/{_NAME}/keep/{_NAME}"
    return {
        **_common(scope), "r": _RAW, "device": _RAW, "dd 1": "[0-9]+", "dd 2": "[0-9]+", "RAWS": f"{_RAW}( {_RAW})*", 'block "$r"': _BLOCK,
        "g": any_of(groups), "nn": "[0-9a-f]{2}",
        "@": f"{_BLOCK}( {_BLOCK})*", "m": f"{keep}(/map)?", "t": _PREVIEW,
        "vgexport 1": f"/dev/{_NAME}", "l": f"/dev/{_NAME}/{_NAME}", "node": nodes, "rawnode": raws,
        "fsck 1": "[a-z0-9]+", "fsck 3": raws, "mount 1": "[a-z0-9]+", "mount 2": nodes, "mount 4": any_of(m.point for m in scope.mounts),
        "umount 2": any_of(m.point for m in scope.mounts), "fuser 2": any_of(m.point for m in scope.mounts),
        "gnu sha256sum": "/usr/local/bin/sha256sum",
    }  # fmt: skip


_HPUX_BIN = frozenset("id dd mkdir rmdir chmod ls cksum find restic rm".split())  # noqa: SIM905

HPUX = Pins(
    holes=_hpux,
    before=_gnu("/usr/local/bin/"),
    path=lambda command: command if command.startswith("/") else f"/usr/{'bin' if command in _HPUX_BIN else 'sbin'}/{command}",
    reads=_reads("id fstyp fuser ls cksum find inq syminq dd", "vgexport -p "),
    never=_never("/usr/local/bin/tar"),
    loose={
        "cp {RUN}": _TABLE,
        "dd ": _UNNAMED,
        "vgexport -p": _PREVIEWED,
        "vgchgid ": _UNNAMED,
        "vgimport ": _UNNAMED,
        "rmsf ": _UNNAMED,
    },
)

# --- Solaris ----------------------------------------------------------------------------------------------------------


_DISK = "[A-Za-z0-9_]+"
_RDSK = "/dev/rdsk/[A-Za-z0-9]+"


def _solaris(scope: Scope) -> Mapping[str, str]:
    groups = any_of((*scope.groups, *scope.copies))
    nodes = any_of(f"/dev/vx/dsk/{g}/{m.volume}" for m in scope.mounts for g in (*scope.groups, *scope.copies))
    raws = any_of(f"/dev/vx/rdsk/{g}/{m.volume}" for m in scope.mounts for g in (*scope.groups, *scope.copies))
    points = f"({below(scope.prefix)}{''.join('|' + any_of([m.point]) for m in scope.mounts)})"
    return {
        **_common(scope), "d": _DISK, "vxdisk 1": _DISK, "raw": _RDSK, "dd 1": f"({_RDSK}|[0-9]+)",
        "device": _RDSK, "dd 2": "[0-9]+", "dd 3": "[0-9]+",
        "g": _NAME, "vxprint 1": _NAME, "v": _NAME, "dgid": _NAME, "temporary": "(-t)?", "how": "(-o useclonedev=on -o updateid)?",
        "fsck 1": "[a-z0-9]+", 'echo "$3" | sed \'s,/dsk/,/rdsk/,\'': raws, "mount 1": "[a-z0-9]+", "mount 2": "(ro|rw)",
        "mount 3": nodes, "mount 4": points, "vxvol new": groups, "vxdg new": groups,
        "gnu sha256sum": "(/usr/sfw/bin/g|/usr/gnu/bin/|/opt/csw/bin/g|/usr/local/bin/)sha256sum",
    }  # fmt: skip


_VXVM = frozenset("vxdisk vxdg vxprint vxvol vxdctl".split())  # noqa: SIM905
_SBIN = frozenset("mount umount fsck fuser lockfs devfsadm fstyp".split())  # noqa: SIM905


def _solaris_path(command: str) -> str:
    if command.startswith("/"):
        return command
    return f"/usr/{'sbin' if command in _VXVM | _SBIN else 'bin'}/{command}"


SOLARIS = Pins(
    holes=_solaris,
    before=_gnu("/usr/sfw/bin/g", "/usr/gnu/bin/", "/opt/csw/bin/g", "/usr/local/bin/"),
    path=_solaris_path,
    reads=_reads(
        "id iostat fstyp fuser ls cksum find gfind dd vxprint",
        "vxdisk list",
        "vxdisk -o alldgs list",
        "vxdg list",
        "vxdg bootdg",
        "vxdctl list",
    ),
    never=_never("/usr/sfw/bin/gtar", "/usr/gnu/bin/tar", "/opt/csw/bin/gtar", "/usr/local/bin/tar"),
    loose={"cp {RUN}": _TABLE, "dd ": _UNNAMED, "vxdisk ": _UNNAMED},
)
