"""The two Linux machines: real kernels with real LVM, whose disks are devices of the array.

A machine keeps its root overlay over power cuts, so what was written to /etc/fstab is there after the next boot.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import walstore
from tests.lab.accel import Accelerator
from tests.lab.array import MEBIBYTE, Array, Device
from tests.lab.image import Image, pack_cpio
from tests.lab.keys import KeyPair
from tests.lab.processes import LabError, Leash, free_port, ssh_answers, wait_until
from tests.lab.qmp import Qmp

MEMORY_MEBIBYTES = 768
BOOT_SECONDS = 30.0
RECONNECT_SECONDS = 1
KERNEL_WORDS = "console=ttyS0 quiet panic=-1 mitigations=off net.ifnames=0 random.trust_cpu=on"


@dataclass(slots=True)
class Machine:
    """One machine: its files in `directory`, its disks in the order of their SCSI targets; both reach the WAL in `archive`."""

    name: str
    directory: Path
    image: Image
    accelerator: Accelerator
    array: Array
    disks: tuple[Device, ...]
    host_key: KeyPair
    client_key: KeyPair
    leash: Leash
    autoactivate: bool
    archive: Path
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = field(default=None)
    _monitor: Qmp | None = field(default=None)

    @property
    def console(self) -> Path:
        """What the machine printed on its serial line, over all boots."""
        return self.directory / "console.log"

    @property
    def running(self) -> bool:
        """Whether the power is on."""
        return self._process is not None and self._process.poll() is None

    def power_on(self) -> None:
        """Switch on and return at once, so that several machines boot beside each other; then `wait`."""
        self.directory.mkdir(parents=True, exist_ok=True)
        overlay = self.directory / "root.qcow2"
        if not overlay.exists():
            backing = ["-b", str(self.image.root), "-F", "raw", str(overlay)]
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing], check=True)
        self._write_initrd()
        self._control_socket.unlink(missing_ok=True)
        with _stand_ins(self.array, self.disks):
            self._process = self.leash.spawn(self._arguments(), self.directory / "qemu.log")
            wait_until(self._opened, f"qemu of {self.name}", 20.0, self.directory / "qemu.log")
            self._monitor = Qmp(self._control_socket)  # answers only when qemu has opened all its disks
        self._control().execute("cont")

    def wait(self) -> None:
        """Wait until sshd greets."""
        limit = BOOT_SECONDS * self.accelerator.patience
        wait_until(lambda: ssh_answers(self.port) or self._gone(), f"boot of {self.name}", limit, self.console)

    def power_cut(self) -> None:
        """Kill the machine: nothing is flushed that the guest had not flushed."""
        if self._monitor is not None:
            self._monitor.close()
            self._monitor = None
        if self._process is not None:
            self.leash.end(self._process, hard=True)
            self._process = None

    def shut_down(self) -> None:
        """Let the guest end in order (ACPI is not needed: Ctrl-Alt-Del reaches init), then be sure."""
        if not self.running or self._process is None:
            return
        keys = [{"type": "qcode", "data": key} for key in ("ctrl", "alt", "delete")]
        self._control().execute("send-key", {"keys": keys})
        with suppress(subprocess.TimeoutExpired):  # a guest that hangs in I/O is cut off below
            self._process.wait(20.0 * self.accelerator.patience)
        self.power_cut()

    def reboot(self, *, hard: bool = True) -> None:
        """Power cycle and wait for sshd."""
        if hard:
            self.power_cut()
        else:
            self.shut_down()
        self.power_on()
        self.wait()

    @property
    def _control_socket(self) -> Path:
        return self.directory / "qemu.sock"

    def _gone(self) -> bool:
        if not self.running:
            raise LabError(f"{self.name} switched itself off:\n{self.console.read_text(errors='replace')[-1500:]}")
        return False

    def _opened(self) -> bool:
        if not self.running:
            raise LabError(f"qemu of {self.name} ended:\n{(self.directory / 'qemu.log').read_text()[-1500:]}")
        return self._control_socket.exists()

    def _control(self) -> Qmp:
        if self._monitor is None:
            raise LabError(f"{self.name} is off")
        return self._monitor

    def _write_initrd(self) -> None:
        """Append the machine's own files to the common initrd; the kernel unpacks both archives."""
        stage = self.directory / "own"
        own = stage / "machine"
        own.mkdir(parents=True, exist_ok=True)
        (own / "hostname").write_text(self.name + "\n")
        (own / "authorized_keys").write_text(self.client_key.public_line + "\n")
        shutil.copy2(self.host_key.private, own / "ssh_host_ed25519_key")
        if self.autoactivate:
            (own / "autoactivate").touch()
        own_initrd = self.directory / "initrd"
        own_initrd.write_bytes(self.image.initrd.read_bytes() + pack_cpio(stage))

    def _arguments(self) -> list[str]:
        overlay = {"driver": "file", "filename": str(self.directory / "root.qcow2"), "cache": {"no-flush": True}}
        root = {"driver": "qcow2", "node-name": "root", "file": overlay, "discard": "unmap"}
        arguments = [
            *("qemu-system-x86_64", "-name", self.name, "-S", "-M", "q35", "-smp", "1", "-m", str(MEMORY_MEBIBYTES)),
            *("-accel", self.accelerator.accel, "-cpu", self.accelerator.cpu),
            *("-display", "none", "-vga", "none", "-nodefaults", "-no-reboot"),
            *("-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console"),
            *("-qmp", f"unix:{self._control_socket},server=on,wait=off"),
            *("-kernel", str(self.image.kernel), "-initrd", str(self.directory / "initrd")),
            *("-append", f"{KERNEL_WORDS} {self.accelerator.kernel}"),
            *("-blockdev", json.dumps(root), "-device", "virtio-blk-pci,drive=root"),
            *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22,{walstore.forward(self.archive)}"),
            *("-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"),
            *("-device", "virtio-scsi-pci,id=scsi"),
        ]
        for target, disk in enumerate(self.disks):
            arguments += _disk_arguments(target, disk, self.array.fabric_socket(disk.name))
        return arguments


def _disk_arguments(target: int, disk: Device, socket: Path) -> list[str]:
    """Attach one array device.

    The first request after a device became not ready waits `reconnect-delay`, later ones fail at once. With a delay of
    zero, the first request after it is ready again would fail too, because qemu only then begins to reconnect.
    """
    backend = {
        "driver": "nbd",
        "node-name": disk.name,
        "server": {"type": "unix", "path": str(socket)},
        "export": disk.name,
        "reconnect-delay": RECONNECT_SECONDS,
    }
    identity = f"serial={disk.serial},wwn={disk.wwn},vendor=EMC,product=SYMMETRIX,ver=5977"
    place = f"bus=scsi.0,channel=0,scsi-id={target},lun=0"
    device = f"scsi-hd,id=disk-{disk.name},drive={disk.name},{place},{identity},rerror=report,werror=report"
    return ["-blockdev", json.dumps(backend), "-device", device]


@contextmanager
def _stand_ins(array: Array, disks: tuple[Device, ...]) -> Iterator[None]:
    """Export an empty stand-in for each disk that is not ready, because qemu won't start without its exports.

    The machine is still paused, so no guest ever reads one; when they go the disks are as not ready as before.
    """
    missing = [disk for disk in disks if disk.name not in array.exports()]
    if not missing:
        yield
        return
    for disk in missing:
        name, size = f"standin-{disk.name}", disk.mebibytes * MEBIBYTE
        array.qmp.execute("blockdev-add", {"driver": "null-co", "node-name": name, "size": size, "read-zeroes": True})
        export = {"type": "nbd", "id": name, "node-name": name, "name": disk.name, "writable": True}
        array.qmp.execute("block-export-add", export)
    try:
        yield
    finally:
        for disk in missing:
            array.qmp.execute("block-export-del", {"id": f"standin-{disk.name}", "mode": "hard"})
        wait_until(lambda: not any(name.startswith("standin-") for name in array.exports()), "stand-ins gone", 10.0)
        for disk in missing:
            array.qmp.execute("blockdev-del", {"node-name": f"standin-{disk.name}"})
