"""A real browser for the served console: Debian's chromium, asked through its chromedriver, without a library between."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

MISSING = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
FLAGS = (
    "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking disable-component-update "
    "disable-sync disable-dev-shm-usage hide-scrollbars window-size=1000,620"
)
KEEPS = """
window.heard = '';
const Real = window.WebSocket, utf8 = new TextDecoder();
window.WebSocket = class extends Real {
  constructor(...given) {
    super(...given);
    this.addEventListener('message', async e => {
      const data = e.data;
      window.heard += typeof data === 'string' ? data : utf8.decode(data instanceof Blob ? await data.arrayBuffer() : data);
    });
  }
};
"""


class Browser:
    """One chromium with one page, which keeps what its WebSocket brings (the terminal itself is drawn, and is no text)."""

    def __init__(self, directory: Path, patience: float = 90.0) -> None:
        """Its profile goes below the directory; `patience` is how many seconds anything may take to appear."""
        self._patience = patience
        self._driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._driver.stdout is not None
        said = next(line for line in self._driver.stdout if "successfully on port" in line)
        self._base = f"http://127.0.0.1:{said.rstrip().rstrip('.').split()[-1]}/session"
        words = [f"--{flag}" for flag in FLAGS.split()] + [f"--user-data-dir={directory / 'profile'}"]
        options = {"browserName": "chrome", "goog:chromeOptions": {"args": words}}
        self._base += "/" + self._ask("", {"capabilities": {"alwaysMatch": options}})["sessionId"]
        self._ask("/goog/cdp/execute", {"cmd": "Page.addScriptToEvaluateOnNewDocument", "params": {"source": KEEPS}})

    def _ask(self, path: str, body: object = None, method: str = "POST") -> Any:
        request = urllib.request.Request(  # noqa: S310  our own driver
            self._base + path,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=self._patience) as answer:  # noqa: S310
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def go(self, url: str) -> None:
        """Open a page."""
        self._ask("/url", {"url": url})

    def script(self, text: str) -> Any:
        """What a script of the page returns."""
        return self._ask("/execute/sync", {"script": text, "args": []})

    def heard(self) -> str:
        """What came through the WebSocket, and was not forgotten since."""
        return str(self.script("return window.heard || ''"))

    def forget(self) -> None:
        """Hear anew."""
        self.script("window.heard = ''")

    def click(self) -> None:
        """Click into the upper left corner: from then on the terminal has the keyboard."""
        where: list[dict[str, object]] = [{"type": "pointerMove", "x": 4, "y": 4}]
        self._act("pointer", where + [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")])

    def press(self, key: str) -> None:
        """Press a key."""
        self._act("key", [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")])

    def _act(self, device: str, acts: list[dict[str, object]]) -> None:
        self._ask("/actions", {"actions": [{"type": device, "id": device, "actions": acts}]})

    def picture(self) -> Image.Image:
        """The page as it is drawn."""
        return Image.open(io.BytesIO(base64.b64decode(self._ask("/screenshot", method="GET")))).convert("RGB")

    def until(self, what: str, true: Callable[[], bool]) -> None:
        """Wait for something."""
        end = time.monotonic() + self._patience
        while not true():
            if time.monotonic() > end:
                raise TimeoutError(f"{what}; heard: {self.heard()[-2000:]!r}")
            time.sleep(0.2)

    def close(self) -> None:
        """End it, and its driver."""
        try:
            self._ask("", method="DELETE")
        finally:
            self._driver.terminate()
            self._driver.wait()
            assert self._driver.stdout is not None
            self._driver.stdout.close()


def drawn(picture: Image.Image) -> float:
    """The share of the picture that is not its commonest colour."""
    colours = picture.getcolors(picture.width * picture.height) or []
    return 1 - max(count for count, _ in colours) / (picture.width * picture.height)
