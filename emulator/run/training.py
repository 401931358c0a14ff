"""The training of a run: its ring, what members are told, and that each has a way to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from orbitmesh.wire.training import TrainingSpec

from ..epoch import Bool, Epoch, Nodes
from ..platform import chosen
from ..scenario import Scenario
from ..scenario.constellation import plane_sizes
from ..scenario.formation import lattice_points
from ..scenario.platforms import platforms_of
from ..scenario.training import training_specs
from ..training.bound import ways_of
from ..training.tour import short_tour
from .draws import report_interval_ns


def ring_nodes(scenario: Scenario, nodes: Nodes, hosting: Bool) -> tuple[int, ...]:
    """Empty where the scenario trains nothing."""
    if scenario.training is None:
        return ()
    group = scenario.training.group
    members = (
        [int(node) for node in hosting[: nodes.n_satellites].nonzero()[0]]
        if group == "all"
        else [nodes.named(name) for name in group]
    )
    flock = _lattice(scenario, [nodes.names[node] for node in members])
    return tuple(members) if flock is None else tuple(members[row] for row in short_tour(flock))


def specs_of(
    scenario: Scenario, nodes: Nodes, hosting: Bool, epoch: Epoch, address: Callable[[int], str]
) -> dict[str, TrainingSpec]:
    """By name.  ScenarioError where a member has no way to the next in the epoch."""
    ring = ring_nodes(scenario, nodes, hosting)
    if scenario.training is None:
        return {}
    ways = ways_of(epoch, ring)
    if isinstance(ways, int):
        here, there = nodes.names[ring[ways]], nodes.names[ring[(ways + 1) % len(ring)]]
        raise scenario.error(
            f"there is no way from {here} to {there}, the next in the ring, when the run begins: name "
            "satellites that lasers join, or start at another time",
            "training",
            "group",
        )
    names = [nodes.names[node] for node in ring]
    addresses = {nodes.names[node]: address(node) for node in ring}
    specs = training_specs(scenario.training, names, addresses, scenario.run.rate_scale)
    return {
        name: replace(specs[name], **_powered(scenario, int(nodes.shell[node])))
        for name, node in zip(names, ring, strict=True)
    }


def _powered(scenario: Scenario, shell: int) -> dict[str, Any]:
    """Its platform's exponent, and how often it tells what its accelerators drew: what serves beside it
    tells that of its own alone."""
    if scenario.platform is None:
        return {}
    tells = scenario.platform.load == "measured" and scenario.serving is None
    return {
        "power_exponent": chosen(platforms_of(scenario)[shell])[1].power_exponent,
        "report_interval_ns": report_interval_ns(scenario.run.step_ns) if tells else 0,
    }


def _lattice(scenario: Scenario, names: Sequence[str]) -> list[tuple[int, int]] | None:
    """Where these are, if all are of one formation: else they stay in the order of the scenario."""
    plane = 0
    for shell in scenario.constellation.shells:
        if shell.formation is not None:
            prefix, points = f"sat-{plane}-", lattice_points(shell.formation)
            if all(name.startswith(prefix) for name in names):
                return [points[int(name.removeprefix(prefix))] for name in names]
        plane += len(plane_sizes([shell]))
    return None
