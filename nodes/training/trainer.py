"""A member of a training group: computes by the model's clock, all-reduces for real, and reports each step.

In a thread of its own, so that neither the node's event loop nor its gRPC server waits for a neighbour.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

from orbitmesh.wire.energy import EnergyReport
from orbitmesh.wire.training import ELEMENT_BYTES, TrainingSpec, TrainingStep

from .gradient import gradient, wrong
from .meter import Meter
from .pace import Pace
from .ring import Ring, RingBroken

WRONG_SUM = "wrong sum"


class Trainer:
    """``report`` is called in the event loop; ``failed`` is done, with its error, where the thread fails."""

    def __init__(
        self, spec: TrainingSpec, name: str, address: str, report: Callable[[TrainingStep], None]
    ) -> None:
        """OSError where its port cannot be had."""
        self._spec, self._name, self._report = spec, name, report
        self._ring = Ring(spec, address)
        self._loop = asyncio.get_running_loop()
        self.failed: asyncio.Future[None] = self._loop.create_future()
        self._changed = threading.Condition()
        self._capacity_ratio = 1.0
        self._pace: Pace | None = None  # of what is computed now
        self._meter = Meter(spec.idle_w, spec.full_w, spec.power_exponent, time.monotonic_ns())
        self._begin_mono_ns: int | None = None
        self._is_closing = False
        self._elements = spec.gradient_bytes // ELEMENT_BYTES
        self._thread = threading.Thread(target=self._run, name="trainer", daemon=True)
        self._thread.start()

    def obey(self, order: dict[str, Any]) -> None:
        """What the run says: see parent.py."""
        with self._changed:
            if "capacity_ratio" in order:
                now_ns = time.monotonic_ns()
                self._settle(now_ns)
                self._capacity_ratio = order["capacity_ratio"]
                self._meter.capacity(now_ns, self._capacity_ratio)
                if self._pace is not None:
                    self._pace.set(now_ns, self._capacity_ratio)
            if "train_from_mono_ns" in order:
                self._begin_mono_ns = order["train_from_mono_ns"]
            self._changed.notify_all()

    def energy(self, name: str) -> EnergyReport:
        """Of all its accelerators until now."""
        with self._changed:
            now_ns = time.monotonic_ns()
            self._settle(now_ns)
            return EnergyReport(name, now_ns, *self._meter.read(now_ns))

    def close(self) -> None:
        """Returns when its thread has ended."""
        self._ring.close()
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join()
        self._ring.release()

    # ---- the thread

    def _run(self) -> None:
        try:
            self._train()
        except BaseException as error:
            self._loop.call_soon_threadsafe(self._fail, error)

    def _fail(self, error: BaseException) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)

    def _train(self) -> None:
        step, began_ns = 0, self._wait_for_begin()
        while not self._ring.closed.is_set():
            try:
                self._ring.connect()
                step = self._ring.agree(step)
                began_ns = max(began_ns, time.monotonic_ns())
                while True:
                    began_ns = self._step(step, began_ns)
                    step += 1
            except RingBroken as error:
                if self._ring.closed.is_set():
                    return
                now_ns = time.monotonic_ns()
                with self._changed:
                    self._settle(now_ns)
                    if self._pace is not None:  # in vain
                        self._pace = None
                        self._meter.computes(now_ns, False)
                self._tell(TrainingStep(step, self._name, began_ns, now_ns, now_ns, now_ns, error=str(error)))
                step, began_ns = step + 1, now_ns

    def _step(self, step: int, began_ns: int) -> int:
        """When it was over."""
        spec = self._spec
        with self._changed:
            pace = self._pace = Pace(spec.compute_ns, began_ns, self._capacity_ratio)
            self._meter.computes(began_ns, True)
        vector = gradient(step, spec.place, self._elements)
        joined_ns = self._until(pace, 1 - spec.overlap_ratio)
        self._ring.all_reduce(step, vector)
        summed_ns = time.monotonic_ns()
        n_wrong = wrong(vector, step, spec.members)
        computed_ns = self._until(pace, 1.0) if spec.overlap_ratio else joined_ns
        held_ns = max(0, computed_ns - began_ns - spec.compute_ns)
        self._tell(
            TrainingStep(
                step, self._name, began_ns, joined_ns, computed_ns, summed_ns, held_ns,
                self._ring.waited_ns, self._ring.bytes_sent, f"{WRONG_SUM} in {n_wrong}" if n_wrong else "",
            )
        )  # fmt: skip
        return max(summed_ns, computed_ns)

    def _until(self, pace: Pace, share: float) -> int:
        """Wait until so much is computed; the modelled instant, which waking up late does not move."""
        with self._changed:
            while True:
                now_ns = time.monotonic_ns()
                at_ns = pace.at_ns(share)
                if at_ns is not None and at_ns <= now_ns:
                    self._settle(now_ns)
                    return at_ns
                if self._is_closing:
                    raise RingBroken("closed")
                self._changed.wait(None if at_ns is None else (at_ns - now_ns) / 1e9)

    def _settle(self, now_ns: int) -> None:
        """Where computing has ended by now, it did at the modelled instant, maybe amid an all-reduce."""
        if self._pace is not None and (end_ns := self._pace.at_ns()) is not None and end_ns <= now_ns:
            self._pace = None
            self._meter.computes(end_ns, False)

    def _wait_for_begin(self) -> int:
        with self._changed:
            while (begin_ns := self._begin_mono_ns) is None or (
                left_ns := begin_ns - time.monotonic_ns()
            ) > 0:
                self._changed.wait(None if begin_ns is None else left_ns / 1e9)
        return begin_ns

    def _tell(self, step: TrainingStep) -> None:
        self._loop.call_soon_threadsafe(self._report, step)
