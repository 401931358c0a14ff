"""Routes by shortest path: least delay, or fewest hops with delay deciding between equals."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from ..epoch import UNREACHABLE, Float64, Int32, Links, Routes

# Two ways whose delays differ by less (30 cm of light) are equally good, and the neighbour of the lower index
# is taken: else the rounding of each tick would move packets between the two sides of a symmetric grid.
TIE_NS = 1.0
_LEAST_NS = 1e-3  # the graph takes a weight of 0 for "no link"


def shortest_routes(
    n_satellites: int,
    n_nodes: int,
    links: Links,
    destinations: Int32,
    metric: Literal["delay", "hops"] = "delay",
    relay: bool = False,
) -> Routes:
    """Next hops from every node to each of ``destinations``, (d,) int32 rising.

    Pure, and a matter of the instant alone: no next hop is kept because it was
    there before.  It changes when another way has become shorter, and not for
    less than ``TIE_NS``; a path is therefore longer than the shortest by at
    most that per hop.

    The remaining distance falls with each hop, so packets cannot go in
    circles.  Unless they relay, gateways are where ways begin and end, and on
    none in between.  A link has one delay both ways.
    """
    weight = weights(links, metric, n_nodes)
    distance = distances(n_satellites, n_nodes, links, weight, destinations, relay)
    return Routes(
        destinations, _next_nodes(n_satellites, n_nodes, links, weight, destinations, distance, relay)
    )


def weights(links: Links, metric: Literal["delay", "hops"], n_nodes: int) -> Float64:
    """(n_links,) float64: the delay in ns; for hops, each one more that outweighs all the delay of a path.

    float64 then still tells ways apart by well below a ns up to 10,000 nodes.
    """
    delay_ns = np.maximum(links.delay_ns, _LEAST_NS)
    if metric == "delay":
        return delay_ns
    return np.asarray(delay_ns + n_nodes * max(delay_ns.max(initial=0.0), 2 * TIE_NS))


def distances(
    n_satellites: int, n_nodes: int, links: Links, weight: Float64, destinations: Int32, relay: bool
) -> Float64:
    """(d, n_nodes) float64: the weight of the least way from each node to each destination; inf: no way.

    The search runs backwards, from the destinations.  Without relaying a
    gateway is a leaf, which a search reaches and does not leave; where the
    search starts from a gateway, it does so from a second copy of it, which
    has ways out only.
    """
    if len(destinations) == 0:
        return np.empty((0, n_nodes))
    copies = 0 if relay else n_nodes - n_satellites  # copy of node g: g + copies
    tail, head = np.concatenate([links.a, links.b]), np.concatenate([links.b, links.a])
    tail = np.where(tail < n_satellites, tail, tail + copies)
    source = np.where(destinations < n_satellites, destinations, destinations + copies)
    n_graph = n_nodes + copies
    graph = csr_array((np.concatenate([weight, weight]), (tail, head)), shape=(n_graph, n_graph))
    distance = np.asarray(dijkstra(graph, indices=source), np.float64)[:, :n_nodes]
    distance[np.arange(len(destinations)), destinations] = 0.0
    return distance


def _next_nodes(
    n_satellites: int,
    n_nodes: int,
    links: Links,
    weight: Float64,
    destinations: Int32,
    distance: Float64,
    relay: bool,
) -> Int32:
    """(d, n_nodes) int32: of the neighbours on a least way, within the tie, the one of the lowest index."""
    neighbour, cost = _neighbours(n_nodes, links, weight)
    onward = distance
    if not relay:  # ways through a gateway end there
        onward = distance.copy()
        onward[:, n_satellites:] = np.inf
        onward[np.arange(len(destinations)), destinations] = 0.0
    limit = np.where(np.isinf(distance), -np.inf, distance + TIE_NS)  # nothing leads where there is no way
    next_node = np.full(distance.shape, UNREACHABLE, np.int32)
    for column in reversed(range(neighbour.shape[1])):  # the lowest index has the last word
        via = onward[:, neighbour[:, column]]
        good = (via + cost[:, column] <= limit) & (via < distance)
        np.copyto(next_node, neighbour[:, column], where=good)
    return next_node


def _neighbours(n_nodes: int, links: Links, weight: Float64) -> tuple[Int32, Float64]:
    """(n_nodes, most) int32, each node's neighbours by rising index, and float64, the weights of their links.

    Where a node has fewer, the rest is node 0 at a weight of infinity.
    """
    ends = np.concatenate([np.column_stack([links.a, links.b]), np.column_stack([links.b, links.a])])
    order = np.lexsort((ends[:, 1], ends[:, 0]))
    here, there = ends[order].T
    rank = np.arange(len(here)) - np.searchsorted(here, here)
    shape = (n_nodes, int(rank.max(initial=-1)) + 1)
    neighbour, cost = np.zeros(shape, np.int32), np.full(shape, np.inf)
    neighbour[here, rank] = there
    cost[here, rank] = np.concatenate([weight, weight])[order]
    return neighbour, cost
