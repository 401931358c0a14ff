"""The recorder process, from the run's side: what it is handed, and what it says (see record/facts.py)."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from pathlib import Path
from typing import Any

from ..record.facts import RunFacts, RunHeader
from .conductor import Tick
from .parcels import Parcel, send
from .processes import Child, tell
from .supervision import Supervision

log = logging.getLogger(__name__)

_FINISH_TIMEOUT_S = 60.0


class RecorderProcess:
    """``digest`` is of the last seconds; ``summary`` is there once ``finish`` has returned."""

    def __init__(self, supervision: Supervision, samples: socket.socket) -> None:
        self._supervision = supervision
        self._child = supervision.start("recorder", "orbitmesh.emulator.record.process", samples)
        supervision.hear(self._child, self._heard)
        supervision.at_death(self._died)
        self.digest: dict[str, Any] = {}
        self.summary: dict[str, Any] = {}
        self._recorded = threading.Event()

    def open(self, header: RunHeader) -> None:
        tell(self._child, ("open", header))

    def tick(self, tick: Tick) -> None:
        parcel = Parcel.pack(tick.epoch) if tick.parcel is None else tick.parcel
        when = (tick.t0_mono_ns, tick.began_mono_ns, tick.ended_mono_ns)
        with contextlib.suppress(OSError):  # it has gone: the watcher says so, and why
            send(self._child.control, "epoch", parcel, tick.more, *when)
        parcel.close()

    def finish(self, facts: RunFacts, out: Path) -> None:
        with contextlib.suppress(OSError):  # it may be what died
            self._child.control.send(("finish", facts))
            if not self._recorded.wait(_FINISH_TIMEOUT_S):
                log.error(
                    "the recorder did not finish within %.0f s; read %s with: orbitmesh report",
                    _FINISH_TIMEOUT_S,
                    out,
                )

    def _died(self, child: Child) -> None:
        if child is self._child:
            self._recorded.set()

    def _heard(self) -> None:
        message = self._child.control.recv()
        match message[0]:
            case "digest":
                self.digest = message[1]
            case "fault":
                self._supervision.fail(message[1])
            case "finished":
                self.summary = message[1]
                self._recorded.set()
