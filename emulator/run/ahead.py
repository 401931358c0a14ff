"""The geometry process: computes epochs ahead of their time.

SGP4 and Dijkstra hold the interpreter's lock, so they have a process of their
own.  Messages are pickles over a socket pair between two processes of ours:

    to it     ("open", Scenario, start_sim_ns, step_ns, duration_ns) · ("done", number of an epoch)
              ("destinations", [node, …]) · ("forget", [node, …]) · ("step", step_ns)
              ("draws", Draws | None): of accelerators, from the next epoch that is computed
              ("intervene", ((Intervention, …), numbers to lift, sim_ns, at_once)): from that instant on;
                  at_once: an epoch of that very instant is wanted, since time stands still there
    from it   ("nodes", Nodes, hosting, cautions, propagation, offsets, ground links,
               arrangements, Interventions)
              ("epoch", Parcel of it, Assignment, LinkChanges since the last, Interventions likewise, cost_ns)
              ("anew", (first, last)): epochs of these numbers are superseded by those that follow
              ("routes", {number: RouteRows}): to new destinations, for each of the epochs sent last
              ("error", exception)
"""

from __future__ import annotations

import argparse
import signal
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from ..assignment import assign
from ..epoch import Epoch, RouteRows
from ..errors import OrbitmeshError, RunError
from ..feed.parcels import Parcel, send
from ..geometry import Geometry
from ..interventions import Intervened, Intervention
from ..links.changes import NOTHING_CHANGED, LinkChanges, link_changes
from ..links.coverage import Window
from ..links.handover_causes import with_causes
from ..memory_files import MemoryFiles
from ..priority import First, go_before_nodes
from ..processes import CAP_SYS_NICE, keep_capabilities, keep_freed_memory
from .placing import forecast_of, outlive_of, placer_of, with_forecast

# Epochs under way between the two processes: enough to ride out a slow tick,
# few enough that a new destination, which each of them lacks, is routed soon.
WINDOW = 2

# How far a run is searched for satellites that decay, before anything is built.
_LOOK_AHEAD_NS = 30 * 24 * 3600 * 10**9


class Server:
    """One thread computes epochs, and another hears what is asked for meanwhile.

    Of a million satellites an epoch takes seconds: who asks for a new destination does not wait for it.
    """

    def __init__(self, control: Connection) -> None:
        _, self._scenario, start_sim_ns, step_ns, duration_ns = control.recv()
        self._control = control
        self._geometry = Geometry(self._scenario, Window(start_sim_ns, duration_ns))
        geometry = self._geometry
        geometry.check_orbits(start_sim_ns, start_sim_ns + min(duration_ns, _LOOK_AHEAD_NS))
        control.send(
            (
                "nodes", geometry.nodes, geometry.hosting, geometry.cautions, geometry.propagation,
                geometry.offsets, geometry.ground_links, geometry.arrangements, geometry.interventions,
            )
        )  # fmt: skip
        self._epochs = geometry.epochs(start_sim_ns, step_ns)
        self._forecast = forecast_of(self._scenario, geometry)
        self._placer = placer_of(self._scenario, geometry, self._forecast)
        self._outlive = outlive_of(self._scenario, geometry)
        self._recent: deque[Epoch] = deque(maxlen=WINDOW + 1)  # the one in force, and those under way
        self._files = MemoryFiles()
        self._live: set[int] = set()  # numbers of epochs sent that main is not done with
        self._room = threading.Condition()
        self._turn = threading.Lock()  # of who adds destinations, or sends
        self._computing = threading.Lock()  # an epoch; taken before the turn

    def hear(self) -> None:
        """Until main is gone: EOFError."""
        first = First()
        while True:
            verb, value = self._control.recv()
            if verb == "done":
                self._forget_live({number for number in self._live if number <= value})
            elif verb == "destinations":
                self._route_to(value)
            elif verb == "forget":
                with self._turn:
                    self._geometry.remove_destinations(value)
            elif verb == "draws":
                self._geometry.set_draws(value)
            elif verb == "intervene":
                self._intervene(*value)
            elif verb == "step":
                self._epochs.step_ns = value
            first.worked()

    def compute(self) -> None:
        first: First | None = None
        try:
            while True:
                with self._room:
                    self._room.wait_for(lambda: len(self._live) < WINDOW)
                with self._computing:
                    began_ns = time.monotonic_ns()
                    epoch = next(self._epochs)
                    with self._turn:
                        self._send(epoch, began_ns)
                first = first or First()  # the first epoch is long, and nobody's turn
                first.worked()
        except OSError:
            return  # main is gone: the other thread is told so too
        except Exception as error:
            with self._turn:
                self._control.send(("error", _told(error)))
            if not isinstance(error, OrbitmeshError):
                raise

    def _send(self, epoch: Epoch, began_ns: int) -> None:
        geometry, compute = self._geometry, self._scenario.compute
        lacking = np.setdiff1d(geometry.destinations, epoch.routes.destinations).tolist()
        if lacking:  # asked for since it was begun
            epoch = _with(epoch, geometry.more_routes(epoch, lacking))
        n_satellites, gateways_each = geometry.nodes.n_satellites, compute.probes.gateways
        assignment = assign(epoch, n_satellites, geometry.hosting, gateways_each, self._placer)
        assignment = with_forecast(assignment, epoch, geometry, self._forecast, self._outlive)
        last = self._recent[-1] if self._recent else None
        changes = NOTHING_CHANGED if last is None else self._changes(last, epoch)
        begun, ended = geometry.interventions.between(-1 if last is None else last.sim_ns, epoch.sim_ns)
        told = Intervened(tuple(each.to_dict() for each in begun), tuple(each.to_dict() for each in ended))
        parcel = Parcel.pack(epoch, self._files)
        with self._room:
            self._live.add(epoch.number)
        del epoch  # what is kept is the copy that all processes share
        send(self._control, "epoch", parcel, assignment, changes, told, time.monotonic_ns() - began_ns)
        self._recent.append(parcel.open())
        parcel.close()

    def _changes(self, last: Epoch, epoch: Epoch) -> LinkChanges:
        geometry, found = self._geometry, link_changes(last.links, epoch.links)
        known, n = geometry.known_at(epoch.sim_ns), geometry.nodes.n_satellites
        told = with_causes(found.handovers, geometry.stations, n, epoch.positions_itrs_km, known)
        return replace(found, handovers=told)

    def _intervene(
        self, more: Sequence[Intervention], lifted: Sequence[int], sim_ns: int, at_once: bool
    ) -> None:
        """Epochs from that instant on, which were sent ahead of it, are made anew."""
        with self._computing, self._turn:
            if self._recent:
                self._geometry.forget_before(self._recent[0].sim_ns)
            self._geometry.interventions.add(*more)
            self._geometry.interventions.lift(lifted, sim_ns)
            n = self._epochs.back_to(sim_ns)
            if at_once:
                self._epochs.want(sim_ns)
            gone = [self._recent.pop().number for _ in range(n) if self._recent]
            if gone:
                self._control.send(("anew", (gone[-1], gone[0])))
        self._forget_live(set(gone))

    def _forget_live(self, numbers: set[int]) -> None:
        with self._room:
            self._live -= numbers
            self._room.notify()

    def _route_to(self, nodes: list[int]) -> None:
        """At once, in the epochs that have been sent: it may be two steps until the next one is in force."""
        with self._turn:
            self._geometry.add_destinations(nodes)
            for place, epoch in enumerate(self._recent):  # the one in force is the first
                more = self._geometry.more_routes(epoch, nodes)
                self._recent[place] = _with(epoch, more)
                self._control.send(("routes", {epoch.number: more}))


def _with(epoch: Epoch, more: RouteRows) -> Epoch:
    return replace(epoch, routes=epoch.routes.joined(more))


def _told(error: Exception) -> OrbitmeshError:
    if isinstance(error, OrbitmeshError):
        return error
    return RunError(f"the geometry process failed: {type(error).__name__}: {error}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--control-fd", type=int, required=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control: Any = Connection(parser.parse_args().control_fd)
    go_before_nodes()
    keep_capabilities((CAP_SYS_NICE,))
    keep_freed_memory()
    try:
        server = Server(control)
        threading.Thread(target=server.compute, name="epochs", daemon=True).start()
        server.hear()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the run is over
    except Exception as error:
        control.send(("error", _told(error)))
        if not isinstance(error, OrbitmeshError):
            raise


if __name__ == "__main__":
    main()
