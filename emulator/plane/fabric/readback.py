"""What the engine has in force beside what an epoch commands.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...epoch import Int32, Int64, LinkKind, Links, Ports
from . import banks

_NONE = -1


def pipes_of(links: Links, ports: Ports, pair: Int32, n_laser_pipes: int) -> Int64:
    """(n, 2) int64: the pipe of each link from a to b, and back; ``pair`` is that of each ground link."""
    pipes = np.full((len(links), 2), _NONE, np.int64)
    row, neighbour = ports.laser_row.ravel(), ports.laser_neighbour.ravel()
    used = np.flatnonzero(row >= 0)
    source = used // ports.laser_row.shape[1]
    pipes[row[used], (source > neighbour[used]).astype(np.intp)] = used
    ground = np.flatnonzero(links.kind == LinkKind.GROUND)
    pipes[ground] = n_laser_pipes + 2 * pair[:, None].astype(np.int64) + np.array([0, 1])
    return pipes


def differences(links: Links, rate_scale: float, found: NDArray[np.void]) -> Iterator[tuple[int, int, str]]:
    """Row, direction and a sentence's end for what is not as commanded.

    ``found`` is (n, 2), as the engine reads a link's pipes.
    """
    for way, (far, rate_bps) in enumerate(((links.b, links.rate_ab_bps), (links.a, links.rate_ba_bps))):
        pipe = found[:, way]
        wanted = {
            "delay_ns": banks.delays_ns(links.delay_ns),
            "slope_ns_per_s": links.delay_slope_ns_per_s.astype(np.float32),
            "rate_bps": banks.rates_bps(rate_bps, rate_scale),
            "loss_ratio": np.zeros(len(links), np.float32)
            if links.loss_ratio is None
            else np.where(np.isnan(links.loss_ratio), 0, banks.own_losses(links.loss_ratio)),
            "word": (pipe["word"] & banks.GENERATION) | far.view(np.uint32) | banks.UP,
        }
        for name, asked in wanted.items():
            for row in np.flatnonzero(pipe[name] != asked).tolist():
                yield row, way, f"{name} is {pipe[name][row]}, not {asked[row]}"
