"""A run read back from its folder: finished, killed, or still under way; as table, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ..control.client import find_runs
from ..errors import InputError
from ..reading import EVENTS, RECORD, parse_json, read_text
from ..shown import plain, shown
from . import files
from .samples import PATH_CHANGES, SAMPLES
from .statistics import COLUMNS, gateway_statistics
from .summary import FORMAT, Recorded, build_summary

_RATES = ["narrowest_rate_bps", "narrowest_emulated_bps"]

_FIGURES = {
    "measured": ("p50_ns", "p90_ns", "p99_ns", "min_ns", "max_ns"),
    "physical": ("p50_ns", "p90_ns", "p99_ns", "min_ns", "max_ns"),
    "remainder": ("p50_ns", "p90_ns", "p99_ns", "min_ns", "max_ns"),
}


@dataclass(frozen=True)
class RunResults:
    """``summary`` as in summary.json, rebuilt from what there is where the run did not end in order.

    ``notes`` are sentences on what is missing, damaged, or was reported while it ran.
    """

    path: Path
    summary: dict[str, Any]
    is_finished: bool
    notes: tuple[str, ...] = ()

    def samples(self, columns: list[str] | None = None) -> pa.Table:
        """All samples (or some columns of them); schema ``record.samples.SAMPLES``."""
        return files.read_table(self.path / files.SAMPLES, SAMPLES, columns)[0]

    def path_changes(self) -> pa.Table:
        """Schema ``record.samples.PATH_CHANGES``."""
        return files.read_table(self.path / files.PATH_CHANGES, PATH_CHANGES)[0]


def load_run(path: Path | str) -> RunResults:
    """InputError for a folder that is no run, or whose JSON files are damaged; damaged tables are noted."""
    path = Path(path)
    run = read_run_file(path)
    if (path / files.SUMMARY).exists():
        summary = _read_json(path / files.SUMMARY)
        if not isinstance(summary, dict) or summary.get("format") != FORMAT:
            raise InputError("is damaged: it holds no summary of a run", path=path / files.SUMMARY)
        unreadable = [
            entry
            for folder, schema in ((files.SAMPLES, SAMPLES), (files.PATH_CHANGES, PATH_CHANGES))
            for entry in files.damaged_files(path / folder, schema)
        ]
        return RunResults(path, summary, True, tuple(map(files.sentence, unreadable)))
    return _rebuilt(path, run)


def read_run_file(path: Path) -> dict[str, Any]:
    """run.json of a run of ours; InputError where the folder is none."""
    if not path.is_dir():
        raise InputError(
            "is not a folder; name one that orbitmesh run wrote, such as runs/<run id>", path=path
        )
    if not (path / files.RUN).exists():
        raise InputError(
            f"is no run of orbitmesh (it has no {files.RUN}); name a folder that orbitmesh run wrote",
            path=path,
        )
    run = _read_json(path / files.RUN)
    if not files.is_run(run):
        raise InputError(
            "is not a file of orbitmesh; name a folder that orbitmesh run wrote", path=path / files.RUN
        )
    if run[files.MARKER] != files.FORMAT:
        raise InputError(
            f"has format {shown(run[files.MARKER])}, and this version reads {files.FORMAT}: "
            "read it with the orbitmesh that wrote it",
            path=path / files.RUN,
        )
    return dict(run)


def _read_json(path: Path) -> Any:
    try:
        return parse_json(read_text(path, RECORD), RECORD, path)
    except FileNotFoundError:
        raise InputError("cannot be read: there is no such file", path=path) from None
    except InputError as error:
        raise InputError(f"is damaged: {error.message}", path=path) from None


def summary_without_recorder(path: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Of a run whose recorder died: from what it had written, and the facts that the run itself knows."""
    return _rebuilt(path, read_run_file(path), facts).summary


def _rebuilt(path: Path, run: dict[str, Any], facts: dict[str, Any] | None = None) -> RunResults:
    rows, unreadable = files.read_table(
        path / files.SAMPLES, SAMPLES, [*COLUMNS, "t_utc", "epoch_number", *_RATES]
    )
    changes, unreadable_changes = files.read_table(path / files.PATH_CHANGES, PATH_CHANGES)
    recorded = Recorded(
        samples=len(rows),
        lost=len(rows) - (pc.sum(rows["ok"]).as_py() or 0),
        unreachable=pc.sum(pc.and_(rows["propagation_ns"].is_null(), rows["epoch_number"].is_valid())).as_py()
        or 0,
        without_truth=(pc.sum(pc.and_(rows["epoch_number"].is_null(), rows["dst"].is_valid())).as_py() or 0),
        path_changes=len(changes),
        rates=_narrowest(rows),
    )
    is_running = facts is None and run["run_id"] in find_runs()
    last = pc.max(rows["t_utc"]).cast(pa.int64()).as_py()
    until = "nothing was recorded" if last is None else f"recorded until {_utc_text(last)} of emulated time"
    faults = _faults(path / files.EVENTS)
    if facts is not None:
        ended, first = str(facts["ended"]), f"the recorder died: counts are of what it had written; {until}"
    elif is_running:
        ended, first = "running", f"the run is still under way; {until}"
    elif faults:
        ended, first = "failed", f"the run failed, and its summary was not written; {until}"
    else:
        ended = "killed"
        first = f"the run did not end in order (its processes were killed, or the machine stopped); {until}"
    summary = build_summary(
        run,
        facts or ({"ended": ended, "reason": faults[0]} if ended == "failed" else None),
        recorded,
        gateway_statistics(rows, run["gateways"]),
        ended_without_facts=ended,
    )
    # the first is the reason of the failure, and said already
    summary["doubts"] += faults[1:] if ended == "failed" and facts is None else faults
    if facts is not None:
        summary["doubts"].append(first)
        summary["trusted"] = False
    damaged = map(files.sentence, [*unreadable, *unreadable_changes])
    return RunResults(path, summary, False, (first, *damaged))


def _narrowest(rows: pa.Table) -> dict[str, dict[str, int]]:
    """The rates of the narrowest links of all paths; those of every link were known to the run alone."""
    found = {}
    for name, column in zip(("physical", "emulated"), _RATES, strict=True):
        for bound, value in pc.min_max(rows[column]).as_py().items():
            found[f"{name}_{bound}_bps"] = value
    return {} if None in found.values() else {"narrowest of a path": found}


def _faults(path: Path) -> list[str]:
    """What failed the run while it ran; the last line may have been cut off when it was killed."""
    found: list[str] = []
    try:
        lines = read_text(path, EVENTS, replace=True).splitlines()
    except FileNotFoundError:
        return found
    for line in lines:
        try:
            event = parse_json(line, EVENTS)
        except InputError:
            continue
        if isinstance(event, dict) and event.get("event") == "fault":
            found.append(plain(str(event.get("text"))))
    return found


# ---- for people


def to_table(results: RunResults) -> RenderableType:
    """A header, a table per gateway and kind, losses, the emulation's own error, and what to doubt."""
    summary = results.summary
    parts: list[RenderableType] = [_header(results), StatisticsTable(summary["gateways"]), _explanation()]
    if losses := _losses(summary):
        parts.append(losses)
    parts.append(_own_error(summary))
    parts.append(_expected_error(summary["error_budget"]))
    parts.extend(Text(f"note: {note}", style="yellow") for note in results.notes)
    if summary["trusted"]:
        parts.append(Text("nothing was found that speaks against these figures", style="green"))
    else:
        parts.append(Text("look at this before you trust the figures:", style="bold red"))
        parts.extend(Text(f"  - {doubt}", style="red") for doubt in summary["doubts"])
    return Group(*parts)


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
        table.add_column("rest\np50 ms", justify="right", no_wrap=True)
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


def _header(results: RunResults) -> RenderableType:
    summary = results.summary
    scenario = summary["scenario"]
    grid = Table.grid(padding=(0, 2))
    emulated = summary["emulated_ns"]
    machine, samples = summary["machine"], summary["samples"]
    rows = {
        "run": f"{summary['run_id']} ({results.path})",
        "scenario": " - ".join(t for t in (scenario["name"], scenario["title"]) if t)
        + f"  (sha256 {scenario['sha256'][:12]}, seed {summary['seed']})",
        "ended": summary["ended"]
        + (f": {summary['reason']}" if summary["reason"] else "")
        + (f" after {emulated / 1e9:.1f} s" if emulated is not None else ""),
        "samples": f"{samples['samples']:,}, of them {samples['lost']:,} without an answer; "
        f"{summary['path_changes']:,} changes of path",
        "links": f"{summary['backend']} backend, {summary['plane']} plane, {summary['clock']} clock, "
        f"on {machine.get('machine')}, kernel {machine.get('kernel')}, {machine.get('cpus')} CPUs, "
        f"{_awake(summary.get('awake', {}))}",
        "rates": _rates(summary),
    }
    for name, value in rows.items():
        grid.add_row(Text(name, style="bold"), Text(value))
    return grid


def _awake(awake: dict[str, Any]) -> str:
    if awake.get("held"):
        return "kept awake"
    return f"which may sleep ({awake.get('reason', 'recorded by a version that did not say')})"


def _rates(summary: dict[str, Any]) -> str:
    scale = summary["rate_scale"]
    if scale == 1:
        text = "as physical (rate scale 1)"
    else:
        text = f"rate scale {scale:g}: every link carries {scale:g} of its physical rate here"
    for kind, rate in summary["rates"].items():
        text += (
            f"\n{kind}: physical {_range(rate['physical_min_bps'], rate['physical_max_bps'])}, "
            f"emulated {_range(rate['emulated_min_bps'], rate['emulated_max_bps'])}"
        )
    return text


def _explanation() -> Text:
    return Text(
        "measured: what the processes saw, there and back.  physics: what light allows along the routed "
        "path, there and back.\nrest: measured less physics, less sending the bytes, less the serving "
        "node's queue and compute: host stack, gRPC, queueing.",
        style="dim",
    )


def _losses(summary: dict[str, Any]) -> RenderableType | None:
    lines = [
        f"  {gateway['gateway']}: " + ", ".join(f"{n:,} {why}" for why, n in gateway["lost_by_error"].items())
        for gateway in summary["gateways"]
        if gateway["lost"]
    ]
    packets = {cause: n for cause, n in summary["packets_dropped"].items() if n}
    if packets:
        lines.append("  packets: " + ", ".join(f"{n:,} {cause}" for cause, n in packets.items()))
    return Text("\n".join(["lost:", *lines])) if lines else None


def _own_error(summary: dict[str, Any]) -> Text:
    late, ticks, light = summary["engine_lateness"], summary["ticks"], summary["light"]
    parts = []
    if late["p50_ns"] is not None:
        parts.append(
            f"packets left {late['p50_ns'] / 1e3:.0f} us (p50), {late['p99_ns'] / 1e3:.0f} us (p99), "
            f"{late['max_ns'] / 1e3:.0f} us (most) after they were due"
        )
    if ticks["count"] is not None:
        parts.append(f"{ticks['late']:,} of {ticks['count']:,} ticks late")
    if light["least_margin_ns"] is not None:
        parts.append(f"no sample nearer to light than {light['least_margin_ns'] / 1e3:.1f} us")
    return Text("the emulation's own error: " + ("; ".join(parts) if parts else "not known"))


def _expected_error(budget: dict[str, Any]) -> Text:
    """By the machine's calibration, one way."""
    if "reason" in budget:
        return Text(f"the error to be expected: not known ({budget['reason']})")
    p50, p99, hop = (budget[name] / 1e3 for name in ("first_p50_ns", "first_p99_ns", "per_hop_ns"))
    return Text(
        f"the error to be expected, one way: {p50:.1f} us (p50), {p99:.1f} us (p99), and {hop:.1f} us "
        f"for each further hop (calibrated {budget['calibrated_utc']})"
    )


def _range(low_bps: int, high_bps: int) -> str:
    return _rate(low_bps) if low_bps == high_bps else f"{_rate(low_bps)} to {_rate(high_bps)}"


def _rate(rate_bps: int) -> str:
    if rate_bps == 0:
        return "unlimited"
    for unit, factor in (("Tbit/s", 1e12), ("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if rate_bps >= factor:
            return f"{rate_bps / factor:.4g} {unit}"
    return f"{rate_bps} bit/s"


def _ms(duration_ns: int | None) -> str:
    return "-" if duration_ns is None else f"{duration_ns / 1e6:.3f}"


def _lost(count: int) -> str:
    return f"[red]{count:,}[/red]" if count else "0"


def _utc_text(unix_ns: int) -> str:
    return pa.scalar(unix_ns // 1000, pa.timestamp("us", tz="UTC")).as_py().isoformat().replace("+00:00", "Z")  # type: ignore[no-any-return]


# ---- for programs


def to_json(results: RunResults) -> str:
    """The summary, with ``finished`` and ``notes``."""
    value = results.summary | {"finished": results.is_finished, "notes": list(results.notes)}
    return json.dumps(value, indent=2, allow_nan=False)


def to_csv(results: RunResults) -> str:
    """One row per gateway and kind; empty fields where nothing was measured."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    figures = [(what, name) for what, names in _FIGURES.items() for name in names]
    out.writerow(["gateway", "kind", "satellites", "samples", "lost", *(f"{a}_{b}" for a, b in figures)])
    for gateway in results.summary["gateways"]:
        for kind, values in gateway["kinds"].items():
            row = [(values[what] or {}).get(name) for what, name in figures]
            out.writerow(
                [gateway["gateway"], kind, gateway["satellites"], values["samples"], values["lost"], *row]
            )
    return text.getvalue()
