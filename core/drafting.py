"""A configuration in the making: hosts are looked at before they are in it, and nothing is on disk before it is written whole.

Keys that a person confirmed are kept in a file of this session alone until then. Every transport here only reads.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from core.configedit import added
from core.configfile import opened, pairs_written, put
from core.engine import DriverTables
from core.errors import ConfigError, TransportError
from core.hosts import facts_of, ref_of
from core.model import HostFacts, Pair, PairState
from core.pairs import read_pairs
from core.settings import ArraySettings, HostSettings, SetSettings, Settings
from core.ssh import SshTransport
from core.survey import Survey, survey
from core.transport import Command, Status, Transport
from core.trust import HostKey, changed, default_files, known, store_key


class Drafting:
    """One session. What is refused leaves it as it was."""

    def __init__(self, path: Path, tables: DriverTables, own_keys: Path) -> None:
        """`own_keys` is a file that goes with the session. ConfigError when the configuration at `path` is wrong already."""
        self.draft = opened(path)
        self._tables, self._own = tables, own_keys
        self._confirmed: list[tuple[HostSettings, HostKey]] = []
        self._facts: dict[str, HostFacts] = {}
        self._managing: set[str] = set()
        self._given: dict[str, tuple[Pair, ...]] = {}

    @property
    def settings(self) -> Settings:
        """What the configuration would be now."""
        return self.draft.settings

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return self.draft.text != (self.draft.before or "")

    @property
    def new_keys(self) -> tuple[tuple[HostSettings, HostKey], ...]:
        """The keys that will be stored: those of hosts that are in the draft."""
        used = {(h.address, h.port) for h in self.settings.hosts.values()}
        return tuple((host, key) for host, key in self._confirmed if (host.address, host.port) in used)

    async def key_of(self, host: HostSettings) -> tuple[HostKey, bool]:
        """The key that a host shows, and whether it is known already. HostKeyChanged, TransportError.

        ConfigError for a host that cannot be in the file.
        """
        async with self._transport(added(self.draft, host).settings) as transport:
            key = await transport.host_key(host.name)
        verdict = known(self._believed, host, key)
        if verdict == "changed":
            raise changed(self.settings.known_hosts, host, key)
        return key, verdict == "known"

    async def add_host(self, host: HostSettings, key: HostKey, *, manages: bool) -> HostFacts | None:
        """Trust the key, reach the host and, unless it only manages others, measure it. SplitmountError: it is not added."""
        draft = added(self.draft, host)
        if store_key(self._own, host, key, files=self._believed[1:]):
            self._confirmed.append((host, key))
        async with self._transport(draft.settings) as transport:
            facts = None if manages else await facts_of(transport, self._tables.hosts[host.os], ref_of(host))
            if manages:
                await _reach(transport, host.name)
        if facts is None:
            self._managing.add(host.name)
        else:
            self._facts[host.name] = facts
        self.draft = draft
        return facts

    async def add_array(self, array: ArraySettings) -> tuple[Pair, ...]:
        """Try it, and give the pairs that it relates. ConfigError says what it lacks; SplitmountError: it is not added."""
        draft = added(self.draft, array)
        async with self._transport(draft.settings) as transport:
            driver = self._tables.arrays[array.driver](array)
            if lacking := await driver.check(transport):
                raise ConfigError(f"array {array.name}: {'; '.join(lacking)}")
            pairs = await driver.related(transport)
        self.draft = draft
        return pairs

    async def add_pairs(self, array: str, path: Path) -> tuple[Pair, ...]:
        """Take the pairs of an array from a person's file. ConfigError as `core.pairs`, and for pairs that the array does not know."""
        settings = self.settings
        if array not in settings.arrays:
            raise ConfigError(f"there is no array {array!r}; known: {', '.join(settings.arrays) or 'none'}")
        pairs, one = read_pairs(path), settings.arrays[array]
        async with self._transport(settings) as transport:
            found = await self._tables.arrays[one.driver](one).status(transport, pairs)
        if odd := [status.told for status in found if status.state is PairState.UNKNOWN]:
            raise ConfigError(f"{path}: array {array} does not know these pairs as they stand there: {'; '.join(odd)}")
        self._given[array] = pairs
        return pairs

    async def look(self) -> Survey:
        """All that is known for proposals: every host that could have volume groups, and every array."""
        settings = self.settings
        part = {name for s in settings.sets.values() for name in (s.source, s.target)}
        managing = {a.host for a in settings.arrays.values()} | {h.jump for h in settings.hosts.values()}
        managing |= {s.backup.host for s in settings.sets.values() if s.backup}
        names = [name for name in settings.hosts if name not in self._facts and name not in self._managing]
        async with self._transport(settings) as transport:
            found = await survey(settings, self._tables, transport, names)
        self._facts |= found.facts
        quiet = {f"host {name}" for name in managing - part}  # a manager without volume groups is as it should be
        errors = {what: why for what, why in found.errors.items() if what not in quiet}
        return Survey(dict(self._facts), {**found.related, **self._given}, errors)

    def add_set(self, one: SetSettings) -> None:
        """ConfigError as `core.configedit`."""
        if one.pairs_file.exists() or one.pairs_file.is_symlink():
            raise ConfigError(f"{one.pairs_file}: is there already, and is never overwritten; choose another name for the set")
        self.draft = added(self.draft, one)

    def write(self) -> None:
        """Pairs files, keys, and last of all the configuration. SplitmountError: it was not written."""
        known_hosts = self.settings.known_hosts
        with pairs_written(self.draft):
            try:
                for host, key in self.new_keys:
                    store_key(known_hosts, host, key, files=default_files())
            except OSError as error:
                raise ConfigError(f"{known_hosts}: {error.strerror}") from error
            put(self.draft)

    @property
    def _believed(self) -> tuple[Path, ...]:
        return (self._own, self.draft.settings.known_hosts, *default_files())

    @asynccontextmanager
    async def _transport(self, settings: Settings) -> AsyncIterator[SshTransport]:
        made = SshTransport(settings.hosts, self._own, read_only=True, extra_known_hosts=self._believed[1:])
        try:
            yield made
        finally:
            await made.aclose()


async def _reach(transport: Transport, name: str) -> None:
    result = await transport.run(Command(name, f"reach {name}", "true\n"))
    if result.status is not Status.OK:
        raise TransportError(f"{name}: a plain `true` ended with {result.exit_status}: {result.reason or result.stderr}")
