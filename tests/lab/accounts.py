"""Two accounts without privileges on both machines, each with the file that the product writes for it, and nothing else."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

from core.settings import Settings
from hostdrivers.privileges import Role
from tests.lab.estate import Lab
from tests.lab.product import settings_of
from tui.accounts import account_file

ACCOUNTS = {Role.INSPECTOR: "smlook", Role.OPERATOR: "smwork"}
MACHINES = ("source", "target")
UDEV = 'SUBSYSTEM=="block", ENV{{DEVTYPE}}=="{kind}", ENV{{ID_SCSI_SERIAL}}=="?*", SYMLINK+="disk/by-id/splitmount-$env{{ID_SCSI_SERIAL}}{part}"'
RULES = "\n".join(UDEV.format(kind=kind, part=part) for kind, part in (("disk", ""), ("partition", "-part%n")))


def as_account(role: Role) -> Callable[[dict[str, Any]], None]:
    """A change of the configuration: both machines by this account, and sudo."""

    def change(body: dict[str, Any]) -> None:
        for machine in MACHINES:
            name = ACCOUNTS[role]
            body["hosts"][machine] |= {"user": name, "become": "sudo", "work_dir": f"/var/tmp/splitmount-{name}"}

    return change


def install(lab: Lab) -> None:
    """Make the accounts, the names of disks, and put each account's file where sudo reads it, as root would."""
    key = shlex.quote(lab.client_key.public_line)
    for machine in MACHINES:
        for name in ACCOUNTS.values():
            lab.ssh(
                machine,
                f"id {name} >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --password '*' {name}\n"
                f"install -d -m 700 -o {name} -g {name} /home/{name}/.ssh\n"
                f"echo {key} > /home/{name}/.ssh/authorized_keys; chown {name} /home/{name}/.ssh/authorized_keys",
            )
        lab.ssh(
            machine,
            f"printf '%s\\n' {shlex.quote(RULES)} > /etc/udev/rules.d/61-splitmount.rules\n"
            "udevadm control --reload; udevadm trigger --subsystem-match=block; udevadm settle",
        )
    for role in Role:
        write_rules(lab, settings_of(lab, as_account(role)), role)


def write_rules(lab: Lab, settings: Settings, role: Role) -> None:
    """One account's file, on both machines; refused by visudo is refused here."""
    for machine in MACHINES:
        text, _, _ = account_file(settings, machine, "", role)
        path = f"/etc/sudoers.d/splitmount-{ACCOUNTS[role]}"
        lab.ssh(
            machine,
            f"cat > /root/rules <<'END'\n{text}END\nvisudo -q -c -f /root/rules\ninstall -m 440 /root/rules {path}; visudo -q -c",
        )
