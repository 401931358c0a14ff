"""``orbitmesh trace``: the hops a packet takes, beside the path that was planned."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import Any, NamedTuple

import typer

from ..errors import FailureError
from .calling import connected
from .inside import Inside, planned_path
from .options import Format, FormatOption, RunOption
from .output import print_json, print_rows, stderr, stdout
from .ping import NodeArgument

EXAMPLE = "Example: orbitmesh trace gw-london gw-tokyo"

COLUMNS = ("hop", "planned", "measured", "address", "rtt_ns")
FOR_PEOPLE = (*COLUMNS[:-1], "rtt_ms")

# " 3  sat-2-7 (10.0.2.8)  41.302 ms", or " 3  *"
_HOP = re.compile(r"\s*(\d+)\s+(?:(\S+) \(([\d.]+)\)\s+([\d.]+) ms|\*)")
# More hops than any path has: across the planes and along one of them.
_MOST_HOPS = 128


class Hop(NamedTuple):
    """One line of traceroute; None where nothing answered."""

    number: int
    node: str | None
    address: str | None
    rtt_ns: int | None


def trace(
    a: NodeArgument, b: NodeArgument, run: RunOption = None, output: FormatOption = Format.TABLE
) -> None:
    """Trace the way from one node of a running mesh to another, beside the path that is planned now.

    Exit status 1 where the destination was not reached.  In ns for programs (-o json, -o csv).
    """
    with connected(run) as client:
        planned = planned_path(client, a, b)
        a, b = planned["path"][0], planned["path"][-1]
        program = Inside(client, a, ["traceroute", "-q", "1", "-w", "2", "-m", str(_MOST_HOPS), b])
        hops = [hop for line in program if (hop := read_hop(line)) is not None]
    if program.status:
        raise FailureError(f"traceroute in {a} ended with exit status {program.status}")
    while hops and hops[-1].node is None:
        hops.pop()  # it went on asking where nobody is
    if a == b:
        hops = []  # a node answers itself, over no hop
    measured = [a, *(hop.node for hop in hops)]
    if output is Format.JSON:
        print_json(
            {
                "src": a, "dst": b, "planned_path": planned["path"], "measured_path": measured,
                "physical_rtt_ns": round(2 * planned["delay_ns"]),
                "measured_rtt_ns": [hop.rtt_ns for hop in hops],
                "known_as": planned.get("known_as", {}),
            }
        )  # fmt: skip
    else:
        wanted = planned["path"][1:]
        for_people = output is Format.TABLE
        known = planned.get("known_as", {}) if for_people else {}
        rows = [
            (number, _named(name, known), *(_cells(hop, for_people, known) if hop else (None, None, None)))
            for number, (name, hop) in enumerate(zip_longest(wanted, hops), start=1)
        ]
        print_rows(FOR_PEOPLE if for_people else COLUMNS, rows, output)
        if for_people:
            _say(planned, measured)
    if measured[-1] != b:
        raise typer.Exit(1)


def read_hop(line: str) -> Hop | None:
    """A line of ``traceroute -q 1``; None for one that is not of a hop."""
    found = _HOP.match(line)
    if found is None:
        return None
    return Hop(int(found[1]), found[2], found[3], None if found[4] is None else round(1e6 * float(found[4])))


def _named(name: str | None, known: dict[str, str]) -> str | None:
    return f"{name} ({known[name]})" if name in known else name


def _cells(hop: Hop, for_people: bool, known: dict[str, str]) -> tuple[Any, ...]:
    rtt = hop.rtt_ns
    return _named(hop.node, known), hop.address, rtt / 1e6 if for_people and rtt is not None else rtt


def _say(planned: dict[str, Any], measured: list[str | None]) -> None:
    stdout().print(f"physics: {2 * planned['delay_ns'] / 1e6:.3f} ms there and back", soft_wrap=True)
    if measured != planned["path"]:
        stderr().print(
            "The measured path is not the planned one: it may have changed meanwhile; trace again.",
            soft_wrap=True,
        )
