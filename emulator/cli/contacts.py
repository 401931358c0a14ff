"""``orbitmesh contacts``: when two nodes see each other, or have a way, from geometry alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated

import typer

from ..errors import InputError
from .ahead import ahead
from .options import DurationOption, Format, FormatOption, RunOption, StartOption, window
from .output import print_rows, say

EXAMPLE = (
    "Example: orbitmesh contacts demo gw-london sat-0-3 --duration 24h\n\n"
    "Example: orbitmesh contacts gw-london gw-tokyo --way --duration 10min"
)

COLUMNS = ("begin_ns", "end_ns", "begins", "ends", "rtt_begin_ns", "rtt_end_ns", "path")
FOR_PEOPLE = ("begin", "length s", "rtt ms", "until ms", "path")

Row = tuple[int, int, bool, bool, int | None, int | None, str | None]


def contacts(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[SCENARIO] A B",
            help="Two nodes: of a scenario, or without one of the running mesh, from now on.",
            show_default=False,
        ),
    ],
    way: Annotated[
        bool, typer.Option("--way", help="When is there a way from A to B, and by which path?")
    ] = False,
    start: StartOption = None,
    duration: DurationOption = None,
    run: RunOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Print when a station and a satellite, or two satellites, see each other.  Of a scenario it needs no
    root and no network.

    Seeing is not being linked: --way follows the links, path by path, and shows an empty path where there
    is no way.  For programs begin and end count in ns from the start; begins and ends say whether that edge
    lies within the window.

    Of a running mesh: an hour from its present instant on, unless --duration says another; with what is
    failed or changed in it now.
    """
    if not 2 <= len(words) <= 3:
        raise InputError(f"{len(words)} words are given: write two nodes, as in gw-london sat-0-3, "
                         "behind a scenario or of a running mesh")  # fmt: skip
    *scenario, a, b = words
    start_utc, long_ns, _ = window(start, duration)
    asked = ahead(scenario[0] if scenario else None, None if scenario else run, start_utc, long_ns)
    from ..contact_plan import intervals
    from ..find_node import find_node

    geometry, begin_ns, end_ns = asked.geometry, asked.begin_sim_ns, asked.end_sim_ns
    ends = find_node(a, geometry.nodes), find_node(b, geometry.nodes)
    names = geometry.nodes.names
    rows: Iterator[Row] = (
        (
            each.begin_sim_ns - begin_ns, each.end_sim_ns - begin_ns, each.begins, each.ends,
            each.begin_rtt_ns, each.end_rtt_ns,
            None if each.path is None else ">".join(names[node] for node in each.path),
        )
        for each in intervals(geometry, *ends, begin_ns, end_ns, asked.step_ns, way=way)
    )  # fmt: skip
    if output is not Format.TABLE:
        print_rows(COLUMNS, rows, output)
        return
    cells = (
        (
            asked.utc(begin_ns + row[0]),
            f"{(row[1] - row[0]) / 1e9:.3f}",
            *(None if each is None else f"{each / 1e6:.3f}" for each in row[4:6]),
            row[6],
        )
        for row in rows
    )
    if (first := next(cells, None)) is None:
        say(
            f"{' and '.join(names[node] for node in ends)} do not see each other within "
            f"{(end_ns - begin_ns) / 1e9:g} s: give a longer --duration"
        )
        return
    print_rows(FOR_PEOPLE, chain([first], cells), output)
