"""The management host of the array, with SYMCLI; and the backup host, which has disks of its own and nothing else."""

from __future__ import annotations

from hostdrivers.emulated.array import Array
from hostdrivers.emulated.machine import Machine, options
from hostdrivers.emulated.program import Answer, Call, Program, Usage
from hostdrivers.emulated.symcli import Group, programs

SYMCLI = "/usr/symcli/bin"


class Plain(Machine):
    """A host of which nothing is asked but files: the one that keeps the backups."""

    os = "linux"
    system_group = "root"
    no_file = "ls: cannot access '{}': No such file or directory"
    not_found = "bash: line 1: {}: command not found"

    def programs(self) -> dict[str, Program]:
        """What scripts ask of any host."""
        return {"uname": self._uname}

    def _uname(self, call: Call) -> Answer:
        found, rest = options(call.argv, "anrsvm", "", "usage: uname [-anrsvm]", 2)
        if rest:
            raise Usage("usage: uname [-anrsvm]", 2)
        return Answer(f"{self.name}\n" if "n" in found else "Linux\n")


class Management(Plain):
    """SYMCLI on a host of its own."""

    def __init__(self, name: str, array: Array) -> None:
        """The array is reached through this host's gatekeepers."""
        self.array = array
        self.device_groups: dict[str, Group] = {}
        super().__init__(name)

    def programs(self) -> dict[str, Program]:
        """SYMCLI by its bare names, and in its directory."""
        table = programs(self.array, self.read_file, self.device_groups)
        return {**super().programs(), **table, **{f"{SYMCLI}/{name}": program for name, program in table.items()}}
