"""What a node is told: an order that makes no sense is named and changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from orbitmesh.emulator.presets.serving import accelerator, model
from orbitmesh.nodes.orders import BadOrder, read_order
from orbitmesh.wire.load import Lengths, LoadSpec
from orbitmesh.wire.serving import Deployment, ServingSpec
from orbitmesh.wire.spec import NodeSpec

LOAD = LoadSpec("chat", "gw-a", 1, 1.0, Lengths("fixed", 10), Lengths("fixed", 10))
GATEWAY = NodeSpec("gw-a", "gateway", "10.0.0.9", 1, peers={"sat-0-0": "10.0.0.1"}, loads=(LOAD,))
SATELLITE = NodeSpec(
    "sat-0-0", "satellite", "10.0.0.1", 1,
    serving=ServingSpec(Deployment(model("llama-3.1-8b"), accelerator("h100"))),
)  # fmt: skip


def read(spec: NodeSpec, op: str, **order: Any) -> dict[str, Any]:
    return read_order(json.dumps({"op": op, "name": spec.name} | order).encode(), spec)


def test_what_the_run_says_is_obeyed() -> None:
    for op in ("end", "stop"):
        assert read(GATEWAY, op)["op"] == op
    peers = [{"name": "gw-a", "address": "10.0.0.9"}]
    assert read(SATELLITE, "assign", probe_peers=peers, quiet_until_mono_ns=5)["probe_peers"] == peers
    order = {"nearest": "sat-0-0", "placed": {"chat": None}, "refused": {"chat": "too warm"}}
    assert read(GATEWAY, "assign", **order, retry_mono_ns={"chat": 7})["placed"] == {"chat": None}
    assert read(replace(GATEWAY, loads=(), peers={}), "assign", nearest="sat-7-7")["nearest"] == "sat-7-7"
    told = {"capacity_ratio": 0, "power_again_mono_ns": None, "background": [[1, 2, 3]]}
    assert read(SATELLITE, "serve", **told)["background"] == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"capacity_ratio": 1.5}, "serve: capacity_ratio is 1.5: it must be 0 to 1"),
        ({"capacity_ratio": -0.1}, "capacity_ratio is -0.1"),
        ({"capacity_ratio": float("nan")}, "capacity_ratio is NaN"),
        ({"capacity_ratio": True}, "capacity_ratio is true"),
        ({"capacity_ratio": "all"}, 'capacity_ratio is "all"'),
        ({"capacity_ratio": 0, "power_again_mono_ns": -1}, "power_again_mono_ns is -1: it must be"),
        ({"background": [[1, 2]]}, "a request is an instant, prompt tokens and output tokens"),
        ({"background": [[1, 0, 5]]}, "tokens are 1 to 1000000"),
        ({"background": [[2**63, 1, 5]]}, "tokens are 1 to 1000000, from an instant of 0 or later"),
        ({"background": 5}, "it must be a list of requests"),
        ({"speed": 1}, 'serve has no "speed"'),
    ],
)  # fmt: skip
def test_a_serve_order_that_makes_no_sense(order: dict[str, Any], said: str) -> None:
    with pytest.raises(BadOrder, match=said):
        read(SATELLITE, "serve", **order)


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"nearest": "sat-9-9"}, 'assign: nearest is "sat-9-9", whose address gw-a was not told'),
        ({"nearest": None, "placed": {"chat": "sat-9-9"}}, 'placed of chat is "sat-9-9", whose address'),
        ({"nearest": None, "placed": ["chat"]}, "placed is .* it must go by class"),
        ({"nearest": None, "refused": {"chat": 5}}, "refused of chat is 5: it must be a text"),
        ({"nearest": None, "retry_mono_ns": {"chat": 0.5}}, "retry_mono_ns of chat is 0.5"),
        ({"probe_peers": [{"name": "gw-a"}]}, "it must be a list of names with addresses"),
        ({"capacity_ratio": 1}, 'assign has no "capacity_ratio"'),
    ],
)
def test_an_assignment_that_makes_no_sense(order: dict[str, Any], said: str) -> None:
    with pytest.raises(BadOrder, match=said):
        read(GATEWAY, "assign", **order)


def test_what_is_no_order_at_all() -> None:
    for message, said in ((b"{", "no JSON"), (b"[]", "unknown order"), (b'{"op": "dance"}', "op is one of")):
        with pytest.raises(BadOrder, match=said):
            read_order(message, SATELLITE)
    with pytest.raises(BadOrder, match="gw-a serves no model"):
        read(GATEWAY, "serve", capacity_ratio=1)
