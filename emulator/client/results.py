"""What a mesh answers, as plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orbitmesh.control.v1 import control_pb2 as pb


@dataclass(frozen=True)
class Status:
    """``told``: all of it, as ``orbitmesh status -o json`` prints it."""

    run_id: str
    scenario: str
    out: str
    plane: str
    backend: str
    clock: str
    elapsed_ns: int
    duration_ns: int
    satellites: int
    gateways: int
    lasers: int
    ground_links: int
    nodes_ready: int
    dead_nodes: Mapping[str, str]
    ticks: int
    late_ticks: int
    is_paused: bool
    told: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, message: Any) -> Status:
        names = (
            "run_id", "scenario", "plane", "backend", "clock", "elapsed_ns", "duration_ns", "satellites",
            "gateways", "lasers", "ground_links", "nodes_ready", "ticks", "late_ticks", "is_paused",
        )  # fmt: skip
        return cls(
            out=message.out_path, dead_nodes=dict(message.dead_nodes), told=json.loads(message.as_json),
            **{name: getattr(message, name) for name in names},
        )  # fmt: skip


@dataclass(frozen=True)
class Node:
    """``shell``, ``plane`` and ``slot``: of a satellite.  ``known_as``: what a file calls it, or ""."""

    index: int
    name: str
    is_gateway: bool
    shell: int | None = None
    plane: int | None = None
    slot: int | None = None
    known_as: str = ""

    @classmethod
    def of(cls, message: Any) -> Node:
        return cls(
            message.index, message.name, message.kind == pb.NODE_KIND_GATEWAY, known_as=message.known_as,
            **{name: _or_none(message, name) for name in ("shell", "plane", "slot")},
        )  # fmt: skip


@dataclass(frozen=True)
class Link:
    """``delay_ns`` one way; rates physical, one per direction; ``kind``: "laser" or "ground"."""

    a: str
    b: str
    kind: str
    delay_ns: float
    delay_slope_ns_per_s: float
    rate_ab_bps: int
    rate_ba_bps: int
    is_up: bool = True

    @classmethod
    def of(cls, message: Any) -> Link:
        return cls(
            message.a, message.b, kind_of(message.kind), message.delay_ns, message.delay_slope_ns_per_s,
            message.rate_ab_bps, message.rate_ba_bps, message.is_up,
        )  # fmt: skip


def kind_of(kind: int) -> str:
    return {1: "laser", 2: "ground"}.get(kind, "unknown")


@dataclass(frozen=True)
class Path:
    """As routed now; no nodes and no delay where there is no way.  ``delay_ns`` one way, without queues."""

    nodes: tuple[str, ...]
    delay_ns: float | None
    known_as: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __bool__(self) -> bool:
        return bool(self.nodes)

    @property
    def hops(self) -> int | None:
        return len(self.nodes) - 1 if self.nodes else None

    @classmethod
    def of(cls, message: Any) -> Path:
        return cls(tuple(message.nodes), _or_none(message, "delay_ns"), dict(message.known_as))


@dataclass(frozen=True)
class Contact:
    """From ``begin_sim_ns`` up to ``end_sim_ns``; ``has_begin``: it began within what was asked for.

    Of ways ``path`` is empty while there is none.  Round trips are those of light.
    """

    begin_sim_ns: int
    end_sim_ns: int
    has_begin: bool
    has_end: bool
    begin_rtt_ns: int | None
    end_rtt_ns: int | None
    path: tuple[str, ...]

    @classmethod
    def of(cls, message: Any) -> Contact:
        return cls(
            message.begin_sim_ns, message.end_sim_ns, message.has_begin, message.has_end,
            _or_none(message, "begin_rtt_ns"), _or_none(message, "end_rtt_ns"), tuple(message.path),
        )  # fmt: skip


@dataclass(frozen=True)
class Event:
    """``number`` to resume by; ``told``: all of it, as ``orbitmesh watch -o json`` prints it."""

    number: int
    event: str
    sim_ns: int | None
    n: int
    nodes: tuple[str, ...]
    told: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, message: Any) -> Event:
        event = message.event
        return cls(
            message.number, event.event, _or_none(event, "sim_ns"), event.n, tuple(event.nodes),
            json.loads(event.as_json),
        )  # fmt: skip


@dataclass(frozen=True)
class Missed:
    """What a watcher that was too slow was not told: entries of these numbers."""

    first_number: int
    last_number: int

    def __len__(self) -> int:
        return self.last_number - self.first_number + 1

    @classmethod
    def of(cls, message: Any) -> Missed:
        return cls(message.first_number, message.last_number)


@dataclass(frozen=True)
class Intervention:
    """``told``: all of it, as ``orbitmesh faults -o json`` prints it."""

    number: int
    what: str
    by: str
    at_sim_ns: int | None
    until_sim_ns: int | None
    rate_bps: int | None
    loss_ratio: float | None
    extra_delay_ns: int | None
    told: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, message: Any) -> Intervention:
        more = ("at_sim_ns", "until_sim_ns", "rate_bps", "loss_ratio", "extra_delay_ns")
        return cls(
            number=message.number, what=message.what, by=message.by, told=json.loads(message.as_json),
            **{name: _or_none(message, name) for name in more},
        )  # fmt: skip


@dataclass(frozen=True)
class InForce:
    """What was put in force, or lifted; ``in_force_ns`` from the call to the links; ``absent``: links that
    are not there now."""

    interventions: tuple[Intervention, ...]
    in_force_ns: int
    absent: tuple[str, ...] = ()

    @classmethod
    def of(cls, message: Any) -> InForce:
        return cls(
            tuple(map(Intervention.of, message.interventions)), message.in_force_ns,
            tuple(getattr(message, "absent", ())),
        )  # fmt: skip


@dataclass(frozen=True)
class ClockState:
    elapsed_ns: int
    is_paused: bool
    speed_ratio: float
    #: the emulated instant
    sim_ns: int

    @classmethod
    def of(cls, message: Any) -> ClockState:
        clock = message.clock
        return cls(clock.elapsed_ns, clock.is_paused, clock.speed_ratio, clock.sim_ns)


@dataclass(frozen=True)
class Completed:
    """A program that has ended.  ``exit_status`` as a shell gives it: 128 + signal."""

    exit_status: int
    output: bytes
    error_output: bytes

    @property
    def text(self) -> str:
        return self.output.decode(errors="replace")


def interventions_of(message: Any) -> list[Intervention]:
    return list(map(Intervention.of, message.interventions))


def event_or_missed(message: Any) -> Event | Missed | Status:
    match message.WhichOneof("news"):
        case "event":
            return Event.of(message)
        case "missed":
            return Missed.of(message.missed)
        case _:
            return Status.of(message.status)


def _or_none(message: Any, name: str) -> Any:
    return getattr(message, name) if message.HasField(name) else None
