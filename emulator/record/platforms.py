"""Power and heat of satellites on disk: a row an epoch for each that hosts a process, one for all others.

What all others are together is a row without a name: means over them, and the
extremes that say whether anyone is near its limits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from ..epoch import HELD_BACK_BY, Bool, Epoch, Float64, Nodes, Platforms
from ..shown import plain
from .samples import Row

PLATFORMS = pa.schema(
    [
        ("sim_utc", pa.timestamp("ns", tz="UTC")),
        ("sim_ns", pa.int64()),
        ("epoch_number", pa.int64()),
        ("satellite", pa.string()),
        ("satellites", pa.int64()),
        ("sunlit_ratio", pa.float64()),
        ("battery_j", pa.float64()),
        ("battery_least_j", pa.float64()),
        ("temperature_k", pa.float64()),
        ("temperature_most_k", pa.float64()),
        ("demand_w", pa.float64()),
        ("power_w", pa.float64()),
        ("throttle_ratio", pa.float64()),
        ("capacity_ratio", pa.float64()),
        ("held_back", pa.int64()),
        ("cause", pa.string()),
        ("measured", pa.int64()),
    ]
)


@dataclass(frozen=True)
class PlatformFacts:
    """What a run's header says of them: of all satellites, and of shells that have their own, as
    ``platform.of_scenario`` describes them; and who hosts a process."""

    usual: dict[str, Any]
    others: tuple[dict[str, Any], ...] = ()
    hosts: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return self.usual | {"shells": list(self.others)}


@dataclass
class PlatformLog:
    """Rows of one epoch after the other, and what the summary says of all of them."""

    facts: PlatformFacts
    nodes: Nodes
    start_unix_ns: int
    epochs: int = 0
    _sunlit: float = 0.0
    _capacity: float = 0.0
    _held: list[int] = field(default_factory=lambda: [0] * len(HELD_BACK_BY))
    _measured: int = 0  # satellites with a process, counted in each epoch
    _hottest_k: float = 0.0
    _least_j: float = np.inf

    def rows(self, epoch: Epoch) -> list[Row]:
        """In the order of ``PLATFORMS``."""
        p = epoch.platforms
        if p is None:
            return []
        throttle = throttle_ratio(p)
        self._count(p)
        when = (self.start_unix_ns + epoch.sim_ns, epoch.sim_ns, epoch.number)
        hosts = np.array(self.facts.hosts, np.int64)
        rows: list[Row] = []
        for k in hosts.tolist():
            battery_j, temperature_k = float(p.battery_j[k]), float(p.temperature_k[k])
            rows.append(
                (
                    *when, self.nodes.names[k], 1, float(p.sunlit_ratio[k]), battery_j, battery_j,
                    temperature_k, temperature_k, float(p.demand_w[k]), float(p.power_w[k]),
                    float(throttle[k]), float(p.capacity_ratio[k]), int(p.cause[k] != 0),
                    HELD_BACK_BY[p.cause[k]] or None, int(p.measured[k]),
                )
            )  # fmt: skip
        others = np.ones(len(p.cause), np.bool_)
        others[hosts] = False
        if others.any():
            rows.append((*when, None, *_together(p, throttle, others), None, int(p.measured[others].sum())))
        return rows

    def _count(self, p: Platforms) -> None:
        self.epochs += 1
        self._sunlit += float(p.sunlit_ratio.mean(dtype=np.float64))
        self._capacity += float(p.capacity_ratio.mean(dtype=np.float64))
        for cause, n in enumerate(np.bincount(p.cause, minlength=len(HELD_BACK_BY)).tolist()):
            self._held[cause] += n
        self._measured += int(p.measured.sum())
        self._hottest_k = max(self._hottest_k, float(p.temperature_k.max(initial=0)))
        self._least_j = min(self._least_j, float(p.battery_j.min(initial=np.inf)))

    def summary(self) -> dict[str, Any]:
        """Means over all satellites and epochs; ``held_back``: the share of them by cause."""
        n = sum(self._held)
        return {
            "preset": self.facts.usual["preset"],
            "shells": {each["shell"]: each["preset"] for each in self.facts.others},
            "epochs": self.epochs,
            "sunlit_ratio": self._sunlit / self.epochs if self.epochs else None,
            "capacity_ratio": self._capacity / self.epochs if self.epochs else None,
            "held_back": {cause: self._held[k] / n for k, cause in enumerate(HELD_BACK_BY) if cause and n},
            "temperature_most_k": self._hottest_k if self.epochs else None,
            "battery_least_j": self._least_j if self.epochs and np.isfinite(self._least_j) else None,
            "load": self._load(),
        }

    def _load(self) -> dict[str, Any]:
        """What computers drew by: as measured, which depends on this machine, or as modelled."""
        of = self.facts.usual["load"]
        ours = len(self.facts.hosts) * self.epochs
        return {
            "by": of["by"],
            "mean_w": of["mean_w"],
            "mean_kind": of["mean_kind"],
            "hours": of["hours"],
            "accelerators": of["accelerators"],
            "hosts": len(self.facts.hosts),
            "measured_ratio": self._measured / ours if ours else None,
            "depends_on_host": self._measured > 0,
        }


def throttle_ratio(p: Platforms) -> Float64:
    """(n,) float64: the share of the power asked for that was not granted."""
    demand = np.maximum(p.demand_w.astype(np.float64), 1e-9)
    return np.asarray(np.clip(1 - p.compute_w / demand, 0, 1) * (p.demand_w > 0))


def _together(p: Platforms, throttle: Float64, rows: Bool) -> Row:
    """From ``satellites`` to ``held_back``."""

    def mean(values: Any) -> float:
        return float(values[rows].mean(dtype=np.float64))

    return (
        int(rows.sum()), mean(p.sunlit_ratio), mean(p.battery_j), float(p.battery_j[rows].min()),
        mean(p.temperature_k), float(p.temperature_k[rows].max()), mean(p.demand_w), mean(p.power_w),
        mean(throttle), mean(p.capacity_ratio), int((p.cause[rows] != 0).sum()),
    )  # fmt: skip


def in_words(summary: dict[str, Any]) -> str:
    """What a report says of a summary's ``platform``."""
    text = plain(summary["preset"])
    if shells := summary.get("shells"):
        text += " (" + ", ".join(f"{plain(shell)}: {plain(named)}" for shell, named in shells.items()) + ")"
    if not summary["epochs"]:
        return text
    held = ", ".join(
        f"{share:.1%} by {plain(cause)}" for cause, share in summary["held_back"].items() if share
    )
    return (
        f"{text}: in sunlight {summary['sunlit_ratio']:.1%} of the time, capacity "
        f"{summary['capacity_ratio']:.1%} of the peak's, held back {held or 'never'}; "
        f"at most {summary['temperature_most_k']:.1f} K{_load_in_words(summary.get('load'))}"
    )


def _load_in_words(load: dict[str, Any] | None) -> str:
    if load is None:  # a record of before it was said
        return ""
    by_hours = {"customers": ", by their customers' hours", "own": ", by hours of its own"}
    text = f"; load by the model: {load['mean_w'] / 1e3:g} kW ({plain(load['mean_kind'])}"
    text += f"{by_hours.get(load['hours'], '')})"
    if not load["depends_on_host"]:
        return text
    cards = load["accelerators"]
    return (
        f"{text}, but for {load['hosts']:,} with a process: what their {cards['count']:,} "
        f"{plain(cards['name'])} drew ({cards['share_ratio']:.0%} of the computers), in "
        f"{load['measured_ratio']:.1%} of their epochs, which this machine has a share in"
    )
