"""What lies ahead of a scenario, or of a running mesh from its present instant: for verbs that look there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from ..geometry import Geometry

HOUR_NS = 3600 * 10**9


@dataclass(frozen=True, eq=False)
class Ahead:
    """A geometry, and the window that is asked about."""

    geometry: Geometry
    begin_utc: datetime
    begin_sim_ns: int
    end_sim_ns: int
    step_ns: int

    def utc(self, sim_ns: int) -> str:
        """As 2026-11-01T00:00:00.000Z."""
        at = self.begin_utc + timedelta(microseconds=(sim_ns - self.begin_sim_ns) // 1000)
        return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def ahead(
    scenario: str | None, run: str | None, start_utc: datetime | None, duration_ns: int | None
) -> Ahead:
    """Of a scenario: its run, where nothing else is said.  None: of a running mesh, an hour from now on."""
    from ..geometry import Geometry
    from ..links.coverage import Window
    from ..plan import window_of
    from ..scenario import Scenario

    if scenario is not None:
        if run is not None:
            raise InputError("name a scenario, or a running mesh, not both", key="--run")
        loaded = Scenario.load(scenario)
        kept = None
    else:
        from ..control.client import LOOK_S, Client

        with Client.connect(run, limit_s=LOOK_S) as client:
            loaded, kept, sim_ns = client.scenario()
        if start_utc is None:
            start_utc = loaded.run.start_utc + timedelta(microseconds=sim_ns // 1000)
        duration_ns = duration_ns or HOUR_NS
    asked = window_of(loaded, start_utc, duration_ns, None, 1)
    begin_ns, long_ns = asked.start_sim_ns, asked.duration_ns
    geometry = Geometry(loaded, Window(begin_ns, long_ns, "plan"))
    if kept is not None:
        geometry.interventions = kept
    return Ahead(
        geometry, start_utc or loaded.run.start_utc, begin_ns, begin_ns + long_ns, loaded.run.step_ns
    )
