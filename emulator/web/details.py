"""What is told of one node, or one link, that was picked: figures as people read them.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from orbitmesh.web.v1 import web_pb2 as pb

from ..constants import SPEED_OF_LIGHT_KM_PER_S
from ..epoch import HELD_BACK_BY, NS_PER_S, Epoch, LinkKind
from ..errors import InputError
from ..orbit.geodetic import geodetic
from ..shown import rate_text
from .mesh import Shown

Figures = Iterator[tuple[str, str]]

_LATENCIES = (
    ("physical latency", "physical_p50_ns"), ("by UDP", "udp_p50_ns"), ("by gRPC", "grpc_p50_ns"),
    ("of tasks", "task_p50_ns"), ("beyond light and sending", "remainder_p50_ns"),
)  # fmt: skip


def check_nodes(shown: Shown, *nodes: int) -> None:
    for node in nodes:
        if node >= len(shown.nodes):
            raise InputError(f"there is no node {node}: they are 0 to {len(shown.nodes) - 1}")


def node_detail(shown: Shown, epoch: Epoch, node: int, status: Mapping[str, Any]) -> Any:
    check_nodes(shown, node)
    figures = [*_place(shown, epoch, node), *_links(shown, epoch, node)]
    if shown.nodes.is_gateway(node):
        figures += _gateway(shown.nodes.names[node], status)
    elif epoch.platforms is not None:
        figures += _platform(epoch, node)
    if how := (status.get("dead_nodes") or {}).get(shown.nodes.names[node]):
        figures.append(("its process died", str(how)))
    return pb.NodeDetail(
        node=node,
        name=shown.nodes.known_as.said(node),
        figures=[pb.Figure(name=n, value=v) for n, v in figures],
    )


def _place(shown: Shown, epoch: Epoch, node: int) -> Figures:
    longitude_deg, latitude_deg, altitude_km = geodetic(epoch.positions_itrs_km[node]).tolist()
    if not shown.nodes.is_gateway(node):
        yield "shell", shown.shells[int(shown.nodes.shell[node])].name
        yield "altitude", f"{altitude_km:,.1f} km"
        yield "above", f"{latitude_deg:.2f}°, {longitude_deg:.2f}°"
    else:
        yield "at", f"{latitude_deg:.3f}°, {longitude_deg:.3f}°"


def _links(shown: Shown, epoch: Epoch, node: int) -> Figures:
    links = epoch.links
    rows = np.flatnonzero((links.a == node) | (links.b == node))
    for row in rows[:16].tolist():
        other = int(links.b[row] if links.a[row] == node else links.a[row])
        kind = "laser" if links.kind[row] == LinkKind.LASER else "ground link"
        is_up = links.up is None or bool(links.up[row])
        told = f"{links.delay_ns[row] / 1e6:.3f} ms, {rate_text(float(links.rate_ab_bps[row]))}"
        yield f"{kind} to {shown.nodes.names[other]}", told if is_up else "has failed"
    if len(rows) > 16:
        yield "more links", f"{len(rows) - 16:,}"


def _gateway(name: str, status: Mapping[str, Any]) -> Figures:
    rows = (status.get("digest") or {}).get("gateways", ())
    row = next((each for each in rows if each["gateway"] == name), None)
    if row is None:
        return
    yield "satellites that measure", f"{row['satellites']:,}"
    yield "samples of the last seconds", f"{row['samples']:,}, {row['lost']:,} lost"
    for label, key in _LATENCIES:
        if (value := row.get(key)) is not None:
            yield f"{label}, median", f"{value / 1e6:.3f} ms"


def _platform(epoch: Epoch, node: int) -> Figures:
    p = epoch.platforms
    assert p is not None
    yield "sunlight", f"{100 * p.sunlit_ratio[node]:.0f} %"
    yield "battery", f"{p.battery_j[node] / 3.6e6:,.2f} kWh"
    yield "radiator", f"{p.temperature_k[node] - 273.15:.1f} °C"
    yield "computers draw", f"{p.compute_w[node] / 1e3:,.1f} kW of {p.demand_w[node] / 1e3:,.1f} kW asked for"
    yield "power altogether", f"{p.power_w[node] / 1e3:,.1f} kW"
    yield "computing possible", f"{100 * p.capacity_ratio[node]:.0f} %"
    if cause := HELD_BACK_BY[int(p.cause[node])]:
        yield "held back by", str(cause)


def link_detail(shown: Shown, epoch: Epoch, a: int, b: int) -> Any:
    """InputError where they are not linked now."""
    check_nodes(shown, a, b)
    links, names = epoch.links, shown.nodes.names
    row = links.find(a, b)
    if row < 0:
        raise InputError(f"{names[a]} and {names[b]} are not linked now")
    low, high = (names[int(end[row])] for end in (links.a, links.b))
    range_km = links.delay_ns[row] / NS_PER_S * SPEED_OF_LIGHT_KM_PER_S
    figures = [
        ("kind", "laser" if links.kind[row] == LinkKind.LASER else "ground link"),
        ("state", "up" if links.up is None or links.up[row] else "has failed"),
        ("delay one way", f"{links.delay_ns[row] / 1e6:.4f} ms"),
        ("as light goes", f"{range_km:,.1f} km"),
        ("changes by", f"{links.delay_slope_ns_per_s[row] / 1e3:+.2f} µs a second"),
        (f"rate {low} to {high}", rate_text(float(links.rate_ab_bps[row]))),
        (f"rate {high} to {low}", rate_text(float(links.rate_ba_bps[row]))),
    ]
    scale = shown.scenario.run.rate_scale
    if scale != 1:
        figures.append(("emulated at", f"{scale:g} of these rates"))
    if links.loss_ratio is not None and not np.isnan(links.loss_ratio[row]):
        figures.append(("loss", f"{100 * links.loss_ratio[row]:g} %"))
    return pb.LinkDetail(a_node=a, b_node=b, figures=[pb.Figure(name=n, value=v) for n, v in figures])
