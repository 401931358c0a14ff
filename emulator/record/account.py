"""What was due, sent and answered, per pair and in all, and why the rest was not.  Pure.

Of a probe the pair is a satellite and a gateway; of a task it is the gateway
that sends it, whichever satellite it goes to (``dst`` null).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orbitmesh.wire import missed

from .due import DueCounter, Pairs
from .plausible import floats

NO_WAY, UNHEARD = "no-way", "unheard"
# in the order in which a report names them
REASONS = (NO_WAY, missed.OVERSLEPT, UNHEARD, missed.CONNECTING, missed.STARTING, missed.CUT_OFF)

# available_ratio, longest_gap_ns: of the time in which there was a way (of a task: to any satellite).
# unheard: due, and neither a sample nor a reason came.  So due is what was sent and all that was not.
PAIRS = pa.schema(
    [
        ("src", pa.string()),
        ("dst", pa.string()),
        ("kind", pa.string()),
        ("available_ratio", pa.float64()),
        ("longest_gap_ns", pa.int64()),
        ("due", pa.int64()),
        ("sent", pa.int64()),
        ("answered", pa.int64()),
        ("sound", pa.int64()),
        *((reason.replace("-", "_"), pa.int64()) for reason in REASONS[1:]),
        ("measured_p50_ns", pa.int64()),
        ("physical_p50_ns", pa.int64()),
    ]
)

# The columns of the samples that are read here.
COLUMNS = ["kind", "src", "dst", "ok", "sound", "measured_ns", "propagation_ns", "sent_mono_ns"]

Key = tuple[str, str | None, str]  # src, dst, kind
Measured = dict[str, Any]  # columns of PAIRS


def pairs_table(
    counter: DueCounter | None,
    pairs: Pairs | None,
    samples: pa.Table,
    told: Mapping[tuple[str, str, str, str], int],
) -> pa.Table:
    """``told``: what the nodes said that they missed, by (src, dst, kind, why)."""
    measured = _measured(samples)
    due = {} if counter is None or pairs is None else _due(counter, pairs)
    why: dict[Key, Counter[str]] = {}
    for (src, dst, kind, reason), n in told.items():
        why.setdefault((src, dst or None, kind), Counter())[reason] += n
    rows = []
    for key in sorted({*measured, *due, *why}, key=lambda k: (k[0], k[2], k[1] or "")):
        available, gap, n_due = due.get(key, (None, None, None))
        found, reasons = measured.get(key, {}), why.get(key, Counter())
        known = sum(reasons.values())
        unheard = None if n_due is None else max(0, n_due - found.get("sent", 0) - known)
        if unheard is not None:
            # what was measured at the ends of an assignment was due, too
            n_due = found.get("sent", 0) + known + unheard
        rows.append(
            {
                "src": key[0], "dst": key[1], "kind": key[2],
                "available_ratio": available, "longest_gap_ns": gap, "due": n_due,
                "sent": found.get("sent", 0), "answered": found.get("answered", 0),
                "sound": found.get("sound", 0),
                "measured_p50_ns": found.get("measured_p50_ns"),
                "physical_p50_ns": found.get("physical_p50_ns"),
                "unheard": unheard,
            }
            | {reason.replace("-", "_"): reasons[reason] for reason in missed.REASONS}
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=PAIRS)


def in_all(table: pa.Table, pairs: Pairs | None) -> dict[str, Any] | None:
    """For the summary: due, sent, answered, and why the rest was not sent.  None: not known what was due."""
    if pairs is None:
        return None
    sums = {name: sum(n or 0 for n in table[name].to_pylist()) for name in PAIRS.names[5:-2]}
    no_way = int(pairs.no_way.sum())
    reasons = {NO_WAY: no_way} | {r: sums[r.replace("-", "_")] for r in REASONS[1:]}
    return {
        "due": sums["due"] + no_way,
        "sent": sums["sent"],
        "answered": sums["answered"],
        "not_sent": reasons,
    }


def of_gateways(counter: DueCounter, pairs: Pairs) -> dict[str, dict[str, Any]]:
    """By gateway: the share of time with a way to any satellite with a process, and the longest without."""
    if not counter.satellites or not pairs.lasted_ns:
        return {}
    return {
        name: {
            "available_ratio": int(pairs.gateway_with_way_ns[g]) / pairs.lasted_ns,
            "longest_gap_ns": int(pairs.gateway_gap_ns[g]),
        }
        for g, name in enumerate(counter.gateways)
    }


def by_gateway(table: pa.Table, gateway: str) -> dict[str, int]:
    """Due, sent and answered of all pairs that a gateway is in; ``due`` is what is known of it."""
    found = dict.fromkeys(("due", "sent", "answered"), 0)
    for src, dst, *numbers in zip(
        *(table[name].to_pylist() for name in ("src", "dst", "due", "sent", "answered")), strict=True
    ):
        if gateway in (src, dst):
            for name, n in zip(found, numbers, strict=True):
                found[name] += n or 0
    return found


def _due(counter: DueCounter, pairs: Pairs) -> dict[Key, tuple[float | None, int, int]]:
    lasted = max(pairs.lasted_ns, 1)
    found: dict[Key, tuple[float | None, int, int]] = {}
    for row, satellite in enumerate(counter.satellites):
        for column, gateway in enumerate(counter.gateways):
            ratio = int(pairs.with_way_ns[row, column]) / lasted
            gap = int(pairs.longest_gap_ns[row, column])
            for k, kind in enumerate(counter.schedule.kinds):
                found[satellite, gateway, kind] = ratio, gap, int(pairs.due[k, row, column])
    for column, gateway in enumerate(counter.gateways):
        if gateway in pairs.tasks_due:
            ratio = int(pairs.gateway_with_way_ns[column]) / lasted
            found[gateway, None, "task"] = ratio, int(pairs.gateway_gap_ns[column]), pairs.tasks_due[gateway]
    return found


def _measured(samples: pa.Table) -> dict[Key, Measured]:
    if len(samples) == 0:
        return {}
    codes, names = [], []
    for column in ("src", "dst", "kind"):
        encoded = (
            samples[column].combine_chunks().dictionary_encode()
            if not pa.types.is_dictionary(samples[column].type)
            else samples[column].unify_dictionaries().combine_chunks()
        )
        codes.append(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64))
        names.append(encoded.dictionary.to_pylist())
    src, dst, kind = codes
    is_task = np.array([name == "task" for name in names[2]])[kind]
    dst = np.where(is_task, -1, dst)
    key = (src * (len(names[1]) + 1) + dst + 1) * len(names[2]) + kind
    distinct, group = np.unique(key, return_inverse=True)
    ok = samples["ok"].to_numpy()
    sound = samples["sound"].fill_null(True).to_numpy()
    p50 = {
        name: _medians(group, len(distinct), samples[column], ok)
        for name, column in (("measured_p50_ns", "measured_ns"), ("physical_p50_ns", "propagation_ns"))
    }
    n, n_ok, n_sound = (
        np.bincount(group, weights, len(distinct))
        for weights in (None, ok.astype(float), sound.astype(float))
    )
    found: dict[Key, Measured] = {}
    for i, code in enumerate(distinct.tolist()):
        pair, k = divmod(code, len(names[2]))
        s, d = divmod(pair, len(names[1]) + 1)
        found[names[0][s], None if d == 0 else names[1][d - 1], names[2][k]] = {
            "sent": int(n[i]), "answered": int(n_ok[i]), "sound": int(n_sound[i]),
            **{name: values[i] for name, values in p50.items()},
        }  # fmt: skip
    return found


def _medians(
    group: NDArray[np.int64], n: int, column: pa.ChunkedArray, ok: NDArray[np.bool_]
) -> list[int | None]:
    values = floats(column)
    kept = ok & ~np.isnan(values)
    order = np.lexsort((values[kept], group[kept]))
    ordered, counts = values[kept][order], np.bincount(group[kept], minlength=n)
    ends = np.cumsum(counts)
    return [
        None if count == 0 else round(float(np.median(ordered[end - count : end])))
        for count, end in zip(counts.tolist(), ends.tolist(), strict=True)
    ]
