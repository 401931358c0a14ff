"""Who runs a process, by what a scenario says.  Pure."""

from __future__ import annotations

import numpy as np

from .epoch import Bool, Nodes
from .errors import InputError
from .scenario import Scenario
from .suggest import suggest


def accelerator_hosts(scenario: Scenario, nodes: Nodes, hosting: Bool) -> list[int]:
    """The satellites that serve, or else those that train, rising; none where nobody does either."""
    if scenario.serving is None and scenario.training is None:
        return []
    if scenario.serving is None and scenario.training is not None and scenario.training.group != "all":
        return sorted(nodes.named(name) for name in scenario.training.group)
    return [int(node) for node in hosting[: nodes.n_satellites].nonzero()[0]]


def who_hosts(scenario: Scenario, nodes: Nodes) -> Bool:
    """(n_nodes,) bool: gateways, the satellites of ``compute.satellites`` (a number: spread evenly), and
    those that a task is for, or that are in the group of [training]."""
    n = nodes.n_satellites
    chosen = scenario.compute.satellites
    hosting = np.ones(len(nodes), bool)
    if chosen == "all":
        return hosting
    hosting[:n] = False

    def mark(name: str, *location: str | int) -> None:
        try:
            index = nodes.named(name)
        except InputError as error:
            raise scenario.error(str(error), *location) from None
        if not 0 <= index < n:
            raise scenario.error(
                f"there is no satellite {name!r}: {suggest(name, nodes.names[:n], 'satellites')}", *location
            )
        hosting[index] = True

    for i, task in enumerate(scenario.compute.tasks):
        if task.satellite != "nearest":
            mark(task.satellite, "compute", "tasks", i, "satellite")
    group = scenario.training.group if scenario.training is not None else "all"
    for i, name in enumerate(() if group == "all" else group):
        mark(name, "training", "group", i)
    if isinstance(chosen, int):
        if chosen > n:
            raise scenario.error(
                f"{chosen} satellites are to run node processes, and there are {n}: write at most {n}",
                "compute",
                "satellites",
            )
        hosting[np.arange(chosen) * n // max(chosen, 1)] = True
        return hosting
    for i, name in enumerate(chosen):
        mark(name, "compute", "satellites", i)
    return hosting
