"""The geometry process, from the run's side: what it is asked for, what it has computed (see ahead.py)."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..epoch import Bool, Nodes, RouteRows
from ..feed.parcels import receive
from ..interventions import Intervention, Interventions
from ..orbit import Arrangement, Propagation
from ..platform import Draws
from ..processes import tell
from ..scenario import Scenario
from . import programs
from .supervision import Supervision
from .ticks import Ahead

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Introduction:
    """What there is, as the geometry process says before its first epoch."""

    nodes: Nodes
    hosting: Bool
    propagation: tuple[Propagation, ...]  # how each shell is moved
    offsets: tuple[str, ...]  # of each shell, which slots +grid joins across planes
    ground_links: str  # by which policy stations choose satellites
    arrangements: tuple[Arrangement, ...]  # of each shell from a file, by plane and slot
    interventions: Interventions  # the scenario's


class GeometryProcess:
    """``on_routes`` hears of routes to new destinations, in the watcher's thread."""

    def __init__(self, supervision: Supervision) -> None:
        self._supervision = supervision
        self._child = supervision.start("geometry", programs.GEOMETRY)
        supervision.hear(self._child, self._heard)
        self.introduction: queue.Queue[Introduction] = queue.Queue()
        self.epochs: queue.Queue[Ahead] = queue.Queue()
        self.on_routes: Callable[[dict[int, RouteRows]], None] = lambda routes: None
        self.on_anew: Callable[[int, int], None] = lambda first, last: None
        self._destinations: set[int] = set()
        self._lock = threading.Lock()

    def open(self, scenario: Scenario, duration_ns: int) -> None:
        tell(self._child, ("open", scenario, 0, scenario.run.step_ns, duration_ns))

    def done(self, number: int) -> None:
        """With the epoch of a number: another one may be computed ahead."""
        tell(self._child, ("done", number))

    def lengthen_step(self, step_ns: int) -> None:
        tell(self._child, ("step", step_ns))

    def draws(self, draws: Draws) -> None:
        """What accelerators drew of late, of all that are known to; felt from the next epoch on that is
        computed, which comes into force ``WINDOW`` steps after the one in force, or one more."""
        tell(self._child, ("draws", draws))

    def intervene(
        self, more: Sequence[Intervention], lifted: Sequence[int], sim_ns: int, at_once: bool
    ) -> None:
        """From an instant on; epochs computed ahead of it are made anew, which ``on_anew`` hears."""
        tell(self._child, ("intervene", (tuple(more), tuple(lifted), sim_ns, at_once)))

    def routed_from_the_start(self, nodes: Iterable[int]) -> None:
        self._destinations = set(nodes)

    def route_to(self, nodes: Sequence[int], check_room: Callable[[int], None]) -> None:
        """``check_room`` refuses where the mesh cannot hold routes to so many."""
        with self._lock:
            wanted = self._destinations.union(nodes)
            check_room(len(wanted))
            self._destinations = wanted
        tell(self._child, ("destinations", list(nodes)))

    def forget(self, nodes: Sequence[int]) -> None:
        with self._lock:
            self._destinations -= set(nodes)
        tell(self._child, ("forget", list(nodes)))

    def _heard(self) -> None:
        message = receive(self._child.control)
        match message[0]:
            case "nodes":
                for caution in message[3]:
                    log.warning("%s", caution)
                self.introduction.put(Introduction(*message[1:3], *message[4:9]))
            case "epoch":
                _, parcel, assignment, changes, told, computed_ns = message
                ahead = Ahead(
                    parcel.open(), assignment, computed_ns, parcel, changes=changes, intervened=told
                )
                self.epochs.put(ahead)
            case "anew":
                self.on_anew(*message[1])
            case "routes":
                self.on_routes(message[1])
            case "error":
                self._supervision.fail(message[1])
