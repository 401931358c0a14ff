"""What the run tells a node, checked before any of it is done: what makes no sense changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from orbitmesh.wire.limits import MAX_SERVED_TOKENS
from orbitmesh.wire.spec import NodeSpec

from .serving.leaving import read_leaves

_OPS = ("assign", "serve", "end", "stop")


class BadOrder(ValueError):
    """An order that makes no sense to this node."""


def read_order(message: bytes, spec: NodeSpec) -> dict[str, Any]:
    """BadOrder, in a sentence, for what cannot be obeyed as a whole."""
    try:
        order = json.loads(message)
    except ValueError as error:
        raise BadOrder(f"an order is no JSON: {error}") from None
    if not isinstance(order, dict) or order.get("op") not in _OPS:
        raise BadOrder(f"unknown order {_short(order)}: op is one of {', '.join(_OPS)}")
    op = order["op"]
    if op == "serve" and spec.serving is None and spec.training is None:
        raise BadOrder(f"{spec.name} serves no model, and is told how to serve one")
    of_ops: dict[str, dict[str, Callable[[Any], str | None]]] = {
        "assign": {
            "probe_peers": _peers,
            "nearest": lambda name: _asked(name, spec),
            "placed": lambda names: _by_class(names, lambda name: _asked(name, spec)),
            "refused": lambda reasons: _by_class(reasons, _text),
            "retry_mono_ns": lambda instants: _by_class(instants, _instant),
            "quiet_until_mono_ns": _instant,
        },
        "serve": {
            "capacity_ratio": _share,
            "power_again_mono_ns": lambda value: None if value is None else _instant(value),
            "background": _background,
            "train_from_mono_ns": _instant,
            "leaves": _leaves,
        },
    }
    known = of_ops.get(op, {})
    for key, value in order.items():
        if key in ("op", "name"):
            continue
        if key not in known:
            raise BadOrder(f"{op} has no {_short(key)}")
        if wrong := known[key](value):
            raise BadOrder(f"{op}: {key} {wrong}")
    return order


def _share(value: Any) -> str | None:
    # not a number is neither
    return None if _is_number(value) and 0 <= value <= 1 else f"is {_short(value)}: it must be 0 to 1"


def _instant(value: Any) -> str | None:
    return (
        None
        if _is_whole(value) and 0 <= value < 2**63
        else f"is {_short(value)}: it must be an instant in ns"
    )


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else f"is {_short(value)}: it must be a text"


def _background(value: Any) -> str | None:
    if not isinstance(value, list):
        return f"is {_short(value)}: it must be a list of requests"
    for row in value:
        if not (isinstance(row, list) and len(row) == 3 and all(map(_is_whole, row))):
            return f"has {_short(row)}: a request is an instant, prompt tokens and output tokens"
        if _instant(row[0]) or not all(1 <= tokens <= MAX_SERVED_TOKENS for tokens in row[1:]):
            return f"has {_short(row)}: tokens are 1 to {MAX_SERVED_TOKENS}, from an instant of 0 or later"
    return None


def _peers(value: Any) -> str | None:
    if isinstance(value, list) and all(
        isinstance(peer, dict) and set(peer) == {"name", "address"} and all(map(_is_text, peer.values()))
        for peer in value
    ):
        return None
    return f"is {_short(value)}: it must be a list of names with addresses"


def _asked(name: Any, spec: NodeSpec) -> str | None:
    if name is None or (isinstance(name, str) and not (spec.tasks or spec.loads)):
        return None  # who asks nobody needs no address
    if not isinstance(name, str):
        return f"is {_short(name)}: it must be a satellite's name, or null"
    return None if name in spec.peers else f"is {_short(name)}, whose address {spec.name} was not told"


def _by_class(value: Any, wrong: Callable[[Any], str | None]) -> str | None:
    if not isinstance(value, dict):
        return f"is {_short(value)}: it must go by class"
    return next((f"of {name} {said}" for name, each in value.items() if (said := wrong(each))), None)


def _leaves(value: Any) -> str | None:
    try:
        read_leaves(value)
    except KeyError as error:
        return f"has no {error}"
    except (AttributeError, TypeError, ValueError) as error:
        return f"makes no sense: {error}"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _short(value: Any) -> str:
    said = json.dumps(value, default=repr)
    return said if len(said) <= 80 else f"{said[:77]}..."
