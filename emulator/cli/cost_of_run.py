"""``orbitmesh cost --run``: what the answers that customers got in a run cost, class by class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..shown import figure
from .options import Format, run_folder
from .output import print_json, print_rows, stdout

if TYPE_CHECKING:
    from ..answers.cost import Place
    from ..presets import Preset


def print_cost_of_run(run: str, orbit: Place, ground: Place, output: Format) -> None:
    """InputError where no customer was answered."""
    from ..answers.cost import ratio
    from ..record.customer_cost import ENDS, UNITS, ends

    found = costs_of_run(run_folder(run), orbit, ground)
    over = ratio(orbit, ground)
    if output is Format.JSON:
        print_json({"orbit": orbit.title, "ground": ground.title, "customers": found, "ratio": ends(over)})
        return
    rows = [
        (row["customer_class"], place, name, *row[place][name].values())
        for row in found
        for name, _, _ in UNITS
        for place in ("orbit", "ground")
    ]
    if output is Format.CSV:
        print_rows(("customer_class", "place", "cost", *ENDS), rows, output)
        return
    stdout().print(f"orbit: {orbit.title}; ground: {ground.title}\n", markup=False, soft_wrap=True)
    cells = [
        (
            name, f"$ a {'request' if cost == 'dollars_per_request' else 'million tokens'}", place,
            *("no bound" if end is None else figure(end) for end in of),
        )
        for name, place, cost, *of in rows
    ]  # fmt: skip
    print_rows(("customers", "", "", *ENDS), cells, output)
    for row in found:
        stdout().print(
            f"{row['customer_class']}: {figure(row['joules_per_request'])} J of accelerators a request, "
            f"{figure(row['joules_per_token'])} J a token ({row['kind']})",
            markup=False,
            soft_wrap=True,
        )
    stdout().print(
        "low to high: as if the assumptions erred independently; least to most: all at one end at once; "
        "without --run: which matter most",
        markup=False,
        soft_wrap=True,
    )


def costs_of_run(folder: Path, orbit: Place, ground: Place) -> list[dict[str, Any]]:
    """A row for each class with an answer."""
    from ..answers.cost import run_joules
    from ..errors import InputError
    from ..record.answer_book import served
    from ..record.customer_cost import UNITS, dollars, has_joules
    from ..record.files import RUN
    from ..record.results import load_run, read_run_file

    answered = [row for row in load_run(folder).summary.get("customers", []) if has_joules(row)]
    if not answered:
        raise InputError(
            "no customer was answered in this run, or its record is of before their joules were kept: "
            "name a run of a scenario with [[customers]]",
            path=folder / RUN,
        )
    try:
        on = served(read_run_file(folder))
    except InputError as error:
        raise InputError(f"is damaged: {error.message}", path=folder / RUN) from None
    found = []
    for row in answered:
        made: dict[str, Any] = {"customer_class": row["customer_class"]}
        for _, of, _ in UNITS:
            joules = run_joules(row[f"joules_per_{of}"], on.model.name, on.accelerator.name)
            made |= {f"joules_per_{of}": joules.value, "kind": joules.kind}
        made |= {"orbit": dollars(row, on, orbit), "ground": dollars(row, on, ground)}
        found.append(made)
    return found


def platform_of_run(run: str) -> Preset | None:
    """With the figures that it used; None where it had none."""
    from ..errors import InputError
    from ..record.customer_cost import platform_of
    from ..record.files import RUN
    from ..record.results import read_run_file

    folder = run_folder(run)
    try:
        return platform_of(read_run_file(folder))
    except InputError as error:
        if error.path is not None:
            raise
        raise InputError(f"is damaged: {error.message}", path=folder / RUN) from None
