"""What the engine has in force beside what an epoch commands.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...epoch import Int32, Int64, LinkKind, Links, Ports
from . import banks

_NONE = -1


def pipes_of(rows: Int64, links: Links, ports: Ports, pair: Int32, n_laser_pipes: int) -> Int64:
    """(n, 2) int64: the pipes of these links, by their rows, from a to b and back.

    ``pair`` is that of each ground link of the epoch.
    """
    pipes = np.full((len(rows), 2), _NONE, np.int64)
    is_ground = links.kind[rows] == LinkKind.GROUND
    of_laser, lasers = np.flatnonzero(~is_ground), rows[~is_ground]
    for way, end in enumerate((links.a, links.b)):
        node = end[lasers].astype(np.int64)
        is_it = ports.laser_row[node] == lasers[:, None]
        pipe = node * ports.laser_slots + is_it.argmax(axis=1)
        pipes[of_laser, way] = np.where(is_it.any(axis=1), pipe, _NONE)
    if is_ground.any():
        place = np.searchsorted(np.flatnonzero(links.kind == LinkKind.GROUND), rows[is_ground])
        pipes[is_ground] = n_laser_pipes + 2 * pair[place, None].astype(np.int64) + np.array([0, 1])
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
