"""The results of a run for people: a header, tables, what to doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..shown import counted, plain, printable, rate_text
from .customer_table import customers_said
from .platforms import in_words
from .results import RunResults
from .tables import DueTable, PartsTable, StatisticsTable, has_parts, matrix_of
from .training_table import training_said
from .verdict import percent

_FEW_INTERVENTIONS = 3  # that are named, the most costly ones
_MOST_OUTAGES = 3  # that are named in the first lines; the remarks name more, the table all
MOST_PATH_CHARACTERS = 4096  # as many as Linux takes: a folder is named in full


def to_table(results: RunResults) -> RenderableType:
    """A header, a table per gateway and kind, losses, the emulation's own error, and what to doubt."""
    # whoever wrote the scenario, or the record, may have meant the reader's terminal
    results = replace(results, summary=printable(results.summary), notes=printable(results.notes))
    summary = results.summary
    gateways = summary["gateways"]
    parts: list[RenderableType] = [_header(results)]
    if gateways:
        parts += [StatisticsTable(gateways), _explanation()]
    if _unsound(summary):
        parts.append(Text("\nThe same without the samples that are not sound:"))
        parts.append(StatisticsTable([_sound_alone(gateway) for gateway in gateways]))
    if has_parts(gateways):
        parts += [
            Text("\nWhere the time goes, means of the n samples of which all parts are known; they add up:"),
            PartsTable(gateways),
        ]
    if any("available_ratio" in gateway for gateway in gateways):
        parts += [Text("\nWhat was due, and what came of it:"), DueTable(gateways)]
    if results.pairs is not None and (matrix := matrix_of(results.pairs, results.known_as)) is not None:
        parts.append(matrix)
    if losses := _losses(summary):
        parts.append(losses)
    parts.append(_own_error(summary))
    parts.append(_expected_error(summary["error_budget"]))
    parts.extend(Text(f"note: {note}", style="yellow") for note in results.notes)
    parts.extend(_verdict(summary))
    parts.extend(customers_said(summary.get("customers", []), trusted=summary["trusted"]))
    parts.extend(training_said(summary.get("training"), trusted=summary["trusted"]))
    return Group(*parts)


def _unsound(summary: dict[str, Any]) -> int:
    sound = summary["soundness"]
    return 0 if sound is None else int(sound["samples"] - sound["sound"])


def _sound_alone(gateway: dict[str, Any]) -> dict[str, Any]:
    return gateway | {"kinds": {kind: figures["sound"] for kind, figures in gateway["kinds"].items()}}


def _verdict(summary: dict[str, Any]) -> list[RenderableType]:
    """What speaks against the figures, what was found and marked or counted, and what nobody looked at."""
    doubts, remarks, not_known = summary["doubts"], summary["remarks"], summary["not_known"]
    said: list[RenderableType] = []
    if (sound := summary["soundness"]) is not None and sound["samples"]:
        said.append(_share(sound))
    if doubts:
        said.append(Text("look at this before you trust the figures:", style="bold red"))
        said += [Text(f"  - {doubt}", style="red") for doubt in doubts]
    if remarks:
        said.append(Text("this was found, and is marked or counted:", style="bold yellow"))
        said += [Text(f"  - {remark}", style="yellow") for remark in remarks]
    if not_known:
        said.append(Text("this is not known:", style="bold yellow"))
        said += [Text(f"  - {what}", style="yellow") for what in not_known]
    if not doubts and not remarks and not not_known:
        said.append(Text("nothing was found that speaks against these figures", style="green"))
    elif not doubts:
        said.append(Text("nothing else was found that speaks against these figures", style="green"))
    return said


def _share(sound: dict[str, Any]) -> Text:
    bounds = sound["bounds"]
    return Text(
        f"sound: {sound['sound']:,} of {sound['samples']:,} samples ({percent(sound['sound_ratio'])}): while "
        f"they were on their way no tick was over {bounds['late_tick_ns'] / 1e6:g} ms late, no packet over "
        f"{bounds['late_engine_ns'] / 1e6:g} ms, and no processor stood still for over "
        f"{bounds['stall_ns'] / 1e6:g} ms"
    )


def _header(results: RunResults) -> RenderableType:
    summary = results.summary
    scenario = summary["scenario"]
    grid = Table.grid(padding=(0, 2))
    emulated = summary["emulated_ns"]
    machine, samples = summary["machine"], summary["samples"]
    rows = {
        "run": f"{summary['run_id']} ({plain(str(results.path), MOST_PATH_CHARACTERS)})",
        "scenario": " - ".join(t for t in (scenario["name"], scenario["title"]) if t)
        + f"  (sha256 {scenario['sha256'][:12]}, seed {summary['seed']})",
        "ended": summary["ended"]
        + (f": {summary['reason']}" if summary["reason"] else "")
        + (f" after {emulated / 1e9:.1f} s" if emulated is not None else ""),
        "samples": f"{samples['samples']:,}, of them {samples['lost']:,} without an answer; "
        f"{summary['path_changes']:,} changes of path{_handovers(summary.get('handovers'))}",
        "available": _available(summary["gateways"]),
        "links": f"{summary['backend']} backend, {summary['plane']} plane, {summary['clock']} clock, "
        f"on {machine.get('machine')}, kernel {machine.get('kernel')}, {machine.get('cpus')} CPUs, "
        f"{_awake(summary.get('awake', {}))}",
        "rates": _rates(summary),
    }
    if summary.get("presets"):
        rows["presets"] = _presets(summary["presets"])
    if summary.get("platform") is not None:
        rows["platform"] = in_words(summary["platform"])
    for name, value in rows.items():
        if value:
            grid.add_row(Text(name, style="bold"), Text(value))
    return grid


def _handovers(told: dict[str, int] | None) -> str:
    return "" if told is None else f", {counted(told['count'], 'handover')} of gateways"


def _available(gateways: Sequence[dict[str, Any]]) -> str:
    """Who had a way, and for how long; the worst by name.  Empty where that is not known."""
    known = [gateway for gateway in gateways if gateway.get("available_ratio") is not None]
    out = sorted((g for g in known if g["available_ratio"] < 1), key=lambda g: float(g["available_ratio"]))
    if not out:
        many = f"all {len(known):,} gateways" if len(known) > 1 else "the one gateway"
        return f"{many} had a way, all of the time" if known else ""
    lines = [
        f"{gateway['gateway']}: {percent(gateway['available_ratio'])} of the time, "
        f"longest gap {gateway['longest_gap_ns'] / 1e9:.1f} s"
        for gateway in out[:_MOST_OUTAGES]
    ]
    others = [
        (len(out) - _MOST_OUTAGES, "had outages too"),
        (len(known) - len(out), "had a way all of the time"),
    ]
    lines += [f"{n:,} other{'s' if n > 1 else ''} {what}" for n, what in others if n > 0]
    return "\n".join(lines)


def _presets(presets: list[dict[str, Any]]) -> str:
    """Each with the kinds of its figures, so that a guess is not taken for a fact."""
    said = []
    for each in presets:
        kinds = ", ".join(f"{n} {plain(kind)}" for kind, n in each["figures"].items())
        own = "".join(f", {plain(name)} {plain(value)}" for name, value in each["own"].items())
        said.append(f"{plain(each['family'])} {plain(each['name'])} (figures: {kinds}{own})")
    return f"{'; '.join(said)}: orbitmesh presets NAME prints one with its sources"


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
        "path, there and back.\nremainder: measured less physics, less sending the bytes, less the serving "
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
    lines += _cost_of_interventions(summary.get("interventions"))
    return Text("\n".join(["lost:", *lines])) if lines else None


def _cost_of_interventions(told: dict[str, Any] | None) -> list[str]:
    """Of those packets, what was failed or changed by hand or by the scenario has lost so many."""
    if not told or not (told["packets_failed"] or told["packets_lost"]):
        return []
    some = "; ".join(
        f"{plain(each['what'])} ({plain(each['by'])}) {each['packets_failed'] + each['packets_lost']:,}"
        for each in told["most"][:_FEW_INTERVENTIONS]
    )
    return [
        f"  of these by what was failed: {told['packets_failed']:,}, by a loss that was set: "
        f"{told['packets_lost']:,} ({counted(told['count'], 'intervention')}; {some})"
    ]


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
        f"for each further hop (calibrated {budget['calibrated_utc']}"
        + (", and not to be trusted: see below)" if budget.get("distrusted") else ")")
    )


def _range(low_bps: int, high_bps: int) -> str:
    return _rate(low_bps) if low_bps == high_bps else f"{_rate(low_bps)} to {_rate(high_bps)}"


def _rate(rate_bps: int) -> str:
    return "unlimited" if rate_bps == 0 else rate_text(rate_bps)
