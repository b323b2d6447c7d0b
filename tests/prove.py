"""The removal proof of the nine safety promises: each is broken on purpose, and a named test must fail.

`python -m tests.prove` (make prove) sees each named test pass in a copy of the tree, applies each mutation there, sees the test
fail, and prints the table. It ends with 1 when a mutation survives.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.guards import Guard, noticed, passes, scratch_tree

HEAD = """# The nine safety promises, each broken on purpose

Written by `make prove`: each test below passed in a copy of the tree; then the guard was taken out there, and the test failed. "SURVIVES"
would be a promise that no test keeps, and `make prove` ends with an error then. `make guards` does the same for many more.

| promise | mutation | in | the test that failed |
|---|---|---|---|
"""

PROMISES = (
    "Fence",
    "Measured, not asked",
    "No frozen source",
    "Nothing half-known",
    "Only our own",
    "Read-only is by construction",
    "Direction is visible",
    "One run per set",
    "No secret is stored or printed",
)

_LINUX = "hostdrivers/linux_scripts.py"
_EMULATED = "tests/hostdrivers/test_emulated_linux.py"
MUTATIONS: Mapping[str, tuple[Guard, ...]] = {
    "Fence": (
        Guard("two devices that say one serial are as good as one", "hostdrivers/linux_shell.py",
              '[ $# -le 1 ] || refuse "more than one', '[ 1 = 1 ] || refuse "more than one', f"{_EMULATED} -k two_disks_give"),
        Guard("a device that carries another physical volume is imported", _LINUX,
              '"$1|$vgid|$old|"[01]"||") ;;', '*) ;;', f"{_EMULATED} -k swapped_devices"),
        Guard("a change can be built without a fence or a reason", "core/transport.py",
              'if self.effect is Effect.CHANGE and not self.guard:', 'if False:',
              "tests/hostdrivers/test_fences.py -k cannot_be_built"),
        Guard("the array changes pairs whose serials nobody read", "core/arrays/symmetrix.py",
              'lines += [f"serial {device} {canonical(serial)}" for', 'lines += ["" for', "tests/hostdrivers/test_fences.py -k symmetrix_proves"),
    ),
    "Measured, not asked": (
        Guard("the run begins by what the plan measured", "core/handlers.py",
              'return changed_since(state.parts.plan, state.parts.settings, estate)', 'return ()',
              "tests/core/test_run.py -k changed_since_the_plan"),
        Guard("a BCV that the target uses by now is established", "core/handlers.py",
              'return bcvs_in_use(estate.target, (*state.parts.settings.pairs, *state.parts.plan.spare), state.parts.settings.mount.prefix)',
              'return ()', "tests/core/test_run.py -k target_uses_a_bcv"),
    ),
    "No frozen source": (
        Guard("the timer on the host thaws nothing", "hostdrivers/linux_steps.py",
              'sleep {seconds}; mkdir "$d/end" && thaw )', 'sleep {seconds} )', f"{_EMULATED} -k by_its_timer"),
        Guard("a bug between freeze and thaw leaves the source frozen", "core/run.py",
              'await self._thaw_for_sure()', 'pass', "tests/core/test_run.py -k still_thaws"),
    ),
    "Nothing half-known": (
        Guard("a step begins before its intent is journalled", "core/run.py",
              'parts.journal.intent(self.number, step.id, {"host": step.host, "command": command, "undo": step.undo})', 'pass',
              "tests/core/test_run.py -k intent_before_its_outcome"),
        Guard("a record may be lost with the power", "core/journal.py",
              'PRAGMA synchronous=FULL', 'PRAGMA synchronous=OFF', "tests/core/test_journal.py -k synchronous_full"),
        Guard("a run that died is forgotten", "core/engine.py",
              'for past in mine\n        )', 'for past in ()\n        )',
              "tests/emulated/test_survive.py -k while_a_run_has_no_end"),
    ),
    "Only our own": (
        Guard("an undo unmounts what another run mounted under that name", _LINUX,
              '"LVM-${u:-nothing}"?*) ;;', '*) ;;', "tests/hostdrivers/test_fences.py -k 'undo_touches and linux'"),
        Guard("an undo removes a disk that was there before", _LINUX,
              '[ -f "$RUN/keep/visible-$s" ] || continue', ':', "tests/hostdrivers/test_fences.py -k 'never_ran and linux'"),
    ),
    "Read-only is by construction": (
        Guard("a read-only console sends a change", "core/ssh.py",
              'if self._read_only and command.effect is not Effect.READ:', 'if False:',
              "tests/core/test_ssh.py -k refuses_every_path_of_a_change"),
    ),
    "Direction is visible": (
        Guard("a restore does not show its arrow and both serials", "core/moments.py",
              'f"  {s.pair.bcv} -> {s.pair.std}  {_size(s.std_size)}"', 'f"  {_size(s.std_size)}"',
              "tests/emulated/test_moments.py -k 'says_what_it_overwrites and linux'"),
        Guard("a restore starts without the typed name", "core/engine.py",
              'if plan.confirm and confirmed != plan.confirm:', 'if False:',
              "tests/emulated/test_moments.py -k 'without_the_name and linux'"),
    ),
    "One run per set": (
        Guard("a lock that is there is taken again", "core/locks.py",
              'if mkdir "$L" 2>/dev/null; then', 'if mkdir -p "$L" 2>/dev/null; then',
              "tests/emulated/test_survive.py -k two_consoles"),
        Guard("two consoles may give their runs one key, and each takes the other's lock for its own", "core/run.py",
              '{secrets.token_hex(3)}', '{plan.digest[:6]}', "tests/core/test_run.py -k have_two_keys"),
    ),
    "No secret is stored or printed": (
        Guard("a secret in a repository's URL is accepted", "core/config.py",
              '(("repository", in_url), ("password_command", printed))', "()", "tests/core/test_secrets.py -k in_the_configuration"),
        Guard("a password in what a tool says is printed", "core/secrets.py",
              r'return _IN_URL.sub(r"\1:***", text) if "://" in text else text', 'return text',
              "tests/core/test_secrets.py -k what_a_tool_says"),
        Guard("a host whose key is not known is believed", "core/ssh.py",
              '"known_hosts": read_known(self._known),', '"known_hosts": None,', "tests/core/test_ssh.py -k unknown_host_key"),
    ),
}  # fmt: skip


def row(promise: str, guard: Guard, seen: bool) -> str:
    """One line of the table."""
    number = PROMISES.index(promise) + 1
    verdict = f"`{guard.test}`" if seen else "SURVIVES"
    return f"| {number}. {promise} | {guard.keeps} | `{guard.file}` | {verdict} |\n"


def proved(promise: str, guard: Guard, tree: Path) -> bool:
    """Whether the test passes with the guard and fails without it. ValueError when it fails with the guard."""
    if not passes(guard.test, tree):
        raise ValueError(f"{promise}: {guard.test} fails in an untouched tree")
    return noticed(guard, tree)


def main() -> int:
    """Print the table; 1 when a mutation survives."""
    began, survived, count = time.monotonic(), 0, 0
    with scratch_tree() as tree:
        sys.stdout.write(HEAD)
        for promise in PROMISES:
            for guard in MUTATIONS[promise]:
                seen = proved(promise, guard, tree)
                survived += not seen
                count += 1
                sys.stdout.write(row(promise, guard, seen))
                sys.stdout.flush()
    minutes = (time.monotonic() - began) / 60
    sys.stdout.write(f"\n{count} mutations of {len(PROMISES)} promises: {count - survived} caught, {survived} survived.\n")
    sys.stderr.write(f"{minutes:.1f} minutes\n")
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main())
