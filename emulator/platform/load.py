"""What computers would draw: where accelerators report, what they drew; elsewhere a day's curve.  Pure.

Estimated: nobody has told how AI1 is loaded by the hour.  A satellite's load
is that of the place below it, since it serves who is there:

    P(h) = P_idle + (P_mean - P_idle) f(h),  at most P_peak

with f the curve, of mean 1, by the local mean hour h.  A curve that has to be
cut at the peak gives less than P_mean over the day.

Of a satellite that serves or trains, the modelled accelerators are seldom the whole of
what its platform's computers may draw: the rest of it is as the model says.

    P = P_accelerators + (1 - share) P(h),  share = the accelerators' most / P_peak, at most 1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..compiled import f64, function, real, size
from ..epoch import NS_PER_S, Float64, Int64
from ..scenario.satellite import ShellPlatform
from .parameters import Platform

_NS_PER_DAY, _NS_PER_HOUR = 86_400 * NS_PER_S, 3_600 * NS_PER_S
_BUSY_RATIO = 1e-6  # over what they ask for at rest

_load = function("platform_load", f64, real, size, f64, f64)


@dataclass(frozen=True)
class Accelerators:
    """Those of a satellite that are modelled one by one, all together."""

    idle_w: float
    most_w: float

    def share_ratio(self, platform: Platform) -> float:
        """Of what the platform's computers may draw."""
        return min(1.0, self.most_w / platform.peak_w)


@dataclass(frozen=True, eq=False)
class Draws:
    """What the accelerators of some satellites, (m,) rising, really drew of late, and would have drawn if
    nothing had held them back; means, (m,) W."""

    satellites: Int64
    drawn_w: Float64
    asked_w: Float64


@dataclass(frozen=True)
class LoadModel:
    """``hourly_w``: at the middles of the local hours; None: steady at ``mean_w``."""

    mean_w: float
    hourly_w: tuple[float, ...] | None = None

    @classmethod
    def of(cls, section: ShellPlatform, platform: Platform, customers_hours: Sequence[float]) -> LoadModel:
        """``customers_hours``: what customers ask for by local hour, where the section is silent."""
        mean_w = platform.average_w
        if section.demand_w is not None:
            mean_w = section.demand_w
        elif section.utilisation_ratio is not None:
            mean_w = platform.idle_w + section.utilisation_ratio * (platform.peak_w - platform.idle_w)
        hours = customers_hours if section.hours is None else section.hours
        if min(hours) == max(hours):
            return cls(mean_w)
        mean, rest_w = sum(hours) / len(hours), min(platform.idle_w, mean_w)
        top_w = max(platform.peak_w, mean_w)
        return cls(mean_w, tuple(min(top_w, rest_w + (mean_w - rest_w) * hour / mean) for hour in hours))

    def at(self, unix_ns: int, position_itrs_km: Float64) -> Float64:
        """(n,) W of satellites at (n, 3) km."""
        n = len(position_itrs_km)
        if self.hourly_w is None:
            return np.full(n, self.mean_w)
        found = np.empty(n)
        utc_hour = unix_ns % _NS_PER_DAY / _NS_PER_HOUR
        _load(np.array(self.hourly_w), utc_hour, n, np.ascontiguousarray(position_itrs_km), found)
        return found


@dataclass(frozen=True, eq=False)
class Load:
    """(n,) W each: what computers draw on the mean where nothing holds them back now, what they would
    have drawn had nothing done so before, and what they ask for at any instant; ``measured``, (n,) uint8.

    ``hosts``, rows: accelerators that are modelled one by one, which ask for all while they compute,
    whatever they draw on the mean; whether they do is known of those alone that report.
    """

    drawn_w: Float64
    asked_w: Float64
    most_w: Float64
    measured: np.ndarray

    @classmethod
    def modelled(cls, load_w: Float64, hosts: Int64, platform: Platform) -> Load:
        most_w = load_w.copy()
        most_w[hosts] = np.maximum(load_w[hosts], platform.peak_w)
        return cls(load_w, load_w, most_w, np.zeros(len(load_w), np.uint8))

    @classmethod
    def with_draws(
        cls, load_w: Float64, hosts: Int64, draws: Draws, cards: Accelerators, platform: Platform
    ) -> Load:
        """``draws``: their satellites are numbered as the rows of ``load_w``."""
        model = cls.modelled(load_w, hosts, platform)
        if not len(draws.satellites):
            return model
        rows = draws.satellites
        rest_w = (1.0 - cards.share_ratio(platform)) * load_w[rows]
        drawn_w, asked_w, most_w = load_w.copy(), load_w.copy(), model.most_w
        drawn_w[rows] = rest_w + draws.drawn_w
        asked_w[rows] = rest_w + np.maximum(draws.drawn_w, draws.asked_w)
        # while they compute they ask for all, however seldom they do
        busy = draws.asked_w > cards.idle_w * (1 + _BUSY_RATIO)
        most_w[rows] = np.where(busy, platform.peak_w, np.minimum(platform.peak_w, asked_w[rows]))
        measured = np.zeros(len(load_w), np.uint8)
        measured[rows] = 1
        return cls(drawn_w, asked_w, most_w, measured)
