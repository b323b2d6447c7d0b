"""The scripts of the Oracle driver in the real shell of this machine, with a stand-in for SQL*Plus and a process that is named as Oracle's."""

from __future__ import annotations

import asyncio
import getpass
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.applications.base import CopyPlace
from core.applications.oracle import OracleDriver
from core.hosts import HostRef
from core.model import ApplicationFacts
from core.settings import ApplicationSettings, OracleSettings
from core.transport import Command, Result
from tests.core.backups.localtransport import LocalTransport

HERE = HostRef("here", "linux")
OTHER = "postgres"  # any user that may have a shell
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash, which can name a process")

# Files beside it are its state: `up` (the number of the process), `open`; `refuse` holds what to say to a statement of that name.
_SQLPLUS = r"""#!/bin/sh
cd {top}
text=`cat`
echo "$text" >> heard; id -un >> users
if [ -f refuse ]; then case $text in *"`sed 1q refuse`"*) sed 1d refuse; exit 9;; esac; fi
case $text in
  *startup*) mkfifo fifo; bash -c "exec 3<> fifo; exec -a ora_pmon_$ORACLE_SID cat <&3" > /dev/null 2>&1 &
    echo $! > up; echo mounted > status; echo 'ORA-32004: obsolete parameter'; echo 'Database mounted.';;
  *shutdown*) kill `cat up`; rm -f up fifo; while kill -0 `cat up` 2> /dev/null; do sleep 1; done;;
  *'set autorecovery'*) echo 'ORA-00279: change 1 needed'; echo 'Log applied.'; echo 'Media recovery complete.';;
  *'database open'*) touch open;;
  *'status from v$instance'*) if [ -f open ]; then echo status OPEN; else echo status MOUNTED; fi;;
  *flashback_on*) echo tracking ENABLED; echo flashback NO;;
  *'member from v$logfile'*'v$controlfile'*) echo "file {copy}/u/system01.dbf"; echo "file `cat lost 2> /dev/null || echo {copy}/u/redo01.log`";;
  *control_files*) echo "control `cat control 2> /dev/null || echo {copy}/u/control01.ctl`";;
  *open_mode*) echo identity 7; echo mode READ WRITE;;
  *'version from'*) cat report;;
  *orders*) echo t;;
esac
"""


class Stand:
    """A home with the stand-in, and files that lie in `u`, which `link` leads to."""

    def __init__(self, top: Path, user: str) -> None:
        self.top, self.copy, self.user = top, top / "copy" / str(top).lstrip("/"), user
        for place in (top / "u", self.copy / "u", top / "bin", top / "dbs"):
            place.mkdir(parents=True)
        (top / "link").symlink_to(top / "u")
        for name in ("system01.dbf", "control01.ctl", "redo01.log"):
            (top / "u" / name).touch()
            (self.copy / "u" / name).touch()
        program = top / "bin" / "sqlplus"
        program.write_text(_SQLPLUS.format(top=top, copy=self.copy))
        program.chmod(0o755)
        files = (("data 0", "system01.dbf"), ("control -", "control01.ctl"), ("redo -", "redo01.log"))
        lines = [f"file {what} {top}/link/{name}" for what, name in files]
        words = ["version 11.2.0.4.0", "identity 7", "position 5", "parameter db_name SHOP", "tablespace 0 SYSTEM"]
        (top / "report").write_text("\n".join([*words, *lines, f"file archive - {top}", ""]))

    def driver(self) -> OracleDriver:
        oracle = OracleSettings("SHOP", str(self.top), self.user, "SMTRY", query="select 't' from orders")
        return OracleDriver(ApplicationSettings("shop", driver="oracle", oracle=oracle, seconds=30, timeout=60))

    def do(self, command: Command | None) -> Result:
        assert command is not None
        return asyncio.run(LocalTransport().run(command))

    def facts(self) -> ApplicationFacts:
        one = self.driver()
        return one.parse_look(HERE, self.do(one.look(HERE)))

    def place(self) -> CopyPlace:
        """The copy, on the filesystem that everything is on here."""
        return CopyPlace(str(self.top / "copy"), ("/",), self.facts(), held=True)

    def running(self, sid: str) -> bool:
        return f"ora_pmon_{sid}\n" in subprocess.run(["ps", "-ef"], capture_output=True, text=True, check=True).stdout

    def heard(self) -> str:
        return (self.top / "heard").read_text()


def made(user: str) -> Iterator[Stand]:
    with tempfile.TemporaryDirectory(prefix="ora", dir="/tmp") as name:
        stand = Stand(Path(name).resolve(), user)
        for directory, _, names in os.walk(stand.top):
            for path in (directory, *(f"{directory}/{n}" for n in names)):
                shutil.chown(path, user)
        (stand.top).chmod(0o755)
        source = subprocess.Popen(["bash", "-c", "exec -a ora_pmon_SHOP cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        try:
            yield stand
        finally:
            source.communicate()
            if (stand.top / "up").exists():
                subprocess.run(["kill", (stand.top / "up").read_text().strip()], check=False)


@pytest.fixture
def stand() -> Iterator[Stand]:
    yield from made(getpass.getuser())


@needs_bash
def test_it_is_seen_by_its_process_and_its_files_are_followed_through_links(stand: Stand) -> None:
    facts = stand.facts()
    assert (facts.state, facts.identity) == ("running", "7")
    found = {(f.what, f.path, f.link) for f in facts.files or ()}
    assert ("data", f"{stand.top}/u/system01.dbf", f"{stand.top}/link/system01.dbf") in found
    assert ("archive", str(stand.top), "") in found


@needs_bash
def test_a_copy_is_started_verified_and_stopped(stand: Stand) -> None:
    start, verify, stop = stand.driver().on_copy(HERE, stand.place())
    started = stand.do(start.command)
    assert (started.exit_status, started.stderr) == (0, "")
    assert stand.running("SMTRY")
    assert f"rename file '{stand.top}/link/redo01.log' to '{stand.copy}/u/redo01.log';" in stand.heard()
    assert "alter database disable block change tracking;" in stand.heard()
    own = (stand.copy / "u" / "splitmount" / "init.ora").read_text()
    assert f"control_files='{stand.copy}/u/control01.ctl'" in own
    verified = stand.do(verify.command)
    assert (verified.exit_status, verified.stdout) == (0, "the query of the configuration gave t\n")
    assert stand.do(start.command).exit_status == 90, "an instance of that name runs"
    (stand.top / "dbs" / "lkSMTRY").touch()
    assert stand.do(stop.command).exit_status == 0
    assert not stand.running("SMTRY")
    assert stand.running("SHOP")
    assert list((stand.top / "dbs").iterdir()) == []


@needs_bash
@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("alter database open", "it does not open: ORA-01194"),
        ("set autorecovery", "it cannot be recovered: ORA-01194"),
        ("rename file", "cannot be named: ORA-01194"),
        ("", "would work on files that are not the copy's: /u01/redo01.log"),
    ],
)
def test_a_start_that_fails_leaves_no_instance(stand: Stand, statement: str, words: str) -> None:
    place = stand.place()
    if statement:
        (stand.top / "refuse").write_text(f"{statement}\nORA-01194: file 1 needs more recovery\n")
    else:
        (stand.top / "lost").write_text("/u01/redo01.log\n")
    done = stand.do(stand.driver().on_copy(HERE, place)[0].command)
    assert done.exit_status == 1
    assert words in done.stderr
    assert not stand.running("SMTRY")


@needs_bash
@pytest.mark.parametrize("how", ["gone", "a link", "in a linked directory"])
def test_a_copy_whose_file_is_not_its_own_is_refused(stand: Stand, how: str) -> None:
    place = stand.place()
    data = stand.copy / "u" / "system01.dbf"
    if how == "in a linked directory":
        (stand.copy / "u").rename(stand.top / "elsewhere")
        (stand.copy / "u").symlink_to(stand.top / "elsewhere")
    else:
        data.unlink()
        if how == "a link":
            data.symlink_to(stand.top / "u" / "system01.dbf")
    done = stand.do(stand.driver().on_copy(HERE, place)[0].command)
    assert done.exit_status == 90
    assert f"{data} is " in done.stderr
    assert "startup" not in stand.heard()


@needs_bash
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user here")
def test_root_asks_it_as_its_own_user() -> None:
    try:
        pwd.getpwnam(OTHER)
    except KeyError:
        pytest.skip(f"there is no user {OTHER}")
    for stand in made(OTHER):
        assert stand.facts().state == "running"
        assert set((stand.top / "users").read_text().split()) == {OTHER}
