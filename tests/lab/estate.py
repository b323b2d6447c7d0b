"""The whole test estate: image, array, management host, source and target, and the product's configuration for it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.lab.accel import choose_accelerator
from tests.lab.array import Array, Device, ManagementHost
from tests.lab.image import build_image
from tests.lab.keys import KeyPair, make_key
from tests.lab.machines import Machine
from tests.lab.processes import LabError, Leash

FIRST_STANDARD = 0x7902C000
FIRST_MIRROR = 0x790B4000
FIRST_SECOND_MIRROR = 0x790C8000
SERIAL_STEP = 0x1000
ORDINARY_SIZES = (320, 320)
AWKWARD_SIZES = (512, 512, 96)
DATABASE_SIZES = (384, 256)  # one for each of two groups
PAIR_NUMBERS = {"ordinary": (0, 1), "awkward": (2, 3, 4), "database": (5, 6)}
ALONE_SIZE = 448  # MiB of the one standard that the target has itself: it is source and target of the set "alone"


@dataclass(slots=True)
class Lab:
    """A running estate; make one with `open_lab` and leave its `with` to end every process of it."""

    directory: Path
    array: Array
    management: ManagementHost
    source: Machine
    target: Machine
    client_key: KeyPair
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        """The absolute path of the product's configuration for this estate."""
        return self.directory / "splitmount.yaml"

    @property
    def known_hosts(self) -> Path:
        """The real host keys of all three SSH servers."""
        return self.directory / "known_hosts"

    @property
    def node_of(self) -> dict[str, str]:
        """Serial to node name, for all devices."""
        return {device.serial: device.name for device in self.array.devices}

    @property
    def serial_of(self) -> dict[str, str]:
        """Node name to serial, for all devices."""
        return {device.name: device.serial for device in self.array.devices}

    def machine(self, name: str) -> Machine:
        """The machine called `source` or `target`."""
        return {"source": self.source, "target": self.target}[name]

    def ssh(
        self, machine: str, script: str, *, check: bool = True, timeout: float = 120.0, user: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell script (with -eu) on `source`, `target` or `arraymgmt`; a failure raises with its output."""
        arguments = [*self.ssh_arguments(machine, user), f"exec sh -euc {shlex.quote(script)}"]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False)
        if check and done.returncode != 0:
            raise LabError(f"{machine}: exit {done.returncode}\n{script}\n{done.stdout}{done.stderr}")
        return done

    def ssh_arguments(self, machine: str, user: str | None = None) -> list[str]:
        """The OpenSSH client's command line up to the remote command; one connection is shared for speed."""
        port = self.management.port if machine == "arraymgmt" else self.machine(machine).port
        login = user or (self.management.user if machine == "arraymgmt" else "root")
        options = {
            "IdentityFile": self.client_key.private,
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.known_hosts,
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
            "ConnectTimeout": "20",
            "ServerAliveInterval": "5",
            "ControlMaster": "auto",
            "ControlPath": self.directory / f"cm-{login}-{machine}",
            "ControlPersist": "60",
        }
        flags = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
        return ["ssh", "-F", "none", *flags, "-p", str(port), f"{login}@127.0.0.1"]

    def start(self) -> None:
        """Start the array first and then both machines beside each other, noting how long it took."""
        begin = time.monotonic()
        self.array.start()
        self.management.start()
        self.seconds["array"] = round(time.monotonic() - begin, 2)
        begin = time.monotonic()
        self.source.power_on()
        self.target.power_on()
        self.source.wait()
        self.target.wait()
        self.seconds["boot"] = round(time.monotonic() - begin, 2)

    def stop(self) -> None:
        """End everything; the machines are simply cut off, since nothing of them is kept."""
        self.source.power_cut()
        self.target.power_cut()
        self.management.stop()
        self.array.stop()

    def write_files(self) -> None:
        """Write what the product needs to know: host keys, pairs files and the configuration."""
        ports = {self.source.port: self.source.host_key, self.target.port: self.target.host_key}
        ports[self.management.port] = self.management.host_key
        self.known_hosts.write_text("".join(key.known_hosts_line(port) + "\n" for port, key in ports.items()))
        lines = {name: [self._pair_line(number) for number in numbers] for name, numbers in PAIR_NUMBERS.items()}
        for name, pair_lines in lines.items():
            (self.directory / f"pairs-{name}.txt").write_text("".join(pair_lines))
        alone = f"{self.serial_of['own0']}\t{self.serial_of['bcvown0']}\n"
        (self.directory / "pairs-alone.txt").write_text(alone)
        of_files = lines["ordinary"] + lines["awkward"]
        (self.directory / "pairs.txt").write_text("".join(of_files))
        self.config.write_text(plain_yaml(self._settings()))

    def _pair_line(self, number: int) -> str:
        return f"{self.serial_of[f'std{number}']}\t{self.serial_of[f'bcv{number}']}\n"

    def _settings(self) -> dict[str, object]:
        hosts = {
            "source": self._host(self.source.port, "root"),
            "target": self._host(self.target.port, "root"),
            # this very machine, where another estate may be at work: its files lie with this one's
            "arraymgmt": self._host(self.management.port, self.management.user) | {"work_dir": str(self.directory / "mgmt")},
        }
        socket = str(self.array.product_socket)
        array = {"driver": "qemu", "host": "arraymgmt", "socket": socket, "devices": self.node_of}
        archive: dict[str, object] = {"driver": "archive", "repository": "repo"}
        restic: dict[str, object] = {
            "driver": "restic",
            "repository": "/var/tmp/restic-repo",
            "password_command": "cat /root/.restic-password",
            "create": True,
        }
        sets = {
            "ordinary": replication_set("ordinary", ["vgdata"], archive),
            "awkward": replication_set("awkward", ["vg-awk", "vgpart"], restic),
            "alone": replication_set("alone", ["vgown"], archive) | {"source": "target"},
        }
        return {"known_hosts": "known_hosts", "hosts": hosts, "arrays": {"lab": array}, "sets": sets}

    def _host(self, port: int, user: str) -> dict[str, object]:
        return {"os": "linux", "address": "127.0.0.1", "port": port, "user": user, "key": "id_ed25519"}


def replication_set(name: str, groups: list[str], backup: dict[str, object]) -> dict[str, object]:
    """A set of the lab by the name of its file of pairs."""
    return {
        "source": "source",
        "target": "target",
        "array": "lab",
        "pairs": f"pairs-{name}.txt",
        "volume_groups": groups,
        "pre_policy": "bring-mirrors-down-if-needed",
        "post_policy": "bring-mirrors-up",
        "mount": {"prefix": f"/mnt/splitmount/{name}"},
        "freeze": {"seconds": 30},
        "backup": backup,
    }


def lab_devices() -> tuple[Device, ...]:
    """All devices: a mirror for each standard, a second one for those of the ordinary set, and a pair of the target's own."""
    sizes = ORDINARY_SIZES + AWKWARD_SIZES + DATABASE_SIZES
    return (
        *(Device(f"std{i}", f"{FIRST_STANDARD + i * SERIAL_STEP:08X}", size) for i, size in enumerate(sizes)),
        *(Device(f"bcv{i}", f"{FIRST_MIRROR + i * SERIAL_STEP:08X}", size) for i, size in enumerate(sizes)),
        *(Device(f"bcvx{i}", f"{FIRST_SECOND_MIRROR + i * SERIAL_STEP:08X}", size) for i, size in enumerate(ORDINARY_SIZES)),
        Device("own0", f"{FIRST_STANDARD + len(sizes) * SERIAL_STEP:08X}", ALONE_SIZE),
        Device("bcvown0", f"{FIRST_MIRROR + len(sizes) * SERIAL_STEP:08X}", ALONE_SIZE),
    )


@contextmanager
def open_lab(directory: Path | None = None) -> Iterator[Lab]:
    """Build what is missing, start the estate, and end it in any case; a directory of our own making is removed.

    The default directory is short and under /tmp because of the length limit of unix socket paths.
    """
    begin = time.monotonic()
    image = build_image()
    accelerator = choose_accelerator(image)
    built = round(time.monotonic() - begin, 2)
    work = directory or Path(tempfile.mkdtemp(prefix="smlab-", dir="/tmp"))
    work.mkdir(parents=True, exist_ok=True)
    leash = Leash.open()
    try:
        client = make_key(work / "id_ed25519", "splitmount-lab")
        devices = lab_devices()
        array = Array(work / "array", devices, leash)
        management = ManagementHost(work / "mgmt", make_key(work / "hostkey-mgmt", "mgmt"), client, leash)

        def machine(name: str, prefix: str | tuple[str, ...], autoactivate: bool) -> Machine:
            disks = tuple(device for device in devices if device.name.startswith(prefix))
            key = make_key(work / f"hostkey-{name}", name)
            return Machine(name, work / name, image, accelerator, array, disks, key, client, leash, autoactivate, work / "wal")

        source, target = machine("source", "std", True), machine("target", ("bcv", "own"), False)
        lab = Lab(work, array, management, source, target, client, {"image": built})
        lab.write_files()
        try:
            lab.start()
            yield lab
        finally:
            lab.stop()
    finally:
        leash.close()
        if directory is None:
            shutil.rmtree(work, ignore_errors=True)


class _Plain(yaml.SafeDumper):
    """Writes what is shared twice, as a person would: the product takes no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def plain_yaml(body: object) -> str:
    """A configuration as text."""
    return yaml.dump(body, Dumper=_Plain, sort_keys=False)
