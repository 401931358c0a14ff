"""A calibration from its first measurement to its last: real traffic, through namespaces of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ..plane.kernel.awake import Awake, StayAwake
from ..record.facts import utc_text
from ..record.machine import machine_facts
from ..record.verdict import LATENESS_P99_BOUND_NS
from ..scenario import Scenario
from . import capacity, commands, delays, grpc_calls, store
from .agreement import PLANES, Plan, look
from .budget import LEAST_BOUND_NS, budget_of
from .consistency import Seen, disagreements
from .document import Calibration
from .subject import PlaneName, Subject, Wait

Progress = Callable[[str, int, int], None]


class Calibrator:
    """Everything about one backend in one plane and, of the engine, one way of waiting."""

    def __init__(
        self,
        backend: str,
        wait: Wait = "adaptive",
        *,
        plane: PlaneName = "wired",
        quick: bool = False,
        awake: bool = True,
    ) -> None:
        self._subject = Subject(backend, wait, plane, quick)
        self._awake = awake

    def run(self, on_progress: Progress = lambda what, done, total: None) -> Calibration:
        """In a minute, or some; OrbitmeshError where something breaks down."""
        with StayAwake(wanted=self._awake) as awake:
            return self._run(on_progress, awake.state)

    def _run(self, on_progress: Progress, awake: Awake) -> Calibration:
        steps: tuple[tuple[str, Callable[[Subject], dict[str, Any]]], ...] = (
            ("floor", delays.floor),
            ("one-way delay", delays.one_way),
            ("rates", capacity.rates),
            ("loss", capacity.losses),
            ("a falling delay", delays.falling),
            ("handover", delays.handover),
            ("small packets", capacity.small_packets),
            ("commands", commands.commands),
            ("gRPC", grpc_calls.grpc),
            ("repeats", delays.repeats),
        )
        found: dict[str, Any] = {}
        began = utc_text(datetime.now(UTC))
        for done, (name, measure) in enumerate(steps):
            on_progress(name, done, len(steps))
            found |= measure(self._subject)
        wait = self._subject.wait if self._subject.backend == "engine" else "kernel"
        calibration = Calibration(
            self._subject.backend,
            wait,
            began,
            machine_facts(),
            self._subject.quick,
            plane=self._subject.plane,
            is_awake=awake.held,
            **found,
        )
        if self._subject.plane == "fabric":
            on_progress("consistency", len(steps), len(steps) + 1)
            calibration = self._compared(calibration)
        on_progress("", len(steps), len(steps))
        return calibration

    def _compared(self, calibration: Calibration) -> Calibration:
        """With what packets met in both planes on the same scenario, and where that does not agree."""
        plan = Plan.of(Scenario.load("pocket" if self._subject.quick else "demo"))
        seen = tuple(look(plan, plane, "engine", self._subject.wait) for plane in PLANES)
        own = budget_of(calibration)
        other = store.recall(
            "wired", "engine", self._subject.wait, calibration.machine, is_awake=calibration.is_awake
        )
        wired = None if isinstance(other, str) else budget_of(other)

        def bound_ns(one: Seen, hops: int) -> float:
            budget = own if one.plane == "fabric" else wired
            return LATENESS_P99_BOUND_NS if budget is None else max(budget.path_p99_ns(hops), LEAST_BOUND_NS)

        return replace(calibration, consistency=seen, disagreements=tuple(disagreements(seen, bound_ns)))
