"""What a mesh is, for pages: who is in it, and what is said of it before anything moves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from orbitmesh.web.v1 import web_pb2 as pb

from ..answers.targets import Target
from ..epoch import Nodes
from ..geometry import nodes_of
from ..interventions import Interventions
from ..orbit import Fleet
from ..orbit.time import unix_ns
from ..scenario import Scenario
from ..scenario.customers import target_of
from ..shown import plain

#: Beyond it only links are sent on which something is measured, or which are looked at.
MOST_LINKS = 60_000

_METRICS = {"ttft": "first token", "tpot": "each further token", "answer": "whole answer"}


@dataclass(eq=False)
class Shown:
    """A mesh as a scenario makes it; ``interventions``: what is failed or changed, as known by now."""

    scenario: Scenario
    nodes: Nodes
    shells: Sequence[Any]
    start_unix_ns: int
    interventions: Interventions

    @classmethod
    def of(cls, scenario: Scenario, interventions: Interventions | None = None) -> Shown:
        fleet = Fleet.build(scenario.constellation, scenario.run.start_utc, scenario.base)
        nodes = nodes_of(fleet, scenario)
        if interventions is None:
            interventions = Interventions(len(nodes), nodes.n_satellites)
        return cls(scenario, nodes, _shells(fleet), unix_ns(scenario.run.start_utc), interventions)

    @property
    def dut1_s(self) -> float:
        return self.scenario.constellation.dut1_s

    def hello(self, *, is_live: bool, can_control: bool, **more: Any) -> Any:
        """``more``: what a scenario does not say."""
        scenario, nodes = self.scenario, self.nodes
        n = nodes.n_satellites
        gateways = [
            pb.Gateway(
                node=n + row,
                name=nodes.names[n + row],
                latitude_deg=math.degrees(each.latitude_rad),
                longitude_deg=math.degrees(each.longitude_rad),
            )
            for row, each in enumerate(scenario.ground.stations)
        ]
        return pb.Hello(
            scenario=scenario.name,
            title=plain(scenario.title, 1000),
            version=version("orbitmesh"),
            is_live=is_live,
            can_control=can_control,
            start_unix_ns=self.start_unix_ns,
            rate_scale=scenario.run.rate_scale,
            satellites=n,
            shells=self.shells,
            gateways=gateways,
            customer_classes=self._classes(),
            most_links=MOST_LINKS,
            **more,
        )

    def _classes(self) -> list[Any]:
        scenario = self.scenario
        model = "" if scenario.serving is None else scenario.serving.model
        every = [station.name for station in scenario.ground.stations]
        return [
            pb.CustomerClass(
                name=each.name,
                model=each.model or model,
                gateways=every if each.gateways == "all" else list(each.gateways),
                targets=targets_text(target_of(each)),
            )
            for each in scenario.customers
        ]


def targets_text(target: Target | None) -> list[str]:
    """``first token in 500 ms at p99``."""
    if target is None:
        return []
    return [
        f"{_METRICS[metric]} in {bound_ns / 1e6:g} ms at p{100 * target.share:g}"
        for metric, bound_ns in target.bounds_ns.items()
    ]


def _shells(fleet: Fleet) -> Sequence[Any]:
    found = []
    for shell in fleet.shells:
        satrec = fleet.elements[shell.first].satrec
        found.append(
            pb.Shell(
                name=plain(shell.name),
                satellites=len(shell),
                altitude_km=satrec.radiusearthkm * (satrec.a - 1),
                inclination_deg=float(np.degrees(satrec.inclo)),
            )
        )
    return found
