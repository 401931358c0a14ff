"""Chromium without a screen, driven by its own protocol over a pair of pipes: no port, no driver, no package.

A test says what a person does (opens, clicks, presses a key) and asks what the page then shows.  Selenium and
Playwright do this too; the one needs a second program as new as the browser, the other brings a Node and a
browser of its own.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

PROGRAMS = ("chromium", "google-chrome", "chromium-browser")
_OPTIONS = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-default-apps", "--disable-dev-shm-usage", "--hide-scrollbars", "--mute-audio",
    "--force-device-scale-factor=1", "--force-color-profile=srgb", "--disable-background-timer-throttling",
    "--ignore-certificate-errors",
)  # fmt: skip
#: by the processor: no test may need a graphics card
SOFTWARE_GL = (
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)
# a page that moves is drawn sixty times a second: a million pixels each time, and by the processor
_SELDOM = """{
  const soon = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (draw) => setTimeout(() => soon(draw), %d);
}"""
NO_GL = ("--disable-gpu", "--disable-webgl", "--disable-3d-apis")


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class BrowserError(Exception):
    """The browser could not do it, or the page threw."""


class Browser:
    """Its pages are pages of one profile; ``page(alone=True)`` is of a profile of its own.

    ``frames_apart_ms``: how long a page waits before it draws again, where it need not be soon.
    """

    def __init__(self, program: str, profile: Path, *options: str, frames_apart_ms: int = 0) -> None:
        self._frames_apart_ms = frames_apart_ms
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
        argv = [program, *_OPTIONS, *as_root, f"--user-data-dir={profile}", *options, "about:blank"]
        self._log = (profile / "said").open("w+")
        # it reads from descriptor 3 and writes to 4
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash", *argv],
            pass_fds=(to_browser, from_browser), stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            start_new_session=True,
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._number = 0
        self._pages: dict[str, Page] = {}

    def page(self, width: int = 1280, height: int = 720, *, phone: bool = False, alone: bool = False) -> Page:
        context = (
            {"browserContextId": self.call("Target.createBrowserContext")["browserContextId"]}
            if alone
            else {}
        )
        target = self.call("Target.createTarget", url="about:blank", newWindow=True, **context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session, target)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        if self._frames_apart_ms:
            page.before_scripts(_SELDOM % self._frames_apart_ms)
        page.resize(width, height, phone=phone)
        return page

    def call(
        self, method: str, session: str | None = None, *, timeout_s: float = 60, **arguments: Any
    ) -> Any:
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": arguments}
        if session is not None:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        until = time.monotonic() + timeout_s
        while True:
            answer = self._take(max(until - time.monotonic(), 0))
            if answer is None:
                raise BrowserError(
                    f"no answer to {method} in {timeout_s:g} s; the browser said:\n{self._said()}"
                )
            if answer.get("id") == number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error'].get('message')}")
                return answer["result"]

    def hear(self, for_s: float) -> None:
        """Takes what the browser says meanwhile."""
        until = time.monotonic() + for_s
        while (left := until - time.monotonic()) > 0:
            self._take(left)

    def close(self) -> None:
        for descriptor in (self._out, self._in):
            os.close(descriptor)
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()

    def cpu_s(self) -> float:
        """Of all its processes that still run."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self._process.pid:  # of its session
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def _take(self, timeout_s: float) -> dict[str, Any] | None:
        """The next message; events go to their page."""
        while b"\0" not in self._buffer:
            if not select.select([self._in], [], [], timeout_s)[0]:
                return None
            data = os.read(self._in, 1 << 20)
            if not data:
                raise BrowserError(f"the browser has gone; it said:\n{self._said()}")
            self._buffer += data
        raw, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        page = self._pages.get(message.get("sessionId", ""))
        if page is not None and "method" in message:
            page.heard(message["method"], message["params"])
        return message

    def _said(self) -> str:
        self._log.flush()
        return Path(self._log.name).read_text()[-2000:]


class Page:
    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self._browser, self._session, self._target = browser, session, target
        #: what the console says of errors, a breach of the content security policy among them
        self.errors: list[str] = []
        #: addresses of all that was asked for
        self.requests: list[str] = []
        self.loads = 0

    def call(self, method: str, **arguments: Any) -> Any:
        return self._browser.call(method, self._session, **arguments)

    def heard(self, method: str, of: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = of["exceptionDetails"]
            self.errors.append(str(details.get("exception", {}).get("description", details["text"])))
        elif method == "Runtime.consoleAPICalled" and of["type"] in ("error", "assert"):
            self.errors.append(
                " ".join(str(each.get("value", each.get("description"))) for each in of["args"])
            )
        elif method == "Log.entryAdded" and of["entry"]["level"] == "error":
            self.errors.append(f"{of['entry']['text']} {of['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(of["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.requests.append(of["url"])
        elif method == "Page.loadEventFired":
            self.loads += 1

    def open(self, url: str) -> None:
        loads = self.loads
        failed = self.call("Page.navigate", url=url).get("errorText")
        if failed:
            raise BrowserError(f"{url}: {failed}")
        self._loaded(loads)

    def before_scripts(self, script: str) -> None:
        """Is run in each page that is opened from now on, before its own."""
        self.call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def reload(self) -> None:
        loads = self.loads
        self.call("Page.reload")
        self._loaded(loads)

    def _loaded(self, loads: int) -> None:
        until = time.monotonic() + 30
        while self.loads == loads:
            if time.monotonic() > until:
                raise BrowserError("the page was not loaded within 30 s")
            self._browser.hear(0.02)

    def ask(self, script: str) -> Any:
        """The value of an expression; of a promise, what it settles to."""
        told = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in told:
            details = told["exceptionDetails"]
            raise BrowserError(str(details.get("exception", {}).get("description", details["text"])))
        return told["result"].get("value")

    def wait_for(self, script: str, timeout_s: float = 20) -> Any:
        """Until it is neither false nor null; what it is then."""
        until = time.monotonic() + timeout_s
        while not (value := self.ask(script)):
            if time.monotonic() > until:
                raise BrowserError(f"not so within {timeout_s:g} s: {script}; errors: {self.errors}")
            self._browser.hear(0.05)
        return value

    def hear(self, for_s: float) -> None:
        self._browser.hear(for_s)

    def click(self, x_px: float, y_px: float) -> None:
        at = {"x": x_px, "y": y_px, "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x_px, y=y_px)
        self.call("Input.dispatchMouseEvent", type="mousePressed", **at)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **at)

    def move(self, x_px: float, y_px: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x_px, y=y_px)

    def tap(self, x_px: float, y_px: float) -> None:
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x_px, "y": y_px}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def press(self, key: str) -> None:
        text = {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone,
        )  # fmt: skip
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)

    def picture(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
        return path

    def pixels(self) -> np.ndarray:
        """What it shows: (height, width, 3) uint8, r g b."""
        return decoded(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        self._browser.call("Target.closeTarget", targetId=self._target)


def decoded(png: bytes) -> np.ndarray:
    """Of eight bits a channel without interlacing, as browsers write it: (height, width, 3) uint8."""
    at, data, header = 8, b"", b""
    while at < len(png):
        (length,), kind = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + length]
        header, data = (body, data) if kind == b"IHDR" else (header, data + body * (kind == b"IDAT"))
        at += 12 + length
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    assert (depth, interlaced) == (8, 0)
    assert colour in (2, 6)
    n = {2: 3, 6: 4}[colour]
    rows = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, 1 + width * n)
    out = np.zeros((height, width, n), np.uint8)
    above = np.zeros((width, n), np.int16)
    for y in range(height):
        line, method = rows[y, 1:].reshape(width, n).astype(np.int16), rows[y, 0]
        if method == 1:  # by what is to the left
            line = np.cumsum(line, axis=0)
        elif method == 2:  # by what is above
            line = line + above
        elif method in (3, 4):
            left, corner = np.zeros(n, np.int16), np.zeros(n, np.int16)
            for x in range(width):
                up = above[x]
                if method == 3:
                    guess = (left + up) >> 1
                else:
                    to = np.abs([up - corner, left - corner, left + up - 2 * corner])
                    guess = np.where(
                        (to[0] <= to[1]) & (to[0] <= to[2]), left, np.where(to[1] <= to[2], up, corner)
                    )
                left = line[x] = (line[x] + guess) & 255
                corner = up
        above = line & 255
        out[y] = above
    return out[:, :, :3]


@contextmanager
def chromium(profile: Path, *options: str, frames_apart_ms: int = 0) -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        raise BrowserError(f"none of {', '.join(PROGRAMS)} is on PATH")
    profile.mkdir(parents=True, exist_ok=True)
    browser = Browser(program, profile, *options, frames_apart_ms=frames_apart_ms)
    try:
        yield browser
    finally:
        browser.close()
