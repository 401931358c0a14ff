"""A mesh in the background: built and held by a process there, watched from the foreground.

The two talk over a socket pair.  From behind: JSON lines ({"progress": […]},
{"ready": …}, {"error": …}).  From the front: one word, KEEP, when its time is
over, or at once for a run that was asked to go on alone.  Until then the front's
end (Ctrl-C, SIGKILL, a closed terminal) ends the mesh too: nothing may stay that
nobody asked to stay.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FailureError, InputError, OrbitmeshError
from ..run_names import LOG_NAME
from ..safe_files import Folder
from .ending import interruptible, refuse_losses
from .options import Format, runs_folder
from .report import print_report
from .screen import Screen
from .settings import Settings, helpers_begun, prepared

if TYPE_CHECKING:
    from ..run.emulation import Emulation

KEEP = b"keep\n"

_END_TIMEOUT_S = 90.0
_LAST_BYTES = 1 << 16


# ---- in front


def start(settings: Settings, *, keep: bool, detach: bool) -> None:
    """Start the mesh behind, and leave it there: after its duration, or (``detach``) once it is built.

    ``keep``: it stays until ``orbitmesh down``; otherwise it ends with its duration.
    """
    screen = Screen()
    with interruptible(), _Behind(settings, keep=keep) as behind:
        ready: dict[str, Any] | None = None
        for message in behind.messages():
            if "progress" in message:
                screen.progress(*message["progress"])
            if "ready" in message:
                ready = message["ready"]
                break
        if ready is None:
            raise FailureError(f"the background process ended without a word; {behind.last_words()}")
        screen.end_progress()
        screen.say(f"{ready['run_id']}: built in {ready['built_s']:.1f} s; {ready['plane_reason']}")
        if ready.get("listens"):
            screen.say(ready["listens"])
        if ready.get("web_url"):
            screen.say(f"the live page: {ready['web_url']}")
        try:
            last = _watched(screen, behind, ready, 0.0 if detach else ready["duration_s"])
        except BaseException:
            behind.end()
            print_report(Path(ready["out"]), Format.TABLE)
            raise
        behind.keep()
    run_id = ready["run_id"]
    a, b = ready["example_nodes"]
    if detach:
        print(run_id)
    how_long = "until orbitmesh down" if keep else f"for its {ready['duration_s']:g} s"
    screen.say(
        f"{run_id} stays in the background {how_long} (log: {Path(ready['out'], LOG_NAME)}).\n"
        f"  orbitmesh status\n"
        f"  orbitmesh ping {a} {b}\n"
        f"  orbitmesh exec {a} -- COMMAND\n"
        f"  orbitmesh down"
    )
    refuse_losses(last)


def _watched(screen: Screen, behind: _Behind, ready: dict[str, Any], duration_s: float) -> dict[str, Any]:
    """For so long; its status then.  Raises what ends it before."""
    from ..control.client import Client

    with Client.connect(ready["run_id"]) as client:
        if duration_s:
            with screen.watching(client.watching()):
                behind.wait_until(time.monotonic() + duration_s)
        return client.status()


class _Behind:
    """The process behind, from the front.  Leaving the block without ``keep`` ends it."""

    def __init__(self, settings: Settings, *, keep: bool) -> None:
        self._settings, self._is_to_hold = settings, keep
        self._unread = b""
        self._kept = False

    def __enter__(self) -> _Behind:
        beside = self._settings.out.parent if self._settings.out is not None else runs_folder()
        try:
            self._beside = Folder.reach(beside, make=True)
            self._log = f".orbitmesh-{secrets.token_hex(8)}.log"
            log = self._beside.create(self._log)
        except OSError as error:
            raise FailureError(
                f"cannot write into {beside}: {error.strerror}; name another place with --out"
            ) from error
        ours, theirs = socket.socketpair()
        self._socket = ours
        try:
            with theirs, os.fdopen(log, "wb") as sink:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "orbitmesh.emulator.cli", *self._arguments(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=sink,
                    pass_fds=[theirs.fileno(), self._beside.fd],
                    start_new_session=True,
                    env={**os.environ, "ORBITMESH_LOG": str(self._beside.anchored / self._log)},
                )
        except OSError as error:
            ours.close()
            self._forget_log()
            raise FailureError(f"cannot start a process in the background: {error}") from error
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _arguments(self, lifeline: int) -> list[str]:
        s = self._settings
        options = {
            "--duration": None if s.duration_ns is None else f"{s.duration_ns}ns",
            "--clock": s.clock,
            "--seed": s.seed,
            "--out": s.out,
            "--links": s.links,
            "--plane": s.plane,
            "--metrics": s.metrics_port,
            "--web": s.web_port,
            "--lifeline": lifeline,
            **({} if s.listen is None else s.listen.arguments()),
        }
        given = [word for name, value in options.items() if value is not None for word in (name, str(value))]
        return ["run", *given, *(["--keep"] if self._is_to_hold else []), "--", s.scenario]

    def messages(self) -> Iterator[dict[str, Any]]:
        """What it says, until it ends; an error it reports is raised here."""
        while True:
            line, newline, rest = self._unread.partition(b"\n")
            if newline:
                self._unread = rest
                message: dict[str, Any] = json.loads(line)
                if "error" in message:
                    kind = InputError if message["exit_status"] == InputError.exit_status else FailureError
                    raise kind(message["error"])
                yield message
            else:
                data = _received(self._socket)
                if not data:
                    return
                self._unread += data

    def wait_until(self, deadline_s: float) -> None:
        """FailureError when it ends before the deadline (CLOCK_MONOTONIC, s)."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            while (left_s := deadline_s - time.monotonic()) > 0:
                if selector.select(left_s):
                    for _ in self.messages():
                        pass
                    raise FailureError(f"the mesh has ended; {self.last_words()}")

    def keep(self) -> None:
        try:
            self._socket.sendall(KEEP)
        except OSError:
            raise FailureError(f"the mesh has ended; {self.last_words()}") from None
        self._kept = True

    def end(self) -> None:
        """End it in order, unless it is to stay; SIGKILL where it does not."""
        self._socket.close()
        if self._kept:
            self._process.returncode = 0  # it lives on, and Popen need not warn of that
            self._beside.close()
            return
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget_log()

    def _forget_log(self) -> None:
        if self._beside.fd >= 0:
            self._beside.remove(self._log)  # moved into the run's folder, unless the run never began
            self._beside.close()

    def last_words(self) -> str:
        """The end of its log, for an error message."""
        try:
            lines = self._beside.read(self._log, _LAST_BYTES).decode(errors="replace").strip().splitlines()
        except FileNotFoundError:
            return f"its log is {LOG_NAME} in the run's folder"
        return f"it said: {lines[-1]}" if lines else "it left no log"


def _received(connection: socket.socket) -> bytes:
    """What came; empty when the other side is gone, however it went."""
    try:
        return connection.recv(1 << 16)
    except ConnectionError:
        return b""


# ---- behind


def serve(settings: Settings, lifeline_fd: int, *, keep: bool) -> None:
    """Build the mesh and hold it, for its duration or (``keep``) for as long as nobody ends it.

    The front hears of it over the lifeline, people in the log.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    front = _Front(socket.socket(fileno=lifeline_fd))
    mesh = None
    with interruptible(), helpers_begun():
        try:
            front.watch()
            with prepared(settings, lambda *progress: front.tell({"progress": progress})) as mesh:
                if (log := os.environ.get("ORBITMESH_LOG")) is not None:
                    os.rename(log, LOG_NAME, dst_dir_fd=mesh.folder.fd)  # its folder is reached by descriptor
                front.tell(
                    {
                        "ready": {
                            "run_id": mesh.run_id,
                            "out": str(mesh.out.absolute()),
                            "built_s": mesh.built_s,
                            "plane_reason": mesh.plane_reason,
                            "duration_s": mesh.duration_ns / 1e9,
                            "example_nodes": _example_nodes(mesh),
                            "listens": mesh.listens,
                            "web_url": mesh.web_url,
                        }
                    }
                )
                if keep:
                    mesh.hold()
                else:
                    mesh.wait()
        except OrbitmeshError as error:
            front.tell({"error": str(error), "exit_status": error.exit_status})
            raise
        finally:
            if mesh is not None and (mesh.out / "run.json").is_file():
                print_report(mesh.out, Format.TABLE)


def _example_nodes(mesh: Emulation) -> tuple[str, str]:
    """The first gateway and the last; satellites where there are none."""
    names, n_satellites = mesh.nodes.names, mesh.nodes.n_satellites
    return names[n_satellites % len(names)], names[-1]


class _Front:
    """Who called, from behind."""

    def __init__(self, lifeline: socket.socket) -> None:
        self._socket = lifeline
        self._gone = False

    def tell(self, message: dict[str, Any]) -> None:
        if not self._gone:
            try:
                self._socket.sendall(json.dumps(message).encode() + b"\n")
            except OSError:
                self._gone = True  # it ended; `watch` knows what that means

    def watch(self) -> None:
        """End this process in order when the front ends without having said KEEP."""
        threading.Thread(target=self._listen, name="lifeline", daemon=True).start()

    def _listen(self) -> None:
        heard = b""
        while not heard.endswith(KEEP):
            data = _received(self._socket)
            if not data:
                os.kill(os.getpid(), signal.SIGTERM)
                return
            heard += data
