"""How long it takes to give all links of a constellation other parameters."""

from __future__ import annotations

import os
import statistics
import time
from typing import Any

from ..errors import BackendError, HostError
from ..plane.backend import LinkEnd
from ..plane.kernel import namespaces
from ..plane.mesh import EndsWithNamespaces
from .document import Command
from .fabric_lab import commit, grid, links_of, no_routes
from .lab import Setting
from .subject import REFERENCE_NS, Subject

SIZES = (72, 1_584, 4_408)


def commands(subject: Subject) -> dict[str, Any]:
    command = _fabric_command if subject.plane == "fabric" else _command
    return {"commands": tuple(command(subject, n) for n in (SIZES[:2] if subject.quick else SIZES))}


def _fabric_command(subject: Subject, n_satellites: int) -> Command:
    """The same lasers on a torus: values computed, written, and published as an epoch."""
    with grid(n_satellites, subject.wait) as (plane, a, b):
        routes, epoch = no_routes(n_satellites), None
        took_ns = []
        for i in range(11):
            links = links_of(a, b, Setting(), REFERENCE_NS + 1000 * i)
            began_ns = time.monotonic_ns()
            epoch = commit(plane, epoch, links, routes)
            took_ns.append(time.monotonic_ns() - began_ns)
        return Command(n_satellites, len(a), round(statistics.median(took_ns[1:])))


def _command(subject: Subject, n_satellites: int) -> Command:
    """Two links a satellite, as in a +Grid, all between two namespaces; ten times over."""
    n_links = 2 * n_satellites
    netns = [namespaces.on_own_thread(namespaces.unshare_net) for _ in range(2)]
    backend = subject.make()
    try:
        namespaces.raise_descriptor_limit(4 * n_links + 1024)
        backend.start()
        ends = [(LinkEnd(netns[0], f"e{i}"), LinkEnd(netns[1], f"w{i}")) for i in range(n_links)]
        links = backend.attach(ends)
        took_ns = []
        for i in range(11):
            parameters = Setting(delay_ns=REFERENCE_NS + 1000 * i).parameters(links)
            began_ns = time.monotonic_ns()
            backend.apply(parameters)
            took_ns.append(time.monotonic_ns() - began_ns)
        if isinstance(backend, EndsWithNamespaces):
            backend.let_go()
        return Command(n_satellites, n_links, round(statistics.median(took_ns[1:])))
    except (BackendError, HostError) as error:
        return Command(n_satellites, n_links, None, str(error))
    finally:
        backend.close()
        for fd in netns:
            os.close(fd)
