"""The host driver for AIX with its own logical volume manager."""

from __future__ import annotations

from core.hosts import HostRef, ImportRequest, Mount, OwnGroup
from core.model import HostFacts
from core.plan import Step
from core.transport import Command, Result
from hostdrivers import aix_discovery, aix_steps
from hostdrivers.reads import PlainReads


class AixDriver:
    """Fits `core.hosts.HostDriver`; all the work is in the modules beside it."""

    @property
    def os(self) -> str:
        """The word in the configuration."""
        return "aix"

    @property
    def freezable(self) -> frozenset[str]:
        """JFS2 freezes since AIX 5.2 (chfs -a freeze); JFS never could."""
        return frozenset({"jfs2"})

    @property
    def restores_lost(self) -> bool:
        """No: its group cannot be taken out of use without its labels; a person must."""
        return False

    def check(self, host: HostRef) -> Command:
        """What is missing."""
        return aix_steps.check(host)

    def discovery(self, host: HostRef) -> Command:
        """One script for everything."""
        return aix_discovery.discovery(host)

    def parse_discovery(self, host: HostRef, result: Result) -> HostFacts:
        """Its output as facts."""
        return aix_discovery.parse_discovery(host, result)

    def freeze(self, host: HostRef, mount_points: tuple[str, ...], seconds: int) -> Command:
        """The held shell."""
        return aix_steps.freeze(host, mount_points, seconds)

    def attach(self, host: HostRef, bcvs: tuple[str, ...]) -> Step:
        """BCVs visible."""
        return aix_steps.attach(host, bcvs)

    def import_group(self, host: HostRef, request: ImportRequest) -> Step:
        """In this host's hands."""
        return aix_steps.import_group(host, request)

    def activate(self, host: HostRef, request: ImportRequest) -> Step:
        """Varied on."""
        return aix_steps.activate(host, request)

    def mount(self, host: HostRef, request: ImportRequest, mount: Mount) -> Step:
        """One filesystem checked and mounted."""
        return aix_steps.mount(host, request, mount)

    def check_unmounted(self, host: HostRef, request: ImportRequest, mount: Mount) -> Step | None:
        """No: it was checked before it was mounted."""
        return None

    def stop_group(self, host: HostRef, own: OwnGroup) -> Step:
        """Out of use on its own host."""
        return aix_steps.stop_group(host, own)

    def reads(self, host: HostRef) -> PlainReads:
        """With the tools of AIX."""
        return aix_steps.reads(host)

    def start_group(self, host: HostRef, own: OwnGroup) -> Step:
        """In use again."""
        return aix_steps.start_group(host, own)

    def table_entries(self, host: HostRef, request: ImportRequest) -> Step:
        """Where it would be mounted at the next start."""
        return aix_steps.table_entries(host, request)
