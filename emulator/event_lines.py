"""What an event of the feed says to people, on one line, and which nodes are in it.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .shown import rate_text, sentence

if TYPE_CHECKING:
    from .epoch import Nodes

_MOST_NAMED = 4
_OF_INTERVENTIONS = ("intervention", "intervention ended")
_MOST_LOOKED_AT = 100
_WORDS = {"late_ns": "by"}  # of what the line begins with
# what a line begins with, and what says nothing to people
_FIRST = ("event", "sim_ns", "number", "n", "of")


def event_line(event: dict[str, Any]) -> str:
    if event["event"] in _OF_INTERVENTIONS and "what" in event:
        return sentence(f"{event['event']}: {event['what']} {does(event)}, by {event.get('by')}")
    said = str(event["event"])
    if event.get("n", 1) > 1:
        said += f" ({event['n']:,})"
    named = [_name(each) for each in event.get("of", ())[:_MOST_NAMED]]
    if len(event.get("of", ())) > _MOST_NAMED:
        named.append("…")
    rest = {key: value for key, value in event.items() if key not in _FIRST and value not in (None, [])}
    more = [_said(key, value) for key, value in rest.items()]
    return sentence(": ".join(filter(None, [said, ", ".join([*named, *more])])))


def _said(key: str, value: Any) -> str:
    """Of a length of time what it is in ms; names as words."""
    if key.endswith("_ns") and isinstance(value, int):
        key, value = _WORDS.get(key, key.removesuffix("_ns")), f"{value / 1e6:,.1f} ms"
    return f"{key.replace('_', ' ')} {value}"


def does(intervention: Mapping[str, Any]) -> str:
    """``fails``, or what it changes."""
    parts = []
    if (rate_bps := intervention.get("rate_bps")) is not None:
        parts.append(f"rate {rate_text(rate_bps)}")
    if (loss_ratio := intervention.get("loss_ratio")) is not None:
        parts.append(f"loss {100 * loss_ratio:g} %")
    if delay_ns := intervention.get("extra_delay_ns"):
        parts.append(f"{delay_ns / 1e6:g} ms more")
    return ", ".join(parts) or "fails"


def _name(each: Any) -> str:
    if isinstance(each, dict) and "what" in each:  # of many interventions
        return str(each["what"])
    if isinstance(each, dict):
        return " ".join(
            f"{key} {'+'.join(value) if isinstance(value, list) else value}"
            for key, value in each.items()
            if value not in (None, [])
        )
    return ":".join(map(str, each)) if isinstance(each, list) else str(each)


def nodes_of(event: dict[str, Any], nodes: Nodes) -> list[int]:
    """The numbers of the nodes that it names, those of a link one after the other."""
    found = (nodes.index.get(name, -1) for text in _texts(event) for name in text.split(":"))
    return [node for node in found if node >= 0]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            if key != "event":
                yield from _texts(each)
    elif isinstance(value, list):
        for each in value[:_MOST_LOOKED_AT]:
            yield from _texts(each)
