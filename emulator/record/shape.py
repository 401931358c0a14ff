"""What the JSON files of a run must hold, and the first key of one that is not so, in words.  Pure.

A folder comes from anywhere: cut off by a full disk, edited, of another
program.  What a reader here takes from run.json and summary.json is listed
once, and looked at before it is taken; further keys are nobody's concern.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..shown import plain, shown
from .soundness import CAUSES
from .statistics import PARTS


@dataclass(frozen=True)
class Maybe:
    """That, or null."""

    shape: Any


@dataclass(frozen=True)
class Optional:
    """That, where the key is there."""

    shape: Any


@dataclass(frozen=True)
class Each:
    """An object of any keys, each value of that shape."""

    shape: Any


@dataclass(frozen=True)
class OneOf:
    """One of those texts."""

    texts: tuple[str, ...]


# A shape is a type, {key: shape}, [shape of each member], one of the above, or a function from a value to one
_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", dict: "an object"}


def problem(value: Any, shape: Any, key: str = "") -> str | None:
    """What is wrong, with the key that it is wrong at; None where nothing is."""
    if isinstance(shape, Maybe | Optional):
        return None if value is None and isinstance(shape, Maybe) else problem(value, shape.shape, key)
    if isinstance(shape, OneOf):
        return None if value in shape.texts else _said(value, f"one of {', '.join(shape.texts)}", key)
    if isinstance(shape, Each | dict):
        return _of_object(value, shape, key)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return _said(value, "a list", key)
        return _first(problem(each, shape[0], f"{key}[{i}]") for i, each in enumerate(value))
    if isinstance(shape, type):
        return None if _is(value, shape) else _said(value, _WORDS[shape], key)
    return _of_object(value, {}, key) or problem(value, shape(value), key)


def _of_object(value: Any, shape: Each | dict[str, Any], key: str) -> str | None:
    if not isinstance(value, dict):
        return _said(value, "an object", key)
    under = f"{key}." if key else ""
    if isinstance(shape, Each):
        return _first(problem(each, shape.shape, under + plain(name, 40)) for name, each in value.items())
    for name, inner in shape.items():
        if name not in value:
            if isinstance(inner, Optional):
                continue
            return f"it lacks the key {under}{name}"
        if (wrong := problem(value[name], inner, under + name)) is not None:
            return wrong
    return None


def _is(value: Any, kind: type) -> bool:
    if isinstance(value, bool):  # which Python takes for a number
        return kind is bool
    return isinstance(value, int | float) if kind is float else isinstance(value, kind)


def _said(value: Any, what: str, key: str) -> str:
    return f"{key or 'all of it'} is {shown(value)}, where {what} belongs"


def _first(problems: Any) -> str | None:
    return next((wrong for wrong in problems if wrong is not None), None)


def _budget(value: dict[str, Any]) -> Any:
    if "reason" in value:
        return {"reason": str}
    known = {"calibrated_utc": str, "first_p50_ns": float, "first_p99_ns": float, "per_hop_ns": float}
    return known | {"lateness_p99_bound_ns": Optional(float), "distrusted": Optional(Maybe(str))}


def _soundness(value: dict[str, Any]) -> Any:
    ratio = float if value.get("samples") else Maybe(float)  # of no sample there is none
    bounds = {"late_tick_ns": float, "late_engine_ns": float, "stall_ns": float}
    return {"samples": int, "sound": int, "sound_ratio": ratio, "bounds": bounds}


def _load(value: dict[str, Any]) -> Any:
    known = {"mean_w": float, "mean_kind": str, "hours": str, "depends_on_host": bool}
    if not value.get("depends_on_host"):
        return known
    cards = {"name": str, "count": int, "share_ratio": float}
    return known | {"hosts": int, "measured_ratio": float, "accelerators": cards}


def _platform(value: dict[str, Any]) -> Any:
    known = {
        "preset": str,
        "shells": Optional(Each(str)),
        "epochs": int,
        "held_back": Each(float),
        "load": Optional(_load),
    }
    figures = dict.fromkeys(("sunlit_ratio", "capacity_ratio", "temperature_most_k"), float)
    return known | figures if value.get("epochs") else known


def _all_or_none(*names: str, shape: Any) -> Callable[[dict[str, Any]], Any]:
    """Where the first is known, the others are."""
    return lambda value: dict.fromkeys(names, Maybe(shape) if value.get(names[0]) is None else shape)


_SCENARIO = {"name": str, "title": str, "sha256": str}
_AWAKE = {"held": Optional(bool), "reason": Optional(str)}

# classes of customers, and what they demand
_TARGET = Maybe(
    {
        **dict.fromkeys(("ttft_ns", "tpot_ns", "answer_ns"), Maybe(int)),
        "share": float,
        "preset": Maybe(str),
    }
)
_CLASS = {"name": str, "one_in": int, "target": _TARGET}
_CAUSES = Each({"requests": int, "over_ns": Optional(int), "by_reason": Optional(Each(int))})
_SHARE = {"share": float, "low": float, "high": float}
_QUANTILES = dict.fromkeys(
    ("p50", "p90", "p99", "p99_9"), Maybe({"value": int, "low": Maybe(int), "high": Maybe(int)})
)


_HOST = dict.fromkeys(("ttft_p50_ns", "ttft_p99_ns", "node_late_p50_ns"), int) | {
    "calibrated_p99_ns": Maybe(int),
    "sound": bool,
}
_DOLLARS = dict.fromkeys(
    ("dollars_per_request", "dollars_per_million_tokens"),
    dict.fromkeys(("low", "value", "high"), Maybe(float)),
)
_COST = {
    **dict.fromkeys(("platform", "no_orbit"), Maybe(str)),
    **dict.fromkeys(("prices", "ground_prices"), str),
    "orbit": Maybe(_DOLLARS),
    "ground": _DOLLARS,
}


def _customers(value: dict[str, Any]) -> Any:
    none = {"customer_class": str, "one_in": int, "requests": int, "met": Maybe(bool), "target": _TARGET}
    if not value.get("requests"):
        return none
    judged: dict[str, Any] = {}
    if value.get("target"):
        judged = {"within_target": _SHARE | {"asked_for": float}, "causes": _CAUSES}
    return (
        none
        | judged
        | {
            **dict.fromkeys(("answered", "refused", "cut_off", "sound"), int),
            "sent_late_p99_ns": int,
            **dict.fromkeys(("joules_per_request", "joules_per_token"), Optional(Maybe(float))),
            "host": Optional(_HOST),
            "light": Optional({"least_round_trip_ns": int, "below_ns": Each(int)}),
            "cost": Optional(_COST),
            "availability": _SHARE,
            "confidence": float,
            **dict.fromkeys(("ttft_ns", "tpot_ns", "answer_ns"), _QUANTILES),
            **dict.fromkeys(("goodput_answers_per_s", "goodput_tokens_per_s", "delivered_bps"), float),
        }
    )


_TRAINED = {
    **dict.fromkeys(("model", "accelerator"), str),
    **dict.fromkeys(("accelerators", "tokens", "compute_ns", "gradient_bytes", "emulated_bytes"), int),
    "message_bytes": int,
    "overlap_ratio": float,
    "ring": [str],
}


def _training(value: dict[str, Any]) -> Any:
    spread = {"p50": int, "most": int}
    some = bool(value.get("steps"))
    figures = ("step_ns", "compute_ns", "all_reduce_ns")
    ratios = ("communicating_ratio", "algorithm_bps", "bus_bps", "tokens_per_s")
    bounds = ("communicating_bound_ratio", "bus_bound_bps", "tokens_bound_per_s")
    known = some and value.get("bound_ns") is not None
    return {
        **dict.fromkeys(("model", "accelerator"), str),
        **dict.fromkeys(("accelerators", "satellites", "tokens", "gradient_bytes", "emulated_bytes"), int),
        **dict.fromkeys(("steps", "cut_off", "sound"), int),
        "rate_scale": float,
        "failed": Each(int),
        "stragglers": Each({"steps": int, "behind_ns": int, "held_by": Maybe(str)}),
        **dict.fromkeys(figures, spread if some else Maybe(spread)),
        **dict.fromkeys(("bound_ns", "headers_ns", "host_ns"), Maybe(spread)),
        **dict.fromkeys(ratios, float if some else Maybe(float)),
        **dict.fromkeys(bounds, float if known else Maybe(float)),
    }


# what files call satellites, by their own names
KNOWN_AS = Optional(Each({"name": Maybe(str), "catalog_number": Maybe(int)}))

_PRESETS = Optional([{"family": str, "name": str, "figures": Each(int), "own": Each(str)}])

RUN = {
    "run_id": str,
    "scenario": _SCENARIO,
    "content": Optional(dict),
    "seed": int,
    "start_utc": str,
    "began_utc": str,
    "duration_ns": int,
    "step_ns": int,
    "plane": Optional(str),
    "backend": str,
    "clock": str,
    "rate_scale": float,
    "machine": dict,
    "awake": Optional(_AWAKE),
    "options": dict,
    "error_budget": Optional(_budget),
    "satellites": int,
    "gateways": [str],
    "stations": Optional(Each(dict.fromkeys(("latitude_deg", "longitude_deg", "altitude_m"), float))),
    "known_as": KNOWN_AS,
    "presets": _PRESETS,
    "customers": Optional([_CLASS]),
    "serving": Optional(Maybe(dict)),
    "training": Optional(Maybe(_TRAINED)),
}

_FIGURES = {
    "samples": int,
    "lost": int,
    **dict.fromkeys(("measured", "physical", "remainder"), Maybe(Each(float))),
}
_MEAN = {"samples": int, "measured_ns": float, **{f"{name}_ns": float for name in PARTS}}
_GATEWAY = {
    "gateway": str,
    "satellites": int,
    "samples": int,
    "lost": int,
    "lost_by_error": Each(int),
    "kinds": Each(_FIGURES | {"sound": _FIGURES, "mean": Maybe(_MEAN)}),
    "available_ratio": Optional(Maybe(float)),
    "longest_gap_ns": Optional(Maybe(float)),
    **dict.fromkeys(("due", "sent", "answered"), Optional(int)),
}
_RATES = {f"{what}_{bound}_bps": float for what in ("physical", "emulated") for bound in ("min", "max")}

_LOST = {"packets_failed": int, "packets_lost": int}
_INTERVENTIONS = {"count": int, **_LOST, "most": [{"intervention": int, "what": str, "by": str, **_LOST}]}

ENDING = {"ended": str, "reason": str}

EVENT = {"event": str, **dict.fromkeys(("text", "ended", "reason"), Optional(str))}

WINDOW = {"from_mono_ns": int, "to_mono_ns": int, "cause": OneOf(CAUSES), "worst_ns": int}

SUMMARY = {
    "run_id": str,
    "scenario": _SCENARIO,
    "seed": int,
    "ended": str,
    "reason": str,
    "trusted": bool,
    "doubts": [str],
    "remarks": [str],
    "not_known": [str],
    "soundness": Maybe(_soundness),
    "emulated_ns": Maybe(float),
    "began_sim_ns": Optional(Maybe(float)),
    "machine": dict,
    "awake": Optional(_AWAKE),
    "plane": str,
    "backend": str,
    "clock": str,
    "rate_scale": float,
    "rates": Each(_RATES),
    "ticks": _all_or_none("count", "late", shape=int),
    "engine_lateness": _all_or_none("p50_ns", "p99_ns", "max_ns", shape=float),
    "error_budget": _budget,
    "samples": {"samples": int, "lost": int},
    "light": {"least_margin_ns": Maybe(float)},
    "presets": _PRESETS,
    "platform": Optional(Maybe(_platform)),
    "path_changes": int,
    "handovers": Optional(Maybe({"count": int, "not_in_table": int})),  # a version before recorded none
    "packets_dropped": Each(int),
    "interventions": Optional(Maybe(_INTERVENTIONS)),
    "gateways": [_GATEWAY],
    "customers": Optional([_customers]),
    "training": Optional(Maybe(_training)),
}
