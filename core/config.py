"""The configuration from YAML: every key known, every type checked, every reference resolved, or refused with its line."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs
import yaml

from core.errors import ConfigError
from core.model import Pair
from core.pairs import read_pairs
from core.secrets import in_command, in_url, printed
from core.settings import (
    ApplicationSettings,
    ArraySettings,
    BackupSettings,
    DatabaseSettings,
    FreezeSettings,
    HostSettings,
    MountSettings,
    OracleSettings,
    PostPolicy,
    PrePolicy,
    SetSettings,
    Settings,
    odd_oracle,
)
from core.untrusted import text_file

FILE = "splitmount.yaml"
LIMIT = 256 << 10  # bytes: some hundred sets
DEPTH = 16
TOLD = 50  # of the problems of one file
OS_WORDS = ("linux", "aix", "hpux", "solaris")
ARRAY_WORDS = ("qemu", "symmetrix")
APPLICATION_WORDS = ("commands", "postgresql", "oracle")
BACKUP_WORDS = ("archive", "restic")
BECOME_WORDS = ("", "sudo", "pfexec")
_SECRETS = ("password", "passphrase", "secret", "token")


@dataclass(slots=True)
class _Reader:
    """The file that is read, and everything that is wrong with it: all of it is told at once."""

    path: Path
    pairs_of: Callable[[Path], tuple[Pair, ...]] = read_pairs
    wrong: list[tuple[int, str]] = field(default_factory=list)

    def refuse(self, node: yaml.Node, key: str, problem: str) -> None:
        """Remember a problem with its line."""
        self.wrong.append((node.start_mark.line + 1, f"{key}: {problem}" if key else problem))

    def finish(self) -> None:
        """Raise when anything was wrong."""
        if self.wrong:
            more = [f"and {len(self.wrong) - TOLD} more"] if len(self.wrong) > TOLD else []
            told = [f"{self.path}:{line}: {text}" for line, text in sorted(self.wrong)[:TOLD]]
            raise ConfigError("\n".join([*told, *more]))


class _Loader(yaml.SafeLoader):
    """YAML without aliases, by which a few lines can stand for a million, and without a depth that no configuration has."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """One node below its parent; YAMLError for an alias, or too deep a one."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refused(event, "aliases (*) are not used here: write it out")
        if self._depth >= DEPTH:
            raise _refused(event, f"nested more than {DEPTH} deep")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _refused(event: yaml.Event, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)  # type: ignore[arg-type]


Check = Callable[[_Reader, yaml.Node, str], Any]


def _scalar(reader: _Reader, node: yaml.Node, key: str, expected: str) -> str | None:
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    reader.refuse(node, key, f"expected {expected}, got {_kind(node)}")
    return None


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return "a list" if isinstance(node, yaml.SequenceNode) else repr(str(node.value))


def text(reader: _Reader, node: yaml.Node, key: str) -> str:
    """A word, as it is written: 79030000 stays what it is, and is no number."""
    value = _scalar(reader, node, key, "text")
    if value is not None and isinstance(node, yaml.ScalarNode) and not node.style and value in ("", "~", "null"):
        reader.refuse(node, key, "expected text, got nothing")
    return value or ""


def number(low: int, high: int) -> Check:
    """A whole number within bounds."""

    def check(reader: _Reader, node: yaml.Node, key: str) -> int:
        value = _scalar(reader, node, key, "a number")
        if value is not None and re.fullmatch("[0-9]{1,9}", value) and low <= int(value) <= high:
            return int(value)
        if value is not None:
            reader.refuse(node, key, f"expected a number from {low} to {high}, got {value!r}")
        return low

    return check


def truth(reader: _Reader, node: yaml.Node, key: str) -> bool:
    """true or false."""
    value = _scalar(reader, node, key, "true or false")
    if value is not None and value not in ("true", "false"):
        reader.refuse(node, key, f"expected true or false, got {value!r}")
    return value == "true"


def word(words: tuple[str, ...]) -> Check:
    """One of a few words."""

    def check(reader: _Reader, node: yaml.Node, key: str) -> str:
        value = _scalar(reader, node, key, f"one of {', '.join(w or chr(34) * 2 for w in words)}")
        if value is not None and value not in words:
            reader.refuse(
                node, key, f"expected one of {', '.join(w or chr(34) * 2 for w in words)}, got {value!r}{_near(value, words)}"
            )
        return value or ""

    return check


def path(reader: _Reader, node: yaml.Node, key: str) -> Path:
    """A path, meant relative to the file that names it."""
    return reader.path.parent.joinpath(Path(text(reader, node, key)).expanduser())


def remote_path(reader: _Reader, node: yaml.Node, key: str) -> str:
    """An absolute path on a host."""
    value = text(reader, node, key)
    if value and not value.startswith("/"):
        reader.refuse(node, key, f"expected an absolute path on the host, got {value!r}")
    return value


def words(reader: _Reader, node: yaml.Node, key: str) -> tuple[str, ...]:
    """A list of words with at least one in it."""
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        reader.refuse(node, key, f"expected a list such as [vgdata], got {_kind(node)}")
        return ()
    return tuple(text(reader, item, f"{key}[{i}]") for i, item in enumerate(node.value))


def table(reader: _Reader, node: yaml.Node, key: str) -> tuple[tuple[str, str], ...]:
    """A mapping of words, kept as text on both sides."""
    return tuple((k, text(reader, v, f"{key}.{k}")) for k, _, v in _entries(reader, node, key))


def sid(reader: _Reader, node: yaml.Node, key: str) -> str:
    """The id of a Symmetrix."""
    value = text(reader, node, key)
    if value and not re.fullmatch(r"[0-9]{12}", value):
        reader.refuse(node, key, f"expected the 12 digits of a Symmetrix id, got {value!r}")
    return value


def mount(reader: _Reader, node: yaml.Node, key: str) -> MountSettings:
    """A prefix, or a mapping with one."""
    if isinstance(node, yaml.ScalarNode):
        return MountSettings(remote_path(reader, node, key))
    return MountSettings(**_fill(reader, node, key, _MOUNT, ("prefix",), {"prefix": ""}))


def freeze(reader: _Reader, node: yaml.Node, key: str) -> FreezeSettings:
    """The freeze around the split."""
    return FreezeSettings(**_fill(reader, node, key, _FREEZE))


def backup(reader: _Reader, node: yaml.Node, key: str) -> BackupSettings:
    """Where and how to back up."""
    body = _fill(reader, node, key, _BACKUP, ("driver", "repository"), {"driver": "", "repository": ""})
    if body["driver"] == "archive" and not body.get("host") and body["repository"]:
        body["repository"] = str(reader.path.parent.joinpath(Path(body["repository"]).expanduser()))
    for name, judged in (("repository", in_url), ("password_command", printed)):
        if judged(str(body.get(name, ""))):
            reader.refuse(_child(node, name), f"{key}.{name}", _ELSEWHERE)
    if body["driver"] == "restic" and not (
        body.get("password_command") or body.get("password_file") or body.get("environment_file")
    ):
        reader.refuse(
            node, key, "restic needs password_command, password_file or environment_file; each is meant on the target"
        )
    return BackupSettings(**body)


def application(reader: _Reader, node: yaml.Node, key: str) -> ApplicationSettings:
    """The application and its commands."""
    body = _fill(reader, node, key, _APPLICATION, ("name",), {"name": ""})
    for name in (n for n in body if n in COMMANDS and in_command(body[n])):
        reader.refuse(
            _child(node, name),
            f"{key}.{name}",
            _READ_IT,
        )
    for driver, name in (("postgresql", "database"), ("oracle", "oracle")):
        if (body.get("driver", "commands") == driver) is not (body.get(name) is not None):
            reader.refuse(node, f"{key}.{name}", f"the driver {driver} needs it, and no other takes it")
    if bool(body.get("quiesce")) is not bool(body.get("release")):
        reader.refuse(node, f"{key}.release", "quiesce and release stand both or not at all: what is held must be let go")
    for name in (n for n in COMMANDS if body.get(n) and body.get("allow")):
        _allowed(reader, _child(node, name), f"{key}.{name}", str(body[name]), body["allow"])
    return ApplicationSettings(**body)


def _allowed(reader: _Reader, node: yaml.Node, key: str, text_: str, allow: tuple[str, ...]) -> None:
    """With an allow-list a command is one program of it and plain words: nothing that a shell makes more of."""
    if any(sign in text_ for sign in ";|&<>`$(){}\n\\*?[]~#!") or text_.split()[:1] == [] or text_.split()[0] not in allow:
        reader.refuse(
            node, key, f"begins with none of the programs of allow ({', '.join(allow)}), or has more than plain words"
        )


def database(reader: _Reader, node: yaml.Node, key: str) -> DatabaseSettings:
    """A PostgreSQL cluster."""
    body = _fill(reader, node, key, _DATABASE, ("data", "bin"), {"data": "", "bin": ""})
    if in_command(str(body.get("restore_command", ""))):
        reader.refuse(_child(node, "restore_command"), f"{key}.restore_command", _READ_IT)
    if body.get("backup_mode") and not body.get("restore_command"):
        reader.refuse(
            node,
            f"{key}.restore_command",
            "backup_mode needs it: the copy starts only with the WAL up to the end of the backup",
        )
    return DatabaseSettings(**body)


def oracle(reader: _Reader, node: yaml.Node, key: str) -> OracleSettings:
    """An Oracle database."""
    made = OracleSettings(**_fill(reader, node, key, _ORACLE, ("sid", "home"), {"sid": "", "home": ""}))
    if odd := odd_oracle(made):
        reader.refuse(node, f"{key}.{odd[0]}", odd[1])
    if in_command(made.query):
        reader.refuse(_child(node, "query"), f"{key}.query", _READ_IT)
    return made


_READ_IT = "a secret never stands in the configuration; let the command read it from a file"
_ELSEWHERE = (
    "a secret never stands in the configuration; the environment_file on the host is for it (RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD, "
    "AWS_SECRET_ACCESS_KEY, ...), and password_file or a password_command that reads one"
)


COMMANDS = ("running", "stop", "start", "check", "rehearse", "quiesce", "release")
_APPLICATION: Mapping[str, Check] = {
    **dict.fromkeys(("name", *COMMANDS), text), "driver": word(APPLICATION_WORDS), "files": words, "allow": words,
    "seconds": number(2, 600), "timeout": number(1, 86400), "database": database,
    "oracle": oracle,
}  # fmt: skip
_DATABASE: Mapping[str, Check] = {
    "data": remote_path, "bin": remote_path, "user": text, "socket": remote_path, "port": number(1, 65535), "name": text,
    "backup_mode": truth, "restore_command": text, "query": text,
}  # fmt: skip
_ORACLE: Mapping[str, Check] = {
    **dict.fromkeys(("sid", "user", "copy_sid", "query"), text), "home": remote_path, "control_backup": remote_path,
    "backup_mode": truth, "memory": number(256, 1_000_000),
}  # fmt: skip
_MOUNT: Mapping[str, Check] = {"prefix": remote_path, "read_only": truth}
_FREEZE: Mapping[str, Check] = {"enabled": truth, "seconds": number(2, 600)}
_BACKUP: Mapping[str, Check] = {
    "driver": word(BACKUP_WORDS), "repository": text, "host": text, "password_command": text, "password_file": text,
    "environment_file": text, "create": truth, "compression": number(1, 19),
}  # fmt: skip
_HOST: Mapping[str, Check] = {
    "os": word(OS_WORDS), "address": text, "port": number(1, 65535), "user": text, "key": path, "become": word(BECOME_WORDS),
    "jump": text, "legacy": truth, "work_dir": remote_path,
}  # fmt: skip
_ARRAY: Mapping[str, Check] = {
    "driver": word(ARRAY_WORDS), "host": text, "socket": remote_path, "devices": table, "sid": sid,
}  # fmt: skip
_SET: Mapping[str, Check] = {
    "source": text, "target": text, "array": text, "pairs": path, "volume_groups": words,
    "pre_policy": word(tuple(p.value for p in PrePolicy)), "post_policy": word(tuple(p.value for p in PostPolicy)),
    "mount": mount, "freeze": freeze, "backup": backup, "group_suffix": text, "wait_limit": number(1, 604800),
    "application": application,
}  # fmt: skip
_TOP = ("known_hosts", "state_dir", "hosts", "arrays", "sets")


def _near(value: str, known: Any) -> str:
    close = difflib.get_close_matches(value, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _entries(reader: _Reader, node: yaml.Node, key: str) -> list[tuple[str, yaml.Node, yaml.Node]]:
    """The entries of a mapping; a key that stands twice is refused."""
    if isinstance(node, yaml.ScalarNode) and node.value in ("", "~", "null"):
        return []
    if not isinstance(node, yaml.MappingNode):
        reader.refuse(node, key, f"expected a mapping, got {_kind(node)}")
        return []
    seen: dict[str, int] = {}
    out = []
    for name, value in node.value:
        label = str(name.value) if isinstance(name, yaml.ScalarNode) else ""
        if not label:
            reader.refuse(name, key, "expected a plain word as the key")
        elif label in seen:
            reader.refuse(name, f"{key}.{label}".lstrip("."), f"stands twice; first in line {seen[label]}")
        else:
            seen[label] = name.start_mark.line + 1
            out.append((label, name, value))
    return out


def _fill(
    reader: _Reader,
    node: yaml.Node,
    key: str,
    known: Mapping[str, Check],
    needed: tuple[str, ...] = (),
    empty: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The checked values of a mapping; what is needed and missing is refused, and stands as `empty` says."""
    out: dict[str, Any] = {}
    for label, name, value in _entries(reader, node, key):
        whole = f"{key}.{label}"
        if label in known:
            out[label] = known[label](reader, value, whole)
        elif any(secret in label.lower() for secret in _SECRETS):
            reader.refuse(
                name, whole, "a secret never stands in the configuration; use an agent, a key file, or a command on the host"
            )
        else:
            reader.refuse(name, whole, f"unknown key{_near(label, known)}; known here: {', '.join(known)}")
    for label in needed:
        if label not in out:
            reader.refuse(node, f"{key}.{label}", "is missing")
    return {**(empty or {}), **out}


def find() -> Path | None:
    """The file in the working directory, else in the user's configuration directory, else none."""
    here = Path(FILE)
    there = Path(platformdirs.user_config_dir("splitmount")) / FILE
    return next((p.absolute() for p in (here, there) if p.is_file()), None)


def load(path_: Path | None = None) -> Settings:
    """Read the configuration. ConfigError lists everything that is wrong, by file, line and key."""
    source = path_.absolute() if path_ is not None else find()
    if source is None:
        state = Path(platformdirs.user_state_dir("splitmount"))
        return Settings(None, {}, {}, {}, Path(platformdirs.user_config_dir("splitmount")) / "known_hosts", state)
    return parse(text_file(source, LIMIT), source)


def parse(body: str, source: Path, pairs_of: Callable[[Path], tuple[Pair, ...]] = read_pairs) -> Settings:
    """The settings of a configuration's text; `source` is its path, from which the paths in it are meant. ConfigError as `load`.

    `pairs_of` reads a pairs file: that of a text which is not written yet may not be there either.
    """
    reader = _Reader(source, pairs_of)
    settings = _settings(reader, compose(body, source))
    reader.finish()
    return settings


def compose(body: str, source: Path) -> yaml.Node | None:
    """The nodes of a configuration's text, with their places in it. ConfigError for what is no YAML that is taken here."""
    try:
        node: yaml.Node | None = yaml.compose(body, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{source}{line}: this is no YAML: {getattr(error, 'problem', error)}") from error
    return node


def _settings(reader: _Reader, node: yaml.Node | None) -> Settings:
    parts: dict[str, yaml.Node] = {}
    for label, name, value in _entries(reader, node, "") if node is not None else []:
        if label in _TOP:
            parts[label] = value
        else:
            reader.refuse(name, label, f"unknown key{_near(label, _TOP)}; known here: {', '.join(_TOP)}")
    hosts = _hosts(reader, parts.get("hosts"))
    arrays = _arrays(reader, parts.get("arrays"), hosts)
    known = parts.get("known_hosts")
    state = parts.get("state_dir")
    return Settings(
        reader.path,
        hosts,
        arrays,
        _sets(reader, parts.get("sets"), hosts, arrays),
        path(reader, known, "known_hosts") if known else Path(platformdirs.user_config_dir("splitmount")) / "known_hosts",
        path(reader, state, "state_dir") if state else Path(platformdirs.user_state_dir("splitmount")),
    )


def _refer(reader: _Reader, node: yaml.Node, key: str, value: str, known: Mapping[str, Any], what: str) -> None:
    if value and value not in known:
        names = ", ".join(known) or "none"
        reader.refuse(node, key, f"there is no {what} {value!r}{_near(value, known)}; known: {names}")


def _child(node: yaml.Node, label: str) -> yaml.Node:
    """The node of a key, for the line of an error; the mapping itself where it has none."""
    if isinstance(node, yaml.MappingNode):
        return next((v for k, v in node.value if k.value == label), node)
    return node


def _hosts(reader: _Reader, node: yaml.Node | None) -> dict[str, HostSettings]:
    out = {}
    nodes = {}
    for label, _, value in _entries(reader, node, "hosts") if node is not None else []:
        body = _fill(reader, value, f"hosts.{label}", _HOST, ("os", "address"), {"os": "", "address": ""})
        out[label], nodes[label] = HostSettings(name=label, **body), value
    for label, host in out.items():
        _refer(reader, _child(nodes[label], "jump"), f"hosts.{label}.jump", host.jump, out, "host")
        if _jumps(label, out):
            reader.refuse(_child(nodes[label], "jump"), f"hosts.{label}.jump", "the chain of jumps comes back to this host")
    return out


def _jumps(label: str, hosts: Mapping[str, HostSettings]) -> bool:
    at, seen = hosts[label].jump, set[str]()
    while at in hosts and at not in seen:
        if at == label:
            return True
        seen.add(at)
        at = hosts[at].jump
    return False


def _arrays(reader: _Reader, node: yaml.Node | None, hosts: Mapping[str, HostSettings]) -> dict[str, ArraySettings]:
    out = {}
    for label, _, value in _entries(reader, node, "arrays") if node is not None else []:
        key = f"arrays.{label}"
        array = ArraySettings(name=label, **_fill(reader, value, key, _ARRAY, ("driver", "host"), {"driver": "", "host": ""}))
        _refer(reader, _child(value, "host"), f"{key}.host", array.host, hosts, "host")
        if array.driver == "qemu" and not (array.socket and array.devices):
            reader.refuse(value, key, "the qemu driver needs socket (its QMP socket) and devices (serial: node)")
        if array.driver == "symmetrix" and not array.sid:
            reader.refuse(value, key, "the symmetrix driver needs sid (the 12 digits of the array's id)")
        out[label] = array
    return out


def _sets(
    reader: _Reader, node: yaml.Node | None, hosts: Mapping[str, HostSettings], arrays: Mapping[str, ArraySettings]
) -> dict[str, SetSettings]:
    out = {}
    for label, name, value in _entries(reader, node, "sets") if node is not None else []:
        made = _set(reader, label, value, hosts, arrays)
        if not label.replace("-", "").replace("_", "").replace(".", "").isalnum() or not label.isascii():
            reader.refuse(
                name, f"sets.{label}", "a set's name has letters, digits and - _ . only: it names files and directories"
            )
        if made is not None:
            out[label] = made
    return out


_NEEDED = ("source", "target", "array", "pairs", "volume_groups", "mount")


def _set(
    reader: _Reader, label: str, node: yaml.Node, hosts: Mapping[str, HostSettings], arrays: Mapping[str, ArraySettings]
) -> SetSettings | None:
    key, before = f"sets.{label}", len(reader.wrong)
    body = _fill(reader, node, key, _SET, _NEEDED)
    for name, known, what in (("source", hosts, "host"), ("target", hosts, "host"), ("array", arrays, "array")):
        _refer(reader, _child(node, name), f"{key}.{name}", body.get(name, ""), known, what)
    copy = body.get("backup")
    if copy is not None and copy.host:
        _refer(reader, _child(_child(node, "backup"), "host"), f"{key}.backup.host", copy.host, hosts, "host")
    if len(reader.wrong) > before:
        return None
    pairs_file = Path(os.path.normpath(body.pop("pairs")))
    try:
        pairs = reader.pairs_of(pairs_file)
    except ConfigError as error:
        reader.refuse(_child(node, "pairs"), f"{key}.pairs", str(error))
        return None
    body["pre_policy"] = PrePolicy(body.get("pre_policy", PrePolicy.DOWN_IF_NEEDED))
    body["post_policy"] = PostPolicy(body.get("post_policy", PostPolicy.AS_FOUND))
    return SetSettings(name=label, pairs_file=pairs_file, pairs=pairs, **body)
