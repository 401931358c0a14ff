"""The control API, from the run's side: its sockets, and its process, which is started when somebody calls.

A run that nobody calls pays for a thread that sleeps.  The sockets stay here: when the process dies, or has
ended since nobody called any more, who calls next waits there until it has been started again.
"""

from __future__ import annotations

import os
from typing import Protocol

from ..control.api import settings
from ..control.api.listening import Listening
from ..control.places import Entry
from ..epoch import Nodes
from ..processes import Child, start_child
from ..safe_files import Folder
from .beside import Beside

_MODULE = "orbitmesh.emulator.control.api"
_IDLE_S = 60.0


class CalledMesh(Protocol):
    run_id: str

    @property
    def nodes(self) -> Nodes: ...
    @property
    def folder(self) -> Folder: ...


class ApiProcess(Beside):
    """``listen`` is closed by whoever has it."""

    name = "the control API"

    def __init__(self, mesh: CalledMesh, entry: Entry, listen: Listening | None) -> None:
        self._mesh, self._entry, self._listen = mesh, entry, listen
        super().__init__(entry.api_socket, *([listen.socket] if listen is not None else []))

    def start(self) -> Child:
        mesh, tls = self._mesh, None if self._listen is None else self._listen.tls
        told = settings.ApiSettings(mesh.run_id, mesh.nodes, tls, _IDLE_S)
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
