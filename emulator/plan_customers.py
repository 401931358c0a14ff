"""What light allows each class of customers, before a run: the least round trip to a satellite that serves.

As routed, over the links that there would be.  No first token comes before it, so a target below it is one
that no accelerator meets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from .answers.targets import Target, below_light
from .epoch import Float64, Int64
from .errors import InputError
from .geometry import Geometry
from .plan import planned, window_of
from .scenario import Scenario
from .scenario.customers import loads_of, target_of

# A way around half of the Earth and back, a quarter longer than straight on: no round trip is longer.
_NEVER_BELOW_NS = 250_000_000
_LOOKS = 8  # at a run, before it is built


@dataclass(frozen=True)
class ClassAhead:
    """A class of customers at one gateway.  Round trips are to the serving satellite that is nearest at an
    instant; None: there is a way to none at any instant."""

    customer_class: str
    gateway: str
    target: Target | None
    rtt_least_ns: int | None
    rtt_most_ns: int | None
    satellite: str | None  # that of the least
    t_ns: int | None  # when that was, from the plan's start
    no_way_ratio: float  # of the instants: no way to any
    below_light_ratio: float  # of the instants: a bound is below the round trip

    @property
    def below_light_ns(self) -> dict[str, int]:
        """The bounds that light forbids at every instant, by how much."""
        if self.target is None or self.rtt_least_ns is None:
            return {}
        return below_light(self.target, self.rtt_least_ns)


def forbidden_by_light(found: Iterable[ClassAhead]) -> list[str]:
    """A sentence for each bound that is below the round trip at every instant."""
    return [
        f"light alone forbids {metric} of {((each.rtt_least_ns or 0) - above_ns) / 1e6:g} ms for "
        f"{each.customer_class} at {each.gateway}: the least round trip is "
        f"{(each.rtt_least_ns or 0) / 1e6:.3f} ms, to {each.satellite}"
        for each in found
        for metric, above_ns in each.below_light_ns.items()
    ]


def light_forbids(scenario: Scenario, duration_ns: int) -> list[str]:
    """The same for a run, from a few of its instants; at once where no bound is so low."""
    targets = [target for each in scenario.customers if (target := target_of(each)) is not None]
    bounds_ns = [ns for target in targets for metric, ns in target.bounds_ns.items() if metric != "tpot"]
    if min(bounds_ns, default=_NEVER_BELOW_NS) >= _NEVER_BELOW_NS:
        return []
    step_ns = max(scenario.run.step_ns, duration_ns // _LOOKS)
    return forbidden_by_light(customers_ahead(scenario, duration_ns=duration_ns, step_ns=step_ns))


@dataclass(frozen=True, eq=False)
class _Nearest:
    """(n_instants, n_gateways): round trips to the nearest server, inf where there is no way; which it is."""

    rtt_ns: Float64
    server: Int64


def customers_ahead(
    scenario: Scenario,
    *,
    start_utc: datetime | None = None,
    duration_ns: int | None = None,
    step_ns: int | None = None,
    say: Callable[[str], None] | None = None,
) -> list[ClassAhead]:
    """In the scenario's order, each class at each of its gateways.  InputError where there are none."""
    if not scenario.customers:
        raise InputError("the scenario has no [[customers]]: add a class, or name a pair of nodes")
    loads_of(scenario, scenario.base, scenario.run.seed)  # a run that would fail by its traces fails here
    window = window_of(scenario, start_utc, duration_ns, step_ns, 1)
    geometry = planned(scenario, window, say)
    n = geometry.nodes.n_satellites
    gateways = np.arange(n, len(geometry.nodes), dtype=np.int32)
    servers = np.flatnonzero(geometry.hosting[:n]).astype(np.int32)
    nearest = _nearest(
        geometry, gateways, servers, list(window.instants_ns), window.start_sim_ns, window.step_ns
    )
    found = []
    for each in scenario.customers:
        target = target_of(each)
        wanted = None if each.gateways == "all" else {name.removeprefix("gw-") for name in each.gateways}
        for i, station in enumerate(scenario.ground.stations):
            if wanted is None or station.name in wanted:
                names = geometry.nodes.names
                servers_named = [names[node] for node in servers.tolist()]
                at = (nearest.rtt_ns[:, i], nearest.server[:, i], servers_named, window.step_ns)
                found.append(_ahead(each.name, names[n + i], target, *at))
    return found


def _nearest(
    geometry: Geometry,
    gateways: np.ndarray,
    servers: np.ndarray,
    instants: list[int],
    start: int,
    step_ns: int,
) -> _Nearest:
    geometry.set_destinations(servers.tolist())
    rtt_ns = np.empty((len(instants), len(gateways)))
    server = np.empty((len(instants), len(gateways)), np.int64)
    epochs = geometry.epochs(start, step_ns, at_faults=False)
    for k in range(len(instants)):
        delay_ns = 2 * next(epochs).way_delays_ns(gateways, servers)
        server[k] = delay_ns.argmin(axis=0)
        rtt_ns[k] = delay_ns.min(axis=0)
    return _Nearest(rtt_ns, server)


def _ahead(
    name: str,
    gateway: str,
    target: Target | None,
    rtt_ns: Float64,
    server: Int64,
    servers: list[str],
    step: int,
) -> ClassAhead:
    there = np.isfinite(rtt_ns)
    if not there.any():
        return ClassAhead(name, gateway, target, None, None, None, None, 1.0, 0.0)
    least = int(rtt_ns.argmin())
    bounds_ns = [] if target is None else [b for b in (target.ttft_ns, target.answer_ns) if b is not None]
    below = there & (rtt_ns > min(bounds_ns, default=np.inf))
    return ClassAhead(
        name,
        gateway,
        target,
        round(rtt_ns[least]),
        round(rtt_ns[there].max()),
        servers[int(server[least])],
        least * step,
        float(np.mean(~there)),
        float(np.mean(below)),
    )
