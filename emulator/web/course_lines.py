"""Lines of a whole record: how late the emulator was, what all links carried and lost.  Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ..epoch import NS_PER_S, Bool, Float64, Int64
from ..record.plausible import floats

_Of = Callable[[Int64], float]


@dataclass(frozen=True, eq=False)
class Line:
    """The middle of each bin, s, rising; NaN: not known."""

    sim_s: Float64
    value: Float64
    beside: Float64


def lateness(course: pa.Table, width_ns: int) -> Line | None:
    """In ms: the latest second's p99 of each bin, beside the median of the seconds' medians."""
    p99, p50 = (floats(course[name]) / 1e6 for name in ("late_p99_ns", "late_p50_ns"))
    known = ~np.isnan(p99) & ~np.isnan(p50)
    return _line(
        course, known, width_ns, lambda of: float(p99[of].max()), lambda of: float(np.median(p50[of]))
    )


def carried(course: pa.Table, width_ns: int) -> Line | None:
    """bit/s beside packets/s."""
    lasted_s, size, packets = (floats(course[name]) for name in ("lasted_ns", "bytes", "packets"))
    lasted_s = lasted_s / NS_PER_S
    known = ~np.isnan(size) & ~np.isnan(packets) & (lasted_s > 0)
    return _line(
        course, known, width_ns,
        lambda of: float(8 * size[of].sum() / lasted_s[of].sum()),
        lambda of: float(packets[of].sum() / lasted_s[of].sum()),
    )  # fmt: skip


def lost(course: pa.Table, width_ns: int) -> Line | None:
    """Packets lost in a second."""
    lasted_s, n = floats(course["lasted_ns"]) / NS_PER_S, floats(course["lost"])
    known = ~np.isnan(n) & (lasted_s > 0)
    return _line(
        course, known, width_ns, lambda of: float(n[of].sum() / lasted_s[of].sum()), lambda of: float("nan")
    )  # fmt: skip


def crossed(samples: pa.Table, width_ns: int) -> Line | None:
    """bit/s that answered measurements and their answers made on all links together, of before links' own
    counts were recorded; packets are not known."""
    hops, up, down = (floats(samples[name]) for name in ("hops", "bytes_up", "bytes_down"))
    bits = 8 * hops * (up + down)
    known = np.asarray(samples["ok"].fill_null(False).to_numpy(), np.bool_) & ~np.isnan(bits)
    width_s = width_ns / NS_PER_S
    return _line(
        samples, known, width_ns, lambda of: float(bits[of].sum() / width_s), lambda of: float("nan")
    )  # fmt: skip


def _line(table: pa.Table, known: Bool, width_ns: int, value: _Of, beside: _Of) -> Line | None:
    at_ns = floats(table["sim_ns"])
    rows = np.flatnonzero(known & ~np.isnan(at_ns))
    if not len(rows):
        return None
    bins = (at_ns[rows] // width_ns).astype(np.int64)
    order = np.argsort(bins, kind="stable")
    rows, bins = rows[order], bins[order]
    found, first = np.unique(bins, return_index=True)
    groups: list[Int64] = np.split(rows, first[1:])
    return Line(
        np.asarray((found + 0.5) * (width_ns / 1e9), np.float64),
        np.array([value(of) for of in groups]),
        np.array([beside(of) for of in groups]),
    )
