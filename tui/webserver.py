"""textual-serve behind our door: its application knows no login and takes every Host and Origin."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys

from aiohttp import web
from aiohttp.typedefs import Handler
from textual_serve.server import Server

from core.errors import ConfigError
from tui.serve import LOOPBACK, Door

LEAVE = 1.0  # seconds for the browsers' connections; their consoles end by themselves


class ConsoleServer(Server):
    """A console for each connection, for those who know the address."""

    def __init__(self, door: Door, command: str) -> None:
        """`command` is a shell line."""
        super().__init__(command, host=LOOPBACK, port=door.port, title="Splitmount", public_url=door.origin)
        self._door = door

    async def on_startup(self, app: web.Application) -> None:
        """Print nothing: the whole command line and an address without its secret help nobody."""

    async def application(self) -> web.Application:
        """The application of textual-serve below the secret path."""
        outer = web.Application(middlewares=[self._guard])
        outer.on_response_prepare.append(self._dress)
        outer.add_subapp(f"/{self._door.token}", await self._make_app())
        return outer

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        why = self._door.refusal(request.path, request.host, request.headers.get("Origin"))
        if why:
            raise web.HTTPForbidden(text=f"refused: {why}\n")
        return await handler(request)

    async def _dress(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        response.headers.update(self._door.headers)


def serve(port: int, command: str, *, read_only: bool) -> int:
    """Listen, print the address as the first line, and stay until a signal."""
    try:
        listener = socket.create_server((LOOPBACK, port))
    except (OSError, OverflowError) as error:
        raise ConfigError(f"port {port}: {error}") from error
    door = Door(listener.getsockname()[1])
    print(door.url, flush=True)  # noqa: T201  the first line is the address, for scripts
    may = "read-only" if read_only else "WITH CHANGES"
    sys.stderr.write(f"Serving the console, {may}, until Ctrl+C. Who knows this address has it: keep it to yourself.\n")
    asyncio.run(_until_a_signal(ConsoleServer(door, command), listener))
    return 0


async def _until_a_signal(server: ConsoleServer, listener: socket.socket) -> None:
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    runner = web.AppRunner(await server.application(), access_log=None, shutdown_timeout=LEAVE)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        await ended.wait()
    finally:
        await runner.cleanup()
