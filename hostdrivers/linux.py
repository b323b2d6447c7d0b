"""The host driver for Linux with LVM2."""

from __future__ import annotations

from core.hosts import HostRef, ImportRequest, Mount, OwnGroup
from core.model import HostFacts
from core.plan import Step
from core.transport import Command, Result
from hostdrivers import linux_discovery, linux_steps
from hostdrivers.reads import PlainReads


class LinuxDriver:
    """Fits `core.hosts.HostDriver`; all the work is in the modules beside it."""

    @property
    def os(self) -> str:
        """The word in the configuration."""
        return "linux"

    @property
    def freezable(self) -> frozenset[str]:
        """All that fsfreeze takes."""
        return frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "jfs", "f2fs"})

    @property
    def restores_lost(self) -> bool:
        """Yes: its volumes are removed from the kernel by the UUID of their group."""
        return True

    def check(self, host: HostRef) -> Command:
        """What is missing."""
        return linux_steps.check(host)

    def discovery(self, host: HostRef) -> Command:
        """One script for everything."""
        return linux_discovery.discovery(host)

    def parse_discovery(self, host: HostRef, result: Result) -> HostFacts:
        """Its output as facts."""
        return linux_discovery.parse_discovery(host, result)

    def freeze(self, host: HostRef, mount_points: tuple[str, ...], seconds: int) -> Command:
        """The held shell."""
        return linux_steps.freeze(host, mount_points, seconds)

    def attach(self, host: HostRef, bcvs: tuple[str, ...]) -> Step:
        """BCVs visible."""
        return linux_steps.attach(host, bcvs)

    def import_group(self, host: HostRef, request: ImportRequest) -> Step:
        """An identity of its own."""
        return linux_steps.import_group(host, request)

    def activate(self, host: HostRef, request: ImportRequest) -> Step:
        """Volumes active."""
        return linux_steps.activate(host, request)

    def mount(self, host: HostRef, request: ImportRequest, mount: Mount) -> Step:
        """One filesystem mounted."""
        return linux_steps.mount(host, request, mount)

    def check_unmounted(self, host: HostRef, request: ImportRequest, mount: Mount) -> Step | None:
        """By e2fsck or xfs_repair, which change nothing with -n; a mount has replayed the journal before."""
        return linux_steps.check_unmounted(host, request, mount)

    def stop_group(self, host: HostRef, own: OwnGroup) -> Step:
        """Out of use on its own host."""
        return linux_steps.stop_group(host, own)

    def reads(self, host: HostRef) -> PlainReads:
        """With the tools of Linux."""
        return linux_steps.reads(host)

    def start_group(self, host: HostRef, own: OwnGroup) -> Step:
        """In use again."""
        return linux_steps.start_group(host, own)

    def table_entries(self, host: HostRef, request: ImportRequest) -> Step:
        """Where it would be mounted at the next start."""
        return linux_steps.table_entries(host, request)
