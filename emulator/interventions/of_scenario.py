"""A scenario's ``[[faults]]``, resolved: who is meant, and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..epoch import Epoch, Int32, LinkKind, Nodes
from ..errors import InputError
from ..scenario import Scenario
from ..scenario.faults import Fault
from .drawn import drawn
from .force import Interventions
from .intervention import Change, Intervention
from .named import Named, resolve


def of_scenario(
    scenario: Scenario, nodes: Nodes, first: Callable[[], Epoch], end_sim_ns: int
) -> Interventions:
    """``first``: the epoch whose lasers may fail at random.  ScenarioError for names that nobody has."""
    lasers = np.empty((0, 2), np.int32)
    if any(fault.every == "laser" for fault in scenario.faults):
        links = first().links
        is_laser = links.kind == LinkKind.LASER
        lasers = np.column_stack([links.a[is_laser], links.b[is_laser]])
    asked: list[Intervention] = []
    for place, fault in enumerate(scenario.faults):
        try:
            asked += _asked(scenario, fault, place, nodes, lasers, end_sim_ns)
        except InputError as error:
            key = "what" if fault.what else "mtbf"
            raise scenario.error(error.message, "faults", place, key) from None
    return Interventions(len(nodes), nodes.n_satellites, asked)


def _asked(
    scenario: Scenario, fault: Fault, place: int, nodes: Nodes, lasers: Int32, end_sim_ns: int
) -> Sequence[Intervention]:
    if fault.every is not None:
        return _at_random(scenario, fault, place, nodes, lasers, end_sim_ns)
    changes = fault.rate_bps is not None or fault.delay_ns > 0 or fault.loss_ratio is not None
    change = Change(fault.rate_bps, fault.delay_ns, fault.loss_ratio) if changes else None
    shells = [shell.name for shell in scenario.constellation.shells]
    return [
        Intervention(
            what, resolve(what, nodes, scenario.ground.stations, shells), fault.at_ns, fault.until_ns, change
        )
        for what in fault.what
    ]


def _at_random(
    scenario: Scenario, fault: Fault, place: int, nodes: Nodes, lasers: Int32, end_sim_ns: int
) -> Sequence[Intervention]:
    assert fault.mtbf_ns is not None
    assert fault.mttr_ns is not None
    rng = np.random.default_rng([scenario.run.seed, place])
    names = nodes.names

    def link(i: int) -> Named:
        a, b = lasers[i].tolist()
        return Named(links=np.array([a << 32 | b], np.int64))

    def node(first: int, i: int) -> Named:
        return Named(np.array([first + i], np.int32))

    window = fault.at_ns, min(end_sim_ns, end_sim_ns if fault.until_ns is None else fault.until_ns)
    means = fault.mtbf_ns, fault.mttr_ns
    if fault.every == "laser":
        a_laser = lambda i: ":".join(names[end] for end in lasers[i].tolist())  # noqa: E731
        return drawn(a_laser, len(lasers), link, *means, *window, rng)
    if fault.every == "satellite":
        return drawn(names.__getitem__, nodes.n_satellites, lambda i: node(0, i), *means, *window, rng)
    n = nodes.n_satellites
    return drawn(lambda i: names[n + i], nodes.n_gateways, lambda i: node(n, i), *means, *window, rng)
