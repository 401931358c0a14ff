"""What links carry, and what they lose: rates, loss ratios, small packets."""

from __future__ import annotations

import time
from typing import Any

from .document import RateError, SmallPackets, loss_error
from .lab import Setting
from .subject import MS, REFERENCE_PER_SECOND, Subject
from .traffic import Streaming, flooded

_RATES_BPS = tuple(10**6 * n for n in (1, 10, 100, 1_000, 2_000, 5_000, 10_000, 20_000))
_HOLDS_RATIO = 0.03  # a rate that is off by more does not hold
_LOSS_RATIOS = (0.001, 0.01, 0.1)
_SMALL_PER_SECOND = (50_000, 100_000, 150_000, 200_000, 300_000, 400_000, 600_000)
_SMALL_BYTES = 36  # of payload: with UDP and IPv4 headers 64


def rates(subject: Subject) -> dict[str, Any]:
    rows = []
    for rate_bps in (10**7, 10**9) if subject.quick else _RATES_BPS:
        row = _rate(subject, rate_bps)
        rows.append(row)
        if abs(row.error_ratio) > _HOLDS_RATIO:
            break
    return {"rates": tuple(rows)}


def _rate(subject: Subject, rate_bps: int) -> RateError:
    """From the backend's count of what left the link, between two of its reports, in mid flow."""
    seconds = 1.0 if subject.quick else 4.0 if rate_bps < 10**8 else 2.0
    warm_up_s = 1.5 if rate_bps < 10**8 else 1.0
    # the queue of 20 ms; a full one of 64 KiB at the least takes half a second at 1 Mbit/s
    queue_bytes = max(1 << 16, rate_bps // 8 // 50)
    setting = Setting(delay_ns=2 * MS, rate_bps=rate_bps, queue_bytes=queue_bytes)
    with subject.line(setting=setting) as line:

        def left() -> tuple[int, int]:
            return line.bytes_out(), time.monotonic_ns()

        with flooded(line, 0, 1, warm_up_s + seconds + 1):
            time.sleep(warm_up_s)
            before_bytes, before_ns = left()
            time.sleep(seconds)
            after_bytes, after_ns = left()
    measured_bps = round(8e9 * (after_bytes - before_bytes) / (after_ns - before_ns))
    return RateError(rate_bps, measured_bps, measured_bps / rate_bps - 1)


def losses(subject: Subject) -> dict[str, Any]:
    rows = []
    for loss_ratio in _LOSS_RATIOS[1:2] if subject.quick else _LOSS_RATIOS:
        with subject.line(setting=Setting(delay_ns=MS, loss_ratio=loss_ratio)) as line:
            stream = Streaming(line, 0, 1, subject.count(REFERENCE_PER_SECOND), REFERENCE_PER_SECOND).result()
            rows.append(loss_error(loss_ratio, stream.sent, len(stream.number)))
    return {"losses": tuple(rows)}


def small_packets(subject: Subject) -> dict[str, Any]:
    best, first_loss = 0, None
    with subject.line() as line:
        line.set(Setting(delay_ns=MS))
        for per_second in _SMALL_PER_SECOND[1::2] if subject.quick else _SMALL_PER_SECOND:
            count = per_second // 4 if subject.quick else per_second
            stream = Streaming(line, 0, 1, count, per_second, payload_bytes=_SMALL_BYTES, burst=8).result()
            reached = round(1e9 * stream.sent / stream.sending_ns)
            if len(stream.number) < stream.sent:
                first_loss = reached
                break
            best = max(best, reached)
            if reached < 0.9 * per_second:
                break  # the sender itself does no more
    return {"small_packets": SmallPackets(best, first_loss)}
