"""What the configuration of an application takes, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from core.config import parse
from core.errors import ConfigError
from core.settings import ApplicationSettings

DATABASE = {"data": "/srv/pg", "bin": "/usr/lib/postgresql/15/bin"}
ORACLE = {"sid": "SHOP", "home": "/opt/oracle/11.2"}


def application(directory: Path, body: dict[str, Any]) -> ApplicationSettings | None:
    (directory / "pairs.txt").write_text("7902C000 790B4000\n")
    one = {"source": "a", "target": "b", "array": "x", "pairs": "pairs.txt", "volume_groups": ["v"], "mount": "/mnt/x"}
    hosts = {name: {"os": "linux", "address": "192.0.2.1"} for name in ("a", "b")}
    arrays = {"x": {"driver": "symmetrix", "host": "a", "sid": "000000000079"}}
    text = yaml.safe_dump({"hosts": hosts, "arrays": arrays, "sets": {"s": {**one, "application": body}}})
    return parse(text, directory / "c.yaml").sets["s"].application


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"driver": "postgresql"}, "the driver postgresql needs it"),
        ({"driver": "postgresql", "database": {**DATABASE, "backup_mode": True}}, "starts only with the WAL"),
        ({"driver": "oracle"}, "the driver oracle needs it"),
        ({"oracle": ORACLE}, "no other takes it"),
        ({"driver": "oracle", "oracle": {**ORACLE, "sid": "a'b"}}, "oracle.sid"),
        ({"driver": "oracle", "oracle": {**ORACLE, "home": "/opt/$(id)"}}, "oracle.home"),
        ({"driver": "oracle", "oracle": {**ORACLE, "copy_sid": "SHOP"}}, "another name"),
        ({"driver": "oracle", "oracle": {**ORACLE, "query": "delete from orders"}}, "one select"),
        ({"quiesce": "x"}, "what is held must be let go"),
        ({"allow": ["/opt/ctl"], "stop": "rm x"}, "none of the programs of allow"),
        ({"allow": ["/opt/ctl"], "stop": "/opt/ctl stop; rm x"}, "more than plain words"),
    ],
)
def test_an_application_that_could_not_be_trusted_is_refused(tmp_path: Path, body: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        application(tmp_path, {"name": "shop", **body})


def test_an_application_is_read(tmp_path: Path) -> None:
    one = application(tmp_path, {"name": "shop", "driver": "postgresql", "database": DATABASE, "seconds": 20})
    assert one is not None
    assert one.database is not None
    assert (one.driver, one.database.data, one.database.user, one.seconds) == ("postgresql", "/srv/pg", "postgres", 20)
    two = application(tmp_path, {"name": "shop", "driver": "oracle", "oracle": {**ORACLE, "backup_mode": "false"}})
    assert two is not None
    assert two.oracle is not None
    assert (two.oracle.sid, two.oracle.user, two.oracle.backup_mode) == ("SHOP", "oracle", False)
    assert application(tmp_path, {"name": "shop", "allow": ["/opt/ctl"], "stop": "/opt/ctl stop"}) is not None
