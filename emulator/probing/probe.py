"""A probe from one node to another: its trains, and the figures beside what the links of the way are told."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from math import prod
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Self

from ..control.client import Client
from ..errors import FailureError, HostError
from ..extras import how_to_get
from . import endpoint
from .straight import Look, went_straight
from .trains import Train, bottleneck, has_overflowed

SMALL_BYTES, LARGE_BYTES = 84, 1400
_RATE_TRAINS, _RATE_PACKETS = 5, 40  # 56,000 bytes: less than any default queue holds
_LEAST_ROOM = 1.1  # by how much faster than the bottleneck it must be reached, to fill its queue
_FASTER = 1.5
_MOST_PACKETS = 16_384
_MARGIN_S = 0.5  # beyond the delay that is known: none arrives later


class End:
    """One end in a node, confined as ``orbitmesh exec`` confines programs."""

    def __init__(self, run_id: str, node: str, what: str) -> None:
        command = [sys.executable, "-m", "orbitmesh.emulator.cli", "exec", "--run", run_id, node, "--"]
        program = [sys.executable, "-I", "-S", str(Path(endpoint.__file__)), what]
        self._name = f"{what} in {node}"
        self._process = subprocess.Popen(
            [*command, *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self.said = self.heard()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()  # it ends by that
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def ask(self, value: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(value) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self.heard()

    def heard(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        line = self._process.stdout.readline()
        if not line:
            words = self._process.stderr.read().strip().splitlines()
            raise FailureError(
                f"the program that is to {self._name} ended: {words[-1] if words else 'no word'}"
            )
        found: dict[str, Any] = json.loads(line)
        return found


def crafted(source: str, destination: str, port: int, size_bytes: int) -> tuple[bytes, int]:
    """A packet of UDP, by scapy, and where its payload begins; HostError where scapy is missing."""
    try:
        from scapy.layers.inet import IP, UDP
        from scapy.packet import Raw
    except ImportError as error:
        raise HostError(
            f"probe crafts packets by scapy, which is not installed ({error}): {how_to_get('scapy')}"
        ) from None
    head = len(IP() / UDP())
    # no checksum, which is allowed in IPv4: the payload is stamped as it is sent
    packet = (
        IP(src=source, dst=destination)
        / UDP(sport=port, dport=port, chksum=0)
        / Raw(bytes(size_bytes - head))
    )
    return bytes(packet), head


class Probe:
    """Between two nodes of a run; ``measured()`` is what a program prints."""

    def __init__(self, client: Client, source: str, destination: str, say: Callable[[str], None]) -> None:
        self._client, self._say = client, say
        self._ends = [client.host(name) for name in (source, destination)]
        self._names = [end["name"] for end in self._ends]
        client.route(self._names)
        self._train = 0

    def measured(self, count: int, gap_ns: int, *, with_queue: bool) -> dict[str, Any]:
        self._told()
        began = self._look()
        with ExitStack() as stack:
            # scapy is asked before anything is started in nodes
            crafted("10.0.0.1", "10.0.0.2", 9, SMALL_BYTES)
            run_id = self._client.run_id
            self._receiver = stack.enter_context(End(run_id, self._names[1], "receive"))
            self._sender = stack.enter_context(End(run_id, self._names[0], "send"))
            self._away_s = sum(link["delay_ns"] for link in self._told()) / 1e9 + _MARGIN_S
            self._say(f"{count} packets of {SMALL_BYTES} bytes, one each {gap_ns / 1e6:g} ms")
            told = self._told()
            small = self._sent(count, SMALL_BYTES, gap_ns)
            then = self._client.told(*self._names)
            if not small.packets:
                raise FailureError(f"none of {count} packets from {self._names[0]} came to {self._names[1]}")
            self._say(f"{_RATE_TRAINS} trains of {_RATE_PACKETS} packets of {LARGE_BYTES} bytes")
            large = [self._sent(_RATE_PACKETS, LARGE_BYTES, 0) for _ in range(_RATE_TRAINS)]
            queue = self._queue(told, large) if with_queue else _unknown("it was not asked for")
        after = self._client.told(*self._names)
        is_straight = went_straight(began, self._look())
        rate, least = bottleneck(large), min(told, key=lambda link: link["rate_bps"])
        way, bottle = _way(told), f"{least['a']}:{least['b']}"
        return {
            "src": self._names[0],
            "dst": self._names[1],
            "path": way,
            "path_changed": any(each is None or _way(each) != way for each in (then, after)),
            "clock_changed": not is_straight,
            "delay": _delay(small, told, then if then and _way(then) == way else told),
            "jitter": {"measured_ns": None if small.jitter_ns is None else round(small.jitter_ns)},
            "loss": {"sent": small.sent, "lost": small.lost, "told_ratio": _lost(told)},
            "reordering": {"packets": len(small.packets), "reordered": small.reordered},
            "rate": {
                "measured_bps": None if rate is None else round(rate.rate_bps),
                "is_at_least": rate is not None and rate.is_bound,
                "told_bps": least["rate_bps"],
                "link": bottle,
            },
            "queue": {**queue, "told_bytes": least["queue_bytes"], "link": bottle},
        }

    def _look(self) -> Look:
        status = self._client.status()
        ratio = 0.0 if status.get("paused") else float(status.get("speed_ratio", 1.0))
        return Look(time.monotonic_ns(), int(status["sim_ns"]), ratio)

    def _told(self) -> list[dict[str, Any]]:
        told = self._client.told(*self._names)
        if told is None:
            raise FailureError(
                f"there is no way from {self._names[0]} to {self._names[1]} now; to see when there is one: "
                f"orbitmesh contacts {self._names[0]} {self._names[1]} --way"
            )
        if not told:
            raise FailureError(f"{self._names[0]} is both ends: no link is between")
        return told

    def _sent(self, n: int, size_bytes: int, gap_ns: int) -> Train:
        self._train += 1
        source, destination = (end["address"] for end in self._ends)
        packet, head_at = crafted(source, destination, self._receiver.said["port"], size_bytes)
        idle_s = self._away_s + gap_ns / 1e9
        self._receiver.ask({"train": self._train, "n": n, "idle_s": idle_s})
        self._sender.ask(
            {
                "train": self._train, "n": n, "gap_ns": gap_ns, "to": destination, "head_at": head_at,
                "packet": base64.b64encode(packet).decode(),
            }
        )  # fmt: skip
        if refused := self._sender.heard()["refused"]:
            raise FailureError(f"the kernel of {self._names[0]} refused {refused} of {n} packets")
        return Train(n, size_bytes, tuple(map(tuple, self._receiver.heard()["packets"])))

    def _queue(self, told: list[dict[str, Any]], large: list[Train]) -> dict[str, Any]:
        """Of the bottleneck: load grows until packets are dropped; what the longest wait says stood there."""
        rate = bottleneck(large)
        if rate is None or rate.is_bound:
            return {
                "measured_bytes": None,
                "reason": "packets cannot be sent as fast as the links carry them",
            }
        rates = [link["rate_bps"] for link in told]
        at = rates.index(min(rates))
        gap_ns = 0
        if at:  # no queue before it is to fill
            room = min(rates[:at]) / rates[at]
            if room < _LEAST_ROOM:
                return {
                    "measured_bytes": None,
                    "reason": "the links before it are no faster, and would queue too",
                }
            gap_ns = round(LARGE_BYTES * 8e9 / (rates[at] * min(_FASTER, room**0.5)))
        least_ns = min(min(train.delays_ns) for train in large if train.packets)
        n = _RATE_PACKETS
        while n <= _MOST_PACKETS:
            self._say(f"{n} packets of {LARGE_BYTES} bytes: does the queue overflow?")
            train = self._sent(n, LARGE_BYTES, gap_ns)
            if train.packets and has_overflowed(train, _lost(told)):
                return {"measured_bytes": train.waited_bytes(least_ns, rate.rate_bps), "reason": None}
            n *= 2
        return _unknown(f"{_MOST_PACKETS:,} packets in a row did not fill it")


def _delay(small: Train, told: list[dict[str, Any]], then: list[dict[str, Any]]) -> dict[str, int]:
    """``told``, ``then``: before and after; told delays are with sending a packet over each link."""
    delays = sorted(small.delays_ns)
    p99 = quantiles(delays, n=100, method="inclusive")[98] if len(delays) > 1 else delays[0]
    sending_ns = sum(SMALL_BYTES * 8e9 / link["rate_bps"] for link in told)
    both = [sum(link["delay_ns"] for link in links) for links in (told, then)]
    return {
        "measured_least_ns": delays[0],
        "measured_p50_ns": round(median(delays)),
        "measured_p99_ns": round(p99),
        "told_propagation_ns": round(sum(both) / 2),
        "told_least_ns": round(min(both) + sending_ns),
        "told_mean_ns": round(sum(both) / 2 + sending_ns),
        "told_most_ns": round(max(both) + sending_ns),
    }


def _way(told: list[dict[str, Any]]) -> list[str]:
    return [told[0]["a"], *(link["b"] for link in told)] if told else []


def _unknown(reason: str) -> dict[str, Any]:
    return {"measured_bytes": None, "reason": reason}


def _lost(told: list[dict[str, Any]]) -> float:
    return 1 - prod(1 - float(link["loss_ratio"]) for link in told)
