"""``orbitmesh calibrate``: how exact the links of this machine are, measured with traffic."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import FailureError, InputError
from .ending import interruptible
from .options import Format, FormatOption
from .output import print_json, print_rows, print_table, stderr, stdout

if TYPE_CHECKING:
    from ..calibration.consistency import Errors
    from ..calibration.document import Calibration
    from ..calibration.subject import PlaneName, Wait

EXAMPLE = (
    "Example: sudo orbitmesh calibrate\n\n"
    "Example: sudo orbitmesh calibrate --quick --links engine -o json\n\n"
    "Example: orbitmesh guest exec -- orbitmesh calibrate --links netem"
)


class Backends(StrEnum):
    AUTO = "auto"
    ENGINE = "engine"
    NETEM = "netem"
    ALL = "all"


class Planes(StrEnum):
    WIRED = "wired"
    FABRIC = "fabric"
    ALL = "all"


class WaitName(StrEnum):
    SLEEP = "sleep"
    ADAPTIVE = "adaptive"
    POLL = "poll"
    ALL = "all"


def calibrate(
    links: Annotated[
        Backends,
        typer.Option(
            "--links", help="What to measure: one backend, what a run takes, or all that work here."
        ),
    ] = Backends.AUTO,
    wait: Annotated[
        WaitName, typer.Option("--wait", help="How the engine waits for a packet to be due.")
    ] = WaitName.ADAPTIVE,
    plane: Annotated[
        Planes,
        typer.Option("--plane", help="Links in a row between namespaces, the engine's fabric, or both."),
    ] = Planes.ALL,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer values, shorter streams.")] = False,
    awake: Annotated[
        bool,
        typer.Option("--awake/--no-awake", help="Keep idle processors from sleeping, as engine.awake does."),
    ] = True,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Keep it although it speaks against itself; runs then say that it is distrusted."
        ),
    ] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Measure the error of the links on this machine, and keep it: runs hold their own error against it.

    The fabric is also held against the wired plane and the pure computation on one scenario: do they agree?
    Takes three minutes for each plane and way of waiting, less than one with --quick.  Let the machine do
    nothing else meanwhile: what is late beside its own floor, or not alike when measured twice, is not kept.
    """
    from ..calibration import store
    from ..calibration.customers import measure as measure_customers
    from ..calibration.measure import Calibrator
    from ..calibration.trust import CalibrationRefused
    from ..plane.kernel import privileges
    from ..record.machine import machine_facts

    privileges.require(tun=links is Backends.ENGINE)
    console = stderr()
    with interruptible():
        found: list[Calibration] = []
        refused: list[CalibrationRefused] = []
        for where, backend, how in _wanted(links, plane, wait):
            who = f"{where}, {backend}, waiting: {how}"

            def told(what: str, done: int, total: int, who: str = who) -> None:
                if what:
                    console.print(f"{who}: {what} ({done + 1} of {total})", soft_wrap=True)

            calibration = Calibrator(backend, how, plane=where, quick=quick, awake=awake).run(told)
            found.append(calibration)
            try:
                path = store.keep(calibration, force=force)
            except CalibrationRefused as refusal:
                refused.append(refusal)
            else:
                console.print(f"kept in {path}", soft_wrap=True)
        if found:
            console.print("what a customer's request costs", soft_wrap=True)
            measure_customers(machine_facts())
    if output is Format.JSON:
        import json

        print_json([json.loads(calibration.to_json()) for calibration in found])
    elif output is Format.CSV:
        print_rows(_CSV_COLUMNS, [row for calibration in found for row in _one_way_ns(calibration)], output)
    else:
        for calibration in found:
            _print(calibration)
    if refused:
        raise refused[0]
    if wrong := [sentence for calibration in found for sentence in calibration.disagreements]:
        raise FailureError(f"the planes and the computation do not agree: {wrong[0]} ({len(wrong)} in all)")


def _wanted(links: Backends, plane: Planes, wait: WaitName) -> list[tuple[PlaneName, str, Wait]]:
    """Plane, backend and way of waiting; the fabric is the engine's, and netem waits in one way."""
    backends = _backends(links)
    if plane is Planes.FABRIC and "engine" not in backends:
        raise InputError(
            "the fabric is the engine's: leave --links out, or take --plane wired", key="--plane"
        )
    every: tuple[Wait, ...] = ("sleep", "adaptive", "poll")
    waits = [how for how in every if wait in (how, WaitName.ALL)]
    wanted: list[tuple[PlaneName, str, Wait]] = []
    for backend in backends:
        for how in waits if backend == "engine" else waits[:1]:
            if plane is not Planes.FABRIC:
                wanted.append(("wired", backend, how))
            if plane is not Planes.WIRED and backend == "engine":
                wanted.append(("fabric", backend, how))
    return wanted


def _backends(links: Backends) -> list[str]:
    """BackendError for a named one that does not work."""
    from ..errors import BackendError
    from ..plane.choose import PREFERENCE, choose, probe

    if links is not Backends.ALL:
        return [choose(links.value).backend.name]
    found = {name: probe(name) for name in PREFERENCE}
    works = [name for name, probed in found.items() if probed.works]
    if not works:
        raise BackendError(
            "; ".join(f"{name} cannot work here: {probed.reason}" for name, probed in found.items())
        )
    return works


_COLUMNS = (
    "plane", "links", "delay ms", "per second", "wait", "packets", "lost", "reordered",
    "min us", "p50 us", "p99 us", "max us",
)  # fmt: skip
_CSV_COLUMNS = (
    "plane", "links", "delay_ns", "per_second", "wait", "packets", "lost", "reordered",
    "min_ns", "p50_ns", "p99_ns", "max_ns",
)  # fmt: skip


def _one_way_ns(calibration: Calibration) -> list[tuple[Any, ...]]:
    return [
        (
            calibration.plane, row.links, row.delay_ns, row.per_second, row.wait,
            row.errors.packets, row.errors.lost, row.errors.reordered,
            row.errors.min_ns, row.errors.p50_ns, row.errors.p99_ns, row.errors.max_ns,
        )
        for row in calibration.one_way
    ]  # fmt: skip


def _one_way(calibration: Calibration) -> list[tuple[Any, ...]]:
    return [
        (
            calibration.plane,
            row.links,
            f"{row.delay_ns / 1e6:g}",
            row.per_second,
            row.wait,
            *_errors(row.errors),
        )
        for row in calibration.one_way
    ]


def _errors(errors: Errors) -> tuple[Any, ...]:
    times = (errors.min_ns, errors.p50_ns, errors.p99_ns, errors.max_ns)
    shown = (None if ns is None else f"{ns / 1e3:.1f}" for ns in times)
    return errors.packets, errors.lost, errors.reordered, *shown


def _print(calibration: Calibration) -> None:
    """Every figure, for people."""
    from ..calibration.trust import reasons_against

    console = stdout()
    machine = calibration.machine
    console.print(
        f"{calibration.plane} plane, {calibration.backend}, waiting: {calibration.wait}; "
        f"{machine['cpus']} × {machine['cpu_model']}, Linux {machine['kernel']}; "
        f"{calibration.began_utc}{'; quick' if calibration.quick else ''}; "
        f"processors {'kept awake' if calibration.is_awake else 'may sleep'}",
        soft_wrap=True,
    )
    if calibration.floor is not None:
        _, _, _, low, p50, p99, high = _errors(calibration.floor)
        console.print(
            f"\nOver loopback, where there is no link, a datagram takes {p50} µs (p50; least {low}, "
            f"p99 {p99}, most {high}): the two hosts' own share of what follows.\n",
            soft_wrap=True,
        )
    console.print("One way, measured minus commanded:")
    print_table(_COLUMNS, _one_way(calibration))
    if (per_hop_ns := calibration.per_hop_ns) is not None:
        console.print(f"Each further link in a row adds {per_hop_ns / 1e3:.1f} µs (p50).\n")
    console.print("Rate, under a TCP flow that fills the link:")
    print_table(
        ("asked Mbit/s", "measured Mbit/s", "error %"),
        [
            (f"{r.rate_bps / 1e6:g}", f"{r.measured_bps / 1e6:.3f}", f"{100 * r.error_ratio:+.3f}")
            for r in calibration.rates
        ],
    )
    console.print("\nLoss:")
    print_table(
        ("asked %", "packets", "measured %", "to be expected %"),
        [
            (
                f"{100 * row.loss_ratio:g}", row.packets, f"{100 * row.measured_ratio:.3f}",
                f"{100 * row.low_ratio:.3f} to {100 * row.high_ratio:.3f}",
            )
            for row in calibration.losses
        ],
    )  # fmt: skip
    console.print()
    if (falling := calibration.falling) is not None:
        _, lost, reordered, low, p50, p99, high = _errors(falling.errors)
        console.print(
            f"A delay that falls by {-falling.slope_ns_per_s / 1e3:g} µs/s: error {p50} µs (p50; "
            f"least {low}, p99 {p99}, most {high}); with a fall of {-falling.step_ns / 1e6:g} ms at once "
            f"besides: {reordered} reordered, {lost} lost.",
            soft_wrap=True,
        )
    if (handover := calibration.handover) is not None:
        console.print(
            f"A handover to a link longer by {handover.longer_ns / 1e6:g} ms: {handover.lost} lost, "
            f"{handover.reordered} reordered of {handover.packets}; "
            f"largest gap {handover.largest_gap_ns / 1e6:.2f} ms.",
            soft_wrap=True,
        )
    for command in calibration.commands:
        took = command.why_not if command.median_ns is None else f"{command.median_ns / 1e6:.2f} ms"
        console.print(f"All {command.links:,} links of {command.satellites:,} satellites set anew: {took}.")
    if (small := calibration.small_packets) is not None:
        lost = (
            ""
            if small.first_loss_per_second is None
            else f", the first lost at {small.first_loss_per_second:,}/s"
        )
        console.print(f"Packets of 64 bytes over one link without loss: {small.per_second:,}/s{lost}.")
    if (grpc := calibration.grpc) is not None:
        console.print(
            f"gRPC between two node processes without any delay: p50 {grpc.p50_ns / 1e6:.2f} ms, "
            f"p99 {grpc.p99_ns / 1e6:.2f} ms; UDP echo p50 {grpc.udp_p50_ns / 1e6:.2f} ms.",
            soft_wrap=True,
        )
    if calibration.consistency:
        one, agree = calibration.consistency[0], "agree" if not calibration.disagreements else "do not agree"
        console.print(
            f"The same scenario in both planes: {len(one.ways)} ways hop by hop, {len(one.delays)} delays, "
            f"and two flows on one laser {agree} with the pure computation.",
            soft_wrap=True,
        )
    for sentence in calibration.disagreements:
        console.print(f"Not so: {sentence}.", soft_wrap=True)
    for reason in reasons_against(calibration):
        console.print(f"Against it: {reason}.", soft_wrap=True)
    for caution in calibration.cautions:
        console.print(f"Caution: {caution}.", soft_wrap=True)
