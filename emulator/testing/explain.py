"""Why a measurement is as it is, in text: distribution, the worst round trip by its parts, events.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..shown import plain
from .quantities import ms

if TYPE_CHECKING:
    from ..record.soundness import Window
    from .measurement import Distribution, Hop, Measurement, RoundTrip
    from .watch import Event

_BARS, _BAR = 10, 40
_MOST_EVENTS = 20


def explained(found: Measurement) -> str:
    parts = [_head(found), _figures(found), *_histogram(found.measured)]
    if (worst := found.worst) is not None:
        parts += ["", *_worst(found, worst)]
    parts += ["", *_in_force(found), *_events(found), *_machine(found)]
    return "\n".join(parts)


def _head(found: Measurement) -> str:
    lost = ", ".join(f"{n} {plain(why)}" for why, n in found.lost_by_error.items())
    return (
        f"{found.kind} from {found.source} to {found.destination} and back: {len(found)} sent, "
        f"{found.lost} without an answer" + (f" ({lost})" if lost else "")
    )


def _figures(found: Measurement) -> str:
    columns = {"measured": found.measured, "physics": found.physics, "remainder": found.remainder}
    rows = [("", *columns)]
    for label, percent in (("least", 0), ("p50", 50), ("p90", 90), ("p99", 99), ("most", 100)):
        rows.append((label, *(ms(each.percentile_ns(percent)) for each in columns.values())))
    return "\n".join("  " + "".join(f"{cell:>14}" for cell in row) for row in rows)


def _histogram(measured: Distribution) -> Iterator[str]:
    """Of those answered, between the least and the most."""
    if len(measured) < 2 or measured.least_ns == measured.most_ns:
        return
    counts, edges_ns = np.histogram(measured.values_ns, _BARS)
    yield ""
    for count, low_ns, high_ns in zip(counts.tolist(), edges_ns[:-1], edges_ns[1:], strict=True):
        bar = "#" * max(count * _BAR // max(counts.tolist()), 1 if count else 0)
        yield f"  {low_ns / 1e6:9.3f} to {high_ns / 1e6:9.3f} ms  {count:5}  {bar}".rstrip()


def _worst(found: Measurement, worst: RoundTrip) -> Iterator[str]:
    number, truth = worst.sample.seq, worst.truth
    when = "" if truth is None else f", sent {truth.sim_ns / 1e9:.3f} s after the scenario's start"
    if worst.measured_ns is None:
        yield f"the worst, number {number}{when}: no answer ({plain(worst.sample.error) or 'unknown'})"
    else:
        yield f"the worst, number {number}{when}: {ms(worst.measured_ns)}"
    if truth is None:
        yield "  which epoch was in force then is not known"
        return
    if truth.propagation_ns is None:
        yield f"  there was no way from {found.source} to {found.destination}, or none back"
        return
    yield f"  {truth.path}"
    if not truth.one_path:
        yield "  (the path changed while it was on its way)"
    yield from _hops("there", worst.there)
    yield from _hops("back", worst.back)
    yield ""
    yield f"  propagation{ms(truth.propagation_ns):>14}   light along the path, there and back"
    if worst.sample.bytes_up or worst.sample.bytes_down:
        yield f"  sending    {ms(worst.sending_ns):>14}   the bytes, on links as narrow as they are emulated"
    else:
        yield f"  sending    {ms(None):>14}   not known: the function does not tell bytes_up and bytes_down"
    if worst.measured_ns is None:
        return
    queueing_ns = worst.waited_ns
    waited = (
        "packets on links of its way, behind others"
        if queueing_ns is not None
        else "not counted by these links"
    )
    yield f"  queueing   {ms(queueing_ns):>14}   {waited}"
    tells = worst.processing_ns > 0 or found.kind in ("udp", "grpc")
    told = "as told by the serving end" if tells else "nothing told by the serving end"
    yield f"  processing {ms(worst.processing_ns):>14}   {told}"
    known_ns = truth.propagation_ns + worst.sending_ns + worst.processing_ns + (queueing_ns or 0)
    left = "kernels, processes" if tells else "kernels, processes, and the service's own work"
    yield f"  the machine{ms(worst.measured_ns - known_ns):>14}   what is left: {left}"


def _hops(label: str, hops: Sequence[Hop]) -> Iterator[str]:
    for hop in hops:
        sending = f" + {hop.sending_ns / 1e6:.3f} ms sending" if hop.sending_ns else ""
        yield f"    {label:5} {hop.source} > {hop.destination}: {hop.propagation_ns / 1e6:.3f} ms{sending}"


def _events(found: Measurement) -> Iterator[str]:
    if not found.events:
        yield "in the mesh nothing happened meanwhile: no fault began or ended, no handover, no late tick"
        return
    yield "meanwhile in the mesh:"
    first_ns = min((each.sample.sent_mono_ns for each in found.round_trips), default=0)
    mine = [event for event in found.events if _matters(event, found)] or list(found.events)
    for event in mine[:_MOST_EVENTS]:
        yield f"  {(event.mono_ns - first_ns) / 1e9:+8.3f} s  {_said(event.told)}"
    if len(mine) > _MOST_EVENTS:
        yield f"  and {len(mine) - _MOST_EVENTS} more"
    if others := len(found.events) - len(mine):
        yield f"  and {others} of links and gateways that none of these were on"


def _machine(found: Measurement) -> Iterator[str]:
    """When it was late, by the recorder's word: the latency of what flew then is partly its own."""
    windows = found.late_moments()
    if not windows:
        yield "this machine was not late meanwhile, as far as it watches itself"
        return
    worst = found.worst
    by_cause: dict[str, list[Window]] = {}
    for window in windows:
        by_cause.setdefault(window.cause, []).append(window)
    for cause, of in by_cause.items():
        most_ns = max(window.worst_ns for window in of)
        yield f"this machine was late meanwhile: {cause}, {len(of)} times, by up to {ms(most_ns)}"
    if worst is not None and any(
        window.from_mono_ns <= worst.sample.done_mono_ns and window.to_mono_ns >= worst.sample.sent_mono_ns
        for window in windows
    ):
        yield "  also while the worst one was on its way: what is left of it may be this machine's"


def _matters(event: Event, found: Measurement) -> bool:
    """Of nodes on any of the ways; faults and late ticks always."""
    if event.told["event"] not in ("laser lost", "laser gained", "handover"):
        return True
    on_ways = {
        node
        for trip in found.round_trips
        for hop in (*trip.there, *trip.back)
        for node in (hop.source, hop.destination)
    }
    for of in event.told.get("of", []):
        if event.told["event"] == "handover":
            if of["gateway"] in on_ways:
                return True
        elif set(of) <= on_ways:
            return True
    return False


def _said(told: dict[str, Any]) -> str:
    what = told["event"]
    if what == "handover":
        return "; ".join(
            f"handover: {plain(of['gateway'])} left {_names(of['left'])}, joined {_names(of['joined'])}"
            for of in told["of"][:4]
        )
    if what in ("laser lost", "laser gained"):
        return f"{what}: {', '.join('>'.join(map(plain, pair)) for pair in told['of'][:4])}"
    if what == "late tick":
        return f"late tick: links and routes came {told['late_ns'] / 1e6:.1f} ms late"
    if what in ("paused", "resumed", "stepped", "speed"):
        return f"emulated time: {what}" + (f" {told['ratio']:g}" if "ratio" in told else "")
    if "what" not in told:
        return f"{what}: {told.get('n', 1)} together"
    more = [f"by {plain(str(told.get('by', '?')))}"]
    if told.get("rate_bps"):
        more.append(f"rate {told['rate_bps'] / 1e6:g} Mbit/s")
    if told.get("extra_delay_ns"):
        more.append(f"{ms(told['extra_delay_ns'])} longer")
    if told.get("loss_ratio"):
        more.append(f"loss {100 * told['loss_ratio']:g} %")
    return f"{what}: {plain(str(told['what']))} ({', '.join(more)})"


def _in_force(found: Measurement) -> Iterator[str]:
    """A fault that began before the first was sent is no event of meanwhile, and explains it all the same."""
    for each in found.in_force[:_MOST_EVENTS]:
        yield f"in force in the mesh: {_said({'event': 'changed' if _changes(each) else 'failed', **each})}"
    if len(found.in_force) > _MOST_EVENTS:
        yield f"in force in the mesh: {len(found.in_force) - _MOST_EVENTS:,} more"


def _changes(each: dict[str, Any]) -> bool:
    return any(key in each for key in ("rate_bps", "extra_delay_ns", "loss_ratio"))


def _names(listed: Sequence[str]) -> str:
    return ", ".join(map(plain, listed)) or "none"
