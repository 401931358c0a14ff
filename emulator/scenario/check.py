"""What must hold between the keys of a scenario, and ranges that one sentence explains better than a bound.

What is wrong with a section alone its own module finds, if it has one; here is all together, and what
concerns several sections.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, islice, starmap

from ..presets import presets
from ..shown import shown
from ..suggest import suggest
from ..toml_lines import Location
from .compute import compute_problems
from .constellation import constellation_problems, satellite_problems, satellites_known
from .customers import MOST_SILENT_PER_S, customer_problems, silent_rate_per_s
from .faults import fault_problems, name_problem
from .ground import ground_problems
from .model import Content
from .platforms import platform_problems
from .problem import Problem, twice
from .serving import serving_problems
from .training import training_problems
from .units import LAST_YEAR, SLACK_RAD

MOST_PROBLEMS = 100


def problems(scenario: Content) -> tuple[Problem, ...]:
    """Of very many only the first: whoever mends them mends a kind."""
    found = chain(
        constellation_problems(scenario.constellation),
        _lasers(scenario),
        ground_problems(scenario.ground),
        compute_problems(scenario),
        _platform(scenario),
        _serving(scenario),
        _customers(scenario),
        _training(scenario),
        _faults(scenario),
        _routing(scenario),
        _run(scenario),
    )
    return tuple(islice(found, MOST_PROBLEMS))


def _lasers(scenario: Content) -> Iterator[Problem]:
    lasers = scenario.lasers
    if isinstance(lasers.terminal, str) and lasers.terminal not in presets("terminal"):
        hint = suggest(lasers.terminal, presets("terminal"), "presets")
        yield Problem(("lasers", "terminal"), f"{shown(lasers.terminal)} is not a terminal preset: {hint}")
    limit = lasers.cross_plane_max_latitude_rad
    if limit is not None and not 0 <= limit <= math.pi / 2 + SLACK_RAD:
        yield Problem(
            ("lasers", "cross-plane-max-latitude"),
            f"the latitude is {math.degrees(limit):g} deg: write one between 0 deg and 90 deg",
        )


def _routing(scenario: Content) -> Iterator[Problem]:
    local_ns, reaction_ns = scenario.routing.local_repair_ns, scenario.routing.reaction_ns
    if local_ns is not None and local_ns >= reaction_ns:
        yield Problem(
            ("routing", "local-repair"),
            f"a neighbour would detour after {local_ns / 1e9:g} s, and routes follow after "
            f"{reaction_ns / 1e9:g} s: write less than reaction, or leave it out",
        )


def _platform(scenario: Content) -> Iterator[Problem]:
    yield from starmap(Problem, platform_problems(scenario))


def _serving(scenario: Content) -> Iterator[Problem]:
    if scenario.serving is None:
        return
    for key, message in serving_problems(scenario.serving):
        yield Problem(("serving",) if key is None else ("serving", key), message)
    yield from _placement(scenario.serving.placement, scenario, ("serving", "placement"))
    if scenario.compute.satellites in (0, ()):
        yield Problem(
            ("serving",), "no satellite runs a node process that could serve: set the satellites of [compute]"
        )


def _placement(name: str | None, scenario: Content, at: Location) -> Iterator[Problem]:
    if name is None or name == "nearest":
        return
    from ..placement.known import problem  # numpy: only where a scenario asks for it

    wrong = problem(name, has_platforms=scenario.platform is not None)
    if wrong is not None:
        yield Problem(at, wrong)


def _training(scenario: Content) -> Iterator[Problem]:
    if scenario.training is None:
        return
    group, hosting, members = scenario.training.group, scenario.compute.satellites, None
    if isinstance(group, tuple):
        members = len(group)
        yield from twice(group, ("training", "group"), "satellite")
        for i, name in enumerate(group):
            yield from satellite_problems(name, scenario.constellation, ("training", "group", i))
    elif hosting == "all":
        members = satellites_known(scenario.constellation)
    else:
        members = hosting if isinstance(hosting, int) else len(hosting)
    for key, message in training_problems(scenario, members):
        yield Problem(("training",) if key is None else ("training", key), message)


def _faults(scenario: Content) -> Iterator[Problem]:
    stations = [station.name for station in scenario.ground.stations]
    for i, fault in enumerate(scenario.faults):
        for key, message in fault_problems(fault):
            yield Problem(("faults", i, key), message)
        if fault.at_ns >= scenario.run.duration_ns:
            yield Problem(
                ("faults", i, "at"),
                f"it begins at {fault.at_ns / 1e9:g} s, and the run lasts "
                f"{scenario.run.duration_ns / 1e9:g} s: let it begin before, or raise run.duration",
            )
        for what in fault.what:
            if message_of_name := name_problem(what, stations):
                yield Problem(("faults", i, "what"), message_of_name)


def _customers(scenario: Content) -> Iterator[Problem]:
    names = [customers.name for customers in scenario.customers]
    yield from twice(names, ("customers",), "class of customers")
    if names and scenario.serving is None:
        yield Problem(("customers", 0), "nothing serves them: add [serving] with a model and an accelerator")
        return
    stations = [station.name for station in scenario.ground.stations]
    silent_per_s = silent_rate_per_s(scenario)
    if silent_per_s > MOST_SILENT_PER_S:
        yield Problem(
            ("customers", 0),
            f"all classes together ask {silent_per_s:,.0f} times a second without packets, and a run tells "
            f"its satellites of {MOST_SILENT_PER_S:,} at most: lower rate",
        )
    for i, customers in enumerate(scenario.customers):
        at: Location = ("customers", i)
        for key, message in customer_problems(customers, scenario):
            yield Problem((*at, key), message)
        yield from _placement(customers.placement, scenario, (*at, "placement"))
        if customers.gateways == "all":
            if not stations:
                yield Problem(at, "it has no gateway: add one under [[ground.stations]]")
            continue
        if not customers.gateways:
            yield Problem((*at, "gateways"), "it has no gateway: name one, or leave the key out for all")
        for gateway in customers.gateways:
            if gateway.removeprefix("gw-") not in stations:
                yield Problem(
                    (*at, "gateways"),
                    f"there is no station {shown(gateway)}: {suggest(gateway, stations, 'stations')}",
                )


def _run(scenario: Content) -> Iterator[Problem]:
    run = scenario.run
    left = datetime(LAST_YEAR, 1, 1, tzinfo=UTC) - run.start_utc
    if run.duration_ns > left // timedelta(microseconds=1) * 1000:
        yield Problem(("run", "duration"), f"the run ends after {LAST_YEAR - 1}: write a shorter duration")
    if run.step_ns > run.duration_ns:
        yield Problem(
            ("run", "step"),
            f"the step is {run.step_ns / 1e9:g} s, longer than the run of "
            f"{run.duration_ns / 1e9:g} s: write a shorter one",
        )
