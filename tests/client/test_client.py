"""A mesh driven from a program: what it is told, what it does, and how it is refused."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from orbitmesh.client import (
    AsyncMesh,
    Event,
    FailureError,
    InputError,
    Mesh,
    NotReached,
    RunEnded,
    UnknownName,
)
from orbitmesh.emulator import Emulation

sys.path.insert(0, str(Path(__file__).parents[1] / "control"))
from api_lab import fake_mesh, server_pid, until

LASER = "sat-0-0:sat-0-1"
AT = ("sat-0-0", "sat-0-1")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    with fake_mesh(tmp_path_factory.mktemp("run") / "toy") as run:
        yield run


@pytest.fixture(scope="module")
def mesh(run: Emulation) -> Iterator[Mesh]:
    with Mesh.connect(run.run_id) as mesh:
        yield mesh


def test_it_needs_no_numpy(run: Emulation) -> None:
    program = (
        "import sys; from orbitmesh.client import Mesh\n"
        f"with Mesh.connect({run.run_id!r}) as mesh: print(mesh.status().run_id)\n"
        "print(sorted({'numpy', 'scipy', 'mininet', 'pyarrow', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [run.run_id, "[]"], done.stderr


def test_what_there_is(run: Emulation, mesh: Mesh) -> None:
    status = mesh.status()
    assert (status.run_id, status.gateways, status.is_paused) == (run.run_id, 3, False)
    assert status.told["scenario"] == "toy"
    nodes = mesh.nodes()
    assert [node.name for node in nodes] == list(run.nodes.names)
    assert (nodes[0].is_gateway, nodes[0].plane, nodes[-1].is_gateway, nodes[-1].plane) == (
        False,
        0,
        True,
        None,
    )
    assert {link.kind for link in mesh.links()} == {"laser", "ground"}
    assert all("gw-lima" in (link.a, link.b) for link in mesh.links("gw-lima"))
    path = mesh.path("gw-lima", "sat-0-3")
    assert list(path.nodes) == run.path("gw-lima", "sat-0-3")["path"]
    assert path.hops == len(path.nodes) - 1
    assert path.delay_ns is not None
    mesh.route_to("sat-4-4")
    ways = list(mesh.ways("gw-lima", "gw-tokyo", begin_sim_ns=0, duration_s=300))
    assert (ways[0].begin_sim_ns, ways[-1].end_sim_ns) == (0, 300 * 10**9)
    assert all(a.end_sim_ns == b.begin_sim_ns for a, b in pairwise(ways))
    seen = list(mesh.sight("gw-lima", "sat-0-3", duration_s=6 * 3600))
    assert [each.path for each in seen] == [("gw-lima", "sat-0-3")] * len(seen) != []


def test_failing_changing_and_restoring(run: Emulation, mesh: Mesh) -> None:
    done = mesh.fail(LASER, by="ada")
    assert done.interventions[0].what == LASER
    assert done.in_force_ns > 0
    assert run.epoch is not None
    assert run.epoch.links.find(0, 1) < 0
    changed = mesh.change("sat-1-0:sat-1-1", rate_bps=3_000_000, extra_delay_ns=7_000_000, lasts_s=3600)
    number = changed.interventions[0].number
    assert {each.number: each.rate_bps for each in mesh.interventions()}[number] == 3_000_000
    lossy = mesh.change("sat-1-1:sat-1-2", loss_ratio=0.02)
    assert [each.loss_ratio for each in mesh.interventions()] == [None, None, 0.02]
    assert [each.by for each in mesh.interventions()] == ["ada", "program", "program"]
    mesh.restore(lossy.interventions[0].number)
    assert [each.what for each in mesh.restore(number).interventions] == ["sat-1-0:sat-1-1"]
    assert len(mesh.restore().interventions) == 1
    assert mesh.interventions() == []
    assert mesh.restore().interventions == ()


def test_the_clock_is_in_hand(run: Emulation, mesh: Mesh) -> None:
    try:
        assert mesh.pause(by="ada").is_paused
        before = mesh.status().elapsed_ns
        state = mesh.step(2.5)
        assert state.elapsed_ns == before + 2_500_000_000
        assert mesh.speed(2).speed_ratio == 2
        with pytest.raises(InputError, match="write from"):
            mesh.speed(1e9)
    finally:
        mesh.speed(1)
        assert not mesh.resume().is_paused
    with pytest.raises(InputError, match="pause it first"):
        mesh.step(1)


def test_epochs_are_those_of_the_mesh_and_go_on_after_one(run: Emulation, mesh: Mesh) -> None:
    found = []
    for epoch in mesh.epochs(positions=True, routes=True):
        found.append(epoch)
        if len(found) == 1:
            mesh.fail(LASER)
        if AT in epoch.removed:
            mesh.restore()
        if AT in epoch.added:
            break
    assert [each.number for each in found] == sorted({each.number for each in found})
    assert found[0].link(*AT) is not None
    gone = next(each for each in found if AT in each.removed)
    assert gone.link(*AT) is None
    assert found[0].link(*AT) is not None  # an epoch stays as it was
    assert run.epoch is not None
    assert len(found[-1].positions_itrs_km) == len(run.nodes)
    assert found[-1].routes["gw-lima", "gw-tokyo"] in dict.fromkeys(run.nodes.names)
    later = next(mesh.epochs(after=gone, positions=True, routes=True))
    again = found[found.index(gone) + 1]
    assert (later.number, later.links, later.routes, later.added) == (
        again.number, again.links, again.routes, again.added,
    )  # fmt: skip


def test_events_as_they_happen_and_after_a_number(mesh: Mesh) -> None:
    come: list[Any] = []
    watching = mesh.events("intervention", "intervention ended")

    def watch() -> None:
        for event in watching:
            come.append(event)
            if len(come) == 2:
                return

    thread = threading.Thread(target=watch)
    thread.start()
    time.sleep(0.3)
    mesh.fail("gw-lima", lasts_s=0.1)
    thread.join(20)
    assert [each.event for each in come] == ["intervention", "intervention ended"]
    assert come[0].told["what"] == "gw-lima"
    again = next(mesh.events("intervention ended", after=come[0].number))
    assert again == come[1]
    assert isinstance(again, Event)


def test_what_is_wrong_is_raised_in_words(mesh: Mesh, run: Emulation) -> None:
    with pytest.raises(UnknownName, match="did you mean 'gw-lima'"):
        mesh.path("gw-lma", "gw-tokyo")
    with pytest.raises(InputError, match="nothing is to change: give rate_bps"):
        mesh.change(LASER)
    with pytest.raises(InputError, match="lasts_s is -1: write seconds"):
        mesh.fail(LASER, lasts_s=-1)
    with pytest.raises(FailureError, match="the fake backend makes no namespaces"):
        mesh.run("gw-lima", "true")
    with pytest.raises(InputError, match="no run 'nobody-1' is under way"):
        Mesh.connect("nobody-1")
    with pytest.raises(InputError, match="say where it is"):
        Mesh.connect(token="x")
    with pytest.raises(InputError, match="give a token, or a certificate"):
        Mesh.connect(at="localhost:1")
    with pytest.raises(InputError, match="'nowhere' is no address: write HOST:PORT"):
        Mesh.connect(at="nowhere", token="x")
    with (
        Mesh.connect(at="127.0.0.1:1", token="x" * 20) as nobody,
        pytest.raises(NotReached, match=r"127\.0\.0\.1:1 cannot"),
    ):
        nobody.status()


def test_what_asks_only_goes_on_when_the_api_s_process_was_killed(mesh: Mesh, run: Emulation) -> None:
    before = mesh.status().told["ticks"]
    os.kill(server_pid(run), signal.SIGKILL)
    assert mesh.status().ticks >= before
    until(lambda: mesh.status().ticks > before, "ticks go on")


def test_the_same_with_asyncio(run: Emulation) -> None:
    async def drive() -> None:
        async with AsyncMesh.connect(run.run_id) as mesh:
            status, nodes, path = await asyncio.gather(
                mesh.status(), mesh.nodes(), mesh.path("gw-lima", "sat-0-3")
            )
            assert (status.run_id, len(nodes)) == (run.run_id, 51)
            assert path.nodes[0] == "gw-lima"
            assert await mesh.links("gw-lima")
            await mesh.route_to("sat-4-4")
            assert len((await mesh.fail(LASER)).interventions) == 1
            assert [each.what for each in await mesh.interventions()] == [LASER]
            epochs = mesh.epochs()
            state = await anext(epochs)
            assert state.link(*AT) is None
            await mesh.change(LASER, rate_bps=10**6)
            await mesh.restore()
            assert AT in [pair async for epoch in _until_added(epochs) for pair in epoch.added]
            assert (await anext(mesh.events(after=state.number))).number == state.number + 1
            assert [each async for each in mesh.ways("gw-lima", "gw-tokyo", duration_s=10)]
            assert [each async for each in mesh.sight("gw-lima", "sat-0-3", duration_s=21600)]
            assert (await mesh.pause()).is_paused
            assert (await mesh.step(1)).is_paused
            assert (await mesh.speed(1)).speed_ratio == 1
            assert not (await mesh.resume()).is_paused
            with pytest.raises(UnknownName):
                await mesh.path("nobody", "gw-lima")

    asyncio.run(asyncio.wait_for(drive(), 60))


async def _until_added(epochs: Any) -> Any:
    async for epoch in epochs:
        yield epoch
        if AT in epoch.added:
            return


def test_a_run_is_ended_from_a_program(tmp_path: Path) -> None:
    done: list[str] = []
    with ExitStack() as stack:
        with fake_mesh(tmp_path / "one") as one:
            mesh = stack.enter_context(Mesh.connect(one.run_id))
            mesh.status()
            ending = threading.Thread(target=lambda: (mesh.end(), done.append("ended")))
            ending.start()
            one.wait()
            with pytest.raises(RunEnded, match="the run is ending"):
                mesh.fail(LASER)
        ending.join(30)
        assert done == ["ended"]
        with pytest.raises((NotReached, RunEnded)):
            mesh.pause()
