"""``orbitmesh passes``: when satellites rise above a station's mask, stand highest, and set."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from .ahead import ahead
from .options import DurationOption, Format, FormatOption, RunOption, StartOption, window
from .output import print_rows, say, working

if TYPE_CHECKING:
    from ..epoch import Int64
    from ..orbit import States

EXAMPLE = (
    "Example: orbitmesh passes demo london --duration 6h --satellite 'sat-0-*'\n\n"
    "Example: orbitmesh passes gw-tokyo --above 45 --duration 20min"
)

COLUMNS = (
    "satellite", "rise_ns", "culmination_ns", "set_ns", "highest_elevation_deg", "rises", "sets",
)  # fmt: skip
FOR_PEOPLE = ("satellite", "rise", "culmination", "set", "length s", "highest °")
_MOST_PASSES = 200_000


def passes(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[SCENARIO] STATION",
            help="A station of a scenario, or without one of the running mesh, from now on.",
            show_default=False,
        ),
    ],
    satellites: Annotated[
        list[str] | None,
        typer.Option(
            "--satellite",
            metavar="NAME",
            help="One, or a set: 'sat-3-*'. May be given several times. [default: all]",
        ),
    ] = None,
    above_deg: Annotated[
        float,
        typer.Option("--above", metavar="DEGREES", min=0, max=90, help="Only those that stand as high."),
    ] = 0.0,
    start: StartOption = None,
    duration: DurationOption = None,
    run: RunOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Print the passes of satellites over a station: rise, culmination and set against its own mask.

    In order of their rise.  A pass that is under way at the window's begin or end is marked by ~, for
    programs rises and sets are false there; times count in ns from the start.  Of a scenario it needs no root
    and no network; of a running mesh: an hour from its present instant on, unless --duration says another.
    """
    if not 1 <= len(words) <= 2:
        raise InputError(f"{len(words)} words are given: write a station, as in london, "
                         "behind a scenario or of a running mesh")  # fmt: skip
    start_utc, long_ns, _ = window(start, duration)
    *scenario, station = words
    asked = ahead(scenario[0] if scenario else None, None if scenario else run, start_utc, long_ns)
    import numpy as np

    from ..find_node import find_node, find_nodes
    from ..links.contacts import station_contacts
    from ..links.culmination import culminations
    from ..links.passes import states_of
    from ..shown import shown

    geometry, begin_ns = asked.geometry, asked.begin_sim_ns
    nodes, n = geometry.nodes, geometry.nodes.n_satellites
    node = find_node(station, nodes)
    if node < n:
        raise InputError(
            f"{shown(station)} is a satellite: name a station; orbitmesh contacts has pairs of both"
        )
    who = (
        [*range(n)] if not satellites else sorted({i for each in satellites for i in find_nodes(each, nodes)})
    )
    if who and who[-1] >= n:
        raise InputError(
            f"{nodes.names[who[-1]]} is a station: --satellite takes satellites", key="--satellite"
        )
    of, rows = np.array(who, np.int64), np.full(len(who), node - n, np.int64)

    def propagate(some: Int64, when: Int64) -> States:
        return states_of(geometry.fleet, some, when)

    with working("computing passes (Ctrl-C ends it)"):
        found = station_contacts(geometry.stations, rows, of, propagate, begin_ns, asked.end_sim_ns)
        if len(found) > _MOST_PASSES:
            raise InputError(f"{len(found):,} passes are more than {_MOST_PASSES:,}: name satellites, or a "
                             "shorter duration")  # fmt: skip
        highest_ns, elevation_rad = culminations(geometry.stations, rows, of, found, propagate)
    order = [
        k for k in np.lexsort((of[found.pair], found.begin_sim_ns)).tolist()
        if math.degrees(elevation_rad[k]) >= above_deg
    ]  # fmt: skip
    told = (
        (
            nodes.names[int(of[found.pair[k]])],
            int(found.begin_sim_ns[k]), int(highest_ns[k]), int(found.end_sim_ns[k]),
            math.degrees(elevation_rad[k]), bool(found.begins[k]), bool(found.ends[k]),
        )
        for k in order
    )  # fmt: skip
    if output is not Format.TABLE:
        cells = ((name, *(at - begin_ns for at in times), *more) for name, *times_more in told
                 for times, more in [(times_more[:3], times_more[3:])])  # fmt: skip
        print_rows(COLUMNS, cells, output)
        return
    if not order:
        say(
            f"no such satellite passes over {nodes.names[node]} within "
            f"{(asked.end_sim_ns - begin_ns) / 1e9:g} s: give a longer --duration, or name others"
        )
        return
    print_rows(
        FOR_PEOPLE,
        (
            (
                nodes.known_as.said(int(nodes.index[name]), short=True),
                ("" if rises else "~") + asked.utc(rise),
                asked.utc(top),
                ("" if sets else "~") + asked.utc(end),
                f"{(end - rise) / 1e9:.1f}", f"{highest_deg:.2f}",
            )
            for name, rise, top, end, highest_deg, rises, sets in told
        ),
        output,
    )  # fmt: skip
