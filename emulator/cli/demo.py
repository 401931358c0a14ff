"""``orbitmesh demo``: the shortest way to see a mesh run."""

from __future__ import annotations

from .options import ClockName, Format, FormatOption
from .run import (
    ClockOption,
    DetachOption,
    DurationOption,
    KeepOption,
    LinksOption,
    MetricsOption,
    OutOption,
    PlaneOption,
    SeedOption,
    WebOption,
    run,
)

EXAMPLE = "Example: sudo orbitmesh demo"


def demo(
    duration: DurationOption = "60s",
    clock: ClockOption = ClockName.REAL,
    seed: SeedOption = None,
    out: OutOption = None,
    keep: KeepOption = False,
    detach: DetachOption = False,
    links: LinksOption = None,
    plane: PlaneOption = None,
    metrics: MetricsOption = None,
    web: WebOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Run the demo scenario for 60 s: 66 satellites, eight gateways.  Same as: run demo --duration 60s."""
    run(
        "demo", duration=duration, clock=clock, seed=seed, out=out, keep=keep, detach=detach, links=links,
        plane=plane, web=web, metrics=metrics, output=output,
    )  # fmt: skip
