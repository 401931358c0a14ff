"""``orbitmesh run``: a mesh from its first process to its summary."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from ..shown import plain
from . import kept
from .ending import interruptible, refuse_losses
from .options import (
    ClientCaOption,
    ClockName,
    Format,
    FormatOption,
    LinksName,
    PlaneName,
    ScenarioArgument,
    TlsCertOption,
    TlsKeyOption,
    duration_ns,
)
from .report import print_report
from .screen import Screen, logged_to
from .settings import Listen, Settings, helpers_begun, prepared

EXAMPLE = (
    "Example: sudo orbitmesh run demo --duration 2min --out /tmp/first\n\n"
    "Example: sudo orbitmesh run my.toml --seed 7 --keep --detach"
)

DurationOption = Annotated[
    str | None,
    typer.Option("--duration", metavar="TIME", help="How long: 60s, 10min, … [default: the scenario's]"),
]
ClockOption = Annotated[
    ClockName,
    typer.Option(
        "--clock",
        help="real: with the machine's; paced: waits for a host that cannot keep up; "
        "stepped: stands still, and moves by orbitmesh step.",
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option("--seed", min=0, max=2**63 - 1, help="Of all that is random. [default: the scenario's]"),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder of the record. [default: runs/<run id>]"),
]
KeepOption = Annotated[
    bool, typer.Option("--keep", help="Afterwards the mesh stays, in the background: exec, ping, down.")
]
DetachOption = Annotated[
    bool,
    typer.Option(
        "--detach",
        help="Once it is built, leave it in the background for its duration, and print its id; "
        "with --keep until down.",
    ),
]
LinksOption = Annotated[
    LinksName | None,
    typer.Option("--links", help="What carries the links; fake carries nothing. [default: the scenario's]"),
]
PlaneOption = Annotated[
    PlaneName | None,
    typer.Option(
        "--plane",
        help="wired: an interface for each link; fabric: the engine carries all. [default: the scenario's]",
    ),
]


ListenOption = Annotated[
    str | None,
    typer.Option(
        "--listen",
        metavar="HOST:PORT",
        help="Let the control API be called from elsewhere too; with --tls-cert, --tls-key, and --token-file "
        "or --client-ca.",
    ),
]
TokenFileOption = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help="Of --listen: a word that callers say.")
]
WebOption = Annotated[
    int | None,
    typer.Option(
        "--web",
        metavar="[PORT]",
        min=0,
        max=65535,
        help="Serve the live page on this machine, at that port. [default: 8300 where none is given]",
        show_default=False,
    ),
]
MetricsOption = Annotated[
    int | None,
    typer.Option(
        "--metrics",
        metavar="[PORT]",
        min=0,
        max=65535,
        help="Tell Prometheus of it on this machine, at that port. [default: 9464 where none is given]",
        show_default=False,
    ),
]


def run(
    scenario: ScenarioArgument,
    duration: DurationOption = None,
    clock: ClockOption = ClockName.REAL,
    seed: SeedOption = None,
    out: OutOption = None,
    keep: KeepOption = False,
    detach: DetachOption = False,
    links: LinksOption = None,
    plane: PlaneOption = None,
    listen: ListenOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    token_file: TokenFileOption = None,
    client_ca: ClientCaOption = None,
    metrics: MetricsOption = None,
    web: WebOption = None,
    output: FormatOption = Format.TABLE,
    lifeline: Annotated[int | None, typer.Option("--lifeline", hidden=True)] = None,
) -> None:
    """Run a scenario: build the mesh, let it run, print what was measured beside what physics allows.

    Needs root.  Ctrl-C ends it in order, with the summary of what was recorded until then.
    """
    settings = Settings(
        scenario=scenario,
        duration_ns=None if duration is None else duration_ns(duration, "--duration"),
        clock=str(clock),
        seed=seed,
        out=out,
        links=None if links is None else str(links),
        plane=None if plane is None else str(plane),
        listen=_listen(listen, tls_cert, tls_key, token_file, client_ca),
        metrics_port=metrics,
        web_port=web,
    )
    if lifeline is not None:
        kept.serve(settings, lifeline, keep=keep)
    elif keep or detach:
        kept.start(settings, keep=keep, detach=detach)
    else:
        run_here(settings, output)


def _listen(address: str | None, *files: Path | None) -> Listen | None:
    if address is not None:
        return Listen(address, *files)
    if any(files):
        raise InputError("certificates and a token are for --listen: say where, as 127.0.0.1:7400")
    return None


def run_here(settings: Settings, output: Format) -> None:
    """In this process, in front of whoever called."""
    screen = Screen()
    with interruptible(), logged_to(screen), helpers_begun():
        mesh = None
        try:
            with prepared(settings, screen.progress) as mesh:
                screen.end_progress()
                screen.say(f"{mesh.run_id}: built in {mesh.built_s:.1f} s; {mesh.plane_reason}")
                screen.say(f"positions: {'; '.join(map(str, mesh.introduced.propagation))}")
                if mesh.introduced.arrangements:
                    screen.say(f"satellites of files: {'; '.join(map(str, mesh.introduced.arrangements))}")
                if mesh.introduced.offsets:
                    screen.say(f"lasers across planes: {'; '.join(mesh.introduced.offsets)}")
                if mesh.listens:
                    screen.say(mesh.listens)
                if mesh.web_url:
                    screen.say(f"the live page: {mesh.web_url}")
                screen.say(f"ground links: {mesh.introduced.ground_links}")
                with screen.watching(mesh.feed.reader(present=True)):
                    mesh.wait()
                screen.say("ending; writing the record")
        except KeyboardInterrupt:
            if mesh is not None:
                refuse_losses(mesh.summary)
            raise
        finally:
            screen.end_progress()
            if mesh is not None and (mesh.out / "run.json").is_file():
                print_report(mesh.out, output)
        if output is Format.TABLE:
            where = plain(shlex.quote(str(mesh.out)), 4096)  # as many as Linux takes
            screen.say(
                f"orbitmesh report {where} --html FILE writes this for others, with figures; "
                f"orbitmesh web {where} shows it again, on the globe"
            )
        refuse_losses(mesh.summary)
