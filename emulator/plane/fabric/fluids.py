"""What others take of links' rates, as fluids in the shared table: a steady share, and more on some."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...epoch import Int64
from ...scenario.model import Background
from .table import FabricTable

#: Of a link's rate, that a fluid takes at most: beyond it nothing real would ever come through.
MOST_LOAD_RATIO = 0.99


class Fluids:
    """``steady``: of all links, from the start on."""

    def __init__(self, table: FabricTable, steady: Background) -> None:
        self._table, self._steady = table, steady
        self._loaded: Int64 = np.empty(0, np.int64)  # pipes that have more than that
        n_lasers = table.sizes.n_laser_pipes
        table.background[:n_lasers] = steady.laser_ratio
        table.background[n_lasers:] = steady.ground_ratio

    def load(self, bps: Mapping[int, float]) -> None:
        """These pipes, and no others, have so much beside the steady share."""
        rates_bps = self._table.banks[self._table.published % 2].pipes["rate_bps"]
        # of a rate without end nothing is taken
        loaded = {pipe: more / float(rates_bps[pipe]) for pipe, more in bps.items() if rates_bps[pipe] > 0}
        before, self._loaded = self._loaded, np.fromiter(loaded, np.int64, len(loaded))
        gone = np.setdiff1d(before, self._loaded)
        self._table.background[gone] = self._steady_ratio(gone)
        ratios = self._steady_ratio(self._loaded) + np.fromiter(loaded.values(), np.float64, len(loaded))
        self._table.background[self._loaded] = np.minimum(ratios, MOST_LOAD_RATIO)

    def _steady_ratio(self, pipes: Int64) -> np.ndarray:
        is_laser = pipes < self._table.sizes.n_laser_pipes
        return np.where(is_laser, self._steady.laser_ratio, self._steady.ground_ratio)
