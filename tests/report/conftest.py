"""A run with all that a report tells, made once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "record"))
import report_lab as lab
from report_lab import HOSTILE, S

from orbitmesh.emulator.report import report_of, written
from orbitmesh.emulator.report.document import Document

EVENTS = (
    {"event": "began"},
    {"event": "intervention", "intervention": 0, "what": "gw-tokyo", "by": "scenario", "sim_ns": 20 * S},
    {
        "event": "intervention ended",
        "intervention": 0,
        "what": "gw-tokyo",
        "by": "scenario",
        "sim_ns": 30 * S,
    },
    {
        "event": "intervention",
        "intervention": 1,
        "what": HOSTILE,
        "by": "chance",
        "sim_ns": 40 * S,
        "rate_bps": 10**7,
    },
    {"event": "intervention", "intervention": 2, "what": "sat-0-1", "by": "ann", "sim_ns": 50 * S},
)
CHANGES = [
    (10 * S, "sat-0-1", "gw-tokyo", "sat-0-1>sat-1-0>gw-tokyo", "sat-0-1>sat-2-0>gw-tokyo"),
    (10 * S, "sat-0-2", "gw-tokyo", "sat-0-2>sat-1-0>gw-tokyo", "sat-0-2>sat-2-0>gw-tokyo"),
    (11 * S, "gw-london", "sat-0-3", "gw-london>sat-3-0>sat-0-3", "gw-london>sat-3-0>sat-4-0>sat-0-3"),
    (20 * S, "sat-0-1", "gw-tokyo", "sat-0-1>sat-2-0>gw-tokyo", None),
    (30 * S, "sat-0-1", "gw-tokyo", None, "sat-0-1>sat-2-0>gw-tokyo"),
]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed, with faults, changes of paths and platforms."""
    figure_of = {"value": 1, "unit": "kW", "source": HOSTILE}
    scenario = {"name": HOSTILE, "title": f"T {HOSTILE}", "sha256": "ab" * 32}
    out = lab.write(
        tmp_path_factory.mktemp("report") / "run",
        lab.header(scenario=scenario, platform={"preset": HOSTILE, "figures": {"a": figure_of}}),
        samples=lab.samples(3_000), path_changes=lab.path_changes(CHANGES), platforms=lab.platforms(),
    )  # fmt: skip
    lab.events(out, *EVENTS)
    return out


@pytest.fixture(scope="session")
def document(run: Path) -> Document:
    return report_of(run)


@pytest.fixture(scope="session")
def page(document: Document) -> str:
    return written(document, "html")
