"""What happened in a run that its figures are marked with: faults, handovers, changes of paths.  Pure.

Handovers are read from their table.  A record of before there was one has changes of paths alone: where a
path that was measured on meets its gateway by another satellite than before, the gateway was handed over on
that path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from .groups import Bins
from .plot_data import Span
from .source import column
from .values import text

Kind = Literal["handover", "reroute", "lost", "found"]
KINDS: tuple[Kind, ...] = ("handover", "reroute", "lost", "found")
CAUSES = ("set", "failed", "chosen")
KIND_WORDS = {
    "handover": "handover (another satellite serves the gateway)",
    "reroute": "another way between the same satellites",
    "lost": "the way was lost",
    "found": "there is a way again",
}


@dataclass(frozen=True)
class Fault:
    number: int | None
    what: str
    by: str
    begin_ns: float
    end_ns: float | None  # None: in force when the record ends
    event: dict[str, Any]

    @property
    def is_chance(self) -> bool:
        return self.by == "chance"


@dataclass(frozen=True)
class Change:
    sim_ns: float
    src: str
    dst: str
    gateway: str | None
    kind: Kind
    old_delay_ns: float
    new_delay_ns: float


@dataclass(frozen=True)
class Handover:
    sim_ns: float
    gateway: str
    cause: str | None  # one of CAUSES


@dataclass(frozen=True)
class Handovers:
    """``by_paths``: why they are read from changes of paths, in words; "" where their table has them."""

    found: Sequence[Handover]
    by_paths: str = ""


def handovers_of(table: pa.Table | None, changes: Sequence[Change], why_none: str) -> Handovers:
    """``table``: None where there is none that can be read, and ``why_none`` says why."""
    if table is None:
        at = {(change.gateway, change.sim_ns) for change in changes if change.kind == "handover"}
        mine = sorted((sim_ns, gateway) for gateway, sim_ns in at if gateway is not None)
        return Handovers([Handover(sim_ns, gateway, None) for sim_ns, gateway in mine], why_none)
    gateways, causes = (table[name].to_pylist() for name in ("gateway", "cause"))
    rows = zip(column(table, "sim_ns").tolist(), gateways, causes, strict=True)
    return Handovers(
        [
            Handover(sim_ns, gateway or "", cause if cause in CAUSES else None)
            for sim_ns, gateway, cause in rows
        ]
    )


def faults_of(events: Sequence[dict[str, Any]]) -> list[Fault]:
    """Interventions in the order of their begin."""
    ended = {
        each["intervention"]: each["sim_ns"]
        for each in events
        if each["event"] == "intervention ended" and _is_whole(each)
    }
    return [
        Fault(
            each["intervention"],
            text(each.get("what"), 60),
            text(each.get("by"), 40),
            float(each["sim_ns"]),
            ended.get(each["intervention"]),
            each,
        )
        for each in events
        if each["event"] == "intervention" and _is_whole(each)
    ]


def _is_whole(event: dict[str, Any]) -> bool:
    return all(
        isinstance(event.get(key), int) and not isinstance(event.get(key), bool)
        for key in ("intervention", "sim_ns")
    )


def spans_of(faults: Sequence[Fault], bins: Bins) -> tuple[Span, ...]:
    """When what was failed on purpose was in force."""
    return tuple(
        Span(
            fault.what,
            float(bins.shown(fault.begin_ns)),
            bins.x_range[1] if fault.end_ns is None else float(bins.shown(fault.end_ns)),
        )
        for fault in faults
        if not fault.is_chance
    )


def chances_of(faults: Sequence[Fault], bins: Bins) -> tuple[float | None, ...]:
    """When faults by chance began, the first of each bin; there may be one somewhere at any time."""
    begins = np.array(sorted(fault.begin_ns for fault in faults if fault.is_chance))
    if not len(begins):
        return ()
    first = np.unique(bins.of(begins), return_index=True)[1].tolist()
    return tuple(float(bins.shown(begins[i])) for i in first)


def changes_of(table: pa.Table, gateways: Sequence[str]) -> list[Change]:
    """Of the table of path changes, in its order."""
    known = set(gateways)
    names = [name for name in ("src", "dst", "old_path", "new_path") if name in table.schema.names]
    if len(names) < 4:
        return []
    texts = zip(*(table[name].to_pylist() for name in names), strict=True)
    numbers = (column(table, name).tolist() for name in ("sim_ns", "old_delay_ns", "new_delay_ns"))
    found = []
    for (src, dst, old, new), sim_ns, old_ns, new_ns in zip(texts, *numbers, strict=True):
        gateway = src if src in known else dst if dst in known else None
        found.append(
            Change(sim_ns, src or "", dst or "", gateway, _kind(old, new, src in known), old_ns, new_ns)
        )
    return found


def _kind(old: str | None, new: str | None, is_from: bool) -> Kind:
    if new is None:
        return "lost"
    if old is None:
        return "found"
    before, after = ((path.split(">")[1:2] if is_from else path.split(">")[-2:-1]) for path in (old, new))
    return "reroute" if before == after else "handover"
