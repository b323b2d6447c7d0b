"""The options of `splitmount init`: every question has one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

WHAT = "add hosts, an array and sets to a configuration, by questions; shown first, and written after a yes"
MORE = (
    "Without options everything is asked. What options name is added and nothing else; with --yes no question is asked at all, and a host "
    "whose key is not known needs its --fingerprint. Hosts are only read. See docs/first-set.md."
)


def add_to(one: argparse.ArgumentParser) -> None:
    """Every question as an option, for scripts; those of hosts hold for all hosts of the call."""

    def word(name: str, metavar: str, text: str, *, many: bool = False) -> None:
        more: dict[str, Any] = {"action": "append", "default": []} if many else {}
        one.add_argument(name, metavar=metavar, help=text, **more)

    word("--host", "NAME=ADDRESS[:PORT]", "a source or target; may be repeated", many=True)
    word("--manager", "NAME=ADDRESS[:PORT]", "a host that manages an array, keeps backups or is a jump host", many=True)
    word("--os", "WORD", "linux, aix, hpux or solaris")
    word("--user", "NAME", "log in as; default: root")
    word("--key", "FILE", "private key; default: the SSH agent")
    word("--become", "WORD", "none, sudo or pfexec")
    word("--jump", "HOST", "the host of the file through which they are reached")
    one.add_argument("--legacy", action="store_true", help="allow their old key exchanges")
    word("--fingerprint", "SHA256:...", "of a host key that you have compared already; may be repeated", many=True)
    word("--array", "NAME=HOST", "an array, and the host that manages it")
    word("--driver", "WORD", "symmetrix or qemu")
    word("--sid", "DIGITS", "symmetrix: its id")
    word("--socket", "PATH", "qemu: its QMP socket on that host")
    word("--device", "SERIAL=NODE", "qemu: a device; may be repeated", many=True)
    one.add_argument("--pairs", type=Path, metavar="FILE", help="pairs of the (newest) array, where it relates none itself")
    word("--group", "VG", "a volume group of the new set; may be repeated", many=True)
    for name, metavar, text in (
        ("--source", "HOST", "the host with these groups, where several have them"),
        ("--set", "SET", "the set's name"),
        ("--target", "HOST", "the host that takes the mirrors over"),
        ("--prefix", "DIR", "where the copy is mounted there"),
        ("--suffix", "WORD", "what the name of the copy's group ends in"),
        ("--pre-policy", "POLICY", "mirrors before a backup"),
        ("--post-policy", "POLICY", "mirrors after it"),
        ("--backup", "WORD", "archive, restic or none"),
        ("--repository", "PLACE", "of the backups"),
        ("--backup-host", "HOST", "archive: the host with the repository; default: this machine"),
        ("--password-file", "PATH", "restic: on the target"),
    ):
        word(name, metavar, text)
    one.add_argument("--yes", action="store_true", help="ask nothing, and write")


def nothing(config: Path | None, read_only: bool) -> argparse.Namespace:
    """No option given: all is asked."""
    one = argparse.ArgumentParser()
    add_to(one)
    return one.parse_args([], argparse.Namespace(config=config, read_only=read_only))
