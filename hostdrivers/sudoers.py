"""The rules of an account as the files that the systems read: sudoers, and exec_attr and prof_attr of Solaris."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from hostdrivers.privileges import LeftOut, Role, Rule, escaped

# What restic is told by the environment: names of places and keys, and nothing that it would run.
_KEPT = (
    "RESTIC_PROGRESS_FPS RESTIC_PASSWORD RESTIC_REST_USERNAME RESTIC_REST_PASSWORD AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY "
    "AWS_SESSION_TOKEN AWS_DEFAULT_REGION B2_ACCOUNT_ID B2_ACCOUNT_KEY AZURE_ACCOUNT_NAME AZURE_ACCOUNT_KEY"
)
_PLAIN = re.compile(r"[A-Za-z0-9_./+@%:,= -]*")  # what sudoers takes word for word, but for three characters


def argument_text(rule: Rule) -> str:
    """The arguments as sudoers has them: `""` for none at all, an expression, or the very words."""
    if not rule.exact:
        return f"^{rule.arguments}$"
    if _PLAIN.fullmatch(rule.arguments):
        return re.sub("([,:=])", r"\\\1", rule.arguments) or '""'
    return f"^{escaped(rule.arguments)}$"


def sudoers(host: str, account: str, role: Role, rules: Sequence[Rule], left_out: Iterable[LeftOut]) -> str:
    """A whole file for /etc/sudoers.d. Expressions need sudo 1.9.10; an account's own environment and directory never count."""
    rows = list(dict.fromkeys((rule.path, argument_text(rule)) for rule in rules))
    lines = [
        f"# {host}: what the {role.value} account of splitmount may run as root. Written by: splitmount sudoers {host} --role {role.value}",
        "# Install it with: visudo -c -f FILE && install -m 440 -o root -g root FILE /etc/sudoers.d/" + f"splitmount-{account}",
        "# Needs sudo 1.9.10 or newer: older ones do not know ^expressions$ and refuse the file.",
        f"Defaults:{account} env_reset, !setenv, !requiretty, runcwd=/",
        f'Defaults:{account} secure_path="/usr/sbin:/usr/bin:/sbin:/bin"',
    ]
    lines += [f'Defaults:{account} env_keep += "{_KEPT}"'] if any(rule.path.endswith("/restic") for rule in rules) else []
    loose = dict.fromkeys((rule.path, rule.loose) for rule in rules if rule.loose)
    lines += [*(f"# not pinned to the end: {path}: {why}" for path, why in loose), *comments(left_out), ""]
    lines += [f"{account} ALL=(root) NOPASSWD: {path} {arguments}" for path, arguments in rows]
    return "\n".join(lines) + "\n"


def comments(left_out: Iterable[LeftOut]) -> list[str]:
    """What the file does not allow, for the person who installs it."""
    out = []
    for one in left_out:
        text = f"left out: {one.text}: {one.reason} (needed for: {', '.join(one.titles)})"
        out += [
            "# " + line for line in textwrap.wrap(text.replace("\n", " "), 140, break_long_words=False, break_on_hyphens=False)
        ]
    return ["#", *out] if out else []


def rbac(host: str, account: str, role: Role, rules: Iterable[Rule], left_out: Iterable[LeftOut]) -> str:
    """Lines for Solaris: RBAC names commands and never their arguments, so an operator's profile is as good as root."""
    profile = f"Splitmount {role.value.capitalize()}"
    paths = sorted({rule.path for rule in rules})
    lines = [
        f"# {host}: what the {role.value} account of splitmount may run as root by pfexec.",
        "# RBAC cannot pin arguments. Whoever has this profile can do all that these commands can.",
        "# /etc/security/prof_attr:",
        f"{profile}:::Splitmount, the {role.value} account:",
        "# /etc/security/exec_attr:",
        *(f"{profile}:suser:cmd:::{path}:uid=0" for path in paths),
        f"# then: usermod -P '{profile}' {account}",
        *comments(left_out),
    ]
    return "\n".join(lines) + "\n"
