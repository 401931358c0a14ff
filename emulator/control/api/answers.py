"""The door's answers, which are JSON, as messages: what is typed there, and all of it as it is printed."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from orbitmesh.control.v1 import control_pb2 as pb

_STATUS = (
    "run_id", "scenario", "plane", "backend", "clock", "elapsed_ns", "duration_ns", "satellites", "gateways",
    "hosts", "nodes_ready", "dead_nodes", "lasers", "ground_links", "ticks", "late_ticks",
    "engine_lateness_p50_ns", "engine_lateness_p99_ns", "engine_lateness_max_ns", "speed_ratio",
)  # fmt: skip
_GATEWAY = tuple(field.name for field in pb.GatewayStatus.DESCRIPTOR.fields)


def status(now: Mapping[str, Any]) -> Any:
    return pb.StatusResponse(
        out_path=now["out"],
        sim_unix_ns=round(datetime.fromisoformat(now["sim_utc"]).timestamp() * 1e6) * 1000,
        gateway_status=[
            pb.GatewayStatus(**_there(row, _GATEWAY)) for row in now["digest"].get("gateways", ())
        ],
        is_paused=bool(now.get("paused")),
        as_json=json.dumps(now, allow_nan=False),
        **_there(now, _STATUS),
    )


def path(answer: Mapping[str, Any]) -> Any:
    return pb.PathResponse(
        nodes=answer["path"] or (), delay_ns=answer["delay_ns"], known_as=answer.get("known_as", {})
    )


def intervention(told: Mapping[str, Any]) -> Any:
    return pb.Intervention(
        number=told["intervention"],
        as_json=json.dumps(told, allow_nan=False),
        **_there(
            told, ("what", "by", "at_sim_ns", "until_sim_ns", "rate_bps", "loss_ratio", "extra_delay_ns")
        ),
    )


def event(value: Mapping[str, Any]) -> Any:
    return pb.Event(
        event=str(value["event"]),
        n=value.get("n", 1),
        nodes=list(dict.fromkeys(_names(value.get("of", ())))),
        as_json=json.dumps(value, allow_nan=False),
        **_there(value, ("sim_ns",)),
    )


def clock(answer: Mapping[str, Any]) -> Any:
    return pb.ClockState(
        elapsed_ns=answer["elapsed_ns"],
        is_paused=answer["paused"],
        speed_ratio=answer["speed_ratio"],
        sim_ns=answer.get("sim_ns", answer["elapsed_ns"]),
    )


def carried(answer: Mapping[str, Any]) -> Any:
    columns = np.frombuffer(base64.b64decode(answer["columns"]), "<i8").reshape(-1, 4)
    ab, ba, packets, lost = (column.tolist() for column in columns.T)
    return pb.CarriedResponse(
        epoch_number=answer["epoch_number"], mono_ns=answer["mono_ns"], ab_bytes=ab, ba_bytes=ba,
        packets=packets, lost_packets=lost,
    )  # fmt: skip


def _there(told: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: told[key] for key in keys if told.get(key) is not None}


def _names(of: Any) -> list[str]:
    """All texts in it: pairs of nodes, or gateways with who left and who joined."""
    if isinstance(of, str):
        return [of]
    if isinstance(of, Mapping):
        of = [value for key, value in of.items() if key in ("gateway", "left", "joined", "what", "node")]
    return [name for each in of for name in _names(each)] if isinstance(of, list | tuple) else []
