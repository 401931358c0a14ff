"""``orbitmesh ping``: a real ping between two nodes, beside what physics allows."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from ..errors import FailureError
from .inside import Inside
from .options import Format, FormatOption, RunOption
from .output import print_json, print_rows, stderr

EXAMPLE = (
    "Example: orbitmesh ping gw-london gw-tokyo\n\nExample: orbitmesh ping gw-london sat-3-7 -c 20 -o csv"
)

NodeArgument = Annotated[str, typer.Argument(help="A node's name: sat-3-7, gw-london, …", show_default=False)]

_REPLY = re.compile(r"icmp_seq=(\d+) .*time=([\d.]+) ms")


def ping(
    a: NodeArgument,
    b: NodeArgument,
    count: Annotated[int, typer.Option("--count", "-c", min=1, help="How many echo requests.")] = 4,
    run: RunOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Ping one node of a running mesh from another, beside the time that light takes there and back.

    Exit status 1 where no answer came.
    """
    from ..run.control import Client

    with Client.connect(run) as client:
        planned = client.path(a, b)
        if planned["path"] is None:
            raise FailureError(
                f"there is no way from {a} to {b} now; see: orbitmesh plan, for when there is one"
            )
        physical_ms = 2 * planned["delay_ns"] / 1e6
        if output is Format.TABLE:
            where = f"over {planned['hops']} hops, at the speed of light"
            stderr().print(f"physics: {physical_ms:.3f} ms there and back {where}", soft_wrap=True)
        program = Inside(client, a, ["ping", "-c", str(count), b])
        replies: list[tuple[int, float]] = []
        for line in program:
            if (reply := _REPLY.search(line)) is not None:
                replies.append((int(reply[1]), float(reply[2])))
            if output is Format.TABLE:
                print(line, flush=True)
    if output is Format.JSON:
        print_json(
            {
                "src": a, "dst": b, "path": planned["path"], "hops": planned["hops"],
                "physical_rtt_ms": physical_ms, "sent": count, "received": len(replies),
                "measured_rtt_ms": [rtt_ms for _, rtt_ms in replies],
            }
        )  # fmt: skip
    elif output is Format.CSV:
        rows = [(number, rtt_ms, round(physical_ms, 6)) for number, rtt_ms in replies]
        print_rows(("seq", "measured_rtt_ms", "physical_rtt_ms"), rows, output)
    if program.status:
        raise typer.Exit(program.status)
