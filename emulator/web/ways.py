"""The way of a pair, taken apart: what light needs on it, and what was measured.  Pure."""

from __future__ import annotations

import numpy as np

from orbitmesh.web.v1 import web_pb2 as pb

from ..constants import SPEED_OF_LIGHT_KM_PER_S
from ..epoch import NS_PER_S, Epoch, Int64
from .measured import Measured
from .messages import told


def way(epoch: Epoch, source: int, destination: int, measured: Measured | None = None) -> bytes:
    """The message; without nodes where there is no way, or none is known yet."""
    forward, back = epoch.way(source, destination), epoch.way(destination, source)
    links, place_km = epoch.links, epoch.positions_itrs_km
    message = pb.Way(
        source_node=source,
        destination_node=destination,
        sim_ns=epoch.sim_ns,
        straight_line_ns=2
        * float(np.linalg.norm(place_km[source] - place_km[destination]))
        / SPEED_OF_LIGHT_KM_PER_S
        * NS_PER_S,
    )
    if forward is not None:
        rows = np.asarray(forward.rows, np.int64)
        there_ns = float(links.delay_ns[rows].sum())
        # of whom nobody has asked for routes the way back is as long as the way there
        back_ns = there_ns if back is None else float(links.delay_ns[np.asarray(back.rows)].sum())
        message.node.extend(forward.nodes)
        message.hop_delay_ns.extend(links.delay_ns[rows].tolist())
        message.hop_rate_bps.extend(_rates(epoch, forward.nodes, rows))
        message.propagation_ns = there_ns + back_ns
    if measured is not None:
        message.samples, message.measured_by = measured.samples, measured.by
        message.measured_ns = measured.measured_ns
        if measured.serialisation_ns is not None:
            message.serialisation_ns = measured.serialisation_ns
        if measured.remainder_ns is not None:
            message.remainder_ns = measured.remainder_ns
    return told(way=message)


def _rates(epoch: Epoch, nodes: tuple[int, ...], rows: Int64) -> list[float]:
    links = epoch.links
    forwards = links.a[rows] == np.array(nodes[:-1])
    found: list[float] = np.where(forwards, links.rate_ab_bps[rows], links.rate_ba_bps[rows]).tolist()
    return found


def rows_of(epoch: Epoch, source: int, destination: int) -> list[int]:
    """Of the links there and back."""
    ways = (epoch.way(source, destination), epoch.way(destination, source))
    return [row for each in ways if each is not None for row in each.rows.tolist()]
