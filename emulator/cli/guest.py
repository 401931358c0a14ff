"""``orbitmesh guest …``: the same verbs in a guest kernel of one's own, without root."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ..errors import FailureError, HostError, InputError
from ..shown import shown
from .ending import guarded, interruptible
from .literal import LiteralCommand, LiteralGroup
from .options import ClockName, Format, FormatOption, ScenarioArgument, duration_ns, runs_folder
from .output import stderr
from .run import ClockOption, DurationOption, LinksOption, OutOption, PlaneOption, SeedOption

EXAMPLE = (
    "Example: orbitmesh guest run demo --links netem\n\n"
    "Example: orbitmesh guest exec -- ip -s link\n\n"
    "Example: orbitmesh guest test"
)

app = typer.Typer(
    cls=LiteralGroup,
    help="Run it in a guest kernel of your own (User-mode Linux): netem anywhere, without root.",
    no_args_is_help=True,
    epilog=EXAMPLE,
)

MemoryOption = Annotated[
    str, typer.Option("--memory", metavar="SIZE", help="Of the guest: 512M, 2G, … It is taken as it is used.")
]
KernelOption = Annotated[
    Path | None,
    typer.Option("--kernel", metavar="PATH", help="A User-mode Linux kernel. [default: the package's]"),
]
TimeoutOption = Annotated[
    str | None, typer.Option("--timeout", metavar="TIME", help="End the command after that: 60s, 10min, …")
]

_MEMORY = re.compile(r"([0-9]+)\s*([MG])(?:iB)?")


def run(
    scenario: ScenarioArgument,
    duration: DurationOption = None,
    clock: ClockOption = ClockName.REAL,
    seed: SeedOption = None,
    out: OutOption = None,
    links: LinksOption = None,
    plane: PlaneOption = None,
    output: FormatOption = Format.TABLE,
    memory: MemoryOption = "1G",
    kernel: KernelOption = None,
    timeout: TimeoutOption = None,
) -> None:
    """Run a scenario in a guest kernel: like orbitmesh run, whose options it takes, but without root.

    Your files are there, read-only; the record comes out to where run would put it.
    """
    from ..scenario import Scenario

    name = Scenario.load(scenario).name  # before anything boots: a wrong file is told at once
    options = {
        "--duration": duration,
        "--clock": str(clock),
        "--seed": seed,
        "--links": None if links is None else str(links),
        "--plane": None if plane is None else str(plane),
        "--output": str(output),
    }
    given = [word for option, value in options.items() if value is not None for word in (option, str(value))]
    with _record_folder(name, out) as folder:
        status = _in_guest(
            [*_orbitmesh(), "run", *given, "--out", str(folder), "--", scenario],
            memory=memory, kernel=kernel, timeout=timeout, writable=[folder], announce=True,
        )  # fmt: skip
    raise typer.Exit(status)


def exec(
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND…", help="What to run there.")],
    write: Annotated[
        list[Path] | None,
        typer.Option("--write", metavar="DIR", help="A folder where what is written stays; may be repeated."),
    ] = None,
    memory: MemoryOption = "1G",
    kernel: KernelOption = None,
    timeout: TimeoutOption = None,
) -> None:
    """Run any command in a guest kernel, as root there, with your files, read-only, and your environment.

    What it writes is gone with the guest, but for the folders given with --write.
    """
    for folder in write or []:
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder: make it first", key="--write")
    raise typer.Exit(_in_guest(command, memory=memory, kernel=kernel, timeout=timeout, writable=write or []))


def run_tests(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[PYTEST ARGUMENT]…", help="Passed on to pytest.")
    ] = None,
    memory: MemoryOption = "1G",
    kernel: KernelOption = None,
    timeout: TimeoutOption = None,
) -> None:
    """Run the tests marked guest, in a guest kernel.  Paths are those of the checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "tests/conftest.py").is_file():
        raise FailureError(f"there are no tests in {root}: call it from a checkout, as ./mesh guest test")
    status = _in_guest(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "guest", *(arguments or [])],
        cwd=root, memory=memory, kernel=kernel, timeout=timeout, announce=True,
    )  # fmt: skip
    raise typer.Exit(status)


# what stands behind belongs to another program
_PASS_ON = {"allow_interspersed_args": False}
app.command(
    "run", cls=LiteralCommand, epilog="Example: orbitmesh guest run demo --links netem --duration 30s"
)(guarded(run))
app.command(
    "exec",
    cls=LiteralCommand,
    epilog="Example: orbitmesh guest exec --write out -- ./measure.sh out",
    context_settings=_PASS_ON,
)(guarded(exec))
app.command(
    "test",
    cls=LiteralCommand,
    epilog="Example: orbitmesh guest test -x tests/plane",
    context_settings={**_PASS_ON, "ignore_unknown_options": True},
)(guarded(run_tests))


def _orbitmesh() -> list[str]:
    return [sys.executable, "-P", "-m", "orbitmesh.emulator.cli"]


def memory_bytes(text: str) -> int:
    """As a user writes it: 512M, 2G, 1 GiB; powers of 1024, as kernels count."""
    found = _MEMORY.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{shown(text)} is no size of memory: write 512M or 2G", key="--memory")
    return int(found[1]) << (20 if found[2] == "M" else 30)


def _in_guest(
    command: Sequence[str], *, memory: str, kernel: Path | None, timeout: str | None,
    writable: Sequence[Path] = (), cwd: Path | None = None, announce: bool = False,
) -> int:  # fmt: skip
    """The command's exit status."""
    from ..errors import GuestError
    from ..guest import boot, machine

    if os.environ.get(machine.MARK):
        raise HostError("this is a guest kernel already, and none runs inside another: leave out `guest`")
    order = boot.Order(
        argv=command,
        cwd=Path.cwd() if cwd is None else cwd,
        writable=writable,
        memory_bytes=memory_bytes(memory),
        kernel=kernel,
        timeout_s=None if timeout is None else duration_ns(timeout, "--timeout") / 1e9,
    )
    console = stderr()

    def booted(seconds: float) -> None:
        if announce:
            console.print(f"guest kernel up in {seconds:.1f} s")

    with interruptible():
        try:
            return boot.run(order, booted)
        except GuestError as error:
            console.print(*error.console_tail, sep="\n", markup=False, soft_wrap=True)
            raise


@contextmanager
def _record_folder(name: str, out: Path | None) -> Iterator[Path]:
    """The record's folder, made, and empty; removed if nothing came to be in it."""
    from ..run.folder import RunFolder

    if out is None:
        out = runs_folder() / f"{name}-guest-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    record = RunFolder(out)
    try:
        record.make()
        yield out
    finally:
        record.remove_if_empty()
        record.give_to_user()
        record.close()
