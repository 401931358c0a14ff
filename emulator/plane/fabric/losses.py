"""Losses that links have of their own, beside those of their kind, in the shared table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...epoch import Float32, Int64, Links
from . import banks
from .table import FabricTable

_NO_PIPES = np.empty(0, np.int64)


def own_losses(links: Links, pipes_of: Callable[[Int64], Int64]) -> tuple[Int64, Float32]:
    """Pipes of links with a loss of their own, and what the engine is to take for each.

    ``pipes_of``: (n, 2), of rows of the links.
    """
    if links.loss_ratio is None:
        return _NO_PIPES, np.empty(0, np.float32)
    row = np.flatnonzero(~np.isnan(links.loss_ratio))
    pipe, ratio = pipes_of(row).ravel(), np.repeat(banks.own_losses(links.loss_ratio[row]), 2)
    return pipe[pipe >= 0], ratio[pipe >= 0]


class Losses:
    """There is one such table, and not one a bank: it is written some ms before the epoch's instant."""

    def __init__(self, table: FabricTable) -> None:
        self._table, self._pipes = table, _NO_PIPES

    def put(self, pipes: Int64, ratios: Float32) -> None:
        """These pipes, and no others."""
        self._table.loss[np.setdiff1d(self._pipes, pipes)] = 0
        self._table.loss[pipes] = ratios
        self._pipes = pipes
        self._table.header["has_losses"] = len(pipes) > 0
