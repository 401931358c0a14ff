"""``orbitmesh ping``: a real ping between two nodes, beside what physics allows."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from .calling import connected
from .inside import Inside, planned_path
from .options import Format, FormatOption, RunOption
from .output import print_json, print_rows, stdout

if TYPE_CHECKING:
    from ..control.client import Client
    from .far import Far

EXAMPLE = (
    "Example: orbitmesh ping gw-london gw-tokyo\n\nExample: orbitmesh ping gw-london sat-3-7 -c 20 -o csv"
)

NodeArgument = Annotated[
    str,
    typer.Argument(
        help="A node: sat-3-7, gw-london, a satellite's name in its file, its number.", show_default=False
    ),
]

# ping's own lines give a round trip over 100 ms in whole milliseconds; its last line all digits
_MEASURED = re.compile(r"min/avg/max\S* = ([\d.]+)/")
_TIMEOUT_S = 2


class Echo(NamedTuple):
    """One echo request; ``measured_rtt_ns`` is None where no answer came."""

    seq: int
    measured_rtt_ns: int | None
    physical_rtt_ns: int


def ping(
    a: NodeArgument,
    b: NodeArgument,
    count: Annotated[
        int, typer.Option("--count", "-c", min=1, max=1_000_000, help="How many echo requests.")
    ] = 4,
    run: RunOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Ping one node of a running mesh from another, beside the time that light takes there and back.

    Exit status 1 where no answer came.  In ns for programs (-o json, -o csv).
    """
    with connected(run) as client:
        planned = planned_path(client, a, b)
        a, b = planned["path"][0], planned["path"][-1]  # programs in nodes know these by file
        if output is Format.TABLE:
            status = _for_people(client, a, b, count, planned)
        else:
            echoes = list(_echoes(client, a, b, count))
            answered = [echo for echo in echoes if echo.measured_rtt_ns is not None]
            status = 0 if answered else 1
    if output is Format.JSON:
        print_json(
            {
                "src": a, "dst": b, "path": planned["path"], "hops": planned["hops"],
                "sent": count, "received": len(answered), "echoes": [echo._asdict() for echo in echoes],
            }
        )  # fmt: skip
    elif output is Format.CSV:
        print_rows(Echo._fields, echoes, output)
    if status:
        raise typer.Exit(status)


def _for_people(client: Client | Far, a: str, b: str, count: int, planned: dict[str, Any]) -> int:
    """ping's own output as it comes; its exit status."""
    for name, known in planned.get("known_as", {}).items():
        if name in (a, b):
            stdout().print(f"{name} is {known}", soft_wrap=True, markup=False, highlight=False)
    stdout().print(
        f"physics: {_physical_ns(planned) / 1e6:.3f} ms there and back over {planned['hops']} hops, "
        "at the speed of light",
        soft_wrap=True,
    )
    program = Inside(client, a, ["ping", "-c", str(count), b])
    for line in program:
        print(line, flush=True)
    return program.status or 0


def _echoes(client: Client | Far, a: str, b: str, count: int) -> Iterator[Echo]:
    """One a second, each beside the path at its instant."""
    for seq in range(1, count + 1):
        began_s = time.monotonic()
        physical_ns = _physical_ns(planned_path(client, a, b))
        program = Inside(client, a, ["ping", "-c", "1", "-W", str(_TIMEOUT_S), b])
        found = [
            round(1e6 * float(said[1])) for line in program if (said := _MEASURED.search(line)) is not None
        ]
        yield Echo(seq, found[0] if found else None, physical_ns)
        if seq < count:
            time.sleep(max(0.0, began_s + 1 - time.monotonic()))


def _physical_ns(planned: dict[str, Any]) -> int:
    return round(2 * float(planned["delay_ns"]))
