"""The pins of each system by its word: a literal table, so that a system without any is seen at once."""

from __future__ import annotations

from collections.abc import Mapping

from hostdrivers.pins_linux import LINUX
from hostdrivers.pins_old import AIX, HPUX, SOLARIS
from hostdrivers.privileges import Pins

PINS: Mapping[str, Pins] = {"linux": LINUX, "aix": AIX, "hpux": HPUX, "solaris": SOLARIS}
