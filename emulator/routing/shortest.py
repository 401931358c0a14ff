"""Routes by shortest path: least delay, or fewest hops with delay deciding between equals."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from ..epoch import UNREACHABLE, Int32, Links, Routes


def shortest_routes(
    n_satellites: int,
    n_nodes: int,
    links: Links,
    destinations: Int32,
    metric: Literal["delay", "hops"] = "delay",
    relay: bool = False,
) -> Routes:
    """Next hops from every node to each destination ((d,) int32, rising).

    The search runs backwards, from each destination over all nodes, so that
    its predecessors are next hops and the paths to one destination form a
    tree: no packet can go in circles.  Unless they relay, gateways are leaves:
    reached by the search but not left by it.  A destination that is a gateway
    starts from a second copy of itself, which only has ways out.  Links have
    one delay both ways, so backwards is as far as forwards.
    """
    if len(destinations) == 0:
        return Routes(destinations, np.empty((0, n_nodes), np.int32))
    if metric == "delay":
        weight = links.delay_ns
    else:
        # a hop outweighs any sum of delays; float64 keeps both exact to well below a ns for 10,000 hops
        weight = links.delay_ns + max(1.0, float(links.delay_ns.sum()))
    weight = np.maximum(weight, 1e-3)  # the graph takes 0 for "no link"

    tail, head = np.concatenate([links.a, links.b]), np.concatenate([links.b, links.a])
    both = np.concatenate([weight, weight])
    is_gateway = tail >= n_satellites
    if relay:
        leave = np.ones(len(tail), bool)
        n_graph, source = n_nodes, destinations
    else:
        leave = ~is_gateway
        n_graph = n_nodes + n_nodes - n_satellites
        source = np.where(destinations >= n_satellites, destinations + n_nodes - n_satellites, destinations)
    rows = np.concatenate([tail[leave], tail[~leave] + n_nodes - n_satellites])
    columns = np.concatenate([head[leave], head[~leave]])
    graph = csr_array((np.concatenate([both[leave], both[~leave]]), (rows, columns)), shape=(n_graph, n_graph))
    _, predecessor = dijkstra(graph, indices=source, return_predecessors=True)
    next_node = predecessor[:, :n_nodes].astype(np.int32)
    # the copy stands for the gateway itself
    next_node = np.where(next_node >= n_nodes, next_node - (n_nodes - n_satellites), next_node)
    next_node[next_node < 0] = UNREACHABLE
    next_node[np.arange(len(destinations)), destinations] = UNREACHABLE
    return Routes(destinations, next_node.astype(np.int32))
