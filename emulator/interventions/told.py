"""An intervention as a door or an event tells it, made again.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..epoch import Nodes
from ..scenario.model import Station
from ..shown import plain
from .intervention import Change, Intervention
from .named import resolve

_MOST_BY_CHARACTERS = 60


def intervention_told(
    of: Mapping[str, Any], nodes: Nodes, stations: Sequence[Station], shells: Sequence[str | None]
) -> Intervention:
    """InputError, KeyError, TypeError or ValueError for what is none; ``at_sim_ns`` or ``sim_ns``: when."""
    change = None
    if any(of.get(key) is not None for key in ("rate_bps", "extra_delay_ns", "loss_ratio")):
        change = Change(of.get("rate_bps"), of.get("extra_delay_ns") or 0, of.get("loss_ratio"))
    what = str(of["what"])
    named = resolve(what, nodes, stations, shells)
    at_sim_ns = of["sim_ns"] if of.get("at_sim_ns") is None else of["at_sim_ns"]
    by = plain(str(of.get("by")), _MOST_BY_CHARACTERS)
    return Intervention(what, named, at_sim_ns, of.get("until_sim_ns"), change, by)
