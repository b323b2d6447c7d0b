"""`splitmount sudoers HOST`: the rules of the two accounts, made from the commands that the drivers build for this configuration."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator

from core.backups.base import BackupDriver
from core.errors import ConfigError, Refused
from core.hosts import HostRef
from core.mapfile import host_facts
from core.maps import MapKeeper
from core.model import MOUNTED_KINDS
from core.settings import HostSettings, SetSettings, Settings
from hostdrivers import DRIVERS
from hostdrivers.catalogue import Sides, privileged
from hostdrivers.pins import PINS
from hostdrivers.privileges import LeftOut, OwnMount, Role, Rule, Scope, escaped, rules
from hostdrivers.sudoers import argument_text, rbac, sudoers
from tui.lines import answer
from tui.say import say
from tui.wiring import BACKUPS

_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")


def account_file(
    settings: Settings, host_name: str, account: str, role: Role
) -> tuple[str, tuple[Rule, ...], tuple[LeftOut, ...]]:
    """The file for an account on a host, its rules, and what it leaves out."""
    host = _host(settings, host_name)
    name = account or host.user
    if not _ACCOUNT.fullmatch(name) or name == "root":
        raise ConfigError(f"{host_name}: {name!r} is no account that needs rules; name one with --account")
    made, lacking = _rules(settings, host, role)
    if not made:
        raise Refused(f"{host_name} is neither source nor target of a set: nothing there runs as root")
    if host.become == "pfexec" and role is Role.INSPECTOR:
        raise Refused(
            f"{host_name}: RBAC cannot pin arguments: with vxdg or fuser an inspector could change things. Use `become: sudo` there"
        )
    if host.become == "pfexec":
        return rbac(host_name, name, role, made, lacking), made, lacking
    return sudoers(host_name, name, role, made, lacking), made, lacking


def _host(settings: Settings, name: str) -> HostSettings:
    if name not in settings.hosts:
        raise ConfigError(f"there is no host {name!r} in {settings.path}; known: {', '.join(settings.hosts)}")
    return settings.hosts[name]


def _rules(settings: Settings, host: HostSettings, role: Role) -> tuple[tuple[Rule, ...], tuple[LeftOut, ...]]:
    """For every set that the host has a part in, each rule once."""
    ref = HostRef(host.name, host.os, host.become or "sudo", host.work_dir)
    made: dict[Rule, None] = {}
    lacking: dict[LeftOut, None] = {}
    for one, sides in _parts(settings, host):
        scope = _scope(settings, one, host, sides)
        allowed, left = rules(PINS[host.os], scope, role, privileged(DRIVERS[host.os], ref, sides))
        made |= dict.fromkeys(allowed)
        lacking |= dict.fromkeys(left)
        own, not_own = _application(one, host, role)
        made |= dict.fromkeys(own)
        lacking |= dict.fromkeys(not_own)
    return tuple(made), tuple(lacking)


def _application(one: SetSettings, host: HostSettings, role: Role) -> tuple[tuple[Rule, ...], tuple[LeftOut, ...]]:
    """What the driver of a PostgreSQL needs: to be the user who runs it, and never root. Looking at it needs that too."""
    app = one.application
    if app is None or app.database is None or app.database.user == "root" or host.become == "pfexec":
        return (), ()
    user, titles = app.database.user, (f"{app.name} (postgresql)",)
    if role is Role.INSPECTOR:
        why = f"whoever is {user} can change the database; without it the state of {app.name} is shown as unknown"
        return (), (LeftOut(f"runuser -u {user} -- ...", why, titles),)
    loose = f"any command as {user}, who can do all with the database {app.name}"
    return (Rule(PINS[host.os].path("runuser"), f"-u {escaped(user)} -- .+", False, titles, loose),), ()


def _parts(settings: Settings, host: HostSettings) -> Iterator[tuple[SetSettings, Sides]]:
    """Each set, once for each side on which the host stands."""
    for one in settings.sets.values():
        backup: BackupDriver | None = BACKUPS[one.backup.driver](one.backup) if one.backup else None
        if one.source == host.name:
            yield one, Sides(True, False, one.name, backup)
        if one.target == host.name:
            yield one, Sides(False, True, one.name, backup)


def _scope(settings: Settings, one: SetSettings, host: HostSettings, sides: Sides) -> Scope:
    kept = MapKeeper(settings.state_dir / "maps").newest(one.name)
    found = host_facts(kept).filesystems if kept else ()
    mounts = tuple(
        OwnMount(f.group, f.volume, f.kind, f.mount_point)
        for f in found
        if f.group in one.volume_groups and f.mount_point.startswith("/") and f.kind in MOUNTED_KINDS
    )
    names = (*(g + one.group_suffix for g in one.volume_groups), *one.volume_groups)
    copies = tuple(name + end for name in names for end in ("", "_sm")) if sides.target else ()
    serials = tuple(pair.bcv if sides.target else pair.std for pair in one.pairs)
    return Scope(one.volume_groups, copies, one.mount.prefix, mounts, serials, host.work_dir, sides.target)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Print the file; with --json the rules."""
    role = Role(options.role)
    text, made, lacking = account_file(settings, options.host, options.account, role)
    if options.json:
        rows = [{"command": r.path, "arguments": argument_text(r), "for": list(r.titles)} for r in made]
        left = [{"command": one.text, "reason": one.reason, "for": list(one.titles)} for one in lacking]
        return answer({"host": options.host, "role": role.value, "rules": rows, "left_out": left})
    say(*text.rstrip("\n").split("\n"))
    if not any(one.reason.startswith("no kept map") for one in lacking):
        return 0
    print(  # noqa: T201
        "splitmount: some rules wait for a map: run `splitmount map SET`, then write this file again", file=sys.stderr
    )
    return 0
