"""``orbitmesh probe``: trains of crafted packets between two nodes, beside what the links were told."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .options import Format, FormatOption, RunOption, duration_ns
from .output import print_json, print_rows, say
from .ping import NodeArgument

EXAMPLE = (
    "Example: orbitmesh probe gw-london sat-3-7\n\n"
    "Example: orbitmesh probe gw-london gw-tokyo -c 1000 --gap 2ms -o json"
)

COLUMNS = ("figure", "measured", "told", "unit", "of")
FOR_PEOPLE = ("", "measured", "told", "")


def probe(
    a: NodeArgument,
    b: NodeArgument,
    count: Annotated[
        int,
        typer.Option("--count", "-c", min=2, max=100_000, help="Packets for delay, jitter, loss and order."),
    ] = 200,
    gap: Annotated[str, typer.Option("--gap", metavar="TIME", help="Between two of them.")] = "5ms",
    queue: Annotated[
        bool, typer.Option("--queue/--no-queue", help="Fill the bottleneck's queue, until it drops packets.")
    ] = True,
    run: RunOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Probe the way from one node of a running mesh to another: one-way delay, jitter, loss, reordering, the
    rate of its bottleneck and the queue there, each beside what the links were told.

    Packets are crafted by scapy (pip install 'orbitmesh[probe]'), sent from inside A and stamped by the
    kernel as they arrive in B.  Other traffic on the way waits, and some is lost, while the queue is
    filled; --no-queue leaves that.  Links move: what they were told of delays is that of before and after.
    """
    from ..control.client import Client
    from ..probing.probe import Probe

    gap_ns = duration_ns(gap, "--gap")
    with Client.connect(run) as client:
        found = Probe(client, a, b, say).measured(count, gap_ns, with_queue=queue)
    if output is Format.JSON:
        print_json(found)
        return
    for_people = output is Format.TABLE
    if for_people:
        print_rows(FOR_PEOPLE, (row[:4] for row in _rows(found, in_ms=True)), output)
        say(f"the way: {' > '.join(found['path'])}; bottleneck: {found['rate']['link']}")
        if found["queue"]["reason"]:
            say(f"the queue is not known: {found['queue']['reason']}")
    else:
        print_rows(COLUMNS, _rows(found, in_ms=False), output)
    if found["clock_changed"]:
        say("the clock was paused, stepped or given another speed meanwhile: probe again for told means")
    if found["path_changed"]:
        say("the path changed meanwhile: figures are of more than one; probe again")


def _rows(found: dict[str, Any], *, in_ms: bool) -> list[tuple[Any, ...]]:
    def time(value_ns: float | None) -> Any:
        if value_ns is None:
            return None
        return f"{value_ns / 1e6:.3f}" if in_ms else value_ns

    def rate(value_bps: int | None) -> Any:
        if value_bps is None:
            return None
        return f"{value_bps / 1e6:.3f}" if in_ms else value_bps

    delay, loss, rates, queue = found["delay"], found["loss"], found["rate"], found["queue"]
    order, unit, way = found["reordering"], "ms" if in_ms else "ns", f"{found['src']}:{found['dst']}"
    at_least = "at least " if rates["is_at_least"] and in_ms else ""
    measured_rate = rate(rates["measured_bps"])
    return [
        ("least delay", time(delay["measured_least_ns"]), time(delay["told_least_ns"]), unit, way),
        ("delay p50", time(delay["measured_p50_ns"]), time(delay["told_mean_ns"]), unit, way),
        ("delay p99", time(delay["measured_p99_ns"]), time(delay["told_most_ns"]), unit, way),
        ("propagation", None, time(delay["told_propagation_ns"]), unit, way),
        ("jitter", time(found["jitter"]["measured_ns"]), time(0), unit, way),
        ("lost", loss["lost"], round(loss["sent"] * loss["told_ratio"], 2), f"of {loss['sent']}", way),
        ("reordered", order["reordered"], 0, f"of {order['packets']}", way),
        ("rate", f"{at_least}{measured_rate}" if in_ms else measured_rate, rate(rates["told_bps"]),
         "Mbit/s" if in_ms else "bit/s", rates["link"]),
        ("queue", queue["measured_bytes"], queue["told_bytes"], "bytes", queue["link"]),
    ]  # fmt: skip
