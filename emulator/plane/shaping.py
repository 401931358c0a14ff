"""What an epoch's links mean to a backend: emulated rates, queues, losses.  Pure."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from ..epoch import NS_PER_S, Float64, Int32, Int64, LinkKind, Links
from ..scenario import Scenario
from .backend import LinkParameters

#: What a default queue holds: this long at the link's rate.  A round trip between continents over low
#: orbit takes 60 to 150 ms; one figure for all links, so that a queue does not change with routing.
PATH_ROUND_TRIP_NS = 100_000_000
#: One packet at its largest (64 KiB with offload) fits any queue.
MIN_QUEUE_BYTES = 65_536
#: 0 would mean "unlimited" to a backend.
MIN_RATE_BPS = 1_000


def emulated_rate_bps(physical_bps: Int64, rate_scale: float) -> Int64:
    """(n,) int64; never below MIN_RATE_BPS."""
    scaled: Int64 = np.rint(physical_bps * rate_scale).astype(np.int64)
    return np.maximum(scaled, MIN_RATE_BPS)


def default_queue_bytes(rate_bps: Int64) -> Int64:
    """Bandwidth-delay product of the emulated rate and PATH_ROUND_TRIP_NS, at least MIN_QUEUE_BYTES."""
    return np.maximum(rate_bps * (PATH_ROUND_TRIP_NS / NS_PER_S) / 8, MIN_QUEUE_BYTES).astype(np.int64)


def parameters(
    links: Links, ids: Int32, t0_mono_ns: int, scenario: Scenario, ahead_ns: int = 0, ratio: float = 1.0
) -> LinkParameters:
    """All links of an epoch; ``ids`` are the backend's, row by row.

    At ``t0_mono_ns`` emulated time is ``ahead_ns`` past the epoch's instant; it goes ``ratio`` times as fast.
    """
    rate_scale = scenario.run.rate_scale
    rate_ab_bps = emulated_rate_bps(links.rate_ab_bps, rate_scale)
    rate_ba_bps = emulated_rate_bps(links.rate_ba_bps, rate_scale)
    ground = links.kind == LinkKind.GROUND
    return LinkParameters(
        link=ids,
        t0_mono_ns=np.full(len(ids), t0_mono_ns, np.int64),
        delay_ns=_ahead(links, ahead_ns),
        slope_ns_per_s=links.delay_slope_ns_per_s * ratio if ratio != 1 else links.delay_slope_ns_per_s,
        rate_ab_bps=rate_ab_bps,
        rate_ba_bps=rate_ba_bps,
        queue_ab_bytes=_queue_bytes(rate_ab_bps, ground, scenario),
        queue_ba_bytes=_queue_bytes(rate_ba_bps, ground, scenario),
        loss_ratio=_loss_ratio(links, ground, scenario),
        up=np.ones(len(ids), np.bool_) if links.up is None else links.up,
    )


def _loss_ratio(links: Links, ground: NDArray[np.bool_], scenario: Scenario) -> Float64:
    of_kind = np.where(ground, scenario.ground.loss_ratio, scenario.lasers.loss_ratio)
    if links.loss_ratio is None:
        return of_kind
    return np.where(np.isnan(links.loss_ratio), of_kind, links.loss_ratio)


def _ahead(links: Links, ahead_ns: int) -> Float64:
    if ahead_ns == 0:
        return links.delay_ns
    return np.maximum(links.delay_ns + links.delay_slope_ns_per_s * (ahead_ns / NS_PER_S), 0.0)


def _queue_bytes(rate_bps: Int64, ground: NDArray[np.bool_], scenario: Scenario) -> Int64:
    default = default_queue_bytes(rate_bps)
    of_ground, of_laser = scenario.ground.queue_bytes, scenario.lasers.queue_bytes
    return np.where(
        ground,
        default if of_ground is None else of_ground,
        default if of_laser is None else of_laser,
    ).astype(np.int64)


def take(whole: LinkParameters, rows: NDArray[np.int64], *, up: bool) -> LinkParameters:
    """Some rows, all up or all down."""
    columns = {f.name: getattr(whole, f.name)[rows] for f in fields(LinkParameters)}
    columns["up"] = np.full(len(rows), up, np.bool_)
    return LinkParameters(**columns)


def concatenate(parts: list[LinkParameters]) -> LinkParameters:
    return LinkParameters(
        **{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(LinkParameters)}
    )
