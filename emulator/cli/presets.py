"""``orbitmesh presets``: the parameters of what nobody here has measured, with their origin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .options import Format, FormatOption
from .output import print_json, print_rows, stdout

if TYPE_CHECKING:
    from ..presets import Preset

EXAMPLE = "Example: orbitmesh presets starlink-class"

COLUMNS = ("figure", "value", "unit", "low", "high", "kind", "date", "source")


def presets(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="One of them. [default: a list]", show_default=False)
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """List the presets, or print one: each figure with unit, range, kind, date and source.

    Kinds: published (stated of the real thing), estimated (a guess, its reasons in the source), calibrated
    (chosen so that a formula meets published figures of whole systems).
    """
    from ..errors import InputError
    from ..presets import presets as known
    from ..shown import shown
    from ..suggest import suggest

    everyone = known()
    if name is None:
        rows = [
            (each.family, each.name, len(each.figures), _kinds(each), each.title)
            for each in everyone.values()
        ]
        print_rows(("family", "name", "figures", "kinds", "title"), rows, output)
    elif name not in everyone:
        raise InputError(
            f"no preset is named {shown(name)}: {suggest(name, everyone, 'presets')}", key="NAME"
        )
    else:
        _print(everyone[name], output)


def _kinds(preset: Preset) -> str:
    from ..presets import KINDS

    kinds = [figure.kind for figure in preset.figures.values()]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in KINDS if kind in kinds)


def _print(preset: Preset, output: Format) -> None:
    rows = [
        (key, each.value, each.unit, each.low, each.high, each.kind, each.date, each.source)
        for key, each in preset.figures.items()
    ]
    if output is Format.JSON:
        figures = {row[0]: dict(zip(COLUMNS[1:], row[1:], strict=True)) for row in rows}
        about = {"name": preset.name, "family": preset.family, "title": preset.title, "note": preset.note}
        print_json({**about, "figures": figures})
    elif output is Format.CSV:
        print_rows(COLUMNS, rows, output)
    else:
        sources = list(dict.fromkeys((date, source) for *_, date, source in rows))
        cells = [
            (key, f"{value:.6g}", unit, f"{low:.6g}", f"{high:.6g}", kind, sources.index((date, source)) + 1)
            for key, value, unit, low, high, kind, date, source in rows
        ]
        stdout().print(f"{preset.family} {preset.name}: {preset.title}\n", markup=False, soft_wrap=True)
        print_rows((*COLUMNS[:-2], "source"), cells, output)
        said = [f"{i}. {source} ({date})" for i, (date, source) in enumerate(sources, 1)]
        for line in ["", *said, *(["", preset.note] if preset.note else [])]:
            stdout().print(line, markup=False, soft_wrap=True)
