"""The tables of a report, and the live one; from a summary, its pairs, or a digest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ..shown import printable
from .statistics import PARTS
from .verdict import percent


def gateway_table(rows: list[dict[str, Any]]) -> Table:
    """The live table, from the rows of a digest (``RecentWindow.rows``)."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("gateway", no_wrap=True)
    for title in ("satellites", "samples", "lost"):
        table.add_column(title, justify="right")
    for title in (
        "UDP p50\nms",
        "UDP p99\nms",
        "gRPC p50\nms",
        "gRPC p99\nms",
        "task p50\nms",
        "physics p50\nms",
        "remainder p50\nms",
    ):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            escape(row["gateway"]),
            f"{row['satellites']:,}",
            f"{row['samples']:,}",
            _lost(row["lost"]),
            *(
                _ms(row[f"{name}_ns"])
                for name in ("udp_p50", "udp_p99", "grpc_p50", "grpc_p99", "task_p50", "physical_p50")
            ),
            _ms(row["remainder_p50_ns"]),
        )
    return table


class StatisticsTable:
    """From the ``gateways`` of a summary: one row per gateway and kind of sample.

    Drawn for the width there is: p90 is left out where it does not fit, then the margins; no figure is cut.
    """

    def __init__(self, gateways: list[dict[str, Any]]) -> None:
        self._gateways = gateways

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        most, fewer = ("p50", "p90", "p99"), ("p50", "p99")
        tables = [self._table(most), self._table(fewer), self._table(fewer, tight=True)]
        wide = options.update(width=1000)
        fitting = (t for t in tables if Measurement.get(console, wide, t).maximum <= options.max_width)
        yield next(fitting, tables[-1])

    def _table(self, quantiles: tuple[str, ...], *, tight: bool = False) -> Table:
        if tight:
            table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        else:
            table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("gateway", no_wrap=True)
        table.add_column("kind", no_wrap=True)
        table.add_column("n", justify="right", no_wrap=True)
        table.add_column("lost", justify="right", no_wrap=True)
        for what in ("measured", "physics"):
            for quantile in quantiles:
                table.add_column(f"{what}\n{quantile} ms", justify="right", no_wrap=True)
        table.add_column("remainder\np50 ms", justify="right", no_wrap=True)
        for gateway in self._gateways:
            name = escape(gateway["gateway"])
            if not gateway["kinds"]:
                table.add_row(name, "-", "0", "0", *["-"] * (2 * len(quantiles) + 1))
            for kind, figures in gateway["kinds"].items():
                table.add_row(
                    name,
                    kind,
                    f"{figures['samples']:,}",
                    _lost(figures["lost"]),
                    *(
                        _ms((figures[what] or {}).get(f"{quantile}_ns"))
                        for what in ("measured", "physical")
                        for quantile in quantiles
                    ),
                    _ms((figures["remainder"] or {}).get("p50_ns")),
                )
                name = ""
            table.add_section()
        return table


def has_parts(gateways: list[dict[str, Any]]) -> bool:
    return any(figures["mean"] for gateway in gateways for figures in gateway["kinds"].values())


class PartsTable:
    """The parts of the measured time per gateway and kind, as means over the samples with all of them."""

    def __init__(self, gateways: list[dict[str, Any]]) -> None:
        self._gateways = gateways

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = _plain_table()
        table.add_column("gateway", no_wrap=True)
        table.add_column("kind", no_wrap=True)
        for name in ("n", "measured", *PARTS):
            table.add_column(name if name == "n" else f"{name}\nms", justify="right", no_wrap=True)
        for gateway in self._gateways:
            name = escape(gateway["gateway"])
            for kind, figures in gateway["kinds"].items():
                if (mean := figures["mean"]) is not None:
                    table.add_row(name, kind, f"{mean['samples']:,}", *_adding_up(mean))
                    name = ""
        yield table


def _adding_up(mean: dict[str, int]) -> list[str]:
    """In us: the parts are the whole to the last digit shown; what rounding leaves is the last one's."""
    whole_us = round(mean["measured_ns"] / 1e3)
    parts_us = [round(mean[f"{name}_ns"] / 1e3) for name in PARTS]
    parts_us[-1] = whole_us - sum(parts_us[:-1])
    return [f"{us / 1e3:.3f}" for us in (whole_us, *parts_us)]


class DueTable:
    """Per gateway: the share of time with a way, and how many measurements were due, sent, answered."""

    def __init__(self, gateways: list[dict[str, Any]]) -> None:
        self._gateways = gateways

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = _plain_table()
        table.add_column("gateway", no_wrap=True)
        for name in ("available\n%", "longest gap\ns", "due", "sent", "answered"):
            table.add_column(name, justify="right", no_wrap=True)
        for gateway in self._gateways:
            ratio = gateway.get("available_ratio")
            gap_ns = gateway.get("longest_gap_ns")
            shown = "-" if ratio is None else percent(ratio).removesuffix(" %")
            table.add_row(
                escape(gateway["gateway"]),
                f"[red]{shown}[/red]" if ratio is not None and ratio < 1 else shown,
                "-" if gap_ns is None else f"{gap_ns / 1e9:.1f}",
                *(f"{gateway.get(name, 0):,}" for name in ("due", "sent", "answered")),
            )
        yield table


# A matrix larger than this is no longer read; all of it is in pairs.parquet.
MOST_ROWS, MOST_COLUMNS = 12, 8


def matrix_of(pairs: pa.Table, known_as: Mapping[str, str] | None = None) -> RenderableType | None:
    """Satellites by gateways: the median round trip of the probes; those most measured, where they are many.

    ``known_as``: what files call satellites, said beside their own name.  None where no probe was answered.
    """
    rows = [printable(row) for row in pairs.to_pylist() if row["dst"] is not None and row["kind"] != "task"]
    kind = next((k for k in ("udp", "grpc") if any(r["kind"] == k and r["answered"] for r in rows)), None)
    if kind is None:
        return None
    cells = {(row["src"], row["dst"]): row for row in rows if row["kind"] == kind}
    satellites, n_satellites = _most_measured(cells, 0, MOST_ROWS)
    gateways, n_gateways = _most_measured(cells, 1, MOST_COLUMNS)
    table = _plain_table()
    table.add_column("", no_wrap=True)
    for gateway in gateways:
        table.add_column(escape(gateway.removeprefix("gw-")), justify="right", overflow="fold")
    for satellite in satellites:
        also = (known_as or {}).get(satellite)
        name = escape(satellite if also is None else f"{satellite} ({also})")
        table.add_row(name, *(_cell(cells.get((satellite, gateway))) for gateway in gateways))
    title = (
        f"\nSatellites by gateways: {kind} there and back, p50 in ms "
        "(-: not measured; no way: at no time; n%: with a way for so much of the time)"
    )
    parts: list[RenderableType] = [Text(title), table]
    if n_satellites > len(satellites) or n_gateways > len(gateways):
        parts.append(
            Text(
                f"{len(satellites)} of {n_satellites:,} satellites and {len(gateways)} of {n_gateways:,} "
                "gateways, those most measured; all of them are in pairs.parquet"
            )
        )
    return Group(*parts)


def _most_measured(
    cells: dict[tuple[str, str], dict[str, Any]], end: int, most: int
) -> tuple[list[str], int]:
    """Names in the order in which they first come, and of how many."""
    counts: dict[str, int] = {}
    for key, row in cells.items():
        counts[key[end]] = counts.get(key[end], 0) + row["sent"]
    chosen = set(sorted(counts, key=lambda name: -counts[name])[:most])
    return [name for name in counts if name in chosen], len(counts)


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "-"
    ratio, p50_ns = row["available_ratio"], row["measured_p50_ns"]
    if ratio == 0:
        return "[red]no way[/red]"
    shown = "-" if p50_ns is None else f"{p50_ns / 1e6:.1f}"
    return shown if ratio is None or ratio == 1 else f"{shown} [yellow]{100 * ratio:.0f}%[/yellow]"


def _plain_table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")


def _ms(duration_ns: int | None) -> str:
    return "-" if duration_ns is None else f"{duration_ns / 1e6:.3f}"


def _lost(count: int) -> str:
    return f"[red]{count:,}[/red]" if count else "0"
