"""Discovery of fifty hosts: ours against bare asyncssh, Ansible and pyinfra, all on the same hosts in the same run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.bench.fleet import GROUPS, HOSTS, Fleet, bare, fleet, ours
from tests.bench.ratio import Ratio, in_turn, seconds, timed

PEERS = ("ansible-core==2.19.14", "pyinfra==3.10.0")
HOME = Path("build/peers")  # an environment of their own, kept for the next time
FACTS = "server.Hostname server.Kernel server.KernelVersion server.Mounts server.LinuxName server.Os server.Users server.Date"
ROUNDS = 3


def peers() -> Path:
    """Their programs, installed when they are not there."""
    programs = HOME.absolute() / "bin"
    if not (programs / "pyinfra").exists():
        subprocess.run([sys.executable, "-m", "venv", HOME], check=True)
        subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", *PEERS], check=True)
    return programs


def _ansible(made: Fleet) -> Mapping[str, str]:
    """Its inventory and the playbook with our script; what it needs in its environment."""
    ssh = f"-F none -o UserKnownHostsFile={made.known_hosts} -o ControlMaster=no -o ControlPersist=no"
    user = os.environ.get("USER", "root")
    common = f"ansible_host=127.0.0.1 ansible_user={user} ansible_ssh_private_key_file={made.key}"
    rows = [
        f"{name} ansible_port={port} {common} ansible_python_interpreter=/usr/bin/python3\n"
        for name, port in made.names.items()
    ]
    (made.directory / "inventory.ini").write_text("".join(rows))
    script = json.dumps(made.script)  # JSON's strings are YAML's; `!unsafe`: its braces are the shell's
    (made.directory / "raw.yml").write_text(f"- hosts: all\n  gather_facts: false\n  tasks:\n    - raw: !unsafe {script}\n")
    return {
        "ANSIBLE_SSH_ARGS": ssh,
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_FORKS": str(HOSTS),
        "ANSIBLE_HOME": str(made.directory / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
    }


def _pyinfra(made: Fleet) -> None:
    """Its inventory."""
    common = {
        "ssh_hostname": "127.0.0.1",
        "ssh_user": os.environ.get("USER", "root"),
        "ssh_key": str(made.key),
        "ssh_known_hosts_file": str(made.known_hosts),
        "ssh_strict_host_key_checking": "yes",
    }
    hosts = [(name, {**common, "ssh_port": port}) for name, port in made.names.items()]
    (made.directory / "inventory.py").write_text(f"hosts = {hosts!r}\n")


def _program(made: Fleet, words: list[str], environment: Mapping[str, str], shown: str) -> Callable[[], float]:
    """Seconds that a program takes; each host must be told of in what it says."""

    def run() -> float:
        done: list[subprocess.CompletedProcess[str]] = []
        there = {**os.environ, **environment}
        took = timed(lambda: done.append(subprocess.run(words, cwd=made.directory, env=there, capture_output=True, text=True)))
        said = done[0].stdout + done[0].stderr
        assert done[0].returncode == 0, said[-2000:]
        assert said.count(shown) >= HOSTS, said[-2000:]
        return took

    return run


def discovery() -> Iterator[Ratio]:
    """Ours against each."""
    programs = peers()
    with tempfile.TemporaryDirectory(prefix="splitmount-bench-") as scratch, fleet(Path(scratch)) as made:
        what = f"{HOSTS} OpenSSH hosts of {GROUPS} groups discovered"
        ansible = _ansible(made)
        _pyinfra(made)
        mine, other = in_turn(lambda: ours(made), lambda: bare(made), rounds=9)
        yield Ratio(what, seconds(mine), f"bare asyncssh, the same script, {seconds(other)}", mine / other, most=1.2)
        ways: list[tuple[str, float, list[str], str]] = [
            ("Ansible `raw`, the same script", 3, ["ansible-playbook", "-i", "inventory.ini", "raw.yml"], "changed=1"),
            ("pyinfra, 8 facts", 8, ["pyinfra", "-y", "inventory.py", "fact", *FACTS.split()], "] Loaded fact server.Mounts"),
            ("Ansible `setup`", 10, ["ansible", "all", "-i", "inventory.ini", "-m", "setup"], "| SUCCESS"),
        ]
        for name, least, words, shown in ways:
            peer = _program(made, [str(programs / words[0]), *words[1:]], ansible, shown)
            mine, other = in_turn(lambda: ours(made), peer, rounds=ROUNDS)
            yield Ratio(what, seconds(mine), f"{name}, {seconds(other)}", other / mine, least=least)
