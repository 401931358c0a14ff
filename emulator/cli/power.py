"""``orbitmesh power``: one satellite's power and heat over time, from its orbit and a demand alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from .options import DurationOption, Format, FormatOption, ScenarioArgument, StartOption, StepOption, window
from .output import print_rows, stderr

if TYPE_CHECKING:
    from ..power_plan import PowerRow

EXAMPLE = "Example: orbitmesh power ai1-eclipse --duration 97min --step 60s"

FOR_PEOPLE = (
    "t_s", "sunlit %", "battery %", "temperature K", "demand kW", "computers kW", "all kW", "capacity %",
    "held back by", "peak held s",
)  # fmt: skip


_BY_HOURS = {
    "none": "",
    "own": " on the mean of a day, by its hours",
    "customers": " on the mean of a day, by its customers' hours",
}


def power(
    scenario: ScenarioArgument,
    satellite: Annotated[
        str | None,
        typer.Option(
            "--satellite", metavar="NAME", help="As sat-0-0. [default: the first]", show_default=False
        ),
    ] = None,
    demand: Annotated[
        str | None,
        typer.Option("--demand", metavar="POWER", help="Of its computers: 150kW. [default: the scenario's]"),
    ] = None,
    start: StartOption = None,
    duration: DurationOption = None,
    step: StepOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Print a satellite's sunlight, battery, temperature and computing over time.  Needs no root.

    The last column: for how long the peak power could be held from then on with nothing changing around;
    empty: for good.
    """
    from ..errors import InputError
    from ..scenario import Scenario
    from ..scenario.units import POWER_W, parse

    start_utc, long_ns, step_ns = window(start, duration, step)
    try:
        demand_w = None if demand is None else parse(demand, POWER_W)
    except ValueError as error:
        raise InputError(str(error), key="--demand") from None
    loaded = Scenario.load(scenario)  # before the slow imports
    from ..power_plan import PowerRow, power_rows

    kind, name, rows = power_rows(
        loaded, satellite, start_utc=start_utc, duration_ns=long_ns, step_ns=step_ns, demand_w=demand_w
    )
    named = kind.preset
    kinds = [figure.kind for figure in named.figures.values()]
    counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
    stderr().print(
        f"{name}: platform {named.name} ({counted} figures: orbitmesh presets {named.name}); "
        f"its computers would draw {kind.load.mean_w / 1e3:g} kW "
        f"({kind.load_kind}){_BY_HOURS[kind.load_hours]}",
        markup=False,
        soft_wrap=True,
    )
    if output is Format.TABLE:
        print_rows(FOR_PEOPLE, _cells(rows, kind.platform.battery_j), output)
    else:
        print_rows(PowerRow._fields, rows, output)


def _cells(rows: Iterable[PowerRow], battery_j: float) -> Iterator[tuple[object, ...]]:
    for row in rows:
        yield (
            f"{row.t_ns / 1e9:g}",
            f"{100 * row.sunlit_ratio:.1f}",
            f"{100 * row.battery_j / battery_j:.1f}" if battery_j else None,
            f"{row.temperature_k:.1f}",
            f"{row.demand_w / 1e3:.1f}",
            f"{row.compute_w / 1e3:.1f}",
            f"{row.power_w / 1e3:.1f}",
            f"{100 * row.capacity_ratio:.1f}",
            row.cause,
            None if row.peak_held_ns is None else f"{row.peak_held_ns / 1e9:.0f}",
        )
