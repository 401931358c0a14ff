"""The lowest and the highest rate of each kind of links that a run had.  Pure."""

from __future__ import annotations

from ..epoch import Epoch, LinkKind
from .truth import emulated_bps


def widen(rates: dict[str, dict[str, int]], epoch: Epoch, rate_scale: float) -> None:
    """``rates``, as the summary has them, take in an epoch's."""
    for kind in LinkKind:
        rows = epoch.links.kind == kind
        if not rows.any():
            continue
        both = (epoch.links.rate_ab_bps[rows], epoch.links.rate_ba_bps[rows])
        low, high = int(min(rate.min() for rate in both)), int(max(rate.max() for rate in both))
        known = rates.get(kind.name.lower())
        if known is not None:
            low, high = min(low, known["physical_min_bps"]), max(high, known["physical_max_bps"])
        rates[kind.name.lower()] = {
            "physical_min_bps": low,
            "physical_max_bps": high,
            "emulated_min_bps": emulated_bps(low, rate_scale),
            "emulated_max_bps": emulated_bps(high, rate_scale),
        }
