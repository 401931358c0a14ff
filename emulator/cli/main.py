"""The ``orbitmesh`` command.

The verbs' modules import what they need when they are called: ``--help`` must
not wait for scipy, Mininet or gRPC.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from ..errors import InputError
from . import (
    calibrate,
    calling,
    capture,
    clean,
    clock,
    compare,
    contacts,
    cost,
    demo,
    doctor,
    down,
    exec,
    export,
    faults,
    guest,
    list,
    metrics,
    passes,
    ping,
    plan,
    power,
    presets,
    probe,
    prompt,
    report,
    run,
    scenarios,
    sla,
    status,
    top,
    trace,
    watch,
    web,
)
from .elsewhere import Elsewhere
from .ending import INTERRUPTED_STATUS, complain, guarded, in_words, stand_in_for_closed, to_nowhere
from .environment import check_completion, leave_out_nonsense
from .literal import LiteralCommand, LiteralGroup
from .output import say_what_can_be_said

_NAME = "orbitmesh"
_COMPLETE = "_ORBITMESH_COMPLETE"  # by this variable a shell asks for completions


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


app = typer.Typer(
    name=_NAME,
    cls=LiteralGroup,
    help="A network emulator for a laser-linked mesh of orbital compute satellites.",
    no_args_is_help=True,
    add_completion=False,  # --show-completion, below, goes by what it is told, not by the shell around it
    pretty_exceptions_enable=False,  # a traceback is for whoever mends a defect: plain
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["--help", "-h"]},
)

_LOOK, _RUN, INSIDE, _RECORD = "Before a run", "Running", "Inside a running mesh", "The record of a run"

# what stands behind NODE belongs to the program that is run there
_PASS_ON = {"allow_interspersed_args": False, "ignore_unknown_options": False}

VERBS: tuple[tuple[str, Callable[..., None], str, str], ...] = (
    ("doctor", doctor.doctor, doctor.EXAMPLE, _LOOK),
    ("scenarios", scenarios.scenarios, scenarios.EXAMPLE, _LOOK),
    ("plan", plan.plan, plan.EXAMPLE, _LOOK),
    ("contacts", contacts.contacts, contacts.EXAMPLE, _LOOK),
    ("passes", passes.passes, passes.EXAMPLE, _LOOK),
    ("power", power.power, power.EXAMPLE, _LOOK),
    ("export", export.export, export.EXAMPLE, _LOOK),
    ("presets", presets.presets, presets.EXAMPLE, _LOOK),
    ("cost", cost.cost, cost.EXAMPLE, _LOOK),
    ("calibrate", calibrate.calibrate, calibrate.EXAMPLE, _LOOK),
    ("run", run.run, run.EXAMPLE, _RUN),
    ("demo", demo.demo, demo.EXAMPLE, _RUN),
    ("exec", exec.exec, exec.EXAMPLE, INSIDE),
    ("ping", ping.ping, ping.EXAMPLE, INSIDE),
    ("trace", trace.trace, trace.EXAMPLE, INSIDE),
    ("probe", probe.probe, probe.EXAMPLE, INSIDE),
    ("capture", capture.capture, capture.EXAMPLE, INSIDE),
    ("fail", faults.fail, faults.FAIL_EXAMPLE, INSIDE),
    ("set", faults.set_link, faults.SET_EXAMPLE, INSIDE),
    ("restore", faults.restore, faults.RESTORE_EXAMPLE, INSIDE),
    ("faults", faults.faults, faults.FAULTS_EXAMPLE, INSIDE),
    ("pause", clock.pause, clock.PAUSE_EXAMPLE, INSIDE),
    ("resume", clock.resume, clock.RESUME_EXAMPLE, INSIDE),
    ("step", clock.step, clock.STEP_EXAMPLE, INSIDE),
    ("speed", clock.speed, clock.SPEED_EXAMPLE, INSIDE),
    ("watch", watch.watch, watch.EXAMPLE, INSIDE),
    ("metrics", metrics.metrics, metrics.EXAMPLE, INSIDE),
    ("web", web.web, web.EXAMPLE, INSIDE),
    ("cli", prompt.cli, prompt.EXAMPLE, INSIDE),
    ("top", top.top, top.EXAMPLE, INSIDE),
    ("status", status.status, status.EXAMPLE, INSIDE),
    ("down", down.down, down.EXAMPLE, INSIDE),
    ("list", list.list_runs, list.EXAMPLE, _RECORD),
    ("report", report.report, report.EXAMPLE, _RECORD),
    ("compare", compare.compare, compare.EXAMPLE, _RECORD),
    ("sla", sla.sla, sla.EXAMPLE, _RECORD),
    ("clean", clean.clean, clean.EXAMPLE, _RECORD),
)

for name, verb, example, panel in VERBS:
    app.command(
        name,
        cls=LiteralCommand,
        epilog=example,
        rich_help_panel=panel,
        context_settings=dict(_PASS_ON) if name == "exec" else None,
    )(guarded(verb))

app.add_typer(guest.app, name="guest", rich_help_panel=_RUN)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"orbitmesh {version('orbitmesh')}")
        raise typer.Exit


def _show_completion(shell: Shell | None) -> None:
    if shell is not None:
        from typer._completion_shared import get_completion_script

        print(get_completion_script(prog_name=_NAME, complete_var=_COMPLETE, shell=str(shell)))
        raise typer.Exit


@app.callback(epilog="Example: orbitmesh plan demo --pair gw-london:gw-tokyo --duration 60s -o csv")
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    show_completion: Annotated[
        Shell | None,
        typer.Option(
            "--show-completion",
            metavar="SHELL",
            callback=_show_completion,
            is_eager=True,
            help="Print what makes bash, zsh or fish complete verbs and options.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="HOST:PORT",
            envvar="ORBITMESH_AT",
            help="A mesh elsewhere, as its run --listen says.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file", metavar="FILE", envvar="ORBITMESH_TOKEN_FILE", help="Of --at: its token."
        ),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(
            "--ca", metavar="FILE", envvar="ORBITMESH_CA", help="Of --at: who signed its certificate."
        ),
    ] = None,
    cert: Annotated[
        Path | None,
        typer.Option(
            "--cert", metavar="FILE", envvar="ORBITMESH_CERT", help="Of --at: one's own certificate."
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key", metavar="FILE", envvar="ORBITMESH_KEY", help="Of --at: that certificate's key."
        ),
    ] = None,
) -> None:
    elsewhere = None if at is None else Elsewhere(at, token_file, ca, cert, key)
    is_typed = str(context.get_parameter_source("at")).endswith("COMMANDLINE")
    calling.call(context.invoked_subcommand, elsewhere, is_typed=is_typed)


#: an unknown option, a missing argument, …; typer has no name of its own for it
UsageError = cast(type[Exception], typer.BadParameter.__bases__[0])


def usage_error_in_words(error: Any) -> str:
    """What is wrong with the command line, and where to read on, in place of typer's box."""
    said = error.format_message().replace("Value error, ", "").rstrip(".")
    command = error.ctx.command_path if error.ctx is not None else "orbitmesh"
    return f"{said[:1].lower()}{said[1:]}; see: {command} --help"


def main() -> None:
    stand_in_for_closed()
    say_what_can_be_said()
    leave_out_nonsense()
    try:
        with in_words():
            if asked := os.environ.get(_COMPLETE):
                from typer._completion_classes import completion_init

                check_completion(asked)
                completion_init()  # typer knows the shells only where it offers completion itself
            status = app(sys.argv[1:] or ["--help"], prog_name=_NAME, standalone_mode=False)
    except typer.Exit as error:
        status = error.exit_code
    except SystemExit:  # so typer itself ends where the reader of its help has gone
        to_nowhere([1, 2])
        status = 0
    except UsageError as error:
        complain(usage_error_in_words(error))
        sys.exit(InputError.exit_status)
    except (KeyboardInterrupt, typer.Abort):  # between the verbs' own guards
        sys.exit(INTERRUPTED_STATUS)
    sys.exit(status)
