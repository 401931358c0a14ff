"""What measured ways carried at an instant of a record, by link: probes, tasks, customers' requests.  Pure.

Each link of a way is crossed at the instant at which its sender sent: within the window nobody sees the
difference.  Links on no measured way are not known, whatever else they carried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..epoch import NS_PER_S, Epoch, Float64, Nodes

WINDOW_NS = 2 * 10**9
#: Which way bytes took, in the columns of a table: (path, bytes, whether against the path's direction).
OF_SAMPLES = (("path", "bytes_up", False), ("path_backward", "bytes_down", False))
OF_ANSWERS = (("path", "bytes_up", False), ("path_done", "bytes_down", True))


def crossed_bytes(
    table: pa.Table, columns: Sequence[tuple[str, str, bool]]
) -> Iterable[tuple[tuple[str, ...], int]]:
    """Node names in the direction of what went, and how many bytes went."""
    rows = table.filter(table["ok"])
    for path, size, is_against in columns:
        some = rows.select([path, size]).filter(pc.and_(rows[path].is_valid(), rows[size].is_valid()))
        for row in some.group_by(path).aggregate([(size, "sum")]).to_pylist():
            names = tuple(row[path].split(">"))
            yield (names[::-1] if is_against else names), row[f"{size}_sum"]


def carried_bytes(ways: Iterable[tuple[tuple[str, ...], int]], epoch: Epoch, nodes: Nodes) -> Float64:
    """(n_links, 2) float64, from a to b and from b to a; NaN of a link that is on no way."""
    by_pair = Counter[tuple[int, int]]()
    for names, size in ways:
        path = [nodes.index.get(name, -1) for name in names]
        for pair in pairwise(path):
            by_pair[pair] += size
    found = np.full((len(epoch.links), 2), np.nan)
    for (u, v), size in by_pair.items():
        row = epoch.links.find(u, v) if min(u, v) >= 0 else -1
        if row >= 0:
            found[row] = np.nan_to_num(found[row])
            found[row, int(u > v)] += size
    return found


def use_ratio(size: Float64, epoch: Epoch, rate_scale: float, window_ns: int) -> Float64:
    """(n_links, 2) over the emulated rate of each direction."""
    rate_bps = np.column_stack([epoch.links.rate_ab_bps, epoch.links.rate_ba_bps]) * rate_scale
    with np.errstate(divide="ignore", invalid="ignore"):
        use = np.where(rate_bps > 0, 8 * size / (window_ns / NS_PER_S) / rate_bps, np.nan)
    return np.asarray(np.minimum(use, 1), np.float64)
