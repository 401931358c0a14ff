"""What the main process tells the recorder at the start and at the end of a run.  Picklable, and plain JSON.

The recorder's protocol, pickles over a socket pair between two processes of ours:

    to it     ("open", RunHeader)
              ("epoch", Parcel of an Epoch, RouteRows that it has beyond | None,
               Course, began_mono_ns, ended_mono_ns,   came into force between began and ended
               handovers, how many there are)   with it; more than those are only counted
              ("clock", Course, began_mono_ns, ended_mono_ns)   emulated time goes another way from then on
              ("missed", first, last)   entries of the feed that were let go, since this process was too slow
              ("links", until_mono_ns, rows)   what packets waited on customers' links, up to then
              ("course", row)   of the second until now: see course.py
              ("finish", RunFacts)
    from it   ("ready",) · ("digest", dict) once a second · ("fault", FailureError) at once ·
              ("finished", summary dict)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ..epoch import Nodes
from .due import Schedule
from .files import FORMAT, MARKER
from .platforms import PlatformFacts
from .soundness import Window

Ended = Literal["completed", "interrupted", "failed"]


@dataclass(frozen=True)
class RunHeader:
    """Known before the first packet.

    ``start_utc`` is the emulated instant of ``sim_ns`` 0; ``began_utc`` the
    machine's own time when the run began.  ``machine`` is ``machine.machine_facts()``.
    ``addresses`` maps a node's name to its IPv4 address.
    """

    run_id: str
    out: Path
    scenario_name: str
    scenario_title: str
    scenario_hash: str
    seed: int
    start_utc: datetime
    began_utc: datetime
    duration_ns: int
    step_ns: int
    backend: str
    clock: str
    rate_scale: float
    nodes: Nodes
    plane: str = "wired"
    propagation: tuple[dict[str, Any], ...] = ()  # of each shell, as orbit.Propagation
    cross_plane_offsets: tuple[str, ...] = ()  # of each shell, in words
    ground_links: str = ""  # by which policy stations choose satellites, in words
    arrangements: tuple[dict[str, Any], ...] = ()  # of each shell from a file, as orbit.Arrangement
    machine: dict[str, Any] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    # where each gateway stands: latitude_deg, longitude_deg, altitude_m
    stations: dict[str, dict[str, float]] = field(default_factory=dict)
    # Awake.to_dict(): were the processors kept from sleeping, and if not, why
    awake: dict[str, Any] = field(default_factory=lambda: {"held": False, "reason": "not asked for"})
    # ErrorBudget.to_dict() of the calibration, or {"reason": why there is none}
    error_budget: dict[str, Any] = field(default_factory=lambda: {"reason": "none was asked for"})
    presets: tuple[dict[str, Any], ...] = ()  # that the scenario leans on: scenario.presets_used
    platform: PlatformFacts | None = None  # what satellites are as to power and heat
    schedule: Schedule | None = None  # None: nothing measures, since nothing carries its packets
    customers: list[dict[str, Any]] = field(default_factory=list)  # classes and their targets
    serving: dict[str, Any] | None = None  # ServingSpec, as a dict
    training: dict[str, Any] | None = None  # scenario.training.described
    scenario_content: dict[str, Any] = field(default_factory=dict)  # as a file has it, defaults filled in
    options: dict[str, Any] = field(default_factory=dict)  # what else the caller wants in run.json

    def as_file(self) -> dict[str, Any]:
        """All of run.json."""
        return {MARKER: FORMAT} | self.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """For run.json; a JSON object with a unit in every key that has one."""
        return {
            "run_id": self.run_id,
            "scenario": {
                "name": self.scenario_name,
                "title": self.scenario_title,
                "sha256": self.scenario_hash,
            },
            "content": self.scenario_content,
            "seed": self.seed,
            "start_utc": utc_text(self.start_utc),
            "began_utc": utc_text(self.began_utc),
            "duration_ns": self.duration_ns,
            "step_ns": self.step_ns,
            "plane": self.plane,
            "propagation": list(self.propagation),
            "cross_plane_offsets": list(self.cross_plane_offsets),
            "ground_links": self.ground_links,
            "arrangements": list(self.arrangements),
            "backend": self.backend,
            "clock": self.clock,
            "rate_scale": self.rate_scale,
            "machine": self.machine,
            "awake": self.awake,
            "options": self.options,
            "customers": self.customers,
            "serving": self.serving,
            "training": self.training,
            "error_budget": self.error_budget,
            "presets": list(self.presets),
            "platform": None if self.platform is None else self.platform.to_dict(),
            "schedule": None if self.schedule is None else self.schedule.to_dict(),
            "satellites": self.nodes.n_satellites,
            "gateways": list(self.nodes.names[self.nodes.n_satellites :]),
            "stations": self.stations,
            "known_as": self.nodes.known_as.to_dict(),
            "addresses": self.addresses,
        }


@dataclass(frozen=True)
class LateTickFact:
    number: int
    sim_ns: int
    late_ns: int


@dataclass(frozen=True)
class RunFacts:
    """Known when the run is over.  None where nothing was measured.

    ``emulated_ns`` is how much emulated time ran, from ``began_sim_ns`` on; ``build_ns`` what it took to
    build.  ``tick_cost_*`` are all work for one tick, ``lateness_*`` how late
    packets left the link backend against their due time.  ``packets_dropped``
    counts by cause, and ``dead_nodes`` says how each ended.  Between
    ``began_mono_ns`` and ``ended_mono_ns`` the nodes were to measure;
    ``windows`` are the moments in which the link backend was late.
    """

    ended: Ended
    reason: str = ""
    ended_utc: datetime = field(default_factory=lambda: datetime.now(UTC))
    emulated_ns: int = 0
    began_sim_ns: int | None = None  # None: it did not
    build_ns: int = 0
    ticks: int = 0
    late_ticks: tuple[LateTickFact, ...] = ()
    tick_cost_p50_ns: int | None = None
    tick_cost_p99_ns: int | None = None
    tick_cost_max_ns: int | None = None
    clock_held_ns: int = 0  # how long a paced clock stood still
    # how long emulated time stood still because it was told to, in real time
    clock_paused_ns: int = 0
    clock_pauses: int = 0
    clock_steps: int = 0
    clock_speeds: tuple[float, ...] = ()  # that were asked for, in their order
    lateness_p50_ns: int | None = None
    lateness_p99_ns: int | None = None
    lateness_max_ns: int | None = None
    packets_dropped: dict[str, int] = field(default_factory=dict)
    dead_nodes: dict[str, str] = field(default_factory=dict)
    interventions: dict[str, Any] = field(default_factory=dict)  # Intervening.account()
    warnings: tuple[str, ...] = ()  # further reasons not to trust the run
    began_mono_ns: int | None = None
    ended_mono_ns: int | None = None
    windows: tuple[Window, ...] = ()

    @property
    def measured_ns(self) -> int:
        """For how long nodes measured and asked: real time, whatever emulated time did meanwhile."""
        return measured_ns(self.began_mono_ns, self.ended_mono_ns) or self.emulated_ns

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"ended_utc": utc_text(self.ended_utc)}


def measured_ns(began_mono_ns: int | None, ended_mono_ns: int | None) -> int | None:
    """None where that is not known."""
    return None if began_mono_ns is None or ended_mono_ns is None else ended_mono_ns - began_mono_ns


def utc_text(instant: datetime) -> str:
    """ISO 8601 in UTC, with Z; ValueError for a naive instant."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone")
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
