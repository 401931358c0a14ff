"""What comes of a sweep: figures of each pair, and a table of when it has which way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..epoch import Nodes
from .sets import NEAREST, Pairs
from .sweep import Sweep


class PairFigures(NamedTuple):
    """Over the instants of a window.  Round trips are what light needs there and back; None: never a way.

    ``available_ratio``: of the instants, those with a way.  ``path_changes``: how often an instant has
    another path than the one before, a way that is lost or found being one.  ``longest_outage_ns``: instants
    in a row without a way, times the step.  ``stretch_p50_ratio``, ``stretch_most_ratio``: the path's length
    over that of the shortest line around the Earth.
    """

    src: str
    dst: str
    instants: int
    rtt_least_ns: int | None
    rtt_p50_ns: int | None
    rtt_worst_ns: int | None
    worst_t_ns: int | None
    available_ratio: float
    longest_outage_ns: int
    path_changes: int
    stretch_p50_ratio: float | None
    stretch_most_ratio: float | None


class Contact(NamedTuple):
    """From the instant ``begin_ns`` up to the instant ``end_ns``, from the window's start, one path, or none.

    Both are instants that were looked at: a path may have come up to a step before the first.  ``begins``,
    ``ends``: whether that edge lies within the window.
    """

    src: str
    dst: str
    begin_ns: int
    end_ns: int
    begins: bool
    ends: bool
    rtt_begin_ns: int | None
    rtt_last_ns: int | None
    hops: int | None
    path: tuple[str, ...]


def pair_figures(found: Sweep, pairs: Pairs, nodes: Nodes, step_ns: int) -> Iterator[PairFigures]:
    n = len(found.delay_ns)
    for pair in range(len(pairs)):
        rtt_ns, mark = 2 * found.delay_ns[:, pair], found.mark[:, pair]
        there = np.isfinite(rtt_ns)
        src, dst = names_of(pairs, nodes, pair)
        changes = int((mark[1:] != mark[:-1]).sum())
        outage_ns = _longest(~there) * step_ns
        if not there.any():
            yield PairFigures(src, dst, n, None, None, None, None, 0.0, outage_ns, changes, None, None)
            continue
        some_ns, stretch = rtt_ns[there], found.stretch_ratio[there, pair]
        worst = int(np.where(there, rtt_ns, -1).argmax())
        # a median that was seen: as in the run's own tables
        p50_ns = np.quantile(some_ns, 0.5, method="inverted_cdf")
        yield PairFigures(
            src, dst, n, round(some_ns.min()), round(p50_ns), round(rtt_ns[worst]), worst * step_ns,
            float(there.mean()), outage_ns, changes,
            float(np.quantile(stretch, 0.5, method="inverted_cdf")), float(stretch.max()),
        )  # fmt: skip


def contact_table(
    found: Sweep, pairs: Pairs, nodes: Nodes, step_ns: int, duration_ns: int
) -> Iterator[Contact]:
    """By pair, then time; the sweep was asked for paths."""
    n = len(found.mark)
    for pair in range(len(pairs)):
        mark = found.mark[:, pair]
        first = np.flatnonzero(np.append(True, mark[1:] != mark[:-1]))
        src, dst = names_of(pairs, nodes, pair)
        for begin, end in zip(first.tolist(), [*first[1:].tolist(), n], strict=True):
            path = found.paths[begin, pair]
            at, last = (round(2 * found.delay_ns[k, pair]) if path else None for k in (begin, end - 1))
            yield Contact(
                src, dst, begin * step_ns, min(end * step_ns, duration_ns), begin > 0, end < n, at, last,
                len(path) - 1 if path else None, tuple(nodes.names[node] for node in path),
            )  # fmt: skip


def names_of(pairs: Pairs, nodes: Nodes, pair: int) -> tuple[str, str]:
    destination = int(pairs.destinations[pair])
    return nodes.names[int(pairs.sources[pair])], NEAREST if destination < 0 else nodes.names[destination]


def _longest(without: np.ndarray) -> int:
    """True in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], without, [False]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))
