"""What the recorder cannot see of a run: when it was built and ran, how late packets were, and cautions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from ..plane.backend import Carrier, Lateness
from ..plane.mesh import MeshPlane
from ..record.facts import RunFacts
from .account import run_facts
from .clock import Clock
from .in_hand import InHand
from .intervening import Intervening
from .lateness_log import LatenessLog
from .ticks import TickLog


class Books:
    """``begin_build``, ``count_afresh`` and ``begin`` when all is there, ``end``, then ``facts``."""

    began_utc: datetime
    _build_mono_ns: int

    def __init__(self) -> None:
        self.built_s = 0.0
        self.began_sim_ns: int | None = None
        self._began_mono_ns: int | None = None  # the nodes' measuring, and its end
        self._ended_mono_ns: int | None = None
        self._cautions: tuple[str, ...] = ()
        self._lateness_before: Lateness | None = None
        self._lateness_log: LatenessLog | None = None

    def begin_build(self) -> None:
        self.began_utc = datetime.now(UTC)
        self._build_mono_ns = time.monotonic_ns()

    def caution(self, *cautions: str) -> None:
        self._cautions += cautions

    def count_afresh(self, backend: Carrier, on_failure: Callable[[BaseException], None]) -> None:
        """While the mesh was built, packets said nothing of how it runs."""
        self._lateness_before = backend.lateness()
        self._lateness_log = LatenessLog(backend, on_failure)
        self._lateness_log.start()

    def begin(self, clock: Clock) -> None:
        self.built_s = (time.monotonic_ns() - self._build_mono_ns) / 1e9
        self.began_sim_ns = clock.sim_ns()
        self._began_mono_ns = time.monotonic_ns()

    def end(self) -> None:
        self._ended_mono_ns = time.monotonic_ns()

    def lateness(self, backend: Carrier) -> Lateness | None:
        """Of the packets, since they are counted."""
        now, before = backend.lateness(), self._lateness_before
        return now if now is None or before is None else now.since(before)

    def facts(
        self,
        error: BaseException | None,
        ticks: TickLog | None,
        clock: Clock,
        in_hand: InHand,
        intervening: Intervening | None,
        plane: MeshPlane,
        backend: Carrier,
        dead_nodes: Mapping[str, str],
    ) -> RunFacts:
        """``ticks`` are None where the mesh was never built."""
        is_built = ticks is not None
        if self._lateness_log is not None:
            self._lateness_log.stop()
        return run_facts(
            error,
            ticks or TickLog(),
            self.lateness(backend) if is_built else None,
            plane.counters() if is_built and not backend.failure() else {},
            emulated_ns=0 if self.began_sim_ns is None else clock.sim_ns() - self.began_sim_ns,
            began_sim_ns=self.began_sim_ns,
            build_ns=round(self.built_s * 1e9),
            clock_held_ns=getattr(clock, "held_ns", 0),
            clock_paused_ns=in_hand.paused_ns,
            clock_pauses=in_hand.pauses,
            clock_steps=in_hand.steps,
            clock_speeds=tuple(in_hand.speeds),
            interventions={}
            if intervening is None or not is_built or backend.failure()
            else intervening.account(),
            dead_nodes=dict(dead_nodes),
            began_mono_ns=self._began_mono_ns,
            ended_mono_ns=self._ended_mono_ns,
            windows=() if self._lateness_log is None else self._lateness_log.windows(),
            # some backends know only at the end what made them less exact
            warnings=tuple(dict.fromkeys([*self._cautions, *backend.cautions(), *plane.kernel.cautions()])),
        )
