"""Which plane a run is built on, and its making."""

from __future__ import annotations

from dataclasses import dataclass

from ..epoch import Bool, Nodes
from ..errors import InputError
from ..scenario import Scenario
from ..shown import counted, shown
from .backend import LinkBackend
from .fabric.engine import FabricCarrier, FabricEngine, FakeFabric
from .fabric.plane import FabricPlane
from .fabric.table import FabricTable
from .kernel import capacity
from .kernel.kernel import Progress
from .mesh import MeshPlane
from .wired.plane import Plane

#: "auto" takes the fabric for more satellites: a namespace and four interfaces for each would take long.
WIRED_UP_TO = 300


@dataclass(frozen=True)
class PlaneChoice:
    """``reason`` is for the run's output."""

    name: str
    reason: str


PLANES = ("wired", "fabric", "auto")


def links_for(plane: str, links: str) -> str:
    """What is to carry the links where a plane was asked for; InputError where the two do not go together."""
    if plane not in PLANES:
        raise InputError(f"no plane is named {shown(plane)}; there are {', '.join(PLANES)}")
    if plane != "fabric":
        return links
    if links == "netem":
        raise InputError(
            'the fabric is the engine\'s: netem carries only links of the wired plane (plane = "wired")'
        )
    return "engine" if links == "auto" else links


def choose_plane(asked: str, backend: str, n_satellites: int) -> PlaneChoice:
    """``asked`` is "wired", "fabric" or "auto"; ``backend`` is what carries the links."""
    if asked != "auto":
        return PlaneChoice(asked, f"{asked} plane, as asked for")
    count = counted(n_satellites, "satellite")
    if n_satellites <= WIRED_UP_TO:
        return PlaneChoice("wired", f"wired plane ({count}; fabric above {WIRED_UP_TO})")
    if backend == "netem":
        return PlaneChoice("wired", f"wired plane ({count}, but netem's links: the fabric is the engine's)")
    return PlaneChoice("fabric", f"fabric plane ({count}; wired up to {WIRED_UP_TO})")


def make_plane(
    choice: PlaneChoice,
    nodes: Nodes,
    scenario: Scenario,
    hosting: Bool,
    backend: LinkBackend,
    seed: int,
    on_progress: Progress,
) -> MeshPlane:
    """HostError with the figure where the machine cannot hold its hosts; ScenarioError where the wired plane
    is to carry a background load.

    ``backend`` carries the links of a wired plane; a fabric has an engine of its own.
    """
    n_processes = int(hosting.sum())
    if choice.name == "wired":
        background = scenario.background
        if background.laser_ratio or background.ground_ratio:
            raise scenario.error(
                'only the fabric carries a background load: take --plane fabric (plane = "fabric"),'
                " or leave [background] out",
                "background",
            )
        if backend.name != "fake":
            capacity.check(len(nodes), n_processes)
        return Plane(nodes, scenario, backend, on_progress)

    def make_engine(table: FabricTable) -> FabricCarrier:
        if backend.name == "fake":
            return FakeFabric(table)
        return FabricEngine(table, seed=seed, wait=scenario.engine.wait)

    plane = FabricPlane(nodes, scenario, hosting, make_engine, on_progress)
    backend.close()
    if backend.name != "fake":
        capacity.check(n_processes, n_processes, plane.table.least_bytes(n_processes))
    return plane
