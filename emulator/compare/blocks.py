"""How long the blocks of a bootstrap over time must be.  Pure.

Samples of one moment share the machine's moods and the geometry, so what is drawn anew is not a sample but a
block of time.  Its length follows from the data: the rule of Politis and White (2004, as corrected by Patton,
Politis and White, 2009), with the constant of blocks that do not overlap (Lahiri, 1999).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_BINS = 1024
MOST_BLOCKS = 128  # more say nothing that these do not, and cost
LEAST_BLOCKS = 12  # below, an interval from the spread among blocks is hardly one
# the rule makes the error of a variance least; intervals want blocks that are longer than short of it
LONGER = 2.0


def optimal_length(series: Floats) -> float:
    """In steps of a series (n,): 1 where its values know nothing of each other."""
    n = len(series)
    centred = series - series.mean()
    variance = float(centred @ centred) / n
    if n < 8 or variance <= 0:
        return 1.0
    spectrum = np.fft.rfft(centred, 2 * n)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, 2 * n)[:n] / n
    in_a_row = max(5, int(np.ceil(np.sqrt(np.log10(n)))))
    most_lag = min(int(np.ceil(np.sqrt(n))) + in_a_row, n - 1)
    small = np.abs(covariance[1 : most_lag + 1] / covariance[0]) < 2 * np.sqrt(np.log10(n) / n)
    runs = np.convolve(small, np.ones(in_a_row), "valid") == in_a_row
    first = int(np.argmax(runs)) if runs.any() else most_lag  # lags from there on are noise
    lag = np.arange(1, min(2 * max(first, 1), most_lag) + 1)
    ratio = lag / lag[-1]
    flat_top = np.where(ratio <= 0.5, 1.0, 2 * (1 - ratio))
    bias = 2 * float((flat_top * lag * covariance[lag]).sum())
    whole = covariance[0] + 2 * float((flat_top * covariance[lag]).sum())
    if whole <= 0:
        return 1.0
    return float(np.clip((bias**2 / whole**2) ** (1 / 3) * n ** (1 / 3), 1.0, n))


def bins_of(when_ns: NDArray[np.int64], begin_ns: int, span_ns: int, bins: int) -> NDArray[np.int64]:
    """Which of so many equal parts of a span each instant lies in."""
    place = (when_ns - begin_ns).astype(np.float64) * (bins / max(span_ns, 1))
    return np.clip(place.astype(np.int64), 0, bins - 1)


def blocks_for(series: list[Floats], bins: int) -> tuple[int, bool]:
    """In how many blocks to part a span whose ``series`` have so many bins; and is the correlation longer?

    By the series that needs the longest.  True: it needs longer ones than LEAST_BLOCKS of, which there are.
    """
    longest = max((optimal_length(each) for each in series), default=1.0)
    wanted = bins / (LONGER * longest)
    return int(np.clip(wanted, LEAST_BLOCKS, MOST_BLOCKS)), wanted < LEAST_BLOCKS
