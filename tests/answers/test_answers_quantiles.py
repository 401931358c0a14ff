"""Intervals of quantiles and shares: they hold the true one as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import norm

from orbitmesh.emulator.answers.quantiles import autocorrelation_time, quantile, share_interval


def alike(random: np.random.Generator, n: int, rho: float) -> np.ndarray:
    """A series of standard normals, each correlated by ``rho`` with the one before."""
    noise = random.standard_normal(n + 1000) * np.sqrt(1 - rho * rho)
    return np.asarray(lfilter([1], [1, -rho], noise)[1000:])


@pytest.mark.parametrize(
    ("rho", "at", "n"), [(0.0, 0.5, 200), (0.0, 0.9, 400), (0.8, 0.5, 2000), (0.8, 0.9, 4000)]
)
def test_nineteen_of_twenty_intervals_hold_the_true_quantile(rho: float, at: float, n: int) -> None:
    random, true, held = np.random.default_rng(3), float(norm.ppf(at)), 0
    for _ in range(400):
        found = quantile(alike(random, n, rho), at)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= true <= found.high
    assert held / 400 >= 0.92


def test_intervals_that_take_neighbours_for_independent_would_be_wrong() -> None:
    """The same without the autocorrelation: it holds far too seldom, so the test above can fail."""
    random, held = np.random.default_rng(3), 0
    for _ in range(200):
        found = quantile(random.permutation(alike(random, 2000, 0.9)), 0.5)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0 <= found.high
    assert held / 200 < 0.6


def test_the_autocorrelation_time_of_a_known_series() -> None:
    random = np.random.default_rng(5)
    # of the signs of an AR(1) at its median, the correlation is 2/pi asin(rho^k) (arcsine law)
    lags = 0.7 ** np.arange(1, 100)
    expected = 1 + 2 * np.sum(2 / np.pi * np.arcsin(lags))
    assert autocorrelation_time(alike(random, 200_000, 0.7) <= 0) == pytest.approx(expected, rel=0.07)
    assert autocorrelation_time(random.random(100_000) < 0.5) == pytest.approx(1, abs=0.05)
    assert autocorrelation_time(np.ones(100, bool)) == 1


def test_what_too_few_draws_cannot_bound_is_not_bounded() -> None:
    found = quantile(np.arange(100.0), 0.999)
    assert found is not None
    assert (found.value, found.high) == (99.0, None)
    found = quantile(np.arange(5.0), 0.5)
    assert found is not None
    assert (found.low, found.high) == (None, None)
    assert quantile(np.array([]), 0.5) is None


def test_order_statistics_are_the_table_s() -> None:
    """n = 100, median, 95 %: the 40th and the 61st (Conover, Practical Nonparametric Statistics)."""
    by_turns = np.ravel(
        np.column_stack([np.arange(1.0, 51), np.arange(51.0, 101)])
    )  # no two neighbours alike
    found = quantile(by_turns, 0.5)
    assert found is not None
    assert (found.effective_draws, found.low, found.high) == (100, 40, 61)


def test_wilson_s_interval() -> None:
    hits = np.zeros(100, bool)
    hits[5::10] = True  # far apart: no two hits are neighbours
    assert share_interval(hits) == pytest.approx((0.1, 0.0552, 0.1744), abs=5e-4)
    assert share_interval(np.ones(50, bool))[1] == pytest.approx(0.9287, abs=5e-4)
    with pytest.raises(ValueError, match="a share of nothing"):
        share_interval(np.zeros(0, bool))
