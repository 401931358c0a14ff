"""How exact delays are: over no link, one, and many; while they fall; at a handover; and again at the end."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from .document import Falling, Handover, OneWay, errors_of
from .lab import Lab, Setting
from .subject import MS, REFERENCE_NS, REFERENCE_PER_SECOND, Subject, Wait
from .traffic import Streaming

_DELAYS_NS = (MS // 10, MS, 5 * MS, 20 * MS, 100 * MS)
_PER_SECOND = (1_000, 10_000, 50_000)
_LENGTHS = (1, 2, 3, 5, 10, 15)
_LONG = 10  # of these: measured twice
_SLOPE_NS_PER_S = -20_000  # near the most in low orbit: 6.2 km/s


def floor(subject: Subject) -> dict[str, Any]:
    """Over loopback: no link at all, only the two ends."""
    with subject.line() as line:
        stream = Streaming(line, 0, 0, subject.count(REFERENCE_PER_SECOND), REFERENCE_PER_SECOND).result()
        cautions = tuple(line.cautions())
    return {"floor": errors_of(stream.sent, stream.number, stream.took_ns), "cautions": cautions}


def one_way(subject: Subject) -> dict[str, Any]:
    rows = []
    with subject.line() as line:
        delays = (MS // 10, REFERENCE_NS) if subject.quick else _DELAYS_NS
        for delay_ns in delays:
            for per_second in (REFERENCE_PER_SECOND,) if subject.quick else _PER_SECOND:
                rows.append(_stream(subject, line, delay_ns, per_second))
    for hops in (3, _LONG) if subject.quick else _LENGTHS[1:]:
        with subject.line(hops) as line:
            rows.append(_stream(subject, line, REFERENCE_NS, REFERENCE_PER_SECOND))
    if subject.backend == "engine" and not subject.quick:
        others: tuple[Wait, ...] = ("sleep", "adaptive", "poll")
        for wait in others:
            if wait != subject.wait:
                with subject.line(wait=wait) as line:
                    rows.append(_stream(subject, line, REFERENCE_NS, REFERENCE_PER_SECOND, wait))
    return {"one_way": tuple(rows)}


def repeats(subject: Subject) -> dict[str, Any]:
    """Minutes after they were first measured: was it the machine, or what else ran on it?"""
    rows = []
    for hops in (1, _LONG):
        with subject.line(hops) as line:
            rows.append(_stream(subject, line, REFERENCE_NS, REFERENCE_PER_SECOND))
    return {"floor_again": floor(subject)["floor"], "repeats": tuple(rows)}


def falling(subject: Subject) -> dict[str, Any]:
    """Errors are against the slope's line; a fall of a millisecond at once follows, for the order."""
    count = subject.count(REFERENCE_PER_SECOND)
    with subject.line() as line:
        line.set(Setting(delay_ns=REFERENCE_NS, slope_ns_per_s=_SLOPE_NS_PER_S))
        began_ns = time.monotonic_ns()
        stream = Streaming(line, 0, 1, count, REFERENCE_PER_SECOND).result()
        meant_ns = np.rint(REFERENCE_NS + _SLOPE_NS_PER_S * ((stream.sent_mono_ns - began_ns) / 1e9)).astype(
            np.int64
        )
        sloping = errors_of(stream.sent, stream.number, stream.took_ns - meant_ns)

        line.set(Setting(delay_ns=REFERENCE_NS))
        streaming = Streaming(line, 0, 1, count, REFERENCE_PER_SECOND)
        time.sleep(count / REFERENCE_PER_SECOND / 2)
        line.set(Setting(delay_ns=REFERENCE_NS - MS))
        stream = streaming.result()
        stepped = errors_of(stream.sent, stream.number, stream.took_ns)
    both = replace(
        sloping,
        packets=sloping.packets + stepped.packets,
        lost=sloping.lost + stepped.lost,
        reordered=sloping.reordered + stepped.reordered,
    )
    return {"falling": Falling(_SLOPE_NS_PER_S, -MS, both)}


def handover(subject: Subject) -> dict[str, Any]:
    count = subject.count(REFERENCE_PER_SECOND)
    with subject.detour(REFERENCE_NS, REFERENCE_NS + MS) as line:
        streaming = Streaming(line, 0, 1, count, REFERENCE_PER_SECOND)
        time.sleep(count / REFERENCE_PER_SECOND / 2)
        line.hand_over()
        stream = streaming.result()
    errors = errors_of(stream.sent, stream.number, stream.took_ns)
    gaps_ns = np.diff(np.sort(stream.received_mono_ns))
    largest = int(gaps_ns.max(initial=0))
    return {"handover": Handover(MS, stream.sent, errors.lost, errors.reordered, largest)}


def _stream(subject: Subject, line: Lab, delay_ns: int, per_second: int, wait: Wait | None = None) -> OneWay:
    line.set(Setting(delay_ns=delay_ns))
    stream = Streaming(line, 0, line.hops, subject.count(per_second), per_second).result()
    errors = errors_of(stream.sent, stream.number, stream.took_ns - line.hops * delay_ns)
    used = (wait or subject.wait) if subject.backend == "engine" else "kernel"
    return OneWay(line.hops, delay_ns, per_second, used, errors)
