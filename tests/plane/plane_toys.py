"""Small meshes for the tests of the plane: a torus of satellites, gateways on some, shortest routes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import product
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from orbitmesh.emulator.epoch import UNREACHABLE, Epoch, LinkKind, Links, Nodes, Routes
from orbitmesh.emulator.scenario import Scenario

LASER_DELAY_NS, GROUND_DELAY_NS = 3_000_000.0, 2_000_000.0


def nodes(planes: int, slots: int, gateways: int = 0) -> Nodes:
    plane, slot = (np.array(x, np.int32) for x in zip(*product(range(planes), range(slots)), strict=True))
    names = [f"sat-{p}-{s}" for p, s in product(range(planes), range(slots))]
    names += [f"gw-station{g}" for g in range(gateways)]
    return Nodes(tuple(names), planes * slots, np.zeros(planes * slots, np.int32), plane, slot)


def torus(planes: int, slots: int) -> list[tuple[int, int]]:
    """Pairs of neighbours: within a plane, and across planes at the same slot."""
    pairs = set()
    for p, s in product(range(planes), range(slots)):
        for other in (p * slots + (s + 1) % slots, (p + 1) % planes * slots + s):
            if other != p * slots + s:
                pairs.add(tuple(sorted((p * slots + s, other))))
    return sorted(pairs)  # type: ignore[arg-type]


def links(
    mesh: Nodes, pairs: Sequence[tuple[int, int]], delays_ns: dict[tuple[int, int], float] | None = None
) -> Links:
    """Links between pairs; those to a gateway are ground links.  Delays as given, or the constants above."""
    pairs = sorted(tuple(sorted(pair)) for pair in pairs)  # type: ignore[misc]
    a, b = (np.array(x, np.int32) for x in zip(*pairs, strict=True))
    ground = b >= mesh.n_satellites
    delay = np.where(ground, GROUND_DELAY_NS, LASER_DELAY_NS)
    for row, pair in enumerate(pairs):
        delay[row] = (delays_ns or {}).get(pair, delay[row])
    rate = np.full(len(a), 10**9, np.int64)
    return Links(
        a,
        b,
        np.where(ground, LinkKind.GROUND, LinkKind.LASER).astype(np.uint8),
        delay,
        np.zeros(len(a)),
        rate,
        rate,
    )


def routes(mesh: Nodes, on: Links, destinations: Sequence[int]) -> Routes:
    """Least delay; gateways do not relay."""
    n = len(mesh)
    wanted = np.array(sorted(destinations), np.int32)
    next_node = np.full((len(wanted), n), UNREACHABLE, np.int32)
    for row, destination in enumerate(wanted.tolist()):
        # towards the destination, so: edges of other gateways only lead out of them
        tail, head = np.concatenate([on.a, on.b]), np.concatenate([on.b, on.a])
        cost = np.concatenate([on.delay_ns, on.delay_ns])
        usable = (head < mesh.n_satellites) | (head == destination)
        graph = csr_matrix((cost[usable], (head[usable], tail[usable])), (n, n))
        _, before = dijkstra(graph, indices=destination, return_predecessors=True)
        reached = before >= 0
        next_node[row, reached] = before[reached]
    return Routes.from_next_nodes(wanted, next_node, on, mesh.n_satellites)


def epoch(
    mesh: Nodes,
    pairs: Sequence[tuple[int, int]],
    number: int = 0,
    destinations: Sequence[int] | None = None,
    delays_ns: dict[tuple[int, int], float] | None = None,
) -> Epoch:
    on = links(mesh, pairs, delays_ns)
    to = range(len(mesh)) if destinations is None else destinations
    return Epoch(number, number * 10**9, np.zeros((len(mesh), 3)), on, routes(mesh, on, to))


def scenario(
    *,
    ground: dict[str, Any] | None = None,
    lasers: dict[str, Any] | None = None,
    background: dict[str, Any] | None = None,
    **run: Any,
) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "toy",
            "constellation": {"shells": [{"code": "D:550:53:12/3/1"}]},
            "ground": ground or {},
            "background": background or {},
            "lasers": lasers or {},
            "run": {"start": datetime(2026, 1, 1, tzinfo=UTC), **run},
        }
    )
