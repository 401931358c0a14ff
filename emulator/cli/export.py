"""``orbitmesh export``: a scenario's satellites, links and contacts for other programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import HostError, InputError
from ..safe_files import Folder
from ..shown import plain
from .options import STDOUT, DurationOption, RunOption, StartOption, file_or_stdout, run_folder, window
from .output import say, working

if TYPE_CHECKING:
    from datetime import datetime

    from ..exports.scene import Scene
    from ..interventions import Interventions
    from ..scenario import Scenario

EXAMPLE = (
    "Example: orbitmesh export demo --format czml --duration 100min --out demo.czml\n\n"
    "Example: orbitmesh export starlink-shell1 --format tle --node 'sat-0-*'"
)

_STEP_NS = 10 * 10**9
_MOST_STEPS = 8640  # unless a step is given


class ExportFormat(StrEnum):
    CZML = "czml"
    TLE = "tle"
    OMM_XML = "omm-xml"
    OMM_KVN = "omm-kvn"
    OMM_JSON = "omm-json"
    OMM_CSV = "omm-csv"
    GEOJSON = "geojson"
    CSV = "csv"
    ION = "ion"


def export(
    into: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            help="czml: Cesium, STK; tle, omm-…: mean elements for SGP4; geojson: ground tracks, and where "
            "satellites are seen; csv, ion: when which links are there.",
            show_default=False,
        ),
    ],
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[SCENARIO|RUN]",
            help="A scenario, or a recorded run; without: the running mesh, from now on.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", parser=file_or_stdout, metavar="FILE", help="Where to. [default: -, stdout]"),
    ] = None,
    node: Annotated[
        list[str] | None,
        typer.Option(
            "--node",
            metavar="NAME",
            help="Only these nodes; or sets: 'sat-3-*', 'gw-*'. May be given several times.",
            show_default=False,
        ),
    ] = None,
    start: StartOption = None,
    duration: DurationOption = None,
    step: Annotated[
        str | None,
        typer.Option("--step", metavar="TIME", help="How often links are looked at. [default: 10s or more]"),
    ] = None,
    run: RunOption = None,
) -> None:
    """Write satellites and links for other programs.  Of a scenario it needs no root and no network.

    Links are those that the mesh would have, with their failures, and their begins and ends are exact to a
    step. Positions do not depend on it.
    """
    start_utc, long_ns, step_ns = window(start, duration, step)
    with working("computing"):
        scene = _scene(what, run, start_utc, long_ns, step_ns, node or [])
        pieces = _pieces(into, scene)
        _write(pieces, out)


def _pieces(into: ExportFormat, scene: Scene) -> Iterator[str]:
    from ..exports import elements
    from ..exports.contact_plans import contacts_csv, ion
    from ..exports.czml import czml
    from ..exports.geojson import geojson

    made: dict[str, Callable[[Scene], Iterator[str]]] = {
        "czml": czml, "geojson": geojson, "csv": contacts_csv, "ion": ion, **elements.FORMATS
    }  # fmt: skip
    if into in elements.FORMATS:
        for sentence in elements.cautions(scene, rounded=into is ExportFormat.TLE):
            say(sentence)
    return made[into](scene)


def _scene(
    what: str | None,
    run: str | None,
    start_utc: datetime | None,
    duration_ns: int | None,
    step_ns: int | None,
    nodes: list[str],
) -> Scene:
    from datetime import timedelta

    from ..exports.scene import Scene
    from ..geometry import Geometry
    from ..links.coverage import Window
    from ..plan import window_of
    from ..scenario import Scenario

    kept: Interventions | None = None
    if what is None:
        from ..control.client import LOOK_S, Client

        with Client.connect(run, limit_s=LOOK_S) as client:
            scenario, kept, sim_ns = client.scenario()
        start_utc = start_utc or scenario.run.start_utc + timedelta(microseconds=sim_ns // 1000)
    else:
        if run not in (None, os.environ.get("ORBITMESH_RUN")):  # that one is for verbs without a scenario
            raise InputError("name a scenario, or a running mesh, not both", key="--run")
        is_record = any(Path(place, what, "run.json").is_file() for place in ("", "runs"))
        if is_record:
            scenario, lasted_ns = _of_record(what)
            duration_ns = duration_ns or lasted_ns
        else:
            scenario = Scenario.load(what)
    asked = window_of(scenario, start_utc, duration_ns, None, 1)
    usual_ns = max(_STEP_NS, -(-asked.duration_ns // _MOST_STEPS))
    geometry = Geometry(scenario, Window(asked.start_sim_ns, asked.duration_ns, "plan"))
    if kept is not None:
        geometry.interventions = kept
    for caution in geometry.cautions:
        say(caution)
    return Scene.of(
        f"{scenario.name} - {scenario.title}" if scenario.title else scenario.name,
        geometry, scenario.run.start_utc, asked.start_sim_ns, asked.duration_ns, step_ns or usual_ns, nodes,
    )  # fmt: skip


def _of_record(run: str) -> tuple[Scenario, int | None]:
    """What was run, and for how long it was to."""
    from ..record.results import read_run_file
    from ..record.scenario_kept import scenario_of

    folder = run_folder(run)
    told = read_run_file(folder)
    try:
        scenario = scenario_of(folder, told)
    except InputError as error:
        raise InputError(
            f"{plain(str(folder))}: {error}; name the scenario's file in place of the run"
        ) from None
    asked_ns = told.get("duration_ns")
    is_told = isinstance(asked_ns, int) and not isinstance(asked_ns, bool) and asked_ns > 0
    return scenario, asked_ns if is_told else None


def _write(pieces: Iterator[str], out: Path | None) -> None:
    if out is None or out == STDOUT:
        for piece in pieces:
            sys.stdout.write(piece)
        return
    first = next(pieces, "")  # what is wrong with the question is told before a file is there
    size = 0
    told = plain(str(out), 4096)
    try:
        with Folder.reach(out.parent) as folder:
            if (other := folder.other_than_file(out.name)) is not None:
                raise InputError(f"{told} is {other}: name a file of its own", key="--out")
            if folder.is_there(out.name) and folder.is_there("run.json"):
                raise InputError(f"{told} is part of a run's record: name another file", key="--out")
            with folder.replacing(out.name, for_caller=True) as file:  # whole or not at all, through no link
                for piece in chain((first,), pieces):
                    size += file.write(piece.encode())
    except OSError as error:
        raise HostError(f"cannot write {told}: {error.strerror}") from error
    say(f"{told}: {size:,} bytes")
