"""What a node process is told when it starts, and what it reports.  Plain JSON on the wire."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from .load import LoadSpec
from .serving import ServingSpec
from .training import TrainingSpec

GRPC_PORT = 50051
UDP_ECHO_PORT = 7007

PROBE_KINDS = ("grpc", "udp")
TASK_KINDS = ("matmul", "checksum", "generate")
NODE_KINDS = ("satellite", "gateway")
NEAREST = "nearest"


@dataclass(frozen=True)
class Peer:
    """Another node: its name and its IPv4 address."""

    name: str
    address: str


@dataclass(frozen=True)
class ProbeSpec:
    """Measure the round trip to each peer by each kind ("grpc", "udp"), every interval."""

    peers: tuple[Peer, ...] = ()
    kinds: tuple[str, ...] = PROBE_KINDS
    interval_ns: int = 1_000_000_000
    timeout_ns: int = 1_000_000_000

    def __post_init__(self) -> None:
        for kind in self.kinds:
            _one_of("kind of probe", kind, PROBE_KINDS)
        _positive(self, "interval_ns", "timeout_ns")


@dataclass(frozen=True)
class TaskSpec:
    """Work that a gateway sends, every interval.

    ``kind`` is "matmul" (``size``: order of the matrix), "checksum" (``size``:
    payload bytes) or "generate" (``size``: tokens).  ``target`` is a
    satellite's name, or "nearest" (least path delay, as the conductor says).
    """

    kind: str
    size: int
    target: str = NEAREST
    interval_ns: int = 2_000_000_000
    timeout_ns: int = 5_000_000_000

    def __post_init__(self) -> None:
        _one_of("kind of task", self.kind, TASK_KINDS)
        _positive(self, "size", "interval_ns", "timeout_ns")


@dataclass(frozen=True)
class NodeSpec:
    """All that a node process is told at its start.  ValueError where it makes no sense."""

    name: str
    kind: str  # "satellite" or "gateway"
    address: str
    seed: int
    probe: ProbeSpec = field(default_factory=ProbeSpec)
    tasks: tuple[TaskSpec, ...] = ()
    peers: dict[str, str] = field(default_factory=dict)  # name -> address of the nodes that tasks may target
    serving: ServingSpec | None = None
    loads: tuple[LoadSpec, ...] = ()  # of a gateway: its customers
    training: TrainingSpec | None = None

    def __post_init__(self) -> None:
        _one_of("kind of node", self.kind, NODE_KINDS)
        for task in self.tasks:
            if task.target != NEAREST and task.target not in self.peers:
                raise ValueError(f"a task is for {task.target!r}, whose address is not among the peers")

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> NodeSpec:
        raw: dict[str, Any] = json.loads(text)
        probe, serving = raw.pop("probe"), raw.pop("serving", None)
        training = raw.pop("training", None)
        loads = tuple(LoadSpec.from_dict(load) for load in raw.pop("loads", ()))
        return cls(
            **{k: v for k, v in raw.items() if k != "tasks"},
            probe=ProbeSpec(
                peers=tuple(Peer(**p) for p in probe["peers"]),
                kinds=tuple(probe["kinds"]),
                interval_ns=probe["interval_ns"],
                timeout_ns=probe["timeout_ns"],
            ),
            tasks=tuple(TaskSpec(**t) for t in raw["tasks"]),
            serving=None if serving is None else ServingSpec.from_dict(serving),
            loads=loads,
            training=None if training is None else TrainingSpec.from_dict(training),
        )


@dataclass(frozen=True)
class Sample:
    """One measurement, as a node made it.  All instants are CLOCK_MONOTONIC of the machine, in ns.

    ``kind`` is "udp", "grpc" or "task"; ``ok`` is False where no answer came in
    time, and ``error`` then says why ("timeout", a gRPC status name, an errno
    name, "unassigned" for a task that had no satellite to go to: its ``dst`` is
    "").  ``measured_ns`` is the whole latency seen by the caller, from just
    before it sends to just after it has the answer: of a datagram, its arrival
    as the kernel stamped it.  One-way parts are there where both ends stamped
    the packet; what is left of a round trip was spent in the answering node.
    ``queue_ns`` and ``compute_ns`` are there where the serving node measured
    them; ``first_ns`` is the time to the first token of a stream.  0 means "not
    measured".  ``seq`` numbers the measurements of a source per destination and
    kind; tasks are numbered per source.  No sample contains the handshakes of a
    connection (channels.py).
    """

    kind: str
    src: str
    dst: str
    seq: int
    sent_mono_ns: int
    done_mono_ns: int
    measured_ns: int
    ok: bool = True
    error: str = ""
    forward_ns: int = 0
    backward_ns: int = 0
    queue_ns: int = 0
    compute_ns: int = 0
    first_ns: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    task: str = ""

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Sample:
        return cls(**json.loads(text))


def _one_of(what: str, value: str, accepted: tuple[str, ...]) -> None:
    if value not in accepted:
        raise ValueError(f"unknown {what} {value!r}: give one of {', '.join(accepted)}")


def _positive(owner: object, *names: str) -> None:
    for name in names:
        if getattr(owner, name) <= 0:
            raise ValueError(f"{name} is {getattr(owner, name)}: it must be above 0")
