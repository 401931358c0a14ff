"""A mesh in the background, and a terminal to call it from."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from forked_command import orbitmesh

CLI = [sys.executable, "-m", "orbitmesh.emulator.cli"]


class Terminal:
    """A program in a session of its own, at a terminal that can be typed at, and be closed."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        self.text = b""
        self.fd, theirs = pty.openpty()
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *CLI, *arguments],
            cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"},
        )  # fmt: skip
        os.close(theirs)

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def read_until(self, is_there: Callable[[bytes], bool], limit_s: float = 60.0) -> bytes:
        deadline_s = time.monotonic() + limit_s
        while not is_there(self.text):
            left_s = deadline_s - time.monotonic()
            assert left_s > 0, self.text
            if select.select([self.fd], [], [], left_s)[0]:
                try:
                    more = os.read(self.fd, 1 << 16)
                except OSError:  # the other side has gone
                    more = b""
                assert more or is_there(self.text), self.text
                self.text += more
        return self.text

    def status(self) -> int:
        """Of its end, which is waited for."""
        while True:
            try:
                if not os.read(self.fd, 1 << 16):
                    break
            except OSError:
                break
        return self._process.wait(30)

    def close(self) -> None:
        os.close(self.fd)


class Background:
    def __init__(self, folder: Path) -> None:
        self.folder, self.run_id = folder, ""

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "ORBITMESH_RUN": self.run_id}
        return orbitmesh(arguments, cwd=self.folder, environment=environment)

    def end(self) -> None:
        """In order; or else by force: a mesh that stays takes their turns from all later tests."""
        process = Path("/run/orbitmesh/0", f"{self.run_id}.process")
        try:
            done = self("down")
            assert done.returncode == 0, done.stderr
        except BaseException:
            with contextlib.suppress(OSError):
                os.kill(int(process.read_text().split()[0]), signal.SIGKILL)
            raise
