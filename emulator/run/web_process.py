"""The live page's server as a child of the run: from the mesh's first tick to its end."""

from __future__ import annotations

import os
from typing import Protocol

from ..control.api import settings
from ..processes import Child, start_child
from ..safe_files import Folder
from ..web.listening import WebListening
from .beside import Beside

_MODULE = "orbitmesh.emulator.web.process"


class SeenMesh(Protocol):
    run_id: str

    @property
    def folder(self) -> Folder: ...


class WebProcess(Beside):
    """``listening`` is closed by whoever has it."""

    name = "the live page"

    def __init__(self, mesh: SeenMesh, listening: WebListening) -> None:
        self._mesh, self._listening = mesh, listening
        super().__init__()

    def start(self) -> Child:
        fds = {
            "--settings-fd": settings.written(self._listening.settings(self._mesh.run_id)),
            "--folder-fd": self._mesh.folder.fd,
            "--tcp-fd": self._listening.socket.fileno(),
        }
        try:
            arguments = [word for name, fd in fds.items() for word in (name, str(fd))]
            return start_child("live page", _MODULE, arguments=arguments, pass_fds=list(fds.values()))
        finally:
            os.close(fds["--settings-fd"])
