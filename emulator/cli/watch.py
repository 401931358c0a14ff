"""``orbitmesh watch``: what happens in a running mesh, as it happens."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from ..errors import InputError
from ..event_lines import event_line
from .calling import connected
from .options import Format, FormatOption, RunOption

EXAMPLE = "Example: orbitmesh watch\n\nExample: orbitmesh watch -o json | jq 'select(.event == \"handover\")'"


def watch(
    run: RunOption = None,
    count: Annotated[
        int | None, typer.Option("--count", "-c", min=1, help="End after so many. [default: with the run]")
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Print the events of a running mesh as they come: lasers lost and gained, handovers, eclipses, faults,
    late ticks, deaths.  Ends with the run.

    With -o json a line each, for programs; those that were missed, since this one was too slow, are counted.
    """
    from ..feed.feed import Missed

    if output is Format.CSV:
        raise InputError("events have no columns in common: write -o json, a line each", key="--output")
    as_text = _as_json if output is Format.JSON else _as_line
    with connected(run) as client:
        watching = client.watching()
        left = count
        while left != 0:
            news = watching.read()
            if news is None:
                if watching.is_at_end:
                    return
                continue
            if isinstance(news, Missed):
                _print(as_text({"event": "missed", "n": len(news)}))
            elif news.kind == "event":
                _print(as_text(news.value))
                left = None if left is None else left - 1


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # whoever reads it by a pipe reads it now


def _as_json(event: dict[str, Any]) -> str:
    return json.dumps(event, allow_nan=False)


def _as_line(event: dict[str, Any]) -> str:
    at = f"{event['sim_ns'] / 1e9:.3f} s" if "sim_ns" in event else ""
    return f"{at:>11}  {event_line(event)}"
