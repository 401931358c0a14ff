"""What a run says of itself at its beginning.  Pure, but that it looks at the machine."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ..epoch import Nodes
from ..plane.backend import Carrier
from ..plane.kernel.awake import Awake
from ..plane.mesh import MeshPlane
from ..platform.of_scenario import described_platforms
from ..record.due import Schedule
from ..record.facts import RunHeader
from ..record.machine import machine_facts
from ..record.platforms import PlatformFacts
from ..scenario import Scenario, scenario_hash
from ..scenario.customers import described
from ..scenario.presets_used import preset_facts, presets_used
from ..scenario.serving import serving_spec
from ..scenario.training import described as trained
from .account import error_budget
from .clock import Clock
from .geometry_process import Introduction
from .node_specs import schedule_of
from .training import ring_nodes


class DescribedMesh(Protocol):
    """What the header is taken from, once the plane has been made."""

    scenario: Scenario
    run_id: str
    clock: Clock
    seed: int
    duration_ns: int
    introduced: Introduction
    plane: MeshPlane
    backend: Carrier

    @property
    def out(self) -> Path: ...
    @property
    def nodes(self) -> Nodes: ...


def run_header(mesh: DescribedMesh, awake: Awake, began_utc: datetime) -> RunHeader:
    run, introduced, machine = mesh.scenario.run, mesh.introduced, machine_facts()
    return RunHeader(
        run_id=mesh.run_id,
        out=mesh.out.absolute(),
        scenario_name=mesh.scenario.name,
        scenario_title=mesh.scenario.title,
        scenario_hash=scenario_hash(mesh.scenario),
        scenario_content=mesh.scenario.model_dump(mode="json"),
        seed=mesh.seed,
        start_utc=run.start_utc,
        began_utc=began_utc,
        duration_ns=mesh.duration_ns,
        step_ns=run.step_ns,
        plane=mesh.plane.name,
        backend=mesh.backend.name,
        clock=mesh.clock.name,
        rate_scale=run.rate_scale,
        nodes=mesh.nodes,
        propagation=tuple(asdict(each) for each in introduced.propagation),
        cross_plane_offsets=introduced.offsets,
        ground_links=introduced.ground_links,
        arrangements=tuple(each.to_dict() for each in introduced.arrangements),
        machine=machine,
        awake=awake.to_dict(),
        error_budget=error_budget(mesh.plane.name, mesh.backend, machine, is_awake=awake.held),
        presets=tuple(map(preset_facts, presets_used(mesh.scenario))),
        platform=_platform(mesh),
        schedule=_schedule(mesh),
        customers=described(mesh.scenario),
        serving=None if mesh.scenario.serving is None else asdict(serving_spec(mesh.scenario.serving)),
        training=trained(mesh.scenario, [mesh.nodes.names[node] for node in _ring(mesh)]),
        stations=stations_of(mesh.scenario),
        addresses={mesh.nodes.names[node]: mesh.plane.addresses[node] for node in _recorded_nodes(mesh)},
    )


def stations_of(scenario: Scenario) -> dict[str, dict[str, float]]:
    """Where each gateway stands, by its node's name; degrees as they were written, to a metre's tenth."""
    return {
        f"gw-{station.name}": {
            "latitude_deg": round(math.degrees(station.latitude_rad), 6),
            "longitude_deg": round(math.degrees(station.longitude_rad), 6),
            "altitude_m": round(station.altitude_km * 1e3, 3),
        }
        for station in scenario.ground.stations
    }


def _schedule(mesh: DescribedMesh) -> Schedule | None:
    if mesh.backend.name == "fake":
        return None
    return schedule_of(mesh.nodes, mesh.introduced.hosting, mesh.scenario.compute, mesh.seed)


def _ring(mesh: DescribedMesh) -> tuple[int, ...]:
    return ring_nodes(mesh.scenario, mesh.nodes, mesh.introduced.hosting)


def _platform(mesh: DescribedMesh) -> PlatformFacts | None:
    if mesh.scenario.platform is None:
        return None
    hosts = mesh.introduced.hosting[: mesh.nodes.n_satellites].nonzero()[0]
    usual, *others = described_platforms(mesh.scenario)
    return PlatformFacts(usual, tuple(others), tuple(hosts.tolist()))


def _recorded_nodes(mesh: DescribedMesh) -> list[int]:
    """Whose addresses the record names: of a fabric only those in which something runs."""
    if mesh.plane.name == "wired":
        return list(range(len(mesh.nodes)))
    return [int(node) for node in mesh.introduced.hosting.nonzero()[0]]
