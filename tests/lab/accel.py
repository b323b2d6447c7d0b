"""Choosing how qemu runs the machines: hardware virtualisation where it truly works, software emulation elsewhere.

A /dev/kvm that opens proves little (nested or filtered hypervisors stop in protected mode), so a kernel is really booted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.lab.image import Image

PROBE_SECONDS = 8.0
PROBE_WORD = b"LAB-PROBE-OK"


@dataclass(frozen=True, slots=True)
class Accelerator:
    """Values of qemu's -accel and -cpu that go together, and a factor for every waiting limit."""

    accel: str
    cpu: str
    patience: float


KVM = Accelerator("kvm", "host", 1.0)
KVM_FILTERED = Accelerator("kvm", "host,arch-capabilities=off", 1.0)
TCG = Accelerator("tcg,thread=multi", "max,la57=off", 4.0)  # a fifth level of page tables costs time and serves nothing here


def choose_accelerator(image: Image) -> Accelerator:
    """Follow SPLITMOUNT_LAB_ACCEL (kvm or tcg), else probe once per boot of this machine and say what came out."""
    named = os.environ.get("SPLITMOUNT_LAB_ACCEL")
    if named:
        return {"kvm": KVM, "kvm-filtered": KVM_FILTERED, "tcg": TCG}[named]
    chosen = _kept_or_probed(image)
    if chosen == TCG:
        print("lab: KVM does not boot a kernel here; falling back to software emulation (TCG)", file=sys.stderr)
    return chosen


def _kept_or_probed(image: Image) -> Accelerator:
    """Probe at most once per boot of this machine, since a failing probe takes its whole time limit."""
    note = image.directory.parent / "accelerator.json"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    if note.exists():
        kept = json.loads(note.read_text())
        if kept.pop("boot_id") == boot_id:
            return Accelerator(**kept)
    chosen = next((candidate for candidate in (KVM, KVM_FILTERED) if _boots(candidate, image)), TCG)
    note.write_text(json.dumps({"boot_id": boot_id, **asdict(chosen)}))
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
