"""SYMCLI on a management host: commands that answer for an emulated array, strictly.

Formats follow the notes on SYMCLI (sections 1, 3, 5 and 8). Where those are uncertain the emulator takes a side: [UNC] the
texts of refusals, the exit status 1 of most of them, and those of `verify` other than 25, 26 and 27; [UNC] the sentence for a
device file in `Please wait...`; [UNC] that a device group without relations pairs in order of association; [UNC] the tags of track counts in the XML of `symmir query`. Options that the real command
takes and nobody here stands for are refused as not emulated, never ignored. `verify -i -c` and the wait for the lock never
sleep: they look again as often as asked, and stop as soon as the array's clock stands still.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape

from hostdrivers.emulated.array import TRACK, Array, Disk, Impossible, Word
from hostdrivers.emulated.program import Answer, Call, Failed, Program, Usage
from hostdrivers.emulated.symwords import Verb, Words, check_words, split_words

VERSION = "Symmetrix Command Line Interface (SYMCLI) Version V7.6.2.0 (Edit Level: 1755)\n"
# What a lock is called, by exit status: 2 is CLI_C_DB_FILE_IS_LOCKED [UNC text], 1 the array's own.
_LOCKS = {2: "The SYMAPI database file is in use\n", 1: "Cannot obtain an exclusive lock on the local Symmetrix\n"}
Pairs = list[tuple[Disk, Disk]]
Tag = tuple[str, "str | list[Tag]"]


@dataclass(slots=True)
class Group:
    """A device group, as this host's database keeps it."""

    name: str
    kind: str
    standards: list[str] = field(default_factory=list)
    bcvs: list[str] = field(default_factory=list)

    def logical(self, std: str, bcv: str) -> tuple[str, str]:
        """The logical names of a pair's devices: numbered in the order of association."""
        return f"DEV{self.standards.index(std) + 1:03d}", f"BCV{self.bcvs.index(bcv) + 1:03d}"


def programs(array: Array, read: Callable[[str], bytes], groups: dict[str, Group] | None = None) -> dict[str, Program]:
    """The commands for one management host; `read` gives a file of that host, and raises OSError when there is none.

    `groups` are the device groups of that host's database, which outlive one shell.
    """
    host = _Host(array, read, {} if groups is None else groups)

    def program(name: str, verbs: Mapping[str, Verb]) -> Program:
        async def run(call: Call) -> Answer:
            return await host.run(name, verbs, call)

        return run

    return {name: program(name, verbs) for name, verbs in host.tables().items()}


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


class _Host:
    def __init__(self, array: Array, read: Callable[[str], bytes], groups: dict[str, Group]) -> None:
        self.array, self.read, self.groups = array, read, groups

    def tables(self) -> dict[str, dict[str, Verb]]:
        """Each command's verbs; "" is the command without one."""
        control = "-f -g -nop -i -c -force "
        mirror = {
            "query": Verb(self.query, _set("-f -g -i -c -percent"), sid=True, file=True),
            "verify": Verb(self.verify, _set("-f -g -i -c " + " ".join(_VERIFY)), sid=True, file=True),
            "establish": self._control(self.establish, control + "-full"),
            "split": self._control(self.split, control + "-consistent -instant -not_ready"),
            "restore": self._control(self.restore, control + "-full -protect"),
            "cancel": self._control(self.cancel, control),
        }
        switch = Verb(self.switch, _set("-devs -nop -i -c"), (0, 1), control=True, sid=True)
        return {
            "symcli": {"": Verb(lambda words: Answer(VERSION), locks=False)},
            "symcfg": {"list": Verb(self.arrays)},
            "syminq": {"": Verb(self.inquire, _set("-pdevfile"), locks=False)},
            "symdev": {
                "list": Verb(self.devices, _set("-devs"), sid=True),
                "show": Verb(self.show, operands=(1, 1), sid=True),
                "ready": switch,
                "not_ready": switch,
            },
            "symmir": mirror,
            "symbcv": {
                "list": Verb(self.bcvs, sid=True),
                "associate": Verb(self.associate, _set("-g"), (2, 3), sid=True),
            },
            "symdg": {
                "create": Verb(self.group_create, _set("-type"), (1, 1)),
                "delete": Verb(self.group_delete, _set("-force"), (1, 1)),
                "list": Verb(self.group_list),
                "show": Verb(self.group_show, operands=(1, 1)),
            },
            "symld": {"add": Verb(self.associate, _set("-g"), (2, 3))},
        }

    @staticmethod
    def _control(run: Callable[[Words], Answer], takes: str) -> Verb:
        return Verb(run, _set(takes), control=True, sid=True, file=True)

    # --- the command line -------------------------------------------------------------------------------------------

    async def run(self, name: str, verbs: Mapping[str, Verb], call: Call) -> Answer:
        """Check every word, wait where an accident wants it, and answer."""
        words = split_words(name, verbs, call)
        verb = verbs[words.verb]
        check_words(words, verb)
        for key in (name, f"{name} {words.verb}"):
            if key in self.array.hangs:
                await self.array.hangs[key].wait()
        if "-sid" in words.options:
            self._check_sid(words.options["-sid"])
        if verb.control and "-nop" not in words.options:
            question = f"Execute '{_title(words)}' operation {_where(words)} (y/[n]) ? "
            return Answer(question + "\n", "The operation was not confirmed, and nothing was done\n", 1)
        if verb.locks and self._locked(words):
            return Answer("", _LOCKS[self.array.lock_status], self.array.lock_status)
        try:
            return verb.run(words)
        except Impossible as refusal:
            raise Failed(f"{refusal}\nThe operation '{_title(words)}' cannot be done") from refusal

    def _locked(self, words: Words) -> bool:
        tries = int(words.options.get("-c", "1"))
        found, self.array.locked = self.array.locked, max(0, self.array.locked - tries)
        return found >= tries

    def _check_sid(self, sid: str) -> None:
        short = 2 <= len(sid) <= 4 and self.array.symid.endswith(sid)
        if not sid.isdecimal() or not (short or sid == self.array.symid):
            raise Failed(f"The specified Symmetrix ID '{sid}' was not found")

    def _disk(self, number: str) -> Disk:
        if not re.fullmatch(r"[0-9A-Fa-f]{3,5}", number):
            raise Failed(f"Invalid Symmetrix device name: '{number}'")
        try:
            return self.array.disk(number)
        except KeyError as error:
            raise Failed(f"The device '{number}' was not found on Symmetrix {self.array.symid}") from error

    def _pairs(self, words: Words) -> Pairs:
        return self._pairs_of_group(words.options["-g"]) if "-g" in words.options else self._pairs_of_file(words.options["-f"])

    def _pairs_of_group(self, name: str) -> Pairs:
        """The relations among a group's members; a standard without one gets the next BCV that has none."""
        group = self._group(name)
        related = {r.bcv.number: r.std.number for r in self.array.relations.values()}
        mine = {std: bcv for bcv in group.bcvs for std in (related.get(bcv),) if std in group.standards}
        free = [bcv for bcv in group.bcvs if bcv not in related]
        pairs = [(std, mine.get(std) or (free.pop(0) if free else "")) for std in group.standards]
        if not pairs or not all(bcv for _, bcv in pairs):
            raise Failed(f"Device group '{name}' does not have a BCV for each of its standard devices")
        return [(self._disk(std), self._disk(bcv)) for std, bcv in pairs]

    def _pairs_of_file(self, path: str) -> Pairs:
        try:
            text = self.read(path).decode("ascii", "replace")
        except OSError as error:
            raise Failed(f"Cannot open the device file '{path}'") from error
        pairs: Pairs = []
        for number, line in enumerate(text.splitlines(), 1):
            columns = line.split("#", 1)[0].split()
            if not columns:
                continue
            if len(columns) != 2:
                raise Failed(f"Device file '{path}', line {number}: a standard and a BCV are expected")
            std, bcv = (self._disk(column) for column in columns)
            for disk, kind in ((std, False), (bcv, True)):
                if disk.bcv is not kind:
                    raise Failed(f"Device {disk.number} is {'no' if kind else 'a'} BCV: line {number} of '{path}'")
            pairs.append((std, bcv))
        if not pairs or len({bcv.number for _, bcv in pairs}) < len(pairs):
            raise Failed(f"Device file '{path}' has no pairs, or one BCV twice")
        return pairs

    # --- symmir -----------------------------------------------------------------------------------------------------

    def establish(self, words: Words) -> Answer:
        """STD → BCV."""
        self.array.establish(self._pairs(words), full="-full" in words.options)
        return _done(words, "initiated")

    def split(self, words: Words) -> Answer:
        """Take apart; -consistent only where every pair of the command is synchronized."""
        pairs = self._pairs(words)
        odd = [f"{s.number}/{b.number}" for s, b in pairs if self.array.word(s, b) is not Word.SYNCHRONIZED]
        if "-consistent" in words.options and odd:
            raise Impossible(f"A consistent split needs pairs that are Synchronized: {', '.join(odd)}")
        self.array.split(pairs, force="-force" in words.options, not_ready="-not_ready" in words.options)
        return _done(words, "executed")

    def restore(self, words: Words) -> Answer:
        """BCV → STD."""
        self.array.restore(self._pairs(words), full="-full" in words.options, protect="-protect" in words.options)
        return _done(words, "initiated")

    def cancel(self, words: Words) -> Answer:
        """Dissolve the relation."""
        self.array.cancel(self._pairs(words))
        return _done(words, "executed")

    def verify(self, words: Words) -> Answer:
        """Whether all pairs are in a state: 0, or the two statuses for "not all" and "none"."""
        chosen = [option for option in words.options if option in _VERIFY]
        if len(chosen) > 1:
            raise Usage(f"symmir: only one state can be verified: {' '.join(chosen)}")
        option = chosen[0] if chosen else "-synched"
        wanted, title, some, none = _VERIFY[option]
        pairs, last, hits = self._pairs(words), None, 0
        for _ in range(int(words.options.get("-c", "1"))):
            hits = sum(self.array.word(std, bcv) in wanted for std, bcv in pairs)
            at = self.array.now()
            if hits == len(pairs) or at == last:
                break
            last = at
        how, code = ("All", 0) if hits == len(pairs) else (("Not all", some) if hits else ("None of the", none))
        where = f"group '{words.options['-g']}'" if "-g" in words.options else f"file '{words.options['-f']}'"
        return Answer(f"\n{how} devices in the {where} are in the '{title}' state.\n", code=code)

    def _word(self, std: Disk, bcv: Disk) -> str:
        return self.array.words.get(bcv.number, self.array.word(std, bcv).value)

    def query(self, words: Words) -> Answer:
        """The table of pairs, or as XML."""
        pairs = self._pairs(words)
        rows = []
        for std, bcv in pairs:
            relation = self.array.relation(std, bcv)
            rows.append((std, bcv, (0, 0) if relation is None else relation.columns(), self._word(std, bcv)))
        if not words.xml:
            return Answer(self._table(words, rows))
        tags: list[Tag] = [
            (
                "BCV_Pair",
                [
                    ("STD", [("dev_name", s.number), ("inv_tracks", str(left))]),
                    ("BCV", [("dev_name", b.number), ("inv_tracks", str(right))]),
                    ("state", word),
                ],
            )
            for s, b, (left, right), word in rows
        ]
        return Answer(_xml([("Symmetrix", [("Symm_Info", [("symid", self.array.symid)]), *tags])]))

    def _table(self, words: Words, rows: list[tuple[Disk, Disk, tuple[int, int], str]]) -> str:
        percent, group = "-percent" in words.options, self.groups.get(words.options.get("-g", ""))
        head = (
            (f"Device File Name      : {words.options['-f']}", f"Device's Symmetrix ID : {self.array.symid}")
            if group is None
            else (
                f"Device Group (DG) Name: {group.name}",
                f"DG's Type             : {group.kind}",
                f"DG's Symmetrix ID     : {self.array.symid}",
            )
        )
        lines = [
            "",
            *head,
            "",
            "                    Inv.                                  Inv.",
            "Logical        Sym  Tracks Logical              Sym       Tracks STD <=> BCV" + "   %" * percent,
            "-------------------------- ------------------------------------- ------------" + " ---" * percent,
        ]
        totals = [0, 0]
        for std, bcv, (left, right), word in rows:
            totals = [totals[0] + left, totals[1] + right]
            done = f" {100 - 100 * max(left, right) // std.tracks:>3}" if percent else ""
            names = ("N/A", "N/A") if group is None else group.logical(std.number, bcv.number)
            mark = " " if group is None else "*"
            lines.append(
                f"{names[0]:<14} {std.number:>4} {left:>6} {names[1]:<20} {bcv.number:>4} {mark} {right:>8} "
                + f"{word:<12}{done}".rstrip()
            )
        mega = [f"{tracks * TRACK / 2**20:.1f}" for tracks in totals]
        lines += [
            "",
            "Total              -------                               -------",
            f"  Track(s)         {totals[0]:>7}                               {totals[1]:>7}",
            f"  MB(s)            {mega[0]:>7}                               {mega[1]:>7}",
            "",
        ]
        return "\n".join(lines)

    # --- inventory --------------------------------------------------------------------------------------------------

    def arrays(self, words: Words) -> Answer:
        """symcfg list."""
        array, count = self.array, len(self.array.devices)
        tags: list[Tag] = [
            ("symid", array.symid),
            ("attachment", "Local"),
            ("model", "DMX1000"),
            ("microcode_version", array.microcode),
            ("cache_megabytes", "16384"),
            ("physical_devices", str(count)),
            ("devices", str(count)),
        ]
        if words.xml:
            return Answer(_xml([("Symmetrix", [("Symm_Info", tags)])]))
        head = (
            "\n                S Y M M E T R I X\n\n    SymmID       Attachment  Model     Mcode    Cache(MB)  Phys  Symm\n\n"
        )
        return Answer(head + f"    {array.symid} Local       DMX1000   {array.microcode}       16384 {count:>5} {count:>5}\n")

    def inquire(self, words: Words) -> Answer:
        """syminq: what an inquiry of each device says, the array's serials among it."""
        if words.xml or "-pdevfile" in words.options:
            raise Usage("syminq: this option is not emulated")
        lines = [
            f"{f'/dev/rdsk/c1t0d{index}':<18} {'BCV' if disk.bcv else '':<4} EMC  SYMMETRIX  {self.array.microcode} "
            f"{disk.serial} {disk.size // 1024:>9}"
            for index, disk in enumerate(self.array.devices.values())
        ]
        return Answer("\n".join([*_INQUIRY_HEAD, *lines, ""]))

    def devices(self, words: Words) -> Answer:
        """symdev list, and with -v everything about the devices."""
        chosen = [self._disk(n) for n in words.options["-devs"].split(",")] if "-devs" in words.options else None
        disks = list(self.array.devices.values()) if chosen is None else chosen
        if words.xml:
            whole = "-v" in words.options
            return Answer(_xml([("Symmetrix", [self._device(disk, words, whole=whole) for disk in disks])]))
        if "-v" in words.options:
            raise Usage("symdev: list -v is emulated with -output xml_e only")
        lines = [
            f"{d.number:<4} {'Not Visible':<22} {'???:?' if not d.ready else '***:*'} 09D:C3  {'BCV' if d.bcv else 'RAID-5':<13} "
            f"{_ATTRIBUTE[d.bcv]:<12} {'RW' if d.ready else 'NR'} {d.size >> 20:>7}"
            for d in disks
        ]
        return Answer("\n".join([f"\nSymmetrix ID: {self.array.symid}\n", *_DEVICE_HEAD, *lines, ""]))

    def show(self, words: Words) -> Answer:
        """symdev show."""
        disk = self._disk(words.operands[0])
        if words.xml:
            return Answer(_xml([("Symmetrix", [self._device(disk, words, whole=True)])]))
        lines = [
            f"    Symmetrix ID                : {self.array.symid}",
            f"    Device Symmetrix Name       : {disk.number}",
            f"    Device Serial ID            : {disk.serial}",
            f"    Device Configuration        : {'BCV' if disk.bcv else 'RAID-5'}",
            f"    Device Status               : {_status(disk)}",
        ]
        return Answer("\n".join([*lines, ""]))

    def _device(self, disk: Disk, words: Words, *, whole: bool) -> Tag:
        info: list[Tag] = [
            ("dev_name", self._wide(disk)),
            ("configuration", "BCV" if disk.bcv else "RAID-5"),
            ("status", _status(disk)),
        ]
        capacity: list[Tag] = [("megabytes", str(disk.size >> 20))]
        if not whole:
            return "Device", [("Dev_Info", info), ("Flags", [("meta", "None")]), ("Capacity", capacity)]
        capacity += [
            ("block_size", "512"),
            ("tracks", str(disk.tracks)),
            ("blocks", str(disk.size // 512)),
            ("kilobytes", str(disk.size // 1024)),
        ]
        product: list[Tag] = [("vendor", "EMC"), ("name", "SYMMETRIX"), ("serial_id", disk.serial), ("symid", self.array.symid)]
        return (
            "Device",
            [
                ("Dev_Info", info),
                ("Product", product),
                ("Flags", [("meta", "None")]),
                ("Capacity", capacity),
                *self._bcv_pairs(disk, words),
            ],
        )

    def _bcv_pairs(self, disk: Disk, words: Words) -> list[Tag]:
        """The pairs of a device; [UNC] a BCV that has none says so with N/A for its standard."""
        self.array.settle()
        mine = [r for r in self.array.relations.values() if disk in (r.std, r.bcv)]
        tags: list[Tag] = [
            (
                "BCV_Pair",
                [
                    ("state", self._word(r.std, r.bcv)),
                    ("last_action", self._date(r.last_action, words)),
                    ("STD", [("dev_name", self._wide(r.std))]),
                    ("BCV", [("dev_name", self._wide(r.bcv))]),
                ],
            )
            for r in mine
        ]
        if disk.bcv and not mine:
            none: Tag = ("STD", [("dev_name", "N/A")])
            state = self.array.words.get(disk.number, Word.NEVER.value)
            tags = [("BCV_Pair", [("state", state), ("last_action", "N/A"), none, ("BCV", [("dev_name", self._wide(disk))])])]
        return tags

    def _wide(self, disk: Disk) -> str:
        return disk.number.zfill(self.array.width)

    def _date(self, at: float, words: Words) -> str:
        """A time as the client prints it: [KNOW] in its own zone, which TZ sets."""
        offset = 0.0 if words.env.get("TZ", "") in {"UTC0", "UTC", "GMT0"} else self.array.utc_offset
        return time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime(at + offset))

    def switch(self, words: Words) -> Answer:
        """symdev ready and not_ready; a device that is there already is refused, as the real one does."""
        names = [*words.options.get("-devs", "").split(","), *words.operands]
        disks = [self._disk(name) for name in names if name]
        on = words.verb == "ready"
        if not disks:
            raise Usage(f"symdev: no devices to make {words.verb}")
        if held := [d.number for d in disks if self.array.held(d)]:
            raise Failed(f"Device {', '.join(held)}: the BCV is held by its standard")
        if all(d.enabled is on for d in disks):
            raise Failed("The device is already in the requested state")
        for disk in disks:
            self.array.switch(disk, on=on)
        return _done(words, "executed")

    def bcvs(self, words: Words) -> Answer:
        """symbcv list."""
        disks = [d for d in self.array.devices.values() if d.bcv]
        if words.xml:
            tags: list[Tag] = [("Device", [("Flags", [("meta", "None")]), *self._bcv_pairs(d, words)]) for d in disks]
            return Answer(_xml([("Symmetrix", tags)]))
        lines = []
        for disk in disks:
            relation = self.array.relations.get(disk.number)
            std, word = ("N/A", "NeverEstab") if relation is None else (relation.std.number, self._word(relation.std, disk))
            lines.append(f"{'Not Visible':<22} {disk.number:<5} {std:<5} {word}")
        return Answer("\n".join([*lines, ""]))

    # --- device groups ----------------------------------------------------------------------------------------------

    def _group(self, name: str) -> Group:
        if name not in self.groups:
            raise Failed(f"The device group '{name}' was not found")
        return self.groups[name]

    def group_create(self, words: Words) -> Answer:
        """symdg create."""
        name, kind = words.operands[0], words.options.get("-type", "regular")
        if kind.lower() not in {"regular", "rdf1", "rdf2", "any"}:
            raise Usage(f"symdg: invalid group type '{kind}'")
        if name in self.groups:
            raise Failed(f"The device group '{name}' already exists")
        self.groups[name] = Group(name, kind.upper())
        return Answer()

    def group_delete(self, words: Words) -> Answer:
        """symdg delete: a group with members only by force."""
        group = self._group(words.operands[0])
        if (group.standards or group.bcvs) and "-force" not in words.options:
            raise Failed(f"The device group '{group.name}' is not empty")
        del self.groups[group.name]
        return Answer()

    def group_list(self, words: Words) -> Answer:
        """symdg list."""
        lines = [
            f"{g.name:<20} {g.kind:<8} {self.array.symid} {len(g.standards):>5} {len(g.bcvs):>5}" for g in self.groups.values()
        ]
        return Answer("\n".join([*lines, ""]))

    def group_show(self, words: Words) -> Answer:
        """symdg show: the table of its devices."""
        group = self._group(words.operands[0])
        lines = [f"Group Name:  {group.name}", "", f"    Group Type                   : {group.kind}", ""]
        for prefix, numbers in (("DEV", group.standards), ("BCV", group.bcvs)):
            for index, number in enumerate(numbers, 1):
                disk = self._disk(number)
                status = "RW" if disk.ready else "NR"
                lines.append(
                    f"{prefix}{index:03d}                N/A                     {number}      {status}  {disk.size >> 20:>8}"
                )
        return Answer("\n".join([*lines, ""]))

    def associate(self, words: Words) -> Answer:
        """symld add dev, and symbcv associate dev."""
        if words.operands[0] != "dev" or "-g" not in words.options:
            raise Usage(f"{words.name}: -g GROUP {words.verb} dev DEVICE is expected")
        group, disk = self._group(words.options["-g"]), self._disk(words.operands[1])
        members = group.bcvs if words.name == "symbcv" else group.standards
        if disk.bcv is not (members is group.bcvs) or disk.number in members:
            raise Failed(f"Device {disk.number} cannot be added: it is of the other kind, or is in the group already")
        members.append(disk.number)
        return Answer()


_ATTRIBUTE = {True: "N/Asst'd", False: "N/Grp'd"}
# The heads of tables that are read by their dashes. [KNOW]
_DEVICE_HEAD = (
    "        Device Name           Directors                  Device",
    "--------------------------- ------------- -------------------------------------",
    "                                                                           Cap",
    "Sym  Physical               SA :P DA :IT  Config        Attribute    Sts   (MB)",
    "--------------------------- ------------- -------------------------------------",
    "",
)
_INQUIRY_HEAD = (
    "",
    "        Device                  Product               Device",
    "----------------------- -------------------- -------- ---------",
    "Name               Type Vendor  ID     Rev   Ser Num   Cap (KB)",
    "----------------------- -------------------- -------- ---------",
    "",
)

# State asked for: the words that fulfil it, its name, and the exit statuses for "not all" and "none".
_VERIFY: Mapping[str, tuple[frozenset[Word], str, int, int]] = {
    "-synched": (frozenset({Word.SYNCHRONIZED, Word.RESTORED}), "Synchronized", 4, 5),
    "-split": (frozenset({Word.SPLIT, Word.SPLIT_NO_INC}), "Split", 25, 26),
    "-syncinprog": (frozenset({Word.SYNC_IN_PROG}), "SyncInProg", 27, 28),
    "-restored": (frozenset({Word.RESTORED}), "Restored", 1, 1),
    "-restinprog": (frozenset({Word.REST_IN_PROG}), "RestInProg", 1, 1),
}


def _title(words: Words) -> str:
    """How SYMCLI names an operation."""
    if words.verb in {"establish", "restore"}:
        return ("Full " if "-full" in words.options else "Incremental ") + words.verb.capitalize()
    return words.verb.replace("_", " ").title()


def _where(words: Words) -> str:
    if "-g" in words.options:
        return f"for device group '{words.options['-g']}'"
    return f"for device file '{words.options['-f']}'" if "-f" in words.options else "for the devices"


def _done(words: Words, how: str) -> Answer:
    where = _where(words)
    title = f"'{_title(words)}' operation"
    return Answer(f"\n{title} execution is in progress {where}. Please wait...\n\n{title} successfully {how} {where}.\n")


def _status(disk: Disk) -> str:
    return "Ready" if disk.ready else "Not Ready"


def _xml(tags: list[Tag]) -> str:
    def lines(tag: Tag, depth: int) -> list[str]:
        name, content = tag
        indent = "  " * depth
        if isinstance(content, str):
            return [f"{indent}<{name}>{escape(content)}</{name}>"]
        inner = [line for child in content for line in lines(child, depth + 1)]
        return [f"{indent}<{name}>", *inner, f"{indent}</{name}>"]

    return "\n".join(['<?xml version="1.0" standalone="yes" ?>', *lines(("SymCLI_ML", tags), 0), ""])
