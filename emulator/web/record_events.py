"""Events of a record, as the feed told them, and those that its tables tell."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ..links.changes import MOST_NAMED
from .record import Record


def events_of(record: Record, most: int) -> list[dict[str, Any]]:
    """In their order; of what there is too much of, some, evenly spread, and that is noted."""
    found = [
        {k: v for k, v in event.items() if k not in ("host_utc", "t_utc")}
        for event in record.events
        if isinstance(event.get("sim_ns"), int)
    ]
    left = most - min(len(found), most // 2)
    handovers, n_handovers = record.handovers(left // 2)
    changes, n_changes = record.path_changes(left - len(handovers))
    found += [*handover_events(handovers), *_path_events(changes)]
    for what, some, n in (
        ("handovers", handovers, n_handovers), ("changes of ways", changes, n_changes)
    ):  # fmt: skip
        if len(some) < n:
            record.notes.append(f"of {n:,} {what} {len(some):,} are among the events")
    found.sort(key=lambda event: int(event["sim_ns"]))
    return found[:most]


def _path_events(changes: pa.Table) -> list[dict[str, Any]]:
    return [
        {
            "event": "way changed",
            "sim_ns": row["sim_ns"],
            "of": [[row["src"], row["dst"]]],
            "now": (row["new_path"] or "no way").replace(">", " "),
        }
        for row in changes.to_pylist()
        if row["sim_ns"] is not None
    ]


def handover_events(rows: pa.Table) -> list[dict[str, Any]]:
    """One for each instant: rows of the record's handovers."""
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows.to_pylist():
        if row["sim_ns"] is None:
            continue
        told = {
            "gateway": row["gateway"],
            "left": row["left"].split("+") if row["left"] else [],
            "joined": row["joined"].split("+") if row["joined"] else [],
        }
        found.setdefault(row["sim_ns"], []).append(
            told if row["cause"] is None else told | {"cause": row["cause"]}
        )
    return [
        {"event": "handover", "sim_ns": sim_ns, "n": len(of), "of": of[:MOST_NAMED]}
        for sim_ns, of in found.items()
    ]
