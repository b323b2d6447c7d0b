"""Names that hosts report, judged before anything is made of them: quoting keeps a shell safe, this keeps people and late values safe."""

from __future__ import annotations

import re

LONGEST = 4095  # bytes of a path, anywhere
_LATE = "@{"  # how a command marks what the run fills in: a name must never pass for that
_BINDING = re.compile(r"[A-Za-z0-9_.:/ -]{1,300}")


def odd_name(name: str) -> str:
    """What is wrong with a name of a group, volume, device or mount point; empty when nothing is."""
    if not name.isprintable():
        return "has characters that cannot be shown"
    if _LATE in name:
        return f"has {_LATE}, which stands for a value that is filled in later"
    if name.startswith("-"):
        return "begins with -, which every command takes for an option"
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST:
        return f"is longer than {LONGEST} bytes"
    return ""


def odd_binding(name: str, value: str) -> str:
    """What is wrong with a value that a job said it made, by the name of it; empty when nothing is."""
    if not _BINDING.fullmatch(name):
        return "its name is none"
    return odd_name(value)
