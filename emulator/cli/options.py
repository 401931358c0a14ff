"""What several verbs take: their options, and how the text of one is read."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import HostError, InputError
from ..run_names import is_run_id
from ..safe_files import Folder
from ..shown import plain, shown

STDOUT = Path("-")


def file_or_stdout(text: str) -> Path:
    """STDOUT where it is just that; ./- is a file of that name, as everywhere."""
    path = Path(text)
    return Path.cwd() / path if path == STDOUT and text != str(STDOUT) else path


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class ClockName(StrEnum):
    REAL = "real"
    PACED = "paced"
    STEPPED = "stepped"


class PlaneName(StrEnum):
    AUTO = "auto"
    WIRED = "wired"
    FABRIC = "fabric"


class LinksName(StrEnum):
    AUTO = "auto"
    ENGINE = "engine"
    NETEM = "netem"
    FAKE = "fake"


FormatOption = Annotated[
    Format, typer.Option("--output", "-o", help="How to print: for people, or as pure JSON or CSV.")
]
ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A shipped scenario's name, or the path of a TOML file.")
]
RunOption = Annotated[
    str | None,
    typer.Option(
        "--run", metavar="ID", envvar="ORBITMESH_RUN", help="Which mesh, where several are running."
    ),
]
TlsCertOption = Annotated[
    Path | None, typer.Option("--tls-cert", metavar="FILE", help="Of --listen: its certificate, PEM.")
]
TlsKeyOption = Annotated[
    Path | None, typer.Option("--tls-key", metavar="FILE", help="Of --listen: the certificate's key, PEM.")
]
ClientCaOption = Annotated[
    Path | None,
    typer.Option("--client-ca", metavar="FILE", help="Of --listen: who signs callers' certificates."),
]
StartOption = Annotated[
    str | None,
    typer.Option("--start", metavar="UTC", help="As 2026-11-01T00:00:00Z. [default: the scenario's]"),
]
DurationOption = Annotated[
    str | None,
    typer.Option("--duration", metavar="TIME", help="How long: 200s, 10min, 24h. [default: the scenario's]"),
]
StepOption = Annotated[
    str | None,
    typer.Option("--step", metavar="TIME", help="How often: 100ms, 60s. [default: the scenario's]"),
]
RunFolderArgument = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run's id in ./runs, or its folder's path.", show_default=False),
]


def window(
    start: str | None, duration: str | None, step: str | None = None
) -> tuple[datetime | None, int | None, int | None]:
    """What these three options say: start (UTC), duration and step (ns); None: the scenario's."""
    return (
        None if start is None else instant_utc(start, "--start"),
        None if duration is None else duration_ns(duration, "--duration"),
        None if step is None else duration_ns(step, "--step"),
    )


def duration_ns(text: str, option: str) -> int:
    """A duration such as "200s" or "100 ms", more than nothing; InputError names the option."""
    from ..scenario.units import DURATION_NS, parse_whole

    try:
        value_ns = parse_whole(text, DURATION_NS)
    except ValueError as error:
        raise InputError(str(error), key=option) from None
    if value_ns <= 0:
        raise InputError(f"{shown(text)} is no time at all: write more than 0", key=option)
    return value_ns


def instant_utc(text: str, option: str) -> datetime:
    """An instant such as 2026-11-01T00:00:00Z; InputError names the option."""
    from ..scenario.units import parse_instant

    try:
        return parse_instant(text)
    except ValueError as error:
        raise InputError(str(error), key=option) from None


def pair(text: str, option: str) -> tuple[str, str]:
    """Two node names: A:B."""
    source, colon, destination = text.partition(":")
    if not (source and colon and destination) or ":" in destination:
        raise InputError(
            f"{shown(text)} is not a pair: write two node names as in gw-london:gw-tokyo", key=option
        )
    return source, destination


def runs_folder() -> Path:
    """./runs, made where it is missing; under sudo it belongs to whoever called, as the runs in it do."""
    folder = Path("runs")
    if not folder.exists():
        try:
            with Folder.open(folder, make=True) as made:
                if made.made:
                    made.give_to_caller()
        except OSError as error:
            raise HostError(
                f"cannot make {folder.absolute()}: {error.strerror}; name another folder with --out"
            ) from None
    return folder


def run_folder(run: str) -> Path:
    """The folder of a run: of its id, in ./runs or here; a text with a / in it is a path."""
    if "/" in run or run in (".", ".."):
        tried = [Path(run)]
    elif is_run_id(run):
        tried = [Path("runs", run), Path(run)]
    else:
        raise InputError(f"{shown(run)} is no run's id: write one, or a folder's path with a / in it: ./NAME")
    for folder in tried:
        try:
            if (folder / "run.json").is_file():
                return folder
        except OSError as error:  # a name that is too long
            raise InputError(f"{plain(str(folder))}: {error.strerror}: name a run's folder") from None
    known = [plain(path.parent.name) for path in sorted(Path("runs").glob("*/run.json"))[-5:]]
    there = f"in ./runs there are {', '.join(known)}" if known else "there is none in ./runs either"
    raise InputError(f"{plain(run)} holds no run (no run.json in it); {there}")
