"""Who may ask a running mesh from outside, and how: by its door, the control API, the live page, metrics.

All go by the door; each of the others is a process beside the run, which may die and is started again.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from ..control.api.listening import Listening
from ..control.server import ControlServer, Handler
from ..web.listening import WebListening
from .api_process import ApiProcess, CalledMesh
from .metrics_process import MetricsProcess, url_of
from .web_process import WebProcess


class Doors:
    """The sockets, which listen already, are the run's until ``close``."""

    control: ControlServer | None = None
    api: ApiProcess | None = None
    page: WebProcess | None = None
    metrics: MetricsProcess | None = None

    def __init__(
        self, listen: Listening | None, web: WebListening | None, metrics_tcp: socket.socket | None
    ) -> None:
        """``listen``: where the control API is called by TCP, ``web``: where the live page is served."""
        self.listen, self._web, self._metrics_tcp = listen, web, metrics_tcp

    @property
    def listens(self) -> str | None:
        """Where it is called by TCP, and how, in words: the control API, the metrics."""
        said = [] if self.listen is None else [str(self.listen)]
        said += [] if self._metrics_tcp is None else [f"metrics: {url_of(self._metrics_tcp)}"]
        return "\n".join(said) or None

    @property
    def web_url(self) -> str | None:
        """Of the live page, with the token that lets it in."""
        return None if self._web is None else self._web.url

    def open(
        self, mesh: CalledMesh, handlers: dict[str, Handler], on_failure: Callable[[BaseException], None]
    ) -> None:
        """From now on it can be asked."""
        self.control = ControlServer(mesh.run_id, handlers, on_failure)
        self.api = ApiProcess(mesh, self.control.entry, self.listen)

    def show(self, mesh: CalledMesh) -> None:
        """Once it runs: the live page, and metrics, where they are wanted."""
        if self._web is not None:
            self.page = WebProcess(mesh, self._web)
        if self._metrics_tcp is not None:
            self.metrics = MetricsProcess(mesh.run_id, self._metrics_tcp)

    def close(self) -> None:
        """The last first, each also where the one before failed."""
        with contextlib.ExitStack() as last_first:
            for listens in (self.listen, self._metrics_tcp, self._web):
                if listens is not None:
                    last_first.callback(listens.close)
            for serves in (self.page, self.api):
                if serves is not None:
                    last_first.callback(serves.close)
            if self.control is not None:  # its end tells waiting clients that all is written and gone
                last_first.callback(self.control.close)
            if self.metrics is not None:  # it reads by the door, and would be started again without
                last_first.callback(self.metrics.close)
