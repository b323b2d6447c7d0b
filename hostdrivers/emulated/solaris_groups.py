"""Groups come and go on an emulated Solaris: vxdg, vxvol, vxdctl, and what of vxdisk changes something.

The rules, with what is not certain in them:
- The import lock is the name of the host that has the group imported, in each disk's private region; the array copies it
  like any other bytes. An import over another host's name is refused ("Disk is in use by another host") until the lock is
  cleared: on the disks that one names by `vxdisk clearimport`, on whatever the import takes by `vxdg -C`. Sites that bring
  up BCVs on a second host clear them so before `vxdg -o useclonedev=on -o updateid import`; that the options for copies do not
  pass over the lock by themselves is taken from there, no manual says it.
- From 5.0 on a disk whose recorded UDID is not its own is a copy. An import takes either disks that are no copies, or with
  useclonedev=on those that are; two copies of one disk are refused. `-o updateid` writes new ids into disks and configuration,
  and sets the flag clone_disk.
- Before 5.0 there are no such flags: of two disks with one identity the first is taken, without a word.
- With -t the name on the disks stays, and the group does not come back after a restart.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from hostdrivers.emulated.program import Answer, Call, Failed, Usage
from hostdrivers.emulated.solaris_disks import Access, Imported, read_private, udid_of, words, write_private
from hostdrivers.emulated.solaris_vxvm import Vxvm
from hostdrivers.emulated.volumes import Group, read_label, write_label

_DISK = "Usage: vxdisk [-f] keyword arg ...\nRecognized keywords: clearimport list offline online path rm scandisks set"
_DG = "Usage: vxdg [-g diskgroup] [-Cfst] [-n newname] [-o useclonedev=on|off] [-o updateid] keyword arg ..."
_VOL = "Usage: vxvol [-g diskgroup] [-f] {start | stop} volume... | {startall | stopall}"


class VxGroups(Vxvm):
    """The commands that change something."""

    def fresh_id(self) -> str:
        """SECONDS.SEQUENCE.HOST, as disks and groups are told apart; never the same twice."""
        return f"{1_700_000_000 + secrets.randbelow(90_000_000)}.{secrets.randbelow(9000) + 1000}.{self.name}"

    # --- vxdisk -----------------------------------------------------------------------------------------------------

    def vxdisk(self, call: Call) -> Answer:
        """By its keyword."""
        if "list" in call.argv:
            return self.vxdisk_list(call)
        found, rest = words(call.argv, "fq", "g", _DISK)
        if not rest or found.keys() - {"f"}:
            raise Usage(_DISK)
        keyword, *names = rest
        if keyword == "scandisks":
            if names not in ([], ["new"], ["fabric"]):
                raise Usage("Usage: vxdisk [-f] scandisks [new | fabric | [!]device=... | [!]ctlr=... | [!]pctlr=...]")
            self.online_new()
            return Answer()
        if keyword == "path":
            rows = ((a, self.owner(a)) for a in self.accesses.values())
            lines = (
                f"{a.slot.name + 's2':<19} {a.name:<18} {o[1] if o else '-':<18} {o[0].name if o else '-':<18} ENABLED\n"
                for a, o in rows
            )
            return Answer("SUBPATH                     DANAME               DMNAME       GROUP        STATE\n" + "".join(lines))
        if keyword == "set" and names[1:] == ["clone=off"] and self.release >= (5, 0):
            return self._unclone(self.access("vxdisk", names[0]))
        acts = {"rm": self._rm, "online": self._online, "offline": self._offline, "clearimport": self._clearimport}
        if keyword not in acts or not names:
            raise Usage(_DISK)
        for name in names:
            acts[keyword](name)
        return Answer()

    def _free(self, name: str) -> Access:
        access = self.access("vxdisk", name)
        own = self.owner(access)
        if own is not None:
            raise self.vx("vxdisk", 536, f"Disk {name} is in use by disk group {own[0].name}: Device is in use")
        return access

    def _rm(self, name: str) -> None:
        del self.accesses[self._free(name).name]

    def _online(self, name: str) -> None:
        access = self.access("vxdisk", name)
        if self.owner(access) is None:
            access.online()
            if access.state == "error":
                raise self.vx("vxdisk", 531, f"Device {name}: online failed:\n\tDevice path not valid")

    def _offline(self, name: str) -> None:
        access = self._free(name)
        access.state, access.private = "offline", None

    def _unclone(self, access: Access) -> Answer:
        private = read_private(access.disk)
        if private is None:
            raise self.vx("vxdisk", 533, f"Device {access.name}: set failed:\n\tDisk is not usable")
        access.private = replace(private, clone="")
        write_private(access.disk, access.private)
        return Answer()

    def _clearimport(self, name: str) -> None:
        access = self._free(name)
        private = read_private(access.disk)
        if private is None or access.state != "online":
            raise self.vx("vxdisk", 533, f"Device {name}: clearimport failed:\n\tDisk is not usable")
        access.private = replace(private, host="")
        write_private(access.disk, access.private)

    def online_new(self) -> None:
        """A record for each device of the system that has none, and another try for those in error."""
        raise NotImplementedError

    # --- vxdctl -----------------------------------------------------------------------------------------------------

    def vxdctl(self, call: Call) -> Answer:
        """The daemon."""
        if call.argv == ("enable",):
            self.online_new()
            return Answer()
        if call.argv == ("mode",):
            return Answer("mode: enabled\n")
        if call.argv == ("list",):
            return Answer(
                f"Volboot file\nversion: 3/1\nseqno:   0.1\ncluster protocol version: 70\nhostid:  {self.name}\nentries:\n"
            )
        raise Usage("Usage: vxdctl {enable | disable | list | mode}")

    # --- vxdg -------------------------------------------------------------------------------------------------------

    def vxdg(self, call: Call) -> Answer:
        """By its keyword."""
        found, rest = words(call.argv, "Cfstq", "gnoh", _DG)
        acts = {
            "list": self._list,
            "import": self._import,
            "deport": self._deport,
            "flush": self._flush,
            "bootdg": self._bootdg,
        }
        if not rest or rest[0] not in acts:
            raise Usage(_DG)
        return acts[rest[0]](found, rest[1:])

    def _bootdg(self, found: dict[str, list[str]], rest: list[str]) -> Answer:
        return Answer("nodg\n")

    def _flush(self, found: dict[str, list[str]], rest: list[str]) -> Answer:
        for name in rest:
            self.imported("vxdg", name)
        return Answer()

    def _list(self, found: dict[str, list[str]], rest: list[str]) -> Answer:
        if not rest:
            out = "" if "q" in found else "NAME         STATE           ID\n"
            return Answer(out + "".join(f"{g.name:<12} {self._state(g):<15} {g.id}\n" for g in self.groups.values()))
        known = self.imported("vxdg", rest[0])
        group = self.on_disk(known)
        out = f"Group:     {known.name}\ndgid:      {known.id}\nimport-id: {'0' if known.temporary else '1024'}.{len(self.groups) + 6}\n"
        out += "flags:     \nversion:   110\nalignment: 512 (bytes)\ndetach-policy: global\ncopies:    nconfig=default nlog=default\n"
        out += f"config:    seqno=0.{group.stamp + 1000} permlen=2431 free=2427 templen=2 loglen=368\n"
        for access in known.disks.values():
            out += f"config disk {access.name} copy 1 len=2431 state=clean online\n"
        return Answer(out + "".join(f"log disk {a.name} copy 1 len=368\n" for a in known.disks.values()))

    def _state(self, known: Imported) -> str:
        """Only a group of cdsdisks alone is portable."""
        formats = {a.private.format for a in known.disks.values() if a.private}
        return "enabled,cds" if self.age == "new" and formats == {"cdsdisk"} else "enabled"

    def _deport(self, found: dict[str, list[str]], rest: list[str]) -> Answer:
        if not rest or "n" in found:
            raise Usage(_DG)
        for name in rest:
            known = self.imported("vxdg", name)
            if self.opened(known):
                raise self.vx("vxdg", 584, f"Disk group {name}: Some volumes in the disk group are in use")
            self.make_nodes(known, gone=True)
            for access in known.disks.values():
                private = read_private(access.disk)
                if private is not None:
                    write_private(access.disk, replace(private, host=found.get("h", [""])[0]))
            self.refresh(known)
            del self.groups[known.name]
        return Answer()

    def _import(self, found: dict[str, list[str]], rest: list[str]) -> Answer:
        wishes = found.get("o", [])
        known_words = {"useclonedev=on", "useclonedev=off", "updateid"} if self.release >= (5, 0) else set()
        if len(rest) != 1 or set(wishes) - known_words:
            raise Usage(_DG)
        members = self._candidates(rest[0], "useclonedev=on" in wishes)
        label = read_label(members[0].disk)
        if label is None:
            raise self._refused(rest[0], "No valid disk found containing disk group")
        group = label[1]
        name = found.get("n", [group.name])[0]
        same = any(g.id == group.id for g in self.groups.values())
        if name in self.groups or (same and "updateid" not in wishes):
            raise self._refused(rest[0], "Disk group exists and is imported")
        chosen = self._members(rest[0], group, members, force="f" in found)
        locked = [a for a in chosen.values() if a.private and a.private.host not in ("", self.name)]
        if locked and "C" not in found:
            raise self._refused(rest[0], "Disk is in use by another host")
        known = Imported(name, group.id, chosen, temporary="t" in found)
        self._take(known, group, update="updateid" in wishes, clone="useclonedev=on" in wishes)
        return Answer()

    def _refused(self, word: str, why: str) -> Failed:
        return self.vx("vxdg", 10978 if self.age == "new" else 587, f"Disk group {word}: import failed:\n{why}")

    def _candidates(self, word: str, clones: bool) -> list[Access]:
        """The disks of the group that are free, as they are now."""
        free = [a for a in self.accesses.values() if self.owner(a) is None and a.state == "online" and a.disk.ready]
        for access in free:
            access.online()
        ours = [a for a in free if a.private is not None and word in (a.private.group, a.private.dgid) and word]
        if len({a.private.dgid for a in ours if a.private}) > 1:
            raise self._refused(word, "Multiple disk groups have this name, import by id")
        fit = [a for a in ours if a.clone is clones] if self.release >= (5, 0) else ours
        if ours and not fit and not clones:
            raise self._refused(word, "The Disk Group has only clone disks")
        if not fit:
            raise self._refused(word, "No valid disk found containing disk group")
        return fit

    def _members(self, word: str, group: Group, members: Sequence[Access], *, force: bool) -> dict[str, Access]:
        chosen: dict[str, Access] = {}
        for access in members:
            dm = access.private.dm if access.private else ""
            if dm in chosen and self.release >= (5, 0):
                raise self._refused(word, "DG import duplcate clone detected")
            chosen.setdefault(dm, access)
        missing = [dm for dm in group.disks if dm not in chosen]
        if missing and not force:
            raise self._refused(word, "Disk for disk group not found")
        return chosen

    def _take(self, known: Imported, group: Group, *, update: bool, clone: bool) -> None:
        """Write the lock, the new ids and the flags; show the volumes, none of them started."""
        if update:
            known.id = group.id = self.fresh_id()
            group.stamp += 1
        stored = group.name if known.temporary else known.name
        for dm, access in known.disks.items():
            private = read_private(access.disk)
            if private is None:
                raise self._refused(known.name, "Disk private region contents are invalid")
            private = replace(private, host=self.name, noautoimport="y" if known.temporary else "", group=stored, dgid=known.id)
            if update:
                private = replace(private, diskid=self.fresh_id(), udid=udid_of(access.disk))
            if clone:
                private.clone = "y"
            write_private(access.disk, private)
            group.facts[f"id.{dm}"] = private.diskid
        for dm, access in known.disks.items():
            write_label(access.disk, dm, replace(group, name=stored))
        self.groups[known.name] = known
        self.refresh(known)
        self.make_nodes(known)

    # --- vxvol ------------------------------------------------------------------------------------------------------

    def vxvol(self, call: Call) -> Answer:
        """Start and stop."""
        found, rest = words(call.argv, "f", "go", _VOL)
        if not rest or rest[0] not in ("start", "stop", "startall", "stopall") or "g" not in found:
            raise Usage(_VOL)
        known = self.imported("vxvol", found["g"][0])
        names = [v.name for v in self.volumes(self.on_disk(known))]
        if not rest[0].endswith("all"):
            odd = [n for n in rest[1:] if n not in names]
            if odd or not rest[1:]:
                raise self.vx("vxvol", 1195, f"Volume {' '.join(odd)} not found in disk group {known.name}")
            names = rest[1:]
        return self._start(known, names) if rest[0].startswith("start") else self._stop(known, names)

    def _start(self, known: Imported, names: list[str]) -> Answer:
        group = self.on_disk(known)
        for volume in (v for v in self.volumes(group) if v.name in names):
            used = {group.disks[i] for v in (volume, *self.plexes(group, volume)) for i, _, _ in v.pieces}
            if any(dm not in known.disks or not known.disks[dm].disk.ready for dm in used):
                raise self.vx("vxvol", 1198, f"Volume {volume.name} has no CLEAN or non-volatile ACTIVE plexes")
        self._set_states(known, group, names, "ACTIVE")
        known.started |= set(names)
        return Answer()

    def _stop(self, known: Imported, names: list[str]) -> Answer:
        busy = [n for n in names if n in self.opened(known)]
        if busy:
            raise self.vx("vxvol", 1237, f"Volume {busy[0]} is opened; Volume or plex device is open or mounted")
        self._set_states(known, self.on_disk(known), names, "CLEAN")
        known.started -= set(names)
        return Answer()

    def _set_states(self, known: Imported, group: Group, names: list[str], state: str) -> None:
        """The state of a volume stands on the disks: a copy of one that runs is ACTIVE, and not started, on another host."""
        changed = [v for v in group.volumes if v.name in names and v.fs.get("state") != state]
        for volume in changed:
            volume.fs["state"] = state
        if changed:
            self.write_group(known, group)

    def vxrecover(self, call: Call) -> Answer:
        """Start what is not started."""
        found, rest = words(call.argv, "sbn", "g", "Usage: vxrecover [-sbn] [-g diskgroup] [volume...]")
        if rest or "g" not in found:
            raise Usage("Usage: vxrecover [-sbn] [-g diskgroup] [volume...]")
        known = self.imported("vxrecover", found["g"][0])
        return self._start(known, [v.name for v in self.volumes(self.on_disk(known))]) if "s" in found else Answer()
