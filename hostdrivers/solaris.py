"""The host driver for Solaris with the Veritas Volume Manager."""

from __future__ import annotations

from core.hosts import HostRef, ImportRequest, Mount, OwnGroup
from core.model import HostFacts
from core.plan import Step
from core.transport import Command, Result
from hostdrivers import solaris_discovery, solaris_steps
from hostdrivers.reads import PlainReads


class SolarisDriver:
    """Fits `core.hosts.HostDriver`; all the work is in the modules beside it."""

    @property
    def os(self) -> str:
        """The word in the configuration."""
        return "solaris"

    @property
    def freezable(self) -> frozenset[str]:
        """UFS is locked against writes (lockfs -w); VxFS has no command for it."""
        return frozenset({"ufs"})

    @property
    def restores_lost(self) -> bool:
        """No: its group cannot be taken out of use without its labels; a person must."""
        return False

    def check(self, host: HostRef) -> Command:
        """What is missing."""
        return solaris_steps.check(host)

    def discovery(self, host: HostRef) -> Command:
        """One script for everything."""
        return solaris_discovery.discovery(host)

    def parse_discovery(self, host: HostRef, result: Result) -> HostFacts:
        """Its output as facts."""
        return solaris_discovery.parse_discovery(host, result)

    def freeze(self, host: HostRef, mount_points: tuple[str, ...], seconds: int) -> Command:
        """The held shell."""
        return solaris_steps.freeze(host, mount_points, seconds)

    def attach(self, host: HostRef, bcvs: tuple[str, ...]) -> Step:
        """BCVs visible."""
        return solaris_steps.attach(host, bcvs)

    def import_group(self, host: HostRef, request: ImportRequest, *, clear: bool = False) -> Step:
        """In this host's hands; `clear` allows the import lock of a host that is not the source."""
        return solaris_steps.import_group(host, request, clear=clear)

    def activate(self, host: HostRef, request: ImportRequest) -> Step:
        """Volumes started."""
        return solaris_steps.activate(host, request)

    def mount(self, host: HostRef, request: ImportRequest, mount: Mount) -> Step:
        """One filesystem checked and mounted."""
        return solaris_steps.mount(host, request, mount)

    def check_unmounted(self, host: HostRef, request: ImportRequest, mount: Mount) -> Step | None:
        """No: it was checked before it was mounted."""
        return None

    def stop_group(self, host: HostRef, own: OwnGroup) -> Step:
        """Out of use on its own host."""
        return solaris_steps.stop_group(host, own)

    def reads(self, host: HostRef) -> PlainReads:
        """With the tools of Solaris."""
        return solaris_steps.reads(host)

    def start_group(self, host: HostRef, own: OwnGroup) -> Step:
        """In use again."""
        return solaris_steps.start_group(host, own)

    def table_entries(self, host: HostRef, request: ImportRequest) -> Step:
        """Where it would be mounted at the next start."""
        return solaris_steps.table_entries(host, request)
