"""The recorder process, from the run's side: what it is handed, and what it says (see record/facts.py)."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from ..errors import RunError
from ..record.facts import RunFacts, RunHeader
from .conductor import Tick
from .parcels import Parcel, send
from .processes import Child, tell
from .supervision import Supervision

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

    def finish(self, facts: RunFacts) -> bool:
        """Whether it wrote the summary: it may be what died, or does not finish."""
        tell(self._child, ("finish", facts))
        if not self._recorded.wait(_FINISH_TIMEOUT_S):
            self._supervision.fail(
                RunError(f"the recorder did not finish within {_FINISH_TIMEOUT_S:.0f} s; is the disk slow?")
            )
        return bool(self.summary)

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
                self._supervision.may_end(self._child)
                self.summary = message[1]
                self._recorded.set()
