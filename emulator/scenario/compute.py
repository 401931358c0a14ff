"""``[compute]``: what is wrong with who runs node processes, and with what these measure and do."""

from __future__ import annotations

from collections.abc import Iterator

from orbitmesh.wire import limits

from ..shown import shown
from ..suggest import suggest
from ..toml_lines import Location
from .constellation import satellite_problems, satellites_known
from .model import Content
from .problem import Problem, twice

MOST_OF_TASK = {
    "matmul": limits.MAX_MATMUL_ORDER,
    "checksum": limits.MAX_PAYLOAD_BYTES,
    "generate": limits.MAX_NEW_TOKENS,
}


def compute_problems(scenario: Content) -> Iterator[Problem]:
    compute, stations = scenario.compute, [station.name for station in scenario.ground.stations]
    at: Location = ("compute", "satellites")
    hosting = compute.satellites
    total = satellites_known(scenario.constellation)
    if isinstance(hosting, int) and total is not None and hosting > total:
        yield Problem(
            at,
            f"{hosting} satellites are to run node processes, and there are {total}: write at most {total}",
        )
    if isinstance(hosting, tuple):
        yield from twice(hosting, at, "satellite")
        for i, name in enumerate(hosting):
            yield from satellite_problems(name, scenario.constellation, (*at, i))
    probed = compute.probes.gateways
    if isinstance(probed, int) and stations and probed > len(stations):
        yield Problem(
            ("compute", "probes", "gateways"),
            f"{probed} gateways are to be probed, and there are {len(stations)}: "
            'write at most that, or "all"',
        )
    yield from twice(compute.probes.kinds, ("compute", "probes", "kinds"), "kind")
    for i, task in enumerate(compute.tasks):
        at = ("compute", "tasks", i)
        if task.size > MOST_OF_TASK[task.kind]:
            yield Problem(
                (*at, "size"),
                f"the size is {task.size}: a task {task.kind!r} takes at most {MOST_OF_TASK[task.kind]}",
            )
        if not stations:
            yield Problem(
                at, "gateways send tasks, and there is no ground station: add one under [[ground.stations]]"
            )
        if isinstance(task.gateways, tuple):
            yield from twice(task.gateways, (*at, "gateways"), "gateway")
            for j, name in enumerate(task.gateways):
                if name not in stations:
                    hint = suggest(name.removeprefix("gw-"), stations, "stations")
                    yield Problem((*at, "gateways", j), f"there is no ground station {shown(name)}: {hint}")
        if task.satellite != "nearest":
            yield from satellite_problems(task.satellite, scenario.constellation, (*at, "satellite"))
        elif hosting in (0, ()):
            yield Problem(
                at, "no satellite runs a node process that could do the task: set the satellites of [compute]"
            )
