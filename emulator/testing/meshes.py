"""The mesh of a fixture: built as it was asked for, or a fake one where nothing here may carry packets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..errors import RunError
from ..plane.choose import PREFERENCE, probe
from ..plane.kernel import privileges
from ..run.emulation import Emulation
from ..scenario import Scenario
from .asked import Asked
from .quantities import duration_ns

_NEXT_STEP = "run pytest as root, or without it in a guest kernel: pytest --orbitmesh-guest"


@contextmanager
def meshed(asked: Asked, out: Path) -> Iterator[Emulation]:
    """It runs inside; its record is in ``out``.  OrbitmeshError, also at the end, where a process died."""
    links = asked.links
    if links == "auto" and missing_for_packets() is not None:
        links = "fake"
    with Emulation(
        _scenario(asked),
        duration_ns=None if asked.duration is None else duration_ns(asked.duration),
        clock=asked.clock,
        seed=asked.seed,
        out=out,
        links=links,
        plane=asked.plane,
    ) as mesh:
        yield mesh


def missing_for_packets() -> str | None:
    """What keeps this process from building a mesh that carries packets; None where nothing does."""
    found = {name: probe(name) for name in PREFERENCE}
    lacking = privileges.missing(tun=False)
    if lacking is None and not any(each.works for each in found.values()):
        lacking = "; ".join(f"{name}: {each.reason}" for name, each in found.items())
    return lacking


def need_life(mesh: Emulation) -> None:
    """RunError where it has ended, or something of it has died: with why."""
    mesh.wait(0)
    if mesh.ended:
        raise RunError(
            "the mesh that this test shares with others has been ended (orbitmesh down, mesh.end())"
        )


def need_packets(mesh: Emulation) -> None:
    """Skips the test where nothing is carried, with the reason."""
    need_life(mesh)
    if mesh.backend.name == "fake":
        why = missing_for_packets() or "links = fake was asked for"
        pytest.skip(f"needs links that carry packets, and this mesh is fake ({why}); {_NEXT_STEP}")


def _scenario(asked: Asked) -> Scenario:
    if isinstance(asked.scenario, Scenario):
        return asked.scenario
    beside = Path(asked.folder, str(asked.scenario))
    return Scenario.load(str(beside) if beside.is_file() else str(asked.scenario))
