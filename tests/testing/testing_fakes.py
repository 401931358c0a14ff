"""Measurements made by hand: from gw-a to sat-0-0 and back, 10 ms of light each way, 0.05 ms of sending."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from orbitmesh.emulator.record.described import about_run, described
from orbitmesh.emulator.record.samples import SAMPLES, sample_row, table
from orbitmesh.emulator.record.soundness import Window
from orbitmesh.emulator.record.truth import Truth
from orbitmesh.emulator.testing.measurement import Hop, Measurement, RoundTrip
from orbitmesh.emulator.testing.watch import Event
from orbitmesh.wire.spec import Sample

sys.path.append(str(Path(__file__).parents[1] / "record"))
from record_fakes import ROW, small_world

MS, S = 10**6, 10**9
BEGAN = 1000 * S


def trip(number: int, measured_ms: float | None) -> RoundTrip:
    sent = BEGAN + number * 20 * MS
    took = S if measured_ms is None else round(measured_ms * MS)
    sample = Sample(
        "udp", "gw-a", "sat-0-0", number, sent, sent + took, took,
        ok=measured_ms is not None, error="timeout" if measured_ms is None else "",
        bytes_up=48, bytes_down=48,
    )  # fmt: skip
    truth = Truth(
        0, number * 20 * MS, False, True, 19.0 * MS, "gw-a>sat-0-0", "sat-0-0>gw-a", 1, 20.0 * MS,
        10**9, 10**6, 0.1 * MS,
    )  # fmt: skip
    there = (Hop("gw-a", "sat-0-0", 10.0 * MS, 0.05 * MS),)
    return RoundTrip(sample, truth, there, (Hop("sat-0-0", "gw-a", 10.0 * MS, 0.05 * MS),), 20.0 * MS, 0)


def event(happened: str, number: int, **told: Any) -> Event:
    return Event(BEGAN + number * 20 * MS, number * 20 * MS, {"event": happened, **told})


def measurement(*trips: RoundTrip, events: Sequence[Event] = (), late: Sequence[Window] = ()) -> Measurement:
    rows = table([sample_row(each.sample, each.truth, 0) for each in trips], SAMPLES)
    schema = described(rows.schema, "samples", about_run("r"))
    return Measurement("gw-a", "sat-0-0", "udp", trips, tuple(events), rows.cast(schema), lambda: tuple(late))


class HeldMesh:
    """Of four satellites in a row, the middle two of which run a process; gateways at both ends."""

    def __init__(self) -> None:
        world = small_world()
        self.nodes = world.who
        self.hosting = np.array([False, True, True, False, True, True])
        self.epoch = world.epoch(0, 0, ROW)
        self.scenario = SimpleNamespace(name="small")
