"""``orbitmesh status``: a running mesh at this moment; and how its status is drawn."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from ..shown import counted
from .calling import connected
from .clock import in_words
from .options import Format, FormatOption, RunOption
from .output import print_json, print_rows, stdout

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

# columns that the record's own table of gateways needs
_WIDE = 125
_FEW_NAMES = 3

EXAMPLE = "Example: orbitmesh status\n\nExample: orbitmesh status -o json"

# of the recorder's digest, one row a gateway, over the last seconds
GATEWAY_COLUMNS = (
    "gateway", "satellites", "samples", "lost", "physical_p50_ns", "udp_p50_ns", "udp_p99_ns",
    "grpc_p50_ns", "grpc_p99_ns", "task_p50_ns", "task_p99_ns", "remainder_p50_ns",
)  # fmt: skip


def status(run: RunOption = None, output: FormatOption = Format.TABLE) -> None:
    """Show a running mesh: its time, links, ticks, and the latency per gateway over the last seconds.

    In ns for programs (-o json, -o csv).
    """
    from ..control.client import LOOK_S

    with connected(run, limit_s=LOOK_S) as client:
        now = client.status()
    if output is Format.JSON:
        print_json(now)
    elif output is Format.CSV:
        print_rows(GATEWAY_COLUMNS, gateway_rows(now), output)
    else:
        console = stdout()
        console.print(picture(now, console.width))


def gateway_rows(now: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Rows of GATEWAY_COLUMNS; none before the recorder's first digest."""
    return [tuple(row.get(column) for column in GATEWAY_COLUMNS) for row in now["digest"].get("gateways", ())]


def picture(now: dict[str, Any], width: int) -> RenderableType:
    """What a person sees of a status on a screen of that many columns: three lines, a table of gateways."""
    from rich.console import Group
    from rich.text import Text

    from ..record.tables import gateway_table

    rows = now["digest"].get("gateways", [])
    dead = now["dead_nodes"]
    lines = [
        Text(f"{now['run_id']}  {_time(now)}", style="bold"),
        Text(
            f"{counted(now['satellites'], 'satellite')}, {counted(now['gateways'], 'gateway')}, "
            f"{counted(now['lasers'], 'laser')}, {counted(now['ground_links'], 'ground link')}; "
            f"{counted(now['nodes_ready'] - len(dead), 'node process')} on {counted(now['hosts'], 'host')}"
        ),
        Text(_trust(now)),
    ]
    known = now.get("known_as", {})
    if known:
        some = [f"{name} is {also}" for name, also in islice(known.items(), _FEW_NAMES)]
        more = f", … {len(known)} of them" if len(known) > len(some) else ""
        lines.append(Text(f"satellites of files: {'; '.join(some)}{more}", style="dim"))
    if dead:
        named = {name: f"{name}, {known[name]}" if name in known else name for name in dead}
        lines.append(
            Text("died: " + ", ".join(f"{named[name]} ({how})" for name, how in dead.items()), style="red")
        )
    return Group(
        *lines,
        gateway_table(rows) if width >= _WIDE else narrow_table(rows),
        Text("of the last seconds, there and back; physics: what light allows", style="dim"),
    )


def narrow_table(rows: list[dict[str, Any]]) -> Table:
    """The medians, for a screen of 80 columns; from the rows of a digest."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("gateway", overflow="fold")
    for heading in ("samples", "lost", "physics", "UDP", "gRPC", "task", "remainder"):
        table.add_column(
            f"{heading}\n" + ("" if heading in ("samples", "lost") else "p50 ms"), justify="right"
        )
    for row in rows:
        latencies = (row[f"{name}_p50_ns"] for name in ("physical", "udp", "grpc", "task", "remainder"))
        cells = ("-" if value is None else f"{value / 1e6:.3f}" for value in latencies)
        table.add_row(escape(row["gateway"]), str(row["samples"]), str(row["lost"]), *cells)
    return table


def one_line(now: dict[str, Any]) -> str:
    """The same for a log: what matters most."""
    digest = now["digest"]
    dead = f"; {counted(len(now['dead_nodes']), 'node')} died" if now["dead_nodes"] else ""
    return (
        f"{_time(now)}: {digest.get('samples', 0)} samples, {digest.get('lost', 0)} lost; {_trust(now)}{dead}"
    )


def _time(now: dict[str, Any]) -> str:
    elapsed_s, duration_s = now["elapsed_ns"] / 1e9, now["duration_ns"] / 1e9
    how = in_words(now)
    how = f", {how}" if how else ""
    if elapsed_s > duration_s + 1:
        return f"{elapsed_s:.0f} s, kept beyond its {duration_s:.0f} s{how}"
    return f"{min(elapsed_s, duration_s):.0f} of {duration_s:.0f} s{how}"


def _trust(now: dict[str, Any]) -> str:
    """The emulator's own error."""
    late = f"{now['late_ticks']} of {now['ticks']} ticks late"
    links = f"{now['plane']} plane, links: {now['backend']}"
    if now["engine_lateness_p50_ns"] is None:
        return f"{links}; {late}"
    p50, p99, most = (now[f"engine_lateness_{name}_ns"] / 1e3 for name in ("p50", "p99", "max"))
    return f"{links}, late by p50 {p50:.0f} p99 {p99:.0f} max {most:.0f} µs; {late}"
