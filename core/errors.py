"""The exception tree. Each class knows the exit code that the command line ends with.

SplitmountError
├── ConfigError          2   configuration, pairs or map file, or a wrong option: where, key, what was expected
├── Refused              3   a check or fence said no and nothing was changed
│   └── ReadOnlyRefused  3   a change was asked of a read-only transport
├── ParseError           4   the output of a host or array was not understood: host, command, line
├── TransportError       4   a host could not be reached or would not let us in
│   ├── HostKeyUnknown
│   └── HostKeyChanged
├── CommandFailed        4   a command ended with an error that nothing handles
├── NeedsAttention       5   failed, and something is left for a person to do
└── OutcomeUnknown       6   sent, but what became of it could not be measured
"""

from __future__ import annotations


class SplitmountError(Exception):
    """The root; `title` heads the dialogue that shows it."""

    title = "Error"
    exit_code = 4


class ConfigError(SplitmountError):
    """Something that a person wrote cannot be used; the text says file, line, key and what was expected."""

    title = "Configuration"
    exit_code = 2


class Refused(SplitmountError):
    """A check, a policy or a fence refused; nothing was changed."""

    title = "Refused"
    exit_code = 3


class ReadOnlyRefused(Refused):
    """A change was asked of a transport that was built read-only."""

    title = "Read-only"


class ParseError(SplitmountError):
    """Output was not understood; never replaced by an empty result."""

    title = "Output not understood"

    def __init__(self, host: str, what: str, problem: str, line: str = "") -> None:
        """`what` names the command or section, `line` the offending text (shortened and made printable here)."""
        shown = line.strip()[:160].encode("ascii", "backslashreplace").decode()
        super().__init__(f"{host}: {what}: {problem}" + (f": {shown!r}" if shown else ""))
        self.host = host


class TransportError(SplitmountError):
    """A host could not be reached, or did not let us in; the text names the host and what to do."""

    title = "Connection"


class HostKeyUnknown(TransportError):
    """No key of this host is known; `splitmount trust HOST` shows and stores one."""

    title = "Host key unknown"


class HostKeyChanged(TransportError):
    """The host shows another key than the known one: a red stop, never overridden here."""

    title = "HOST KEY CHANGED"


class CommandFailed(SplitmountError):
    """A command ended with an error; the text names host, command and exit status."""

    title = "Command failed"


class NeedsAttention(SplitmountError):
    """Something is left that a person must look at; the text says what, as commands where possible."""

    title = "Needs attention"
    exit_code = 5


class OutcomeUnknown(SplitmountError):
    """A change was sent and its outcome could not be measured."""

    title = "Outcome unknown"
    exit_code = 6
