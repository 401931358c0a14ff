"""Where the time of an answer went that was at several satellites: what each tells the next."""

from __future__ import annotations

import math
from dataclasses import asdict, fields, replace
from typing import Any

from orbitmesh.serving.v1 import serving_pb2

from .replica import Departed
from .request import Before, Request

# of what another satellite tells: with what is added here it still fits its field
_MOST, _MOST_TIMES = 2**60, 2**30
_COUNTED = ("preempted", "moves", "recomputed")


def so_far(request: Request, departed: Departed) -> Before:
    """Until it left a satellite.  A prompt not computed to its end there was in vain: it counts as moved."""
    at_ns, before = departed.at_ns, request.before
    queue_ns, prefill_ns, decode_ns, vain_ns = at_ns - request.arrival_ns, 0, 0, 0
    slow_queue_ns, slow_prefill_ns = departed.throttled_ns, 0
    if request.scheduled_ns >= 0:
        queue_ns = request.scheduled_ns - request.arrival_ns
        slow_queue_ns = request.throttled_begun_ns - request.throttled_before_ns
        if request.first_token_ns < 0:
            vain_ns = at_ns - request.scheduled_ns
        else:
            prefill_ns = request.first_token_ns - request.scheduled_ns
            slow_prefill_ns = request.throttled_first_ns - request.throttled_begun_ns
            decode_ns = at_ns - request.first_token_ns
    if request.is_anew:
        prefill_ns, vain_ns = 0, vain_ns + prefill_ns
    return Before(
        queue_ns=before.queue_ns + max(0, queue_ns),
        prefill_ns=before.prefill_ns + prefill_ns,
        decode_ns=before.decode_ns + decode_ns,
        throttled_ns=before.throttled_ns + departed.throttled_ns,
        throttled_queue_ns=before.throttled_queue_ns + slow_queue_ns,
        throttled_prefill_ns=before.throttled_prefill_ns + slow_prefill_ns,
        preempted=before.preempted + request.preempted,
        energy_j=before.energy_j + request.prefill_j + request.decode_j,
        moved_ns=before.moved_ns + vain_ns,
        moved_first_ns=before.moved_first_ns + (0 if request.made else vain_ns),
        moves=before.moves,
        recomputed=before.recomputed,
        moved_bytes=before.moved_bytes,
    )


def moved(before: Before, made: int, paused_ns: int, arrived_ns: int, cache_bytes: int | None) -> Before:
    """With one more move; ``cache_bytes`` None: without its cache."""
    took_ns = max(0, arrived_ns - paused_ns)
    return replace(
        before,
        moved_ns=before.moved_ns + took_ns,
        moved_first_ns=before.moved_first_ns + (0 if made else took_ns),
        moves=before.moves + 1,
        recomputed=before.recomputed + (cache_bytes is None),
        moved_bytes=before.moved_bytes + (cache_bytes or 0),
    )


def whole(request: Request) -> Before:
    """Of a finished one, at all its satellites."""
    done, before = request.result, request.before
    assert done is not None
    anew_ns = done.prefill_ns if request.is_anew else 0
    return replace(
        before,
        queue_ns=before.queue_ns + done.queue_ns,
        prefill_ns=before.prefill_ns + done.prefill_ns - anew_ns,
        decode_ns=before.decode_ns + done.decode_ns,
        throttled_ns=before.throttled_ns + done.throttled_ns,
        throttled_queue_ns=before.throttled_queue_ns + done.throttled_queue_ns,
        throttled_prefill_ns=before.throttled_prefill_ns + done.throttled_prefill_ns,
        preempted=before.preempted + done.preempted,
        energy_j=before.energy_j + done.energy_j,
        moved_ns=before.moved_ns + anew_ns,
    )


def to_message(before: Before) -> Any:
    return serving_pb2.Timing(**asdict(before))


def from_message(timing: Any) -> Before:
    """ValueError for one that no satellite told."""
    found = Before(**{field.name: getattr(timing, field.name) for field in fields(Before)})
    for name, value in asdict(found).items():
        most = _MOST_TIMES if name in _COUNTED else _MOST
        if not (math.isfinite(value) and 0 <= value <= most):
            raise ValueError(f"{name} is {value}: no satellite tells what is below 0 or above {most}")
    return found
