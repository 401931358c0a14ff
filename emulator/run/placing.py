"""The policy of a scenario at work in its run: its classes, what their answers take, who rises when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from orbitmesh.nodes.serving.step_time import StepTime
from orbitmesh.wire.load import LoadSpec
from orbitmesh.wire.serving import ServingSpec

from ..assignment import Assignment
from ..epoch import Epoch, Float64, Int64
from ..geometry import Geometry
from ..links.contacts import Contacts, station_contacts
from ..links.passes import states_of
from ..placement import Placer, RequestClass, Work, load
from ..placement.outlive import Battery, Outlive
from ..placement.rises import Rises
from ..platform import chosen
from ..platform.forecast import PowerForecast
from ..scenario import Scenario
from ..scenario.customers import loads_of
from ..scenario.platforms import platforms_of
from ..scenario.serving import serving_spec


def placer_of(scenario: Scenario, geometry: Geometry, forecast: PowerForecast | None = None) -> Placer | None:
    """None where the nearest serves, as is usual, or nobody asks."""
    serving = scenario.serving
    if serving is None or not scenario.customers:
        return None
    policies = {each.name: each.placement or serving.placement for each in scenario.customers}
    if set(policies.values()) == {"nearest"}:
        return None
    loads = loads_of(scenario, scenario.base, scenario.run.seed)  # means alone are taken: of any seed
    nodes = geometry.nodes
    classes = classes_of(loads, nodes.names[nodes.n_satellites :])
    hosts = np.flatnonzero(geometry.hosting[: nodes.n_satellites]).astype(np.int32)
    rises = Rises(lambda *asked: _passes(geometry, *asked))
    named = {name: load(name) for name in dict.fromkeys(policies.values())}
    return Placer(
        [named[policies[each.name]] for each in classes],
        hosts,
        np.arange(nodes.n_satellites, len(nodes), dtype=np.int32),
        classes,
        work_of(serving_spec(serving), classes),
        scenario.run.step_ns,
        floor_j=_floors_j(scenario, geometry)[hosts],
        next_rise=rises.next_sim_ns,
        power_again=None if forecast is None else forecast.first_again,
    )


def forecast_of(scenario: Scenario, geometry: Geometry) -> PowerForecast | None:
    """None where nothing is served, or no power is followed."""
    if scenario.serving is None or geometry.platforms is None:
        return None
    fleet = geometry.fleet
    return PowerForecast(geometry.platforms, lambda who, when: states_of(fleet, who, when))


def outlive_of(scenario: Scenario, geometry: Geometry) -> Outlive | None:
    """None where nobody asks, or all that is begun stays where it is."""
    serving = scenario.serving
    if serving is None or not scenario.customers:
        return None
    rules = {each.name: each.outlive or serving.outlive for each in scenario.customers}
    if set(rules.values()) == {"stay"}:
        return None
    loads = loads_of(scenario, scenario.base, scenario.run.seed)
    names = geometry.nodes.index
    classes = {names[gateway]: [each.customer_class for each in mine] for gateway, mine in loads.items()}
    forecast = forecast_of(scenario, geometry)  # one of its own: each searches once an epoch
    of = geometry.platforms
    return Outlive(
        np.flatnonzero(geometry.hosting[: geometry.nodes.n_satellites]).astype(np.int32),
        classes,
        rules,
        battery=None
        if of is None
        else Battery(
            of.of_each(lambda each: each.floor_j),
            of.of_each(lambda each: each.discharge_ratio),
            of.of_each(lambda each: float(each.battery_w >= each.bus_w + each.idle_w)) > 0,
        ),
        sunlight=None if forecast is None else forecast.sunlight,
        shadow=None if forecast is None else forecast.shadow,
        passes=lambda *asked: _passes(geometry, *asked),
    )


def with_forecast(
    assignment: Assignment,
    epoch: Epoch,
    geometry: Geometry,
    forecast: PowerForecast | None,
    outlive: Outlive | None = None,
) -> Assignment:
    """With the instants at which satellites without power have some again, and for whom they end soon."""
    if forecast is not None and epoch.platforms is not None:
        serving = np.flatnonzero(geometry.hosting[: geometry.nodes.n_satellites])
        still = serving[epoch.platforms.capacity_ratio[serving] <= 0]
        if len(still):
            assignment = replace(assignment, power_again=forecast.again(epoch, still))
    return assignment if outlive is None else replace(assignment, leaves=outlive.leaves(epoch, assignment))


def _floors_j(scenario: Scenario, geometry: Geometry) -> Float64:
    """What computing leaves in each satellite's battery."""
    fleet = geometry.fleet
    floors_j = [chosen(section)[1].floor_j for section in platforms_of(scenario)] or [0.0] * len(fleet.shells)
    return np.array(floors_j)[fleet.shell]


def classes_of(loads: Mapping[str, Sequence[LoadSpec]], gateways: Sequence[str]) -> tuple[RequestClass, ...]:
    """In the order in which they are first met; tokens are means over the gateways, by their rates."""
    rates: dict[str, list[float]] = {}
    tokens: dict[str, list[tuple[float, tuple[float, float]]]] = {}
    for row, gateway in enumerate(gateways):
        for each in loads.get(gateway, ()):
            name = each.customer_class
            # of a class that is hardly ever asked for there is still somebody who serves it
            rate = max(each.mean_rate_per_s, 1e-9)
            rates.setdefault(name, [0.0] * len(gateways))[row] += rate
            tokens.setdefault(name, []).append((rate, each.mean_tokens))
    found = []
    for name, of in rates.items():
        total = sum(rate for rate, _ in tokens[name])
        prompt, output = (sum(rate * mean[i] for rate, mean in tokens[name]) / total for i in (0, 1))
        found.append(RequestClass(name, prompt, max(output, 1.0), np.array(of)))
    return tuple(found)


def work_of(spec: ServingSpec, classes: Sequence[RequestClass]) -> Work:
    """A batch is as many as ``requests`` say, or as the KV cache has room for."""
    rates = [float(each.rate_per_s.sum()) for each in classes]
    total = sum(rates) or 1.0
    held = sum(
        rate / total * (each.prompt_tokens + each.output_tokens / 2)
        for rate, each in zip(rates, classes, strict=True)
    )
    room = int(spec.deployment.kv_tokens / max(held, 1.0))
    return Work(
        [each.prompt_tokens for each in classes],
        [each.output_tokens for each in classes],
        rates,
        StepTime(spec.deployment).ns,
        requests=max(1, min(spec.requests, room)),
        replicas=spec.replicas,
        step_tokens=spec.deployment.step_tokens,
    )


def _passes(
    geometry: Geometry, gateway: int, satellites: Int64, begin_sim_ns: int, end_sim_ns: int
) -> Contacts:
    rows = np.full(len(satellites), gateway - geometry.nodes.n_satellites, np.int64)
    return station_contacts(
        geometry.stations, rows, satellites, lambda who, when: states_of(geometry.fleet, who, when),
        begin_sim_ns, end_sim_ns,
    )  # fmt: skip
