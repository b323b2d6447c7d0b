"""`splitmount serve`: who may have the console in a browser, and what is started for each who may."""

from __future__ import annotations

import hmac
import secrets
import shlex
import sys
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.errors import ConfigError
from tui.extra import extra

LOOPBACK = "127.0.0.1"
SOCKET = "ws"

# What a console of a browser is told of this command line: its option, and the value that it must have (None: any).
_HANDED_ON: Mapping[str, tuple[str, object]] = {
    "config": ("--config", None),
    "replay": ("--replay", None),
    "theme": ("--theme", None),
    "ascii": ("--ascii", True),
    "color": ("--no-color", False),
    "mouse": ("--no-mouse", False),
}


@dataclass(frozen=True, slots=True)
class Door:
    """Where it listens, and the secret that is the first part of every path."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def here(self) -> str:
        """The one Host that is ours; a name that was bent to this address is another."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def origin(self) -> str:
        """Of our own pages."""
        return f"http://{self.here}"

    @property
    def url(self) -> str:
        """For the person."""
        return f"{self.origin}/{self.token}/"

    def refusal(self, path: str, host: str, origin: str | None) -> str:
        """Why a request is refused, or nothing. Browsers name the origin with every socket, so one without is no browser's."""
        first, _, rest = path.removeprefix("/").partition("/")
        if host != self.here:
            return "another host"
        if origin != self.origin and (origin is not None or rest == SOCKET):
            return "another origin"
        return "" if hmac.compare_digest(first.encode("utf-8", "replace"), self.token.encode()) else "no token"

    @property
    def headers(self) -> Mapping[str, str]:
        """Of every answer: the address, which holds the secret, goes nowhere; nothing is loaded from elsewhere or framed."""
        own = "'self' 'unsafe-inline'"
        policy = (
            f"default-src 'self' data:; script-src {own}; style-src {own}; connect-src ws://{self.here}; frame-ancestors 'none'"
        )
        return {
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }


def console_command(options: Namespace) -> str:
    """The shell line of one browser's console.

    In the background below its shell: asyncio kills a child whose pipes it closes, and a console may be in the middle of a run.
    """
    words = [] if options.allow_changes else ["--read-only"]
    for name, (option, only) in _HANDED_ON.items():
        value = getattr(options, name)
        if value is not None and only in (None, value):
            words += [option] if only is not None else [option, str(value)]
    console = shlex.join(["env", "TERM=xterm-256color", sys.executable, "-P", "-m", "tui", *words])
    return f"{{ {console} <&3 3<&- & }} 3<&0; wait"


def run_serve(options: Namespace) -> int:
    """Serve until a signal says to end."""
    if options.address != LOOPBACK:
        raise ConfigError(
            f"--address {options.address}: it listens on {LOOPBACK} alone; from elsewhere come through SSH (docs/serve.md)"
        )
    if options.allow_changes and options.read_only:
        raise ConfigError("--read-only and --allow-changes: only one of them")
    if options.record:
        raise ConfigError("--record: several consoles cannot write to one file")
    with extra("serve", "serving the console"):
        from tui.webserver import serve
    from core.config import load

    load(options.config)  # what is wrong in it is said here, not in a browser
    return serve(options.port, console_command(options), read_only=not options.allow_changes)
