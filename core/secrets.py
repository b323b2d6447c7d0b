"""Secrets that stand where none should: found in what a person wrote, left out of what is told."""

from __future__ import annotations

import re

_IN_URL = re.compile(r"(?<=://)([^\s/@:'\"]{0,200}):[^\s/@'\"]{1,400}(?=@)")
_ASSIGNED = re.compile(
    r"(?i)\b[a-z0-9_-]*(?:password|passwd|passphrase|secret|token|api[_-]?key)[a-z0-9_]*[=:]\s*[^\s/$`\"'=(]"
)
_VALUE = re.compile(r"(?i)\b([a-z0-9_-]*(?:password|passwd|passphrase|secret|token|api[_-]?key)[a-z0-9_]*\s?[=:]\s?)[^\s]+")
_SAID = re.compile(r"^\s*(?:/(?:usr/)?bin/)?(?:echo|printf)\s+(?!.*[$`])")


def without_passwords(text: str) -> str:
    """The text with each password in a URL (scheme://user:password@host) left out."""
    return _IN_URL.sub(r"\1:***", text) if "://" in text else text


def without_secrets(text: str) -> str:
    """The text without passwords in URLs, and without what is assigned to a name that says that it is a secret."""
    return _VALUE.sub(r"\1***", without_passwords(text))


def in_url(text: str) -> bool:
    """Whether a URL carries a password."""
    return _IN_URL.search(text) is not None


def in_command(command: str) -> bool:
    """Whether a command carries a secret that stands in it as it is, instead of one that it reads from a file or a variable."""
    return in_url(command) or _ASSIGNED.search(command) is not None


def printed(command: str) -> bool:
    """Whether a command that is to tell a password has it in its own words (`echo hunter2`)."""
    return in_command(command) or _SAID.search(command) is not None
