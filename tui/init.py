"""`splitmount init`: from nothing to a first set, a question at a time; nothing is written before it was shown and agreed to."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import os
import re
import signal
import tempfile
import threading
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from core.config import ARRAY_WORDS, FILE, OS_WORDS, find
from core.drafting import Drafting
from core.errors import ConfigError, Refused, SplitmountError
from core.events import HostMeasured
from core.propose import POST_POLICIES, PRE_POLICIES, PREFIX, Offer, for_target, offer, propose, set_name
from core.settings import ArraySettings, BackupSettings, HostSettings, MountSettings, PostPolicy, PrePolicy, SetSettings
from core.survey import Survey
from core.trust import HostKey
from tui.answers import Answers, Person, Tell, one_of, person_at_the_terminal, remote_path, text
from tui.outline import host_lines
from tui.say import say
from tui.wiring import TABLES

_PLACE = re.compile(r"(?:\[([^\]\s]+)\]|([^:\[\]\s]+))(?::(\S*))?")
_USES = {
    "data": "it has volume groups: a source or a target",
    "manager": "it manages an array, keeps backups, or is a jump host",
}
_BECOME = {"none": "the user is root, or needs to be nobody else", "sudo": "sudo -n", "pfexec": "Solaris' RBAC"}
_ARRAYS = {"symmetrix": "TimeFinder/Mirror by SYMCLI on a management host", "qemu": "a qemu-storage-daemon"}
_BACKUPS = {"archive": "a compressed tar for each filesystem", "restic": "the real restic on the target", "none": "no backup"}


def run(options: Namespace) -> int:
    """The command line's: the exit code. Ctrl+C at any question leaves everything as it was."""
    if options.record or options.replay:
        raise ConfigError("init looks at the hosts themselves: it takes neither --record nor --replay")
    begin(options, None if options.yes else person_at_the_terminal(), say)
    return 0


def begin(options: Namespace, person: Person | None, tell: Tell) -> bool:
    """The whole dialogue; whether anything was written. What the person raises to leave comes out, and all is as it was."""
    path = (options.config or find() or Path(FILE)).absolute()
    with tempfile.TemporaryDirectory(prefix="splitmount-") as own:
        return Dialogue(options, Drafting(path, TABLES, Path(own) / "known_hosts"), person, tell).run()


class Dialogue:
    """The questions, in order: hosts, arrays, sets, and whether to write."""

    def __init__(self, options: Namespace, drafting: Drafting, person: Person | None, tell: Tell) -> None:
        """What the options name is added; without any such option the person is asked for all of it."""
        self._options, self._drafting, self._tell = options, drafting, tell
        self._ask = Answers(options, person, tell)
        named = options.host or options.manager or options.array or options.group
        self._free = person is not None and not named
        if person is None and not named:
            raise ConfigError("nobody is asked here: name what to add by options (splitmount init --help)")

    def run(self) -> bool:
        """All of it; whether anything was written."""
        self._greet()
        self._hosts()
        self._arrays()
        self._sets()
        if not self._drafting.changed:
            self._tell("nothing was added, and nothing was written")
            return False
        self._finish()
        return True

    def _greet(self) -> None:
        draft, settings = self._drafting.draft, self._drafting.settings
        state = "a new file" if draft.before is None else "it keeps what it has, with its comments"
        self._tell(f"configuration: {draft.path} ({state})")
        for what, names in (("hosts", settings.hosts), ("arrays", settings.arrays), ("sets", settings.sets)):
            if names:
                self._tell(f"  {what}: {', '.join(names)}")
        self._tell(
            "Hosts are only looked at. Nothing is written before you have seen it and typed yes: leave at any question before."
        )

    @contextlib.contextmanager
    def _again(self) -> Iterator[None]:
        """What is refused is told, and the questions go on."""
        try:
            yield
        except SplitmountError as error:
            self._tell(*f"not added: {error.title}: {error}".splitlines())

    # --- hosts ------------------------------------------------------------------------------------------------------

    def _hosts(self) -> None:
        for use, words in (("manager", self._options.manager), ("data", self._options.host)):
            for word in words:
                name, address = _assigned(word, "NAME=ADDRESS")
                self._host(name, _place(address), use)
        while self._free:
            self._tell("")
            name = self._ask.of("", "Name of a host to add (Enter: no more)", text, "")
            if not name:
                return
            with self._again():
                place = self._ask.of("", "Its address, or ADDRESS:PORT", _place)
                self._host(name, place, self._ask.choice("", "What is it for", _USES, "data"))

    def _host(self, name: str, place: tuple[str, int], use: str) -> None:
        known = dict.fromkeys(self._drafting.settings.hosts, "")
        system = self._ask.choice("os", f"Which system has {name}", dict.fromkeys(OS_WORDS, ""), "linux")
        user = self._ask.of("user", "User to log in as", text, "root")
        key = self._ask.of("key", "Private key file (Enter: the SSH agent)", text, "")
        become = "none"
        if (user != "root" and use == "data") or self._options.become:
            become = self._ask.choice("become", "How does that user become root", _BECOME, "sudo")
        jump = ""
        if known or self._options.jump:
            jump = self._ask.of("jump", "Reached through which host of the file (Enter: directly)", text, "")
        host = HostSettings(
            name,
            system,
            *place,
            user,
            Path(key).expanduser().absolute() if key else None,
            "" if become == "none" else become,
            jump,
            self._options.legacy,
        )
        shown, known_already = asyncio.run(self._drafting.key_of(host))
        if not known_already:
            self._confirm(host, shown)
        facts = asyncio.run(self._drafting.add_host(host, shown, manages=use == "manager"))
        self._tell(*(host_lines(HostMeasured(name, facts.measured_at, facts)) if facts else [f"host {name}: reached"]))

    def _confirm(self, host: HostSettings, key: HostKey) -> None:
        """Agreed to by a person, or by the very fingerprint as an option."""
        self._tell(f"{host.name} ({host.address} port {host.port}) shows its key ({key.algorithm}):", f"  {key.fingerprint}")
        if key.fingerprint in self._options.fingerprint:
            return
        if not self._ask.agrees("Is this the fingerprint that the host itself shows?"):
            raise Refused(f"{host.name}: its key was not agreed to; compare it with the host's own (--fingerprint for scripts)")

    # --- arrays -----------------------------------------------------------------------------------------------------

    def _arrays(self) -> None:
        if self._options.array is not None:
            self._array(*_assigned(self._options.array, "NAME=HOST"))
        while self._free and self._drafting.settings.hosts:
            self._tell("")
            name = self._ask.of("", "Name of an array to add (Enter: no more)", text, "")
            if not name:
                break
            with self._again():
                hosts = dict.fromkeys(self._drafting.settings.hosts, "")
                self._array(name, self._ask.choice("", "Which host manages it", hosts))
        if self._options.pairs is not None:
            array = next(iter(reversed(self._drafting.settings.arrays)), "")
            self._pairs(array, self._options.pairs)

    def _array(self, name: str, host: str) -> None:
        driver = self._ask.choice("driver", f"What is {name}", {word: _ARRAYS[word] for word in ARRAY_WORDS})
        if driver == "symmetrix":
            array = ArraySettings(name, driver, host, sid=self._ask.of("sid", "Its id, 12 digits", text))
        else:
            socket = self._ask.of("socket", "Its QMP socket on that host", remote_path)
            array = ArraySettings(name, driver, host, socket, self._devices())
        pairs = asyncio.run(self._drafting.add_array(array))
        self._tell(f"array {name}: answers; it relates {len(pairs)} pairs")
        if not pairs and self._free:
            file = self._ask.of("", "Pairs file of yours: a standard and its BCV on each line (Enter: none)", text, "")
            if file:
                self._pairs(name, Path(file).expanduser())

    def _pairs(self, array: str, file: Path) -> None:
        pairs = asyncio.run(self._drafting.add_pairs(array, file))
        self._tell(f"array {array}: {len(pairs)} pairs from {file}")

    def _devices(self) -> tuple[tuple[str, str], ...]:
        """Serial and node of each device: the daemon knows no serials."""
        words = list(self._options.device)
        while self._free:
            word = self._ask.of("", "A device of it, as SERIAL=NODE (Enter: no more)", text, "")
            if not word:
                break
            words.append(word)
        return tuple(_assigned(word, "SERIAL=NODE") for word in words)

    # --- sets -------------------------------------------------------------------------------------------------------

    def _sets(self) -> None:
        if not self._options.group and not self._free:
            return
        if not self._drafting.settings.arrays:
            self._tell("", "no set can be proposed before there is an array")
            return
        found = asyncio.run(self._drafting.look())
        for what, why in found.errors.items():
            self._tell(*f"{what} could not be measured: {why}".splitlines())
        if self._options.group:
            self._set(found, self._named(found))
        while self._free:
            chosen = self._chosen(found)
            if chosen is None:
                return
            with self._again():
                self._set(found, chosen)

    def _named(self, found: Survey) -> Offer:
        """The groups that the options name."""
        groups = tuple(self._options.group)
        have = [name for name, facts in found.facts.items() if facts.group(groups[0])]
        source = self._options.source or (have[0] if len(have) == 1 else "")
        if source not in found.facts:
            raise ConfigError(
                f"--source: name the host with {groups[0]}; it is on: {', '.join(have) or 'none that was measured'}"
            )
        return offer(found.facts, found.related, self._drafting.settings, source, groups)

    def _chosen(self, found: Survey) -> Offer | None:
        """What a person takes of the proposals: one, or several groups of one source."""
        settings = self._drafting.settings
        offers = propose(found.facts, found.related, settings)
        possible = {f"{o.groups[0]} on {o.source}": o for o in offers if not o.refusal}
        self._tell("", "Sets that are possible:" if possible else "No set is possible.")
        for number, (title, one) in enumerate(possible.items(), 1):
            targets = ", ".join(f"{t.host} (sees {t.seen} of the BCVs now)" for t in one.targets if not t.refusal)
            self._tell(f"  {number}. {title}: {len(one.pairs)} pairs in {one.array}; target: {targets}")
        for one in (o for o in offers if o.refusal):
            self._tell(f"  not possible: {one.groups[0]} on {one.source}: {one.refusal}")
        if not possible:
            return None

        def take(words: str) -> Offer | None:
            chosen = [possible[one_of(word.strip(), dict.fromkeys(possible, ""))] for word in words.split(",") if word.strip()]
            if not chosen:
                return None
            if len({o.source for o in chosen}) > 1:
                raise ConfigError("the groups of a set are on one source")
            return offer(found.facts, found.related, settings, chosen[0].source, tuple(g for o in chosen for g in o.groups))

        return self._ask.of("", "Which one? A number; several with commas make one set (Enter: no more)", take, "")

    def _set(self, found: Survey, one: Offer) -> None:
        if one.refusal:
            raise Refused(f"{', '.join(one.groups)} on {one.source} cannot be a set: {one.refusal}")
        draft = self._drafting.draft
        name = self._ask.of("set", "Name of the set", text, set_name(one, draft.settings))
        fit = {
            t.host: f"sees {t.seen} of {len(one.pairs)} BCVs now; hidden ones are seen when they are ready"
            for t in one.targets
            if not t.refusal
        }
        target = self._ask.choice("target", "Which host takes the mirrors over", fit, next(iter(fit)))
        prefix = self._ask.of(
            "prefix", "Directory on the target below which the copy is mounted", remote_path, f"{PREFIX}/{name}"
        )
        suffix = self._ask.of("suffix", "What the name of the copy's group ends in", text, "_bcv")
        pre = self._ask.choice("pre_policy", "Mirrors before a backup", PRE_POLICIES, PrePolicy.DOWN_IF_NEEDED)
        post = self._ask.choice("post_policy", "Mirrors after it", POST_POLICIES, PostPolicy.AS_FOUND)
        self._drafting.add_set(
            SetSettings(
                name,
                one.source,
                target,
                one.array,
                Path(os.path.normpath(draft.path.parent / f"{name}.pairs")),
                for_target(one, found.facts[target]),
                one.groups,
                MountSettings(prefix),
                PrePolicy(pre),
                PostPolicy(post),
                backup=self._backup(),
                group_suffix=suffix,
            )
        )
        self._tell(f"set {name}: {one.source} -> {target}, {len(one.pairs)} pairs")

    def _backup(self) -> BackupSettings | None:
        driver = self._ask.choice("backup", "How is the copy backed up", _BACKUPS, "none")
        if driver == "none":
            return None
        if driver == "restic":
            repository = self._ask.of("repository", "Its repository, as the target names it", text)
            file = self._ask.of("password_file", "File with its password, on the target", remote_path)
            return BackupSettings(driver, repository, password_file=file)
        hosts = self._drafting.settings.hosts
        host = self._ask.of("backup_host", f"Where the archives lie: {', '.join(hosts)} (Enter: this machine)", text, "")
        if host:
            return BackupSettings(driver, self._ask.of("repository", f"Directory on {host}", remote_path), host)
        return BackupSettings(
            driver, str(self._ask.of("repository", "Directory here", lambda word: Path(word).expanduser().absolute()))
        )

    # --- the end ----------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        drafting = self._drafting
        self._show()
        if self._options.read_only:
            raise Refused("read-only: this was shown, and nothing was written")
        if not self._options.yes and not self._ask.agrees("Write this?"):
            raise Refused("nothing was written")
        with _undisturbed():
            drafting.write()
        written = [str(p) for p in (drafting.draft.path, *drafting.draft.pairs)]
        self._tell(
            f"written: {', '.join(written)}",
            "next: splitmount check",
            *(f"      splitmount plan backup {n}" for n in self._new_sets()),
        )

    def _new_sets(self) -> list[str]:
        files = self._drafting.draft.pairs
        return [one.name for one in self._drafting.settings.sets.values() if one.pairs_file in files]

    def _show(self) -> None:
        draft = self._drafting.draft
        self._tell("", f"--- {draft.path}{' (new)' if draft.before is None else ': what is added, among lines that stay'}")
        if draft.before is None:
            self._tell(*draft.text.splitlines())
        else:
            rows = difflib.unified_diff(draft.before.splitlines(), draft.text.splitlines(), n=2, lineterm="")
            self._tell(*list(rows)[2:])
        for path, body in draft.pairs.items():
            self._tell("", f"--- {path} (new)", *body.splitlines())
        if self._drafting.new_keys:
            rows_ = [f"{host.name}: {key.algorithm} {key.fingerprint}" for host, key in self._drafting.new_keys]
            self._tell("", f"--- {self._drafting.settings.known_hosts}: keys that are added", *rows_)
        self._tell("")


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl+C waits for the end of these few writes: before them nothing is changed, after them all of it."""
    if threading.current_thread() is not threading.main_thread():  # in the console it is a key like others
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _assigned(word: str, form: str) -> tuple[str, str]:
    name, sign, value = word.partition("=")
    if not sign or not name or not value:
        raise ConfigError(f"{word!a}: {form} is expected")
    return name, value


def _place(word: str) -> tuple[str, int]:
    """Address and port. ConfigError for a port that is none."""
    match = _PLACE.fullmatch(word)
    if match is None:
        raise ConfigError(f"{word!a} is no address: ADDRESS or ADDRESS:PORT is expected, an IPv6 address as [ADDRESS]:PORT")
    port = match[3]
    if port is not None and not (re.fullmatch("[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        raise ConfigError(f"{word!a}: the port is a number from 1 to 65535, not {port!a}")
    return match[1] or match[2], int(port or 22)
