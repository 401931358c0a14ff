"""What a node process is told when it starts, and what it reports.  Plain JSON on the wire."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

GRPC_PORT = 50051
UDP_ECHO_PORT = 7007


@dataclass(frozen=True)
class Peer:
    """Another node: its name and its IPv4 address."""

    name: str
    address: str


@dataclass(frozen=True)
class ProbeSpec:
    """Measure the round trip to each peer by each kind ("grpc", "udp"), every interval."""

    peers: tuple[Peer, ...] = ()
    kinds: tuple[str, ...] = ("grpc", "udp")
    interval_ns: int = 1_000_000_000
    timeout_ns: int = 1_000_000_000


@dataclass(frozen=True)
class TaskSpec:
    """Work that a gateway sends, every interval.

    ``kind`` is "matmul" (``size``: order of the matrix), "checksum" (``size``:
    payload bytes) or "generate" (``size``: tokens).  ``target`` is a
    satellite's name, or "nearest" (least path delay, as the conductor says).
    """

    kind: str
    size: int
    target: str = "nearest"
    interval_ns: int = 2_000_000_000
    timeout_ns: int = 5_000_000_000


@dataclass(frozen=True)
class NodeSpec:
    name: str
    kind: str  # "satellite" or "gateway"
    address: str
    seed: int
    probe: ProbeSpec = field(default_factory=ProbeSpec)
    tasks: tuple[TaskSpec, ...] = ()
    peers: dict[str, str] = field(default_factory=dict)  # name -> address of the nodes that tasks may target

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> NodeSpec:
        raw: dict[str, Any] = json.loads(text)
        probe = raw.pop("probe")
        return cls(
            **{k: v for k, v in raw.items() if k != "tasks"},
            probe=ProbeSpec(
                peers=tuple(Peer(**p) for p in probe["peers"]),
                kinds=tuple(probe["kinds"]),
                interval_ns=probe["interval_ns"],
                timeout_ns=probe["timeout_ns"],
            ),
            tasks=tuple(TaskSpec(**t) for t in raw["tasks"]),
        )


@dataclass(frozen=True)
class Sample:
    """One measurement, as a node made it.  All instants are CLOCK_MONOTONIC of the machine, in ns.

    ``kind`` is "udp", "grpc" or "task"; ``ok`` is False where no answer came in
    time, and ``error`` then says why ("timeout", a gRPC status name, an errno
    name).  ``measured_ns`` is the whole latency seen by the caller.  One-way
    parts are there where both ends stamped the packet; ``queue_ns`` and
    ``compute_ns`` where the serving node measured them; ``first_ns`` is the
    time to the first token of a stream.  0 means "not measured".
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
