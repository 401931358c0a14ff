"""Figures per gateway: exact over a whole run's table, and over the last seconds for the live view.

A sample belongs to the gateway at its far end, or at its near end where the far
one is a satellite (a task that a gateway sent).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .plausible import floats
from .totals import KINDS as KINDS

_QUANTILES = {"p50_ns": 0.5, "p90_ns": 0.9, "p99_ns": 0.99}

# The columns that gateway_statistics reads.
PARTS = {
    "physical": "propagation_ns", "bytes": "serialisation_ns", "queue": "queue_ns", "compute": "compute_ns",
    "remainder": "remainder_ns",
}  # fmt: skip
COLUMNS = [
    "kind", "src", "dst", "ok", "error", "sound", "doubt", "sent_mono_ns", "done_mono_ns", "measured_ns",
    *PARTS.values(),
]  # fmt: skip

RECENT_NS = 10_000_000_000
_MOST_RECENT = 100_000


def distribution(values_ns: NDArray[np.int64]) -> dict[str, int] | None:
    """p50, p90, p99 (numpy's linear interpolation, in whole ns), least and greatest; None of nothing."""
    if len(values_ns) == 0:
        return None
    quantiles = np.quantile(values_ns, list(_QUANTILES.values()))
    found = {name: round(float(value)) for name, value in zip(_QUANTILES, quantiles, strict=True)}
    return found | {"min_ns": int(values_ns.min()), "max_ns": int(values_ns.max())}


def gateway_statistics(samples: pa.Table, gateways: Sequence[str]) -> list[dict[str, Any]]:
    """One dict per gateway, in the order given, from a table with at least ``COLUMNS``.

    Per kind: ``samples``, ``lost``, and the distributions of ``measured`` (of
    the samples with an answer), ``physical`` (their propagation delay) and
    ``remainder``; None where there was no such sample.  ``sound`` holds the same
    of the samples that are sound alone (``soundness``), and ``mean`` the parts of
    the measured time, as means over the samples of which all parts are known:
    unlike quantiles they add up.
    """
    far = _index_in(samples["dst"], gateways)
    gateway = np.where(far >= 0, far, _index_in(samples["src"], gateways))
    kind = _index_in(samples["kind"], KINDS)
    ok = samples["ok"].to_numpy()
    sound = samples["sound"].fill_null(True).to_numpy()
    times = {name: floats(samples[column]) for name, column in {"measured": "measured_ns", **PARTS}.items()}
    found = []
    for index, name in enumerate(gateways):
        mine = gateway == index
        others = _distinct(samples["src"], mine & (far >= 0)) | _distinct(samples["dst"], mine & (far < 0))
        lost = mine & ~ok
        errors = Counter(samples["error"].filter(pa.array(lost)).to_pylist())
        found.append(
            {
                "gateway": name,
                "satellites": len(others),
                "samples": int(mine.sum()),
                "lost": int(lost.sum()),
                "lost_by_error": {str(k or "unknown"): n for k, n in sorted(errors.items(), key=str)},
                "kinds": {
                    label: _figures(times, of_kind, ok)
                    | {"sound": _figures(times, of_kind & sound, ok), "mean": _means(times, of_kind & ok)}
                    for number, label in enumerate(KINDS)
                    if bool((of_kind := mine & (kind == number)).any())
                },
            }
        )
    return found


Times = dict[str, NDArray[np.float64]]


def _figures(times: Times, rows: NDArray[np.bool_], ok: NDArray[np.bool_]) -> dict[str, Any]:
    answered = rows & ok
    return {
        "samples": int(rows.sum()),
        "lost": int((rows & ~ok).sum()),
        **{name: _distribution(times[name][answered]) for name in ("measured", "physical", "remainder")},
    }


def _means(times: Times, answered: NDArray[np.bool_]) -> dict[str, int] | None:
    """Of ``measured_ns`` and its parts; a probe has neither queue nor compute, and they are 0."""
    known = answered & ~np.isnan(times["remainder"])
    if not known.any():
        return None
    return {"samples": int(known.sum())} | {
        f"{name}_ns": round(float(np.nan_to_num(values[known]).mean())) for name, values in times.items()
    }


def _distinct(column: pa.ChunkedArray, rows: NDArray[np.bool_]) -> set[str]:
    return set(pc.unique(column.filter(pa.array(rows))).to_pylist()) - {None}


def _index_in(column: pa.ChunkedArray, values: Sequence[str]) -> NDArray[np.int64]:
    index: NDArray[np.int64] = (
        pc.index_in(column, value_set=pa.array(values, pa.string())).fill_null(-1).to_numpy().astype(np.int64)
    )
    return index


def _distribution(values_ns: NDArray[np.float64]) -> dict[str, int] | None:
    return distribution(values_ns[~np.isnan(values_ns)].astype(np.int64))


@dataclass(frozen=True, slots=True)
class _Recent:
    done_mono_ns: int
    gateway: str
    satellite: str
    kind: str
    ok: bool
    measured_ns: int
    physical_ns: int | None
    remainder_ns: int | None


class RecentWindow:
    """The last seconds of samples, bounded in number, and a row of figures per gateway."""

    def __init__(self, gateways: Sequence[str], window_ns: int = RECENT_NS) -> None:
        self._gateways = tuple(gateways)
        self._known = set(gateways)
        self._window_ns = window_ns
        self._samples: deque[_Recent] = deque(maxlen=_MOST_RECENT)

    def add(
        self,
        done_mono_ns: int,
        src: str,
        dst: str,
        kind: str,
        *,
        ok: bool,
        measured_ns: int,
        physical_ns: int | None,
        remainder_ns: int | None,
    ) -> None:
        gateway, satellite = (dst, src) if dst in self._known else (src, dst)
        self._samples.append(
            _Recent(done_mono_ns, gateway, satellite, kind, ok, measured_ns, physical_ns, remainder_ns)
        )

    def rows(self, now_mono_ns: int) -> list[dict[str, Any]]:
        """One dict per gateway; latencies in ns, None where nothing was measured.

        ``physical_p50_ns`` and ``remainder_p50_ns`` are of the UDP probes, or of
        the gRPC probes where there are none.
        """
        # samples come in the order in which nodes reported them, which is nearly that of their ends
        while self._samples and self._samples[0].done_mono_ns < now_mono_ns - self._window_ns:
            self._samples.popleft()
        by_gateway: dict[str, list[_Recent]] = {name: [] for name in self._gateways}
        for sample in self._samples:
            if sample.gateway in by_gateway:
                by_gateway[sample.gateway].append(sample)
        return [_recent_row(name, samples) for name, samples in by_gateway.items()]


def _recent_row(gateway: str, samples: list[_Recent]) -> dict[str, Any]:
    probes = [s for s in samples if s.kind == "udp"] or [s for s in samples if s.kind == "grpc"]
    row: dict[str, Any] = {
        "gateway": gateway,
        "satellites": len({s.satellite for s in samples if s.kind != "task"}),
        "samples": len(samples),
        "lost": sum(not s.ok for s in samples),
    }
    for kind in KINDS:
        measured = np.array([s.measured_ns for s in samples if s.kind == kind and s.ok], np.int64)
        figures = distribution(measured) or {}
        row[f"{kind}_p50_ns"] = figures.get("p50_ns")
        row[f"{kind}_p99_ns"] = figures.get("p99_ns")
    row["physical_p50_ns"] = _p50([s.physical_ns for s in probes if s.ok])
    row["remainder_p50_ns"] = _p50([s.remainder_ns for s in probes if s.ok])
    return row


def _p50(values_ns: list[int | None]) -> int | None:
    known = [value for value in values_ns if value is not None]
    return round(float(np.median(known))) if known else None
