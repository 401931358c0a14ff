"""The plugin as pytest knows it: options, marker, fixtures.  All else is imported when a test asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from .asked import Asked, NotUnderstood, asked, scope

if TYPE_CHECKING:
    from ..run.emulation import Emulation
    from .clock import MeshClock
    from .faults import Faults
    from .measurement import Measurement
    from .services import Services

_INI = ("scenario", "duration", "plane", "links")
_ASKED = "_orbitmesh_asked"
_known = pytest.StashKey[dict[Any, Asked]]()  # one object for equal ones: pytest compares them by identity
_services = pytest.StashKey["Services"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("orbitmesh", "tests against a mesh of satellites (orbitmesh)")
    group.addoption(
        "--orbitmesh-guest", action="store_true",
        help="run all of this in a guest kernel, without root (User-mode Linux: links by netem)",
    )  # fmt: skip
    group.addoption(
        "--orbitmesh-guest-memory", default="1G", metavar="SIZE", help="of the guest (default: 1G)"
    )
    group.addoption(
        "--orbitmesh-links", default="", metavar="NAME",
        help="auto, engine, netem or fake: what carries packets where a test does not say",
    )  # fmt: skip
    parser.addini("orbitmesh_scenario", "of tests that name none: a file, or a shipped one", default="pocket")
    parser.addini(
        "orbitmesh_scope", "one mesh for a session (default), or for each module", default="session"
    )
    parser.addini(
        "orbitmesh_duration", 'emulated time that the scenario is checked for, as "60 s"', default=""
    )
    parser.addini("orbitmesh_plane", "wired, fabric or auto", default="")
    parser.addini("orbitmesh_links", "auto, engine, netem or fake", default="")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "orbitmesh(scenario, duration, plane, links, clock, seed, gateway, satellite): "
        "the mesh that a test, class or module is to have, and which of its nodes are meant",
    )
    config.stash[_known] = {}
    try:
        scope(str(config.getini("orbitmesh_scope")))
        _asked({}, config, "")
    except NotUnderstood as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    if not config.getoption("--orbitmesh-guest"):
        return None
    from .in_guest import run_in_guest

    return run_in_guest(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if _ASKED not in metafunc.fixturenames:
        return  # no mesh of ours
    why = ""
    try:
        wanted = _asked(_marked(metafunc.definition), metafunc.config, str(metafunc.definition.path.parent))
    except NotUnderstood as error:
        why = str(error)
    if why:  # not as a failure while another is handled, which pytest would tell twice
        pytest.fail(f"{metafunc.definition.nodeid}: {why}", pytrace=False)
    hidden = getattr(pytest, "HIDDEN_PARAM", wanted.name)  # since pytest 8.4
    metafunc.parametrize(_ASKED, [wanted], indirect=True, ids=[hidden], scope=_scope("", metafunc.config))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With ``--dist loadgroup`` one worker of xdist has all tests of a mesh."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        callspec = getattr(item, "callspec", None)
        wanted: Asked | None = None if callspec is None else callspec.params.get(_ASKED)
        if wanted is not None and item.get_closest_marker("xdist_group") is None:
            number = list(config.stash[_known].values()).index(wanted)
            item.add_marker(pytest.mark.xdist_group(name=f"orbitmesh-{number}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """What services said is shown with a failure."""
    report: pytest.TestReport = yield
    services = item.stash.get(_services, None)
    if services is not None and report.failed:
        report.sections += [(service.title, service.output) for service in services.all]
    return report


def _marked(item: pytest.Item | pytest.Function) -> dict[str, Any]:
    """Keywords of its markers: of the test itself before the class's, the module's."""
    found: dict[str, Any] = {}
    for marker in item.iter_markers("orbitmesh"):
        if marker.args:
            raise NotUnderstood(f"write @pytest.mark.orbitmesh(scenario={marker.args[0]!r}): by keywords")
        found = {**marker.kwargs, **found}
    return found


def _asked(marked: dict[str, Any], config: pytest.Config, folder: str) -> Asked:
    by_ini = {key: str(config.getini(f"orbitmesh_{key}")) for key in _INI}
    if by_option := config.getoption("--orbitmesh-links"):
        by_ini["links"] = str(by_option)
    if "scenario" not in marked:
        folder = str(config.inipath.parent if config.inipath else config.rootpath)
    wanted = asked(marked, by_ini, folder)
    return config.stash[_known].setdefault(wanted.key, wanted)


def _scope(fixture_name: str, config: pytest.Config) -> Any:
    return scope(str(config.getini("orbitmesh_scope")))


# ---- fixtures


@pytest.fixture(scope=_scope)
def _orbitmesh_asked(request: pytest.FixtureRequest) -> Asked:
    wanted: Asked | None = getattr(request, "param", None)
    return wanted or _asked({}, request.config, "")  # asked for by getfixturevalue()


@pytest.fixture(scope="session")
def _orbitmesh_nursery() -> Iterator[None]:
    """What a mesh's processes import is loaded once for all meshes of the session."""
    from ..nursery import kept

    with kept():
        yield


@pytest.fixture(scope=_scope)
def mesh(
    _orbitmesh_asked: Asked, _orbitmesh_nursery: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Emulation]:
    """A running mesh of the scenario of the marker or the ini file: an orbitmesh.emulator.Emulation.

    Where nothing here may carry packets it is a fake one: geometry, paths, faults; who measures is skipped.
    """
    from .meshes import meshed

    with meshed(_orbitmesh_asked, tmp_path_factory.mktemp("orbitmesh") / "run") as running:
        yield running


@pytest.fixture
def gateway(mesh: Emulation, request: pytest.FixtureRequest) -> str:
    """The marker's gateway; else the scenario's first."""
    from .meshes import need_life
    from .nodes import gateway_of

    need_life(mesh)
    return gateway_of(mesh, _marked(request.node).get("gateway"))


@pytest.fixture
def satellite(mesh: Emulation, gateway: str, request: pytest.FixtureRequest) -> str:
    """The marker's satellite; else of those with a process the nearest to ``gateway`` by path, now."""
    from .nodes import satellite_of

    return satellite_of(mesh, gateway, _marked(request.node).get("satellite"))


@pytest.fixture
def service(mesh: Emulation, request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Services]:
    """``service(node, [program, …], port=…)`` starts it there, and waits until the port answers."""
    from .meshes import need_packets
    from .services import Services

    need_packets(mesh)
    with Services(mesh, tmp_path) as services:
        request.node.stash[_services] = services
        yield services


@pytest.fixture
def fault(mesh: Emulation) -> Iterator[Faults]:
    """``fault("sat-0-0:sat-0-1")`` fails it until the test ends; ``fault.change()``, ``fault.restore()``."""
    from .faults import Faults
    from .meshes import need_life

    need_life(mesh)
    with Faults(mesh) as faults:
        yield faults


@pytest.fixture
def clock(mesh: Emulation) -> Iterator[MeshClock]:
    """Emulated time: ``clock.pause()``, ``step("1 s")``, ``speed(2)``, ``next_change(a, b)``."""
    from .clock import MeshClock
    from .meshes import need_life

    need_life(mesh)
    with MeshClock(mesh) as held:
        yield held


@pytest.fixture
def measure(mesh: Emulation) -> Callable[..., Measurement]:
    """``measure(a, b, kind, n)``: n round trips, each beside what physics allows."""
    from functools import partial

    from .measuring import measure
    from .meshes import need_packets

    need_packets(mesh)
    return partial(measure, mesh)


@pytest.fixture
def assert_latency(measure: Callable[..., Measurement]) -> Callable[..., Measurement]:
    """``assert_latency(a, b, p99="40 ms")``; a failure explains itself by physics."""
    from functools import partial

    from .assertions import assert_latency

    return partial(assert_latency, measure)


@pytest.fixture
def assert_available(measure: Callable[..., Measurement]) -> Callable[..., Measurement]:
    """``assert_available(a, b, ratio=0.99, during="5 s")``: the share of round trips answered in time."""
    from functools import partial

    from .assertions import assert_available

    return partial(assert_available, measure)


@pytest.fixture
def assert_within_physics(measure: Callable[..., Measurement]) -> Callable[..., Measurement]:
    """``assert_within_physics(a, b, remainder="5 ms")``: none faster than light, nor that much slower."""
    from functools import partial

    from .assertions import assert_within_physics

    return partial(assert_within_physics, measure)
