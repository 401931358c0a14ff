"""Customers in a report: what they got, in a table, and what it means, in a sentence for each class."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..answers.parts import WORDS
from ..shown import figure, plain
from .verdict import percent

_METRICS = {"ttft": "first", "tpot": "a token", "answer": "answer"}
# A generator that is later than this at p99 hides what a customer would have waited.
_LATE_NS = 20_000_000
_EXPLAINED = (
    "first: until the first token came; a token: each after it, mean of an answer; answer: until the last.\n"
    "?: too few were asked to bound it.  one in: how many requests each of these stands for.\n"
    "tokens/s in target: of all for which they stand, in answers within the target.\n"
)
_DOUBTED = "The figures of this run are in doubt, as said above: so is what follows."
_BOUNDS = {"ttft_ns": "first token within", "tpot_ns": "time per token within", "answer_ns": "answer within"}


def customers_said(customers: list[dict[str, Any]], *, trusted: bool = True) -> list[RenderableType]:
    """Nothing where nobody asked.  ``trusted``: does nothing speak against the run as a whole?"""
    if not customers:
        return []
    return [
        Text("\nWhat customers got, from when each request was due:"),
        _table(customers),
        Text(_EXPLAINED),
        *([] if trusted else [Text(_DOUBTED, style="red")]),
        *map(class_said, customers),
    ]


def _table(customers: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("customers", no_wrap=True)
    for title in ("asked", "one\nin", "got", "refused"):
        table.add_column(title, justify="right", no_wrap=True)
    for words in _METRICS.values():
        for quantile in ("p50", "p99"):
            table.add_column(f"{words}\n{quantile} ms", justify="right", no_wrap=True)
    table.add_column("tokens/s\nin target", justify="right", no_wrap=True)
    for row in customers:
        n = row["requests"]
        if not n:
            table.add_row(escape(row["customer_class"]), "0", str(row["one_in"]), *["-"] * 9)
            continue
        figures = [_ms(row[f"{metric}_ns"][q]) for metric in _METRICS for q in ("p50", "p99")]
        table.add_row(
            escape(row["customer_class"]), f"{n:,}", str(row["one_in"]), f"{row['answered']:,}",
            f"{row['refused']:,}", *figures, f"{row['goodput_tokens_per_s']:,.0f}",
        )  # fmt: skip
    return table


def _ms(figure: dict[str, Any] | None) -> str:
    """The value; where its interval has no upper end, more requests would have to tell: marked."""
    if figure is None:
        return "-"
    return f"{figure['value'] / 1e6:.1f}" + ("" if figure["high"] is not None else "?")


def class_said(row: dict[str, Any]) -> Text:
    """The verdict of one class, its causes, what it spent, and what to know of the measurement."""
    name = row["customer_class"]
    if not row["requests"]:
        return Text(f"{name}: {_nothing(row.get('cut_off', 0))}", style="yellow")
    if row["target"] is None:
        return Text(f"{name}: no target was set, so nothing is judged")
    share = row["within_target"]
    wanted = ", ".join(
        f"{words} {row['target'][key] / 1e6:g} ms" for key, words in _BOUNDS.items() if row["target"].get(key)
    )
    of = f" ({row['target']['preset']})" if row["target"].get("preset") else ""
    met = row["met"]
    verdict = "not known, for that more requests are needed" if met is None else "met" if met else "MISSED"
    style = {True: "green", False: "bold red", None: "yellow"}[met]
    text = (
        f"{name}: {verdict}. {percent(share['share'])} of its requests were within the target, at least "
        f"{percent(share['asked_for'])} are asked for; with {percent(row['confidence'])} confidence it is "
        f"{percent(share['low'])} to {percent(share['high'])}. Target{of}: {wanted}."
    )
    if row["causes"]:
        causes = [_cause(cause, what) for cause, what in row["causes"].items()]
        text += f" What missed it: {'; '.join(causes)}."
    lines = [text + _light(row), _spent(row), _quality(row)]
    return Text("\n  ".join(line.strip() for line in lines if line), style=style)


def _nothing(cut_off: int) -> str:
    if not cut_off:
        return "no request was due in this run, or nothing could carry one (links = fake)"
    return f"{cut_off:,} were under way when the run ended, and no other was asked: run longer, or ask less"


def _spent(row: dict[str, Any]) -> str:
    """Joules, moves, and what answers cost."""
    said = ""
    if row.get("joules_per_request") is not None:
        said += f" Accelerators drew {figure(row['joules_per_request'])} J for each answer."
    if moves := row.get("moved", {}).get("moves"):
        moved = row["moved"]
        said += f" {moved['requests']:,} moved to another satellite under way, with {moved['bytes']:,} bytes"
        said += f" of KV cache; {moved['recomputed']:,} of {moves:,} moves without it."
    return said + _cost(row.get("cost"))


def _quality(row: dict[str, Any]) -> str:
    """What to know of the measurement before one believes the verdict."""
    said = _host(row.get("host"))
    if row["sound"] < row["requests"]:
        said += (
            f" {row['requests'] - row['sound']:,} of the requests were under way while this machine was slow."
        )
    if row["sent_late_p99_ns"] > _LATE_NS:
        said += (
            f" Do not believe it: one in a hundred left {row['sent_late_p99_ns'] / 1e6:.0f} ms late or more, "
            "since this machine could not ask so fast."
        )
    if row["cut_off"]:
        n = row["cut_off"]
        were, are = ("was", "is") if n == 1 else ("were", "are")
        said += f" {n:,} more {were} under way when the run ended, and {are} not judged."
    return said


def _cost(cost: dict[str, Any] | None) -> str:
    """In orbit, where the run's platform has what that takes, and on the ground."""
    if cost is None:
        return ""
    ground = f"{_dollars(cost['ground'])} in {plain(cost['ground_prices'])}"
    if cost["orbit"] is None:
        return f" An answer costs {ground} (in orbit: not known, {plain(cost['no_orbit'] or '')})."
    return (
        f" An answer costs {_dollars(cost['orbit'])} on {plain(cost['platform'])} at the prices of "
        f"{plain(cost['prices'])}, and {ground}."
    )


def _dollars(of: dict[str, Any]) -> str:
    def ends(name: str) -> str:
        low, value, high = (
            "no bound" if of[name][end] is None else figure(of[name][end]) for end in ("low", "value", "high")
        )
        return f"${value} ({low} to {high})"

    return f"{ends('dollars_per_request')}, a million tokens {ends('dollars_per_million_tokens')},"


def _host(host: dict[str, Any] | None) -> str:
    """This machine's part, beside what is known of its error."""
    if host is None:
        return ""
    known = (
        "no calibration says what of it are the links'"
        if host["calibrated_p99_ns"] is None
        else f"calibration explains {host['calibrated_p99_ns'] / 1e6:.2g} ms of it"
    )
    text = (
        f" Of the time to a first token {host['ttft_p50_ns'] / 1e6:.1f} ms (p50) and "
        f"{host['ttft_p99_ns'] / 1e6:.1f} ms (p99) were this machine's; {known}, and tokens left their "
        f"satellite {host['node_late_p50_ns'] / 1e6:.2g} ms late (p50)."
    )
    return text if host["sound"] else f"{text} Do not believe it: that is far more than is explained."


def _light(row: dict[str, Any]) -> str:
    light = row.get("light")
    if light is None or not light["below_ns"]:
        return ""
    wanted = " and ".join(
        f"{_BOUNDS[f'{metric}_ns']} {row['target'][f'{metric}_ns'] / 1e6:g} ms"
        for metric in light["below_ns"]
    )
    return (
        f" Light alone forbids {wanted}: the least round trip of its requests was "
        f"{light['least_round_trip_ns'] / 1e6:.1f} ms."
    )


def _cause(cause: str, row: dict[str, Any]) -> str:
    said = (
        f"{row['requests']:,} by {WORDS.get(cause, cause)}"
        if cause not in ("refused", "no answer")
        else (f"{row['requests']:,}: {WORDS.get(cause, cause)}")
    )
    if reasons := row.get("by_reason"):
        said += f" ({', '.join(f'{n:,} {why}' for why, n in reasons.items())})"
    if links := row.get("by_link"):
        said += f" (most on {', '.join(f'{link}: {n:,}' for link, n in links.items())})"
    if "over_ns" in row:
        said += f", by {row['over_ns'] / max(1, row['requests']) / 1e6:.1f} ms on average"
    return said
