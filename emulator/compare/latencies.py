"""Rows of latencies: quantiles of two runs, and the change of a pair, with a bootstrap over time.  Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..shown import counted
from .blocks import MOST_BINS, bins_of, blocks_for
from .bootstrap import DRAWS, quantiles, spread, weights
from .noise import drift_floor_ns, drift_ns, host_floor_ns
from .rows import CONFIDENCE, More, Row

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

AT = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
PAIR = "pair"  # the median of what each pair differs by
LEAST_BEYOND = 10  # samples beyond a quantile, in each run
LEAST_SAMPLES = 30
LEAST_MOMENTS = 5  # that the samples beyond a quantile come from
LONG = "correlated over longer than a twelfth of the run: the interval may be too narrow"


@dataclass(frozen=True, eq=False)
class Values:
    """Of one run: when each was sent, how long it took, what of that nothing explains (NaN: not known)."""

    when_ns: Ints
    value_ns: Floats
    rest_ns: Floats


@dataclass(frozen=True)
class Asked:
    figure: str
    of: str
    seed: tuple[int, ...]
    floors_ns: dict[str, float]  # by AT and PAIR, what links and further runs of the base say
    has_again: bool = False  # then it is not asked what the host does by itself
    most_host_ns: float = np.inf  # that the host can do to a sample


def needed(q: float) -> int:
    """Samples without which a quantile says nothing."""
    return max(LEAST_SAMPLES, round(LEAST_BEYOND / (1 - q)))


class Times:
    """The span of a run's (or two runs' common) instants, parted into blocks."""

    def __init__(self, when_ns: Sequence[Ints], series_of: Sequence[tuple[Ints, Floats]]) -> None:
        """``series_of``: instants, and what each adds to a series whose correlation is looked at."""
        self.begin_ns = min(int(each.min()) for each in when_ns)
        self.span_ns = max(int(each.max()) for each in when_ns) - self.begin_ns + 1
        bins = int(np.clip(len(when_ns[0]) // 4, 32, MOST_BINS))
        series = [
            np.bincount(bins_of(when, self.begin_ns, self.span_ns, bins), adds, bins).astype(np.float64)
            for when, adds in series_of
        ]
        self.n, self.is_long = blocks_for(series, bins)

    @property
    def block_ns(self) -> int:
        return self.span_ns // self.n

    def blocks(self, when_ns: Ints) -> Ints:
        return bins_of(when_ns, self.begin_ns, self.span_ns, self.n)


def latency_rows(asked: Asked, a: Values, b: Values, *, paired: bool) -> Iterator[Row]:
    """``paired``: rows of the two belong together, and the same blocks of time are drawn of both."""
    n_a, n_b = len(a.value_ns), len(b.value_ns)
    whats = [*AT, PAIR] if paired else [*AT]
    if min(n_a, n_b) < LEAST_SAMPLES:
        for at in whats:
            yield _row(asked, at, a, b, paired, needed(AT.get(at, 0.5)))
        return
    qs = list(AT.values())
    influence = [(_above(a.value_ns, q), _above(b.value_ns, q)) for q in qs]
    change = b.value_ns - a.value_ns if paired else None
    if change is not None:
        series = [(a.when_ns, above_b - above_a) for above_a, above_b in influence]
        series.append((a.when_ns, _above(change, 0.5)))
        times_a = times_b = Times([a.when_ns], series)
    else:
        times_a = Times([a.when_ns], [(a.when_ns, above) for above, _ in influence])
        times_b = Times([b.when_ns], [(b.when_ns, above) for _, above in influence])
    # of a pair the instant is the base's, for both
    block_a = times_a.blocks(a.when_ns)
    block_b = block_a if paired else times_b.blocks(b.when_ns)
    fewest = min(held(block_a), held(block_b))
    if fewest < LEAST_MOMENTS:
        for at in whats:
            yield _row(asked, at, a, b, paired, None, few_moments(fewest))
        return
    weight_a = weights(times_a.n, DRAWS, (*asked.seed, 0))
    weight_b = weight_a if paired else weights(times_b.n, DRAWS, (*asked.seed, 1))
    draws = quantiles(b.value_ns, block_b, weight_b, qs) - quantiles(a.value_ns, block_a, weight_a, qs)
    for k, (at, q) in enumerate(AT.items()):
        why, short = "", None
        if min(n_a, n_b) < needed(q):
            yield _row(asked, at, a, b, paired, needed(q))
            continue
        moments = min(
            _moments(values.value_ns, block, times.n, q)
            for values, block, times in ((a, block_a, times_a), (b, block_b, times_b))
        )
        if moments < LEAST_MOMENTS:
            short = (
                f"the samples beyond it come from {math.floor(10 * moments) / 10:g} moments, and it takes "
                f"{LEAST_MOMENTS}: a longer run has more"
            )
        elif times_a.is_long or times_b.is_long:
            why = LONG
        yield _decided(asked, at, a, b, draws[:, k], fewest, times_a, paired, why, short)
    if change is not None:
        moved = quantiles(change, block_a, weight_a, [0.5])[:, 0]
        why = LONG if times_a.is_long else ""
        yield _decided(asked, PAIR, a, b, moved, fewest, times_a, paired, why, None)


def _decided(asked: Asked, at: str, a: Values, b: Values, draws: Floats, fewest: int, times: Times,
             paired: bool, why: str, short: str | None) -> Row:  # fmt: skip
    base, other, difference = _figures(at, a, b)
    q = AT.get(at, 0.5)
    floor = asked.floors_ns.get(at, 0.0)
    if not asked.has_again:
        floor = max(floor, min(_host_ns(asked, a, b, q), asked.most_host_ns))
    found = spread(draws, difference, fewest, CONFIDENCE, floor)
    return Row(
        asked.figure, asked.of, at, "ns", base, other, difference,
        None if short else found.low, None if short else found.high, floor,
        more=More.NOT_KNOWN, p=None if short else found.p,
        samples_base=len(a.value_ns), samples_other=len(b.value_ns),
        paired=paired, blocks=fewest, block_ns=times.block_ns, why=short or why,
    )  # fmt: skip


def held(block: Ints) -> int:
    """How many blocks hold samples: a damaged instant, or a pause, leaves others empty."""
    return len(np.unique(block))


def few_moments(n: int) -> str:
    return f"all samples of a run come from {counted(n, 'moment')}, and it takes {LEAST_MOMENTS}"


def _row(asked: Asked, at: str, a: Values, b: Values, paired: bool, takes: int | None, why: str = "") -> Row:
    """Of what is not known: what there is, and how many samples it takes."""
    n_a, n_b = len(a.value_ns), len(b.value_ns)
    base = other = difference = None
    if n_a and n_b:
        base, other, difference = _figures(at, a, b)
    else:
        base = float(np.quantile(a.value_ns, AT.get(at, 0.5))) if n_a else None
        other = float(np.quantile(b.value_ns, AT.get(at, 0.5))) if n_b else None
    return Row(
        asked.figure, asked.of, at, "ns", base, other, difference,
        samples_base=n_a, samples_other=n_b, samples_needed=takes, paired=paired,
        why=why or f"takes {counted(takes or 0, 'sample')} of each run, and there are {min(n_a, n_b):,}",
    )  # fmt: skip


def _host_ns(asked: Asked, a: Values, b: Values, q: float) -> float:
    """What the host does by itself, of either run."""
    rests = [(each.rest_ns[known], each.when_ns[known]) for each in (a, b)
             for known in [np.isfinite(each.rest_ns)]]  # fmt: skip
    drifts = [drift_ns(rest, when, q, (*asked.seed, 2 + k)) for k, (rest, when) in enumerate(rests)]
    return max(drift_floor_ns(drifts), *(host_floor_ns(rest, q) for rest, _ in rests))


def _figures(at: str, a: Values, b: Values) -> tuple[float, float, float]:
    if at == PAIR:
        base, other = float(np.median(a.value_ns)), float(np.median(b.value_ns))
        return base, other, float(np.median(b.value_ns - a.value_ns))
    base, other = (float(np.quantile(each.value_ns, AT[at])) for each in (a, b))
    return base, other, other - base


def _above(values: Floats, q: float) -> Floats:
    """What each sample adds to the error of the quantile, but for a factor."""
    return (values > np.quantile(values, q)).astype(np.float64) - (1 - q)


def _moments(values: Floats, block: Ints, n_blocks: int, q: float) -> float:
    """From how many blocks the samples beyond a quantile come, the more of one the less it counts (Kish)."""
    beyond = np.bincount(block[values > np.quantile(values, q)], minlength=n_blocks).astype(np.float64)
    if not beyond.any():  # all alike
        return float(n_blocks)
    return float(beyond.sum() ** 2 / (beyond**2).sum())
