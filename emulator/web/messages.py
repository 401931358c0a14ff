"""What is said to pages, as bytes: from an epoch, a status, an event.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from orbitmesh.web.v1 import web_pb2 as pb

from ..epoch import NS_PER_S, Epoch, Float64, Int64, LinkKind, Links, Nodes
from ..event_lines import does, event_line, nodes_of
from ..orbit.frames import gmst82_rad
from ..orbit.sun import sun_direction_itrs
from ..record.totals import IN_TARGET, MISSED, REFUSED
from .judged import cause, verdict, why_not_known

NODES_PER_MESSAGE = 65_536

_STATUS = (
    "elapsed_ns", "duration_ns", "nodes_ready", "hosts", "ticks", "late_ticks", "engine_lateness_p50_ns",
    "engine_lateness_p99_ns", "engine_lateness_max_ns", "sim_ns", "speed_ratio",
)  # fmt: skip
_GATEWAY = (
    "satellites", "samples", "lost", "physical_p50_ns", "udp_p50_ns", "udp_p99_ns", "grpc_p50_ns",
    "grpc_p99_ns", "task_p50_ns", "task_p99_ns", "remainder_p50_ns",
)  # fmt: skip


def told(**news: Any) -> bytes:
    """One message."""
    data: bytes = pb.ToPage(**news).SerializeToString()
    return data


def f32(values: Any) -> bytes:
    return np.ascontiguousarray(values, "<f4").tobytes()


def u32(values: Any) -> bytes:
    return np.ascontiguousarray(values, "<u4").tobytes()


def nodes(of: Nodes) -> Iterator[bytes]:
    """Satellites, in parts; at least one."""
    known = of.known_as.by_node
    for first in range(0, max(of.n_satellites, 1), NODES_PER_MESSAGE):
        part = slice(first, min(first + NODES_PER_MESSAGE, of.n_satellites))
        named = [node for node in range(part.start, part.stop) if node in known] if known else []
        yield told(
            nodes=pb.Nodes(
                first_node=first,
                shell_u32le=u32(of.shell[part]),
                plane_u32le=u32(of.plane[part]),
                slot_u32le=u32(of.slot[part]),
                known_node=named,
                known_as=[known[node].short for node in named],
            )
        )


def links(number: int, of: Links, rows: Int64 | None) -> bytes:
    """``rows``: those that are sent; None: all."""
    some = slice(None) if rows is None else rows
    ground = int(np.count_nonzero(of.kind == LinkKind.GROUND))
    return told(
        links=pb.Links(
            links_number=number,
            a_node_u32le=u32(of.a[some]),
            b_node_u32le=u32(of.b[some]),
            kind_u8=(of.kind[some] + 1).astype(np.uint8).tobytes(),
            all_lasers=len(of) - ground,
            all_ground_links=ground,
        )
    )


def epoch(
    of: Epoch,
    *,
    start_unix_ns: int,
    speed_ratio: float,
    links_number: int,
    rows: Int64 | None,
    changed_rows: Sequence[int] = (),
    failed_nodes: Sequence[int] = (),
    dut1_s: float = 0.0,
    at_sim_ns: int | None = None,
    velocity_km_per_s: Float64 | None = None,
) -> bytes:
    """``at_sim_ns``: another instant, up to which all is led on along its course."""
    sim_ns, some = of.sim_ns if at_sim_ns is None else at_sim_ns, slice(None) if rows is None else rows
    ahead_s = (sim_ns - of.sim_ns) / NS_PER_S
    position_km, delay_ns, lk = of.positions_itrs_km, of.links.delay_ns[some], of.links
    if ahead_s:
        delay_ns = delay_ns + lk.delay_slope_ns_per_s[some] * ahead_s
        if velocity_km_per_s is not None:
            position_km = position_km + velocity_km_per_s * ahead_s
    instant = np.array([start_unix_ns + sim_ns], np.int64)
    is_up = np.ones(len(delay_ns), np.uint8) if lk.up is None else lk.up[some].astype(np.uint8)
    return told(
        epoch=pb.Epoch(
            epoch_number=of.number,
            sim_ns=sim_ns,
            speed_ratio=speed_ratio,
            position_itrs_km_f32le=f32(position_km),
            sun_itrs=sun_direction_itrs(instant, dut1_s)[0].tolist(),
            earth_rotation_rad=float(gmst82_rad(instant, dut1_s)[0]),
            links_number=links_number,
            link_delay_ns_f32le=f32(delay_ns),
            link_rate_ab_bps_f32le=f32(lk.rate_ab_bps[some]),
            link_rate_ba_bps_f32le=f32(lk.rate_ba_bps[some]),
            link_is_up_u8=is_up.tobytes(),
            changed_link_row=changed_rows,
            failed_node=failed_nodes,
        )
    )


def status(of: Mapping[str, Any], nodes: Nodes | None, doubts: Sequence[str] = ()) -> bytes:
    """From a run's status, as the feed tells it."""
    digest = of.get("digest") or {}
    gateways = [
        pb.GatewayFigures(gateway_node=nodes.index[row["gateway"]], **_known(row, _GATEWAY))
        for row in digest.get("gateways", ())
        if nodes is not None and row["gateway"] in nodes.index
    ]
    return told(
        status=pb.Status(
            is_paused=bool(of.get("paused")),
            samples=digest.get("samples", 0),
            lost=digest.get("lost", 0),
            gateways=gateways,
            classes=[*_classes(digest.get("totals") or {})],
            doubts=[*doubts, *_doubts(of)],
            **_known(of, _STATUS),
        )
    )


def _classes(totals: Mapping[str, Any]) -> Iterator[Any]:
    """Of customers, from the counters of a digest."""
    for row in totals.get("exact", ()):  # of a record
        yield pb.ClassFigures(**{key: value for key, value in row.items() if value is not None})
    edges_ns = totals.get("edges_ns", ())
    for row in totals.get("customers", ()):
        outcomes = row["outcomes"]
        in_time, asked = outcomes[IN_TARGET], sum(outcomes.values())
        share = row.get("asked_for")
        quantiles = {
            "ttft_p50_ns": quantile_ns(row["first_token"]["counts"], edges_ns, 0.5),
            "ttft_p99_ns": quantile_ns(row["first_token"]["counts"], edges_ns, 0.99),
            "answer_p99_ns": quantile_ns(row["answer"]["counts"], edges_ns, 0.99),
        }
        yield pb.ClassFigures(
            name=row["customer_class"],
            asked=asked,
            answered=in_time + outcomes[MISSED],
            refused=outcomes[REFUSED],
            in_time=in_time,
            verdict=verdict(in_time, asked, share),
            cause=cause(row),
            why_not_known=why_not_known(in_time, asked, share),
            **_known(quantiles, tuple(quantiles)),
        )


def quantile_ns(counts: Sequence[int], edges_ns: Sequence[int], share: float) -> float | None:
    """Within the bin that it falls in, as if its values were spread evenly; None: nothing counted, or beyond
    the last edge."""
    left, before = share * sum(counts), 0
    for n, edge_ns in zip(counts, edges_ns, strict=False):
        if n and left <= n:
            return before + (edge_ns - before) * left / n
        left, before = left - n, edge_ns
    return None


def series(
    kind: Any, gateway: int, sim_s: Any, value: Any, beside: Any, since_sim_ns: int | None = None
) -> bytes:
    return told(
        series=pb.Series(
            kind=kind,
            gateway_node=gateway,
            sim_s_f64le=np.ascontiguousarray(sim_s, "<f8").tobytes(),
            value_f32le=f32(value),
            beside_f32le=f32(beside),
            since_sim_ns=since_sim_ns,
        )
    )


def _known(values: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: values[key] for key in keys if values.get(key) is not None}


def _doubts(of: Mapping[str, Any]) -> Iterator[str]:
    digest, late, ticks = of.get("digest") or {}, of.get("late_ticks", 0), of.get("ticks", 0)
    if late:
        yield f"{late:,} of {ticks:,} ticks came late: what was measured meanwhile is marked in the record"
    if dead := of.get("dead_nodes"):
        yield f"{len(dead):,} node processes died: {', '.join(sorted(dead)[:4])}"
    if n := digest.get("dropped"):
        yield f"{n:,} samples were not recorded: the host is too slow for this load"
    if n := digest.get("too_fast"):
        yield f"{n:,} samples came faster than light: the run is not to be trusted"


def event(number: int, of: Mapping[str, Any], nodes: Nodes, now_sim_ns: int) -> bytes:
    """``now_sim_ns``: of those that do not say when."""
    what = dict(of)
    return told(
        event=pb.Event(
            number=number,
            sim_ns=int(what.get("sim_ns", now_sim_ns)),
            kind=str(what.get("event", "")),
            n=int(what.get("n", 1)),
            node=nodes_of(what, nodes),
            text=event_line(what),
        )
    )


def interventions(listed: Sequence[Mapping[str, Any]]) -> bytes:
    """As the door lists them."""
    return told(interventions=pb.Interventions(interventions=[_intervention(each) for each in listed]))


def _intervention(of: Mapping[str, Any]) -> Any:
    return pb.Intervention(
        number=of["intervention"],
        what=str(of["what"]),
        by=str(of["by"]),
        at_sim_ns=of.get("at_sim_ns"),
        until_sim_ns=of.get("until_sim_ns"),
        does=does(of),
    )
