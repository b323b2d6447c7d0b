"""The array: a `qemu-storage-daemon` with standards and mirrors, and its management host, a real OpenSSH server.

Raw files, not qcow2: copies are faster, and losing the change tracking in a crash is a case the product must survive.
"""

from __future__ import annotations

import getpass
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.keys import KeyPair
from tests.lab.processes import LabError, Leash, free_port, ssh_answers, wait_until
from tests.lab.qmp import Qmp, QmpError

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Device:
    """One device of the array: node, export and export id share `name`; `serial` is what hosts see."""

    name: str
    serial: str
    mebibytes: int

    @property
    def wwn(self) -> str:
        """A 64-bit NAA 5 name with the vendor's OUI, ending in the serial."""
        return f"0x50000970{self.serial}"


@dataclass(slots=True)
class Array:
    """The daemon, its sockets and its files, all in one directory."""

    directory: Path
    devices: tuple[Device, ...]
    leash: Leash
    _daemon: subprocess.Popen[bytes] | None = field(default=None)
    _fabric: subprocess.Popen[bytes] | None = field(default=None)
    _monitor: Qmp | None = field(default=None)

    @property
    def nbd_socket(self) -> Path:
        """The daemon's own front end; the machines reach it through the fabric."""
        return self.directory / "nbd.sock"

    def fabric_socket(self, name: str) -> Path:
        """Where a machine attaches the device."""
        return self.directory / "fabric" / name

    @property
    def product_socket(self) -> Path:
        """The monitor that the product reaches through the management host."""
        return self.directory / "qmp.sock"

    @property
    def tests_socket(self) -> Path:
        """The monitor kept for the tests, because a monitor serves one client at a time."""
        return self.directory / "qmp-tests.sock"

    def start(self, ready: Iterable[str] | None = None) -> None:
        """Start the daemon with `ready` devices exported (all by default); contents are kept from the last time."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for device in self.devices:
            path = self._file(device)
            if not path.exists():
                with path.open("wb") as handle:
                    handle.truncate(device.mebibytes * MEBIBYTE)
        for path in (self.nbd_socket, self.product_socket, self.tests_socket):
            path.unlink(missing_ok=True)
        shown = {device.name for device in self.devices} if ready is None else set(ready)
        log = self.directory / "daemon.log"
        self._daemon = self.leash.spawn(self._arguments(shown), log)
        wait_until(self._answers, "qemu-storage-daemon", 15.0, log)
        self._monitor = Qmp(self.tests_socket)
        if self._fabric is None:
            self._start_fabric()

    def _start_fabric(self) -> None:
        """Start the paths between array and hosts; they outlive a crash of the daemon, as cables do."""
        names = [device.name for device in self.devices]
        log = self.directory / "fabric.log"
        command = [sys.executable, "-m", "tests.lab.fabric", str(self.nbd_socket), str(self.directory / "fabric")]
        self._fabric = self.leash.spawn([*command, *names], log, cwd=Path(__file__).parents[2])
        wait_until(lambda: all(self.fabric_socket(name).exists() for name in names), "fabric", 15.0, log)

    def stop(self) -> None:
        """End the fabric, and the daemon in order: jobs are cancelled, files closed."""
        if self._fabric is not None:
            self.leash.end(self._fabric)
            self._fabric = None
        self._close_monitor()
        if self._daemon is not None:
            self.leash.end(self._daemon)
            self._daemon = None

    def crash(self) -> None:
        """Kill the daemon as a power failure would: change tracking and jobs are lost, data is not."""
        self._close_monitor()
        if self._daemon is not None:
            self.leash.end(self._daemon, hard=True)
            self._daemon = None

    @property
    def qmp(self) -> Qmp:
        """The tests' monitor, on one connection as long as the daemon lives.

        A monitor that is reconnected to in quick succession mixes up its sessions (seen with qemu 7.2).
        """
        if self._monitor is None:
            raise LabError("the array is not running")
        return self._monitor

    def exports(self) -> set[str]:
        """Names of the devices that hosts can see now."""
        exports = self.qmp.execute("query-block-exports")
        return {export["id"] for export in exports if not export["shutting-down"]}

    def make_ready(self, *names: str) -> None:
        """Export devices again; one that is already exported stays as it is."""
        present = self.exports()
        for name in names:
            if name not in present:
                export = {"type": "nbd", "id": name, "node-name": name, "name": name, "writable": True}
                self.qmp.execute("block-export-add", export)

    def make_not_ready(self, *names: str) -> None:
        """Take devices away from the hosts, whether they are in use or not."""
        present = self.exports()
        for name in names:
            if name in present:
                self.qmp.execute("block-export-del", {"id": name, "mode": "hard"})
        wait_until(lambda: not self.exports() & set(names), f"not ready of {names}", 10.0)

    def forget_pairs(self) -> None:
        """Cancel all jobs, drop all change tracking and make everything ready: every pair was never established."""
        _end_jobs(self.qmp)
        for node in self.qmp.execute("query-named-block-nodes", {"flat": True}):
            for bitmap in node.get("dirty-bitmaps", []):
                where = {"node": node["node-name"], "name": bitmap["name"]}
                self.qmp.execute("block-dirty-bitmap-remove", where)
        self.make_ready(*(device.name for device in self.devices))

    def device(self, name: str) -> Device:
        """Look a device up by its node name."""
        return next(device for device in self.devices if device.name == name)

    def _file(self, device: Device) -> Path:
        return self.directory / f"{device.name}.raw"

    def _close_monitor(self) -> None:
        if self._monitor is not None:
            self._monitor.close()
            self._monitor = None

    def _answers(self) -> bool:
        if self._daemon is not None and self._daemon.poll() is not None:
            raise LabError(f"qemu-storage-daemon ended:\n{(self.directory / 'daemon.log').read_text()[-1500:]}")
        return self.tests_socket.exists() and self.nbd_socket.exists()

    def _arguments(self, ready: set[str]) -> list[str]:
        arguments = ["qemu-storage-daemon"]
        for name, path in (("product", self.product_socket), ("tests", self.tests_socket)):
            arguments += ["--chardev", f"socket,id={name},path={path},server=on,wait=off"]
            arguments += ["--monitor", f"chardev={name}"]
        arguments += ["--nbd-server", f"addr.type=unix,addr.path={self.nbd_socket},max-connections=0"]
        for device in self.devices:
            arguments += ["--blockdev", json.dumps(self._blockdev(device))]
            if device.name in ready:
                name = device.name
                arguments += ["--export", f"type=nbd,id={name},node-name={name},name={name},writable=on"]
        return arguments

    def _blockdev(self, device: Device) -> dict[str, Any]:
        """A flush need not reach this machine's own disk: a killed daemon loses nothing of the page cache."""
        file = {"driver": "file", "filename": str(self._file(device)), "cache": {"no-flush": True}}
        return {"driver": "raw", "node-name": device.name, "file": file, "cache": {"no-flush": True}}


@dataclass(slots=True)
class ManagementHost:
    """The host next to the array: OpenSSH on a loopback port, which forwards to the daemon's socket."""

    directory: Path
    host_key: KeyPair
    client_key: KeyPair
    leash: Leash
    port: int = field(default_factory=free_port)
    _server: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def user(self) -> str:
        """Whoever runs the lab: a server of one's own can let no other user in."""
        return getpass.getuser()

    def start(self) -> None:
        """Write the configuration and start the server."""
        self.directory.mkdir(parents=True, exist_ok=True)
        Path("/run/sshd").mkdir(exist_ok=True)
        authorized = self.directory / "authorized_keys"
        authorized.write_text(self.client_key.public_line + "\n")
        config = self.directory / "sshd_config"
        config.write_text(self._config(authorized))
        server = shutil.which("sshd", path="/usr/sbin:/sbin:/usr/bin")
        if server is None:
            raise LabError("no sshd on this machine: install openssh-server (its own service may stay disabled)")
        log = self.directory / "sshd.log"
        self._server = self.leash.spawn([server, "-D", "-e", "-f", str(config)], log)
        wait_until(lambda: ssh_answers(self.port), "sshd of the array's management host", 15.0, log)

    def stop(self) -> None:
        """End the server and its sessions, which would otherwise live on."""
        if self._server is not None:
            self.leash.end(self._server)
            self._server = None

    def _config(self, authorized: Path) -> str:
        settings = {
            "ListenAddress": f"127.0.0.1:{self.port}",
            "HostKey": self.host_key.private,
            "AuthorizedKeysFile": authorized,
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "UseDNS": "no",
            "PasswordAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
            "AllowStreamLocalForwarding": "yes",
            "MaxStartups": "100:30:200",
            "MaxSessions": "100",
        }
        return "".join(f"{key} {value}\n" for key, value in settings.items())


def _end_jobs(qmp: Qmp) -> None:
    """Cancel and dismiss every job, whatever its state."""
    for job in qmp.execute("query-jobs"):
        if job["status"] != "concluded":
            qmp.execute("job-cancel", {"id": job["id"]})
    wait_until(lambda: all(_is_over(job) for job in qmp.execute("query-jobs")), "cancelled jobs", 30.0)
    for job in qmp.execute("query-jobs"):
        try:
            qmp.execute("job-dismiss", {"id": job["id"]})
        except QmpError as error:
            if error.error_class != "DeviceNotActive":  # an auto-dismissed job may go between the two commands
                raise


def _is_over(job: dict[str, Any]) -> bool:
    return job["status"] in ("concluded", "null")
