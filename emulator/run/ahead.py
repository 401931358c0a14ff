"""The geometry process: computes epochs ahead of their time.

SGP4 and Dijkstra hold the interpreter's lock, so they have a process of their
own.  Messages are pickles over a socket pair between two processes of ours:

    to it     ("open", Scenario, start_sim_ns, step_ns, duration_ns) · ("more", n)
              ("destinations", [node, …]) · ("forget", [node, …]) · ("step", step_ns)
    from it   ("nodes", Nodes, hosting, cautions, propagation) · ("epoch", Parcel of it, Assignment, cost_ns)
              ("routes", {number: RouteRows, …}): to new destinations, for the epochs sent last
              ("error", exception)
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import time
from collections import deque
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from ..epoch import Epoch, RouteRows
from ..errors import OrbitmeshError, RunError
from ..geometry import Geometry
from .assignment import assign
from .parcels import Parcel, send
from .processes import keep_capabilities

# Epochs under way between the two processes: enough to ride out a slow tick,
# few enough that a new destination, which each of them lacks, is routed soon.
WINDOW = 2

# A late tick moves every node's routes; a late node only its own measurement, which says so.
_NICENESS = -5

# How far a run is searched for satellites that decay, before anything is built.
_LOOK_AHEAD_NS = 30 * 24 * 3600 * 10**9


def serve(control: Connection) -> None:
    _, scenario, start_sim_ns, step_ns, duration_ns = control.recv()
    geometry = Geometry(scenario)
    geometry.check_orbits(start_sim_ns, start_sim_ns + min(duration_ns, _LOOK_AHEAD_NS))
    control.send(("nodes", geometry.nodes, geometry.hosting, geometry.cautions, geometry.propagation))
    credit = 0
    recent: deque[Epoch] = deque(maxlen=WINDOW + 1)  # the one in force, and those under way
    epochs = geometry.epochs(start_sim_ns, step_ns)
    while True:
        while credit == 0 or control.poll():
            verb, value = control.recv()
            if verb == "more":
                credit += value
            elif verb == "destinations":
                geometry.add_destinations(value)
                # it may be two steps until the next one to be computed is in force: too long to wait
                more = {e.number: geometry.more_routes(e, value) for e in recent}
                recent = deque((_with(e, more[e.number]) for e in recent), recent.maxlen)
                control.send(("routes", more))
            elif verb == "forget":
                geometry.remove_destinations(value)
            elif verb == "step":
                epochs.step_ns = value
        began_ns = time.monotonic_ns()
        epoch = next(epochs)
        assignment = assign(
            epoch, geometry.nodes.n_satellites, geometry.hosting, scenario.compute.probes.gateways
        )
        parcel = Parcel.pack(epoch)
        del epoch  # what is kept is the copy that all processes share
        send(control, "epoch", parcel, assignment, time.monotonic_ns() - began_ns)
        recent.append(parcel.open())
        parcel.close()
        credit -= 1


def _with(epoch: Epoch, more: RouteRows) -> Epoch:
    return replace(epoch, routes=epoch.routes.joined(more))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--control-fd", type=int, required=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control: Any = Connection(parser.parse_args().control_fd)
    with contextlib.suppress(PermissionError):  # without root the run is one of fake links
        os.nice(_NICENESS)
    keep_capabilities()
    try:
        serve(control)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the run is over
    except OrbitmeshError as error:
        control.send(("error", error))
    except Exception as error:
        control.send(("error", RunError(f"the geometry process failed: {type(error).__name__}: {error}")))
        raise


if __name__ == "__main__":
    main()
