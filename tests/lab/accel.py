"""Choosing how qemu runs the machines: hardware virtualisation where it truly works, software emulation elsewhere.

A /dev/kvm that opens proves little (nested or filtered hypervisors stop in protected mode), so a kernel is really booted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.lab.image import Image

PROBE_SECONDS = 8.0
PROBE_WORD = b"LAB-PROBE-OK"


@dataclass(frozen=True, slots=True)
class Accelerator:
    """Values of qemu's -accel and -cpu that go together, words for the guest's kernel, a factor for every waiting limit."""

    accel: str
    cpu: str
    kernel: str
    patience: float


# Software emulation keeps what it has translated by address: with libraries at the same address in every process a guest
# starts a program 5 times as fast (49 ms and 9 ms were measured), and a plain processor has less to emulate (7 ms).
CHOICES = {
    "kvm": Accelerator("kvm", "host", "", 1.0),
    "kvm-filtered": Accelerator("kvm", "host,arch-capabilities=off", "", 1.0),
    "tcg": Accelerator("tcg,thread=multi", "Westmere", "norandmaps nokaslr", 4.0),
}


def choose_accelerator(image: Image) -> Accelerator:
    """Follow SPLITMOUNT_LAB_ACCEL (a name of CHOICES), else probe once per boot of this machine and say what came out."""
    chosen = os.environ.get("SPLITMOUNT_LAB_ACCEL") or _kept_or_probed(image)
    if chosen == "tcg":
        print("lab: KVM does not boot a kernel here; falling back to software emulation (TCG)", file=sys.stderr)
    return CHOICES[chosen]


def _kept_or_probed(image: Image) -> str:
    """Probe at most once per boot of this machine, since a failing probe takes its whole time limit."""
    note = image.directory.parent / "accelerator-of-this-boot.json"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    if note.exists():
        kept = json.loads(note.read_text())
        if kept["boot_id"] == boot_id:
            return str(kept["accelerator"])
    chosen = next((name for name in ("kvm", "kvm-filtered") if _boots(CHOICES[name], image)), "tcg")
    note.write_text(json.dumps({"boot_id": boot_id, "accelerator": chosen}))
    return chosen


def _boots(candidate: Accelerator, image: Image) -> bool:
    """Boot kernel and initrd in probe mode, bounded in time, and look for its word on the console."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    arguments = [
        *("qemu-system-x86_64", "-M", "q35", "-accel", candidate.accel, "-cpu", candidate.cpu, "-m", "256"),
        *("-display", "none", "-nodefaults", "-no-reboot", "-serial", "stdio"),
        *("-kernel", str(image.kernel), "-initrd", str(image.initrd)),
        *("-append", "console=ttyS0 quiet panic=-1 lab.probe"),
    ]
    try:
        done = subprocess.run(arguments, capture_output=True, timeout=PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return PROBE_WORD in done.stdout
