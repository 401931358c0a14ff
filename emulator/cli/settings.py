"""What a command line asks of a run, and the run that it gets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import runs_folder

if TYPE_CHECKING:
    from ..run.emulation import Emulation


@dataclass(frozen=True)
class Settings:
    """What a command line asks of a run; None: as the scenario says."""

    scenario: str
    duration_ns: int | None
    clock: str
    seed: int | None
    out: Path | None
    links: str | None
    plane: str | None = None


def prepared(settings: Settings, on_progress: Any) -> Emulation:
    """The run, not begun yet.  InputError where the scenario is wrong, HostError where it cannot run here."""
    from ..scenario import Scenario

    scenario = Scenario.load(settings.scenario)  # before the slow imports: a wrong file is told at once
    from ..run.emulation import Emulation

    if settings.out is None:
        runs_folder()
    return Emulation(
        scenario,
        duration_ns=settings.duration_ns,
        clock=settings.clock,
        seed=settings.seed,
        out=settings.out,
        links=settings.links,
        plane=settings.plane,
        on_progress=on_progress,
    )
