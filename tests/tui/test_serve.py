"""The console in a browser: who gets in, what is started for each, that it ends with its connection, and one real chromium."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from core.config import load
from hostdrivers.emulated.estate import RunningEstate
from hostdrivers.emulated.families import FAMILIES
from tests.browser import MISSING, Browser, drawn
from tui.__main__ import main
from tui.arguments import parser
from tui.serve import Door, console_command
from tui.wiring import build_engine

needs_extra = pytest.mark.skipif(not importlib.util.find_spec("textual_serve"), reason="needs the extra `serve`")
needs_chromium = pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}")
DOOR = Door(8022, "secret")


@pytest.mark.parametrize(
    ("path", "host", "origin", "why"),
    [
        ("/secret/", DOOR.here, None, ""),
        ("/secret/ws", DOOR.here, DOOR.origin, ""),
        ("/secret/static/js/textual.js", DOOR.here, None, ""),
        ("/", DOOR.here, None, "no token"),
        ("/ws", DOOR.here, DOOR.origin, "no token"),
        ("/secre/", DOOR.here, None, "no token"),
        ("/sécret/", DOOR.here, None, "no token"),
        ("/secret/", "rebound.example:8022", None, "another host"),
        ("/secret/", "localhost:8022", None, "another host"),
        ("/secret/", "127.0.0.1", None, "another host"),
        ("/secret/", DOOR.here, "http://evil.example", "another origin"),
        ("/secret/", DOOR.here, "null", "another origin"),
        ("/secret/ws", DOOR.here, None, "another origin"),
        ("/secret/ws", DOOR.here, "http://127.0.0.1:8023", "another origin"),
    ],
)
def test_only_the_secret_path_under_our_own_host_and_origin_is_let_in(
    path: str, host: str, origin: str | None, why: str
) -> None:
    assert DOOR.refusal(path, host, origin) == why


def test_each_address_has_a_secret_of_its_own() -> None:
    assert len({Door(8022).token for _ in range(100)}) == 100
    assert len(Door(8022).token) >= 43


def command(*words: str) -> str:
    return console_command(parser().parse_args(words))


def test_a_console_is_read_only_unless_changes_are_allowed_and_is_told_the_rest() -> None:
    assert " -m tui --read-only <&" in command("serve")
    assert " -m tui <&" in command("serve", "--allow-changes")
    told = ("--config", "a b.yaml", "--theme", "light", "--ascii", "--no-color", "--no-mouse")
    assert " --config 'a b.yaml' --theme light --ascii --no-color --no-mouse <&" in command(*told, "serve")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serve", "--address", "10.0.0.1"], "listens on 127.0.0.1 alone"),
        (["serve", "--address", "localhost"], "listens on 127.0.0.1 alone"),
        (["--read-only", "serve", "--allow-changes"], "only one of them"),
        (["--record", "x", "serve"], "--record"),
    ],
)
def test_what_is_not_meant_to_be_served_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delitem(sys.modules, "tui.webserver", raising=False)
    monkeypatch.setitem(sys.modules, "textual_serve.server", None)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    assert main(["serve"]) == 2
    assert "pip install 'splitmount[serve]'" in capsys.readouterr().err


class Served:
    """A server process of the estate, and the consoles that it started."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process, self.url = process, url
        self.origin = url.rsplit("/", 2)[0]

    def consoles(self) -> list[int]:
        """Below the shells that it started: those that are alive."""
        parents = {int(p.parent.name): int(stat[1]) for p in Path("/proc").glob("[0-9]*/stat") if (stat := status_of(p))}
        return [pid for pid, parent in parents.items() if parents.get(parent) == self.process.pid]


def status_of(stat: Path) -> list[str]:
    """State, parent and more of a process; nothing when it has ended."""
    try:
        words = stat.read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return words if words[0] != "Z" else []


def alive(pid: int) -> bool:
    return bool(status_of(Path(f"/proc/{pid}/stat")))


def wait(what: str, true: Callable[[], bool], limit: float = 60) -> None:
    end = time.monotonic() + limit
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@contextmanager
def serving(config: Path, *words: str) -> Iterator[Served]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tui", "--config", str(config), "serve", *words], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield Served(process, process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningEstate]:
    running = RunningEstate(tmp_path / "estate", FAMILIES[:1])
    yield running
    running.close()


@pytest.fixture
def config(running: RunningEstate) -> Path:
    return running.estate.config


async def status(url: str, path: str | None = None, **headers: str) -> int:
    import aiohttp

    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status


@asynccontextmanager
async def page(served: Served) -> AsyncIterator[Callable[[str, str], Awaitable[str]]]:
    """A browser's connection: given keys and a word, it sends the keys, and returns what comes until the word does."""
    import aiohttp

    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{served.url}ws?width=120&height=40", headers={"Origin": served.origin}) as socket,
    ):
        await socket.send_str(json.dumps(["focus"]))

        async def ask(keys: str, word: str) -> str:
            seen = ""
            if keys:
                await socket.send_str(json.dumps(["stdin", keys]))
            async with asyncio.timeout(30):
                while word not in seen:
                    message = await socket.receive()
                    assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), seen
                    seen += message.data.decode() if message.type is aiohttp.WSMsgType.BINARY else message.data
            return seen

        yield ask


@needs_extra
async def test_a_server_lets_in_who_knows_the_address_and_nobody_else(config: Path) -> None:
    with serving(config) as served:
        assert await status(served.url) == 200
        assert await status(f"{served.url}static/js/textual.js") == 200
        for path in ("/", "/ws", "/static/js/textual.js", "/download/x"):
            assert await status(served.origin + path) == 403
        assert await status(served.url[:-2] + "/") == 403
        assert await status(served.url, Origin="http://evil.example") == 403
        assert await status(served.url, Host="rebound.example") == 403
        assert await status(f"{served.url}ws", Origin="http://evil.example", Upgrade="websocket", Connection="Upgrade") == 403
        assert served.consoles() == []


@needs_extra
async def test_a_served_console_is_read_only_by_default_and_ends_with_its_connection(config: Path) -> None:
    with serving(config) as served:
        async with page(served) as ask:
            assert "read-only" in await ask("", "established")
        await asyncio.to_thread(wait, "the console ends", lambda: not served.consoles())
    with serving(config, "--allow-changes") as served:
        async with page(served) as ask:
            assert "read-only" not in await ask("", "established")


@needs_extra
@pytest.mark.parametrize("number", [0, signal.SIGTERM, signal.SIGKILL], ids=["page-closed", "server-ended", "server-killed"])
async def test_a_run_of_a_console_that_nobody_sees_any_more_is_taken_back_before_it_ends(
    running: RunningEstate, config: Path, number: int
) -> None:
    held = running.do(asyncio.Event)
    running.do(lambda: running.estate.array.hangs.update({"symmir split": held}))  # the run cannot end before its page
    with serving(config, "--allow-changes") as served:
        async with page(served) as ask:
            await ask("", "established")
            await ask("b", "Run all")
            await ask("r", "to its end?")
            await ask("y", "working ...")
            (console,) = served.consoles()
            os.kill(served.process.pid, number)
            if number:
                await asyncio.to_thread(served.process.wait)
                running.do(held.set)
                await asyncio.to_thread(wait, "the console ends", lambda: not alive(console))
        running.do(held.set)
        await asyncio.to_thread(wait, "the console ends", lambda: not alive(console))
    engine = build_engine(load(config), read_only=True)
    try:
        (run,) = engine.history().result()
        assert (run.operation, run.exit_code) == ("backup", 4), run.message
    finally:
        engine.close()


@needs_extra
@needs_chromium
def test_a_real_browser_draws_the_first_page_and_takes_keys(config: Path, tmp_path: Path) -> None:
    with serving(config) as served:
        browser = Browser(tmp_path)
        try:
            browser.go(served.url)
            browser.until("the first page", lambda: "established" in browser.heard() and drawn(browser.picture()) > 0.05)
            first = browser.picture()
            browser.forget()
            browser.click()
            browser.press("?")
            browser.until("the page of keys", lambda: "every key" in browser.heard() and browser.picture() != first)
            if target := os.environ.get("SPLITMOUNT_SCREENSHOT"):
                first.quantize(64).save(target, optimize=True)
            assert len(served.consoles()) == 1
            browser.go("about:blank")
            wait("the console ends", lambda: not served.consoles())
        finally:
            browser.close()
