"""What must hold between the keys of a scenario, and ranges that one sentence explains better than a bound.

Each check yields ``Problem(location, message)``; a location is the path of keys
and indices in the file.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice, starmap

from orbitmesh.wire import limits

from ..presets import presets
from ..shown import shown
from ..toml_lines import Location
from .code import LEAST_ALTITUDE_KM, MOST_ALTITUDE_KM, MOST_PLANES, MOST_SATELLITES, parse_code
from .customers import MOST_SILENT_PER_S, customer_problems, silent_rate_per_s
from .faults import fault_problems, name_problem
from .formation import formation_problems, formation_size
from .model import Content, Ground, Plane, Shell, Station
from .platforms import platform_problems
from .serving import serving_problems
from .training import training_problems
from .units import LAST_YEAR

MOST_PROBLEMS = 100
_MOST_COMPARED, _MOST_COMPARED_CHARACTERS = 20_000, 80  # of names, for one that is meant: a second of work
SOURCES = ("code", "planes", "formation", "tle", "omm")
LOWEST_STATION_KM, HIGHEST_STATION_KM = -0.5, 30.0  # the shore of the Dead Sea; a balloon
MOST_OF_TASK = {
    "matmul": limits.MAX_MATMUL_ORDER,
    "checksum": limits.MAX_PAYLOAD_BYTES,
    "generate": limits.MAX_NEW_TOKENS,
}
_SATELLITE = re.compile(r"sat-(0|[1-9]\d{0,8})-(0|[1-9]\d{0,8})", re.ASCII)
_SLACK_RAD = 1e-12  # "90 deg" in radians may round up


@dataclass(frozen=True)
class Problem:
    location: Location
    message: str


def problems(scenario: Content) -> tuple[Problem, ...]:
    """Of very many only the first: whoever mends them mends a kind."""
    found = chain(
        _shells(scenario),
        _lasers(scenario),
        _ground(scenario.ground),
        _compute(scenario),
        _platform(scenario),
        _serving(scenario),
        _customers(scenario),
        _training(scenario),
        _faults(scenario),
        _run(scenario),
    )
    return tuple(islice(found, MOST_PROBLEMS))


def suggest(wrong: str, known: Iterable[str], what: str) -> str:
    """'did you mean …?' where something is near; else what there is, if that is short."""
    known, wrong = list(islice(known, _MOST_COMPARED)), wrong[:_MOST_COMPARED_CHARACTERS]
    near = nearest(wrong, known)
    if near is not None:
        return f"did you mean {near!r}?"
    if not known:
        return f"there are no {what}"
    listed = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
    return f"{what}: {listed}"


def nearest(wrong: str, known: Iterable[str]) -> str | None:
    """The known word that a wrong one seems to be."""
    return next(
        iter(
            difflib.get_close_matches(
                wrong[:_MOST_COMPARED_CHARACTERS], list(islice(known, _MOST_COMPARED)), n=1
            )
        ),
        None,
    )


def plane_sizes(shells: Sequence[Shell]) -> list[int | None]:
    """Satellites of each plane, over all shells in order; None where only a file's length can tell."""
    sizes: list[int | None] = []
    for shell in shells:
        if shell.code is not None:
            for walker in parse_code(shell.code):
                sizes += [walker.n_slots] * walker.n_planes
        elif shell.planes is not None:
            sizes += [plane.satellites for plane in shell.planes]
        elif shell.formation is not None:
            sizes.append(formation_size(shell.formation) or 0)
        elif shell.shape is not None:
            sizes += [shell.shape[1]] * shell.shape[0]
        else:
            sizes.append(None)
    return sizes


# -- constellation --------------------------------------------------------------------------------


def _shells(scenario: Content) -> Iterator[Problem]:
    if not scenario.constellation.shells:
        yield Problem(
            ("constellation", "shells"), "there is no shell: add one under [[constellation.shells]]"
        )
    seen: set[str] = set()
    for i, shell in enumerate(scenario.constellation.shells):
        at: Location = ("constellation", "shells", i)
        if shell.name and shell.name in seen:
            yield Problem(
                (*at, "name"), f"a second shell is named {shown(shell.name)}: give each its own name"
            )
        seen.add(shell.name)
        yield from _shell(shell, at)
    planes = len(_sizes(scenario) or ())
    if planes > MOST_PLANES:
        yield Problem(
            ("constellation",), f"the shells have {planes} planes: write at most {MOST_PLANES} in all"
        )
    known = _satellites_known(scenario)
    if known is not None and known > MOST_SATELLITES:
        yield Problem(
            ("constellation",), f"the shells hold {known} satellites: write at most {MOST_SATELLITES} in all"
        )


def _shell(shell: Shell, at: Location) -> Iterator[Problem]:
    given = [source for source in SOURCES if getattr(shell, source) is not None]
    if len(given) != 1:
        what = "none of" if not given else f"{' and '.join(given)}, where only one is allowed of"
        yield Problem((*at, *given[1:2]), f"the shell gives {what} {', '.join(SOURCES)}: give exactly one")
        return
    if shell.shape is not None and given[0] not in ("tle", "omm"):
        yield Problem(
            (*at, "shape"), f"shape is for tle and omm files: {given[0]!r} already says the planes and slots"
        )
    if shell.code is not None:
        if shell.star:
            yield Problem(
                (*at, "star"), "a code says itself whether it is a star (S: or D:): remove the key 'star'"
            )
        try:
            parse_code(shell.code)
        except ValueError as error:
            yield Problem((*at, "code"), str(error))
    if shell.formation is not None:
        for key, message in formation_problems(shell.formation):
            yield Problem((*at, "formation", key), message)
        if shell.star:
            yield Problem((*at, "star"), "a formation is one plane, and no star: remove the key 'star'")
    if shell.planes == ():
        yield Problem((*at, "planes"), "there is no plane: add one")
    for j, plane in enumerate(shell.planes or ()):
        yield from _plane(plane, (*at, "planes", j))


def _plane(plane: Plane, at: Location) -> Iterator[Problem]:
    if not LEAST_ALTITUDE_KM <= plane.altitude_km <= MOST_ALTITUDE_KM:
        yield Problem(
            (*at, "altitude"),
            f"the altitude is {plane.altitude_km:g} km: "
            f"write one between {LEAST_ALTITUDE_KM:g} km and {MOST_ALTITUDE_KM:g} km",
        )
    if not 0 <= plane.inclination_rad <= math.pi + _SLACK_RAD:
        yield Problem(
            (*at, "inclination"),
            f"the inclination is {math.degrees(plane.inclination_rad):g} deg: "
            "write one between 0 deg and 180 deg",
        )
    perigee_km = (6378.135 + plane.altitude_km) * (1 - plane.eccentricity) - 6378.135
    if plane.eccentricity and perigee_km < LEAST_ALTITUDE_KM:
        yield Problem(
            (*at, "eccentricity"),
            f"the eccentricity {plane.eccentricity:g} puts the perigee at {perigee_km:.0f} km: "
            f"write a smaller one, so that it stays above {LEAST_ALTITUDE_KM:g} km",
        )


def _satellites_known(scenario: Content) -> int | None:
    """How many satellites there are; None where only a file's length can tell, or a code is wrong."""
    try:
        sizes = plane_sizes(scenario.constellation.shells)
    except ValueError:
        return None
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


# -- lasers, ground -------------------------------------------------------------------------------


def _lasers(scenario: Content) -> Iterator[Problem]:
    lasers = scenario.lasers
    if isinstance(lasers.terminal, str) and lasers.terminal not in presets("terminal"):
        hint = suggest(lasers.terminal, presets("terminal"), "presets")
        yield Problem(("lasers", "terminal"), f"{shown(lasers.terminal)} is not a terminal preset: {hint}")
    limit = lasers.cross_plane_max_latitude_rad
    if limit is not None and not 0 <= limit <= math.pi / 2 + _SLACK_RAD:
        yield Problem(
            ("lasers", "cross-plane-max-latitude"),
            f"the latitude is {math.degrees(limit):g} deg: write one between 0 deg and 90 deg",
        )


def _ground(ground: Ground) -> Iterator[Problem]:
    yield from _mask(ground.min_elevation_rad, ("ground",))
    seen: set[str] = set()
    for i, station in enumerate(ground.stations):
        at: Location = ("ground", "stations", i)
        if station.name in seen:
            yield Problem(
                (*at, "name"), f"a second station is named {shown(station.name)}: give each its own name"
            )
        seen.add(station.name)
        yield from _station(station, ground, at)


def _station(station: Station, ground: Ground, at: Location) -> Iterator[Problem]:
    yield from _mask(station.min_elevation_rad, at)
    limits = (
        station.min_elevation_rad,
        station.max_slant_range_km,
        ground.min_elevation_rad,
        ground.max_slant_range_km,
    )
    if all(limit is None for limit in limits):
        yield Problem(
            at,
            f"station {shown(station.name)} has neither min-elevation nor max-slant-range: "
            "set one of them here, or in [ground] for all stations",
        )
    for key, angle_rad, least, most in (
        ("latitude", station.latitude_rad, -90, 90),
        ("longitude", station.longitude_rad, -180, 360),
    ):
        if not math.radians(least) - _SLACK_RAD <= angle_rad <= math.radians(most) + _SLACK_RAD:
            yield Problem(
                (*at, key),
                f"the {key} of station {shown(station.name)} is {math.degrees(angle_rad):g} deg: "
                f"write one between {least} deg and {most} deg",
            )
    if not LOWEST_STATION_KM <= station.altitude_km <= HIGHEST_STATION_KM:
        yield Problem(
            (*at, "altitude"),
            f"the altitude of station {shown(station.name)} is {station.altitude_km:g} km: "
            f"write one between {LOWEST_STATION_KM:g} km and {HIGHEST_STATION_KM:g} km",
        )


def _mask(min_elevation_rad: float | None, at: Location) -> Iterator[Problem]:
    if min_elevation_rad is not None and not 0 <= min_elevation_rad < math.pi / 2 - _SLACK_RAD:
        yield Problem(
            (*at, "min-elevation"),
            f"the elevation mask is {math.degrees(min_elevation_rad):g} deg: "
            "write one from 0 deg to below 90 deg",
        )


# -- compute, run ---------------------------------------------------------------------------------


def _compute(scenario: Content) -> Iterator[Problem]:
    compute, stations = scenario.compute, [station.name for station in scenario.ground.stations]
    at: Location = ("compute", "satellites")
    hosting = compute.satellites
    total = _satellites_known(scenario)
    if isinstance(hosting, int) and total is not None and hosting > total:
        yield Problem(
            at,
            f"{hosting} satellites are to run node processes, and there are {total}: write at most {total}",
        )
    if isinstance(hosting, tuple):
        yield from _twice(hosting, at, "satellite")
        for i, name in enumerate(hosting):
            yield from _satellite(name, scenario, (*at, i))
    probed = compute.probes.gateways
    if isinstance(probed, int) and stations and probed > len(stations):
        yield Problem(
            ("compute", "probes", "gateways"),
            f"{probed} gateways are to be probed, and there are {len(stations)}: "
            'write at most that, or "all"',
        )
    yield from _twice(compute.probes.kinds, ("compute", "probes", "kinds"), "kind")
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
            yield from _twice(task.gateways, (*at, "gateways"), "gateway")
            for j, name in enumerate(task.gateways):
                if name not in stations:
                    hint = suggest(name.removeprefix("gw-"), stations, "stations")
                    yield Problem((*at, "gateways", j), f"there is no ground station {shown(name)}: {hint}")
        if task.satellite != "nearest":
            yield from _satellite(task.satellite, scenario, (*at, "satellite"))
        elif hosting in (0, ()):
            yield Problem(
                at, "no satellite runs a node process that could do the task: set the satellites of [compute]"
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
        yield from _twice(group, ("training", "group"), "satellite")
        for i, name in enumerate(group):
            yield from _satellite(name, scenario, ("training", "group", i))
    elif hosting == "all":
        members = _satellites_known(scenario)
    else:
        members = hosting if isinstance(hosting, int) else len(hosting)
    for key, message in training_problems(scenario, members):
        yield Problem(("training",) if key is None else ("training", key), message)


def _faults(scenario: Content) -> Iterator[Problem]:
    stations = [station.name for station in scenario.ground.stations]
    for i, fault in enumerate(scenario.faults):
        for key, message in fault_problems(fault):
            yield Problem(("faults", i, key), message)
        for what in fault.what:
            if message_of_name := name_problem(what, stations):
                yield Problem(("faults", i, "what"), message_of_name)


def _customers(scenario: Content) -> Iterator[Problem]:
    names = [customers.name for customers in scenario.customers]
    yield from _twice(names, ("customers",), "class of customers")
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


def _twice(names: Sequence[str], at: Location, what: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for i, name in enumerate(names):
        if name in seen:
            yield Problem((*at, i), f"the {what} {shown(name)} is named twice: remove one")
        seen.add(name)


def _satellite(name: str, scenario: Content, at: Location) -> Iterator[Problem]:
    shells, sizes = scenario.constellation.shells, _sizes(scenario)
    match = _SATELLITE.fullmatch(name)
    if match is None and any(shell.tle or shell.omm for shell in shells):
        return  # it may be a name in the file, which is read later
    if match is None:
        yield Problem(at, f"{shown(name)} is not a satellite: write sat-<plane>-<slot>, as in 'sat-3-7'")
        return
    if sizes is None:
        return  # the code is wrong, which has been said
    plane, slot = int(match[1]), int(match[2])
    if plane >= len(sizes):
        yield Problem(at, f"there is no satellite {shown(name)}: planes are numbered 0 to {len(sizes) - 1}")
        return
    size = sizes[plane]
    if size is not None and slot >= size:
        yield Problem(
            at, f"there is no satellite {shown(name)}: slots of plane {plane} are numbered 0 to {size - 1}"
        )


def _sizes(scenario: Content) -> list[int | None] | None:
    """See ``plane_sizes``; None where a code is wrong."""
    try:
        return plane_sizes(scenario.constellation.shells)
    except ValueError:
        return None


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
