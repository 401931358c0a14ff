"""The control API, from the run's side: its sockets, and its process, which is started when somebody calls.

A run that nobody calls pays for a thread that sleeps.  The sockets stay here: when the process dies, or has
ended since nobody called any more, who calls next waits there until it has been started again.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from multiprocessing.connection import wait
from typing import Protocol

from ..control.api import settings
from ..control.api.listening import Listening
from ..control.places import Entry
from ..epoch import Nodes
from ..errors import FailureError
from ..processes import Child, start_child
from ..safe_files import Folder

log = logging.getLogger(__name__)

_MODULE = "orbitmesh.emulator.control.api"
_LEAST_AGAIN_S, _MOST_AGAIN_S = 0.2, 10.0  # between starts of one that dies at once
_LIVED_S = 5.0
_GRACE_S = 5.0


class CalledMesh(Protocol):
    run_id: str

    @property
    def nodes(self) -> Nodes: ...
    @property
    def folder(self) -> Folder: ...


class ApiProcess:
    """From now on until ``close``; ``listen`` is closed by whoever has it."""

    def __init__(self, mesh: CalledMesh, entry: Entry, listen: Listening | None) -> None:
        self._mesh, self._entry, self._listen = mesh, entry, listen
        self._closing, self._wake = os.pipe2(os.O_CLOEXEC)
        self._child: Child | None = None
        self._thread = threading.Thread(target=self._run, name="control API", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """Of its process, while there is one."""
        child = self._child
        return None if child is None else child.pid

    def close(self) -> None:
        """Safe to call twice."""
        if self._wake >= 0:
            os.close(self._wake)
            self._thread.join()
            os.close(self._closing)
            self._wake = -1

    def _run(self) -> None:
        again_s = _LEAST_AGAIN_S
        sources = [self._entry.api_socket, *([self._listen.socket] if self._listen is not None else [])]
        try:
            while self._closing not in wait([self._closing, *sources]):
                began_s = time.monotonic()
                if self._start_and_wait():
                    return
                again_s = _LEAST_AGAIN_S if time.monotonic() - began_s > _LIVED_S else again_s
                if wait([self._closing], timeout=again_s):
                    return
                again_s = min(2 * again_s, _MOST_AGAIN_S)
        except Exception:
            # the mesh goes on, and so do the door and all verbs that use it
            log.exception("the control API cannot be called any more")

    def _start_and_wait(self) -> bool:
        """Until it has ended; True where the run ends, and so has it."""
        try:
            self._child = child = self._start()
        except (FailureError, OSError) as error:
            log.warning("the control API's process cannot be started: %s", error)
            return False
        try:
            is_closing = self._closing in wait([child.control, self._closing])
        finally:
            child.stop(_GRACE_S)
            self._child = None
        if not is_closing and child.process.returncode != 0:
            log.warning(
                "the control API's process died (%s); the mesh goes on, and the next call starts it again",
                child.ended(),
            )
        return is_closing

    def _start(self) -> Child:
        mesh, tls = self._mesh, None if self._listen is None else self._listen.tls
        told = settings.ApiSettings(mesh.run_id, mesh.nodes, tls)
        fds = {
            "--settings-fd": settings.written(told),
            "--unix-fd": self._entry.api_socket.fileno(),
            "--place-fd": self._entry.folder_fd,
            "--folder-fd": mesh.folder.fd,
        }
        try:
            if self._listen is not None:
                fds["--tcp-fd"] = self._listen.socket.fileno()
            arguments = [word for name, fd in fds.items() for word in (name, str(fd))]
            return start_child("control API", _MODULE, arguments=arguments, pass_fds=list(fds.values()))
        finally:
            os.close(fds["--settings-fd"])
