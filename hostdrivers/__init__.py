"""Host drivers by their word in the configuration: a literal table, so that the type checker names a missing method."""

from __future__ import annotations

from collections.abc import Mapping

from core.hosts import HostDriver
from hostdrivers.aix import AixDriver
from hostdrivers.hpux import HpuxDriver
from hostdrivers.linux import LinuxDriver
from hostdrivers.solaris import SolarisDriver

DRIVERS: Mapping[str, HostDriver] = {
    "linux": LinuxDriver(),
    "aix": AixDriver(),
    "hpux": HpuxDriver(),
    "solaris": SolarisDriver(),
}
