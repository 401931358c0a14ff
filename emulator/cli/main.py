"""The ``orbitmesh`` command.

The verbs' modules import what they need when they are called: ``--help`` must
not wait for scipy, Mininet or gRPC.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from . import clean, demo, doctor, down, exec, ping, plan, report, run, scenarios, status, trace
from .ending import INTERRUPTED_STATUS, guarded

app = typer.Typer(
    name="orbitmesh",
    help="A network emulator for a laser-linked mesh of orbital compute satellites.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback is for whoever mends a defect: plain
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["--help", "-h"]},
)

_LOOK, _RUN, _INSIDE, _RECORD = "Before a run", "Running", "Inside a running mesh", "The record of a run"

# what stands behind NODE belongs to the program that is run there
_PASS_ON = {"allow_interspersed_args": False, "ignore_unknown_options": False}

VERBS: tuple[tuple[str, Callable[..., None], str, str], ...] = (
    ("doctor", doctor.doctor, doctor.EXAMPLE, _LOOK),
    ("scenarios", scenarios.scenarios, scenarios.EXAMPLE, _LOOK),
    ("plan", plan.plan, plan.EXAMPLE, _LOOK),
    ("run", run.run, run.EXAMPLE, _RUN),
    ("demo", demo.demo, demo.EXAMPLE, _RUN),
    ("exec", exec.exec, exec.EXAMPLE, _INSIDE),
    ("ping", ping.ping, ping.EXAMPLE, _INSIDE),
    ("trace", trace.trace, trace.EXAMPLE, _INSIDE),
    ("status", status.status, status.EXAMPLE, _INSIDE),
    ("down", down.down, down.EXAMPLE, _INSIDE),
    ("report", report.report, report.EXAMPLE, _RECORD),
    ("clean", clean.clean, clean.EXAMPLE, _RECORD),
)

for name, verb, example, panel in VERBS:
    app.command(
        name,
        epilog=example,
        rich_help_panel=panel,
        context_settings=dict(_PASS_ON) if name == "exec" else None,
    )(guarded(verb))


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"orbitmesh {version('orbitmesh')}")
        raise typer.Exit


@app.callback(epilog="Example: orbitmesh plan demo --pair gw-london:gw-tokyo --duration 60s -o csv")
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


def main() -> None:
    try:
        app()
    except KeyboardInterrupt:  # between the verbs' own guards
        sys.exit(INTERRUPTED_STATUS)
