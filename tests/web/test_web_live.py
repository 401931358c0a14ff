"""A running mesh, as a page is told of it: over real sockets, from a mesh without a network."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from web_lab import Viewer, fake_mesh, opened, page_in, pb, run, served

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.orbit.sun import sun_direction_itrs
from orbitmesh.emulator.web.live import LiveSource


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    with fake_mesh(tmp_path_factory.mktemp("web") / "run") as mesh:
        yield mesh


@asynccontextmanager
async def looking(mesh: Emulation, folder: Path, *, can_control: bool = True) -> AsyncIterator[Viewer]:
    source = LiveSource(mesh.run_id, can_control=can_control)
    await source.open()
    async with served(source, page_in(folder)) as port, opened(port) as viewer:
        await viewer.enter()
        await viewer.until(lambda: "answer" in viewer.news, "the answer to Enter")
        viewer.port = port
        yield viewer


def columns(data: bytes, kind: str) -> np.ndarray:
    return np.frombuffer(data, kind)


def test_a_page_is_told_what_there_is_and_where(mesh: Emulation, tmp_path: Path) -> None:
    async def work() -> None:
        async with looking(mesh, tmp_path) as page:
            assert page.came[0] == "hello"
            hello, nodes, links, epoch = (page.news[kind] for kind in ("hello", "nodes", "links", "epoch"))
            assert (hello.scenario, hello.is_live, hello.can_control) == ("toy", True, True)
            assert (hello.gateways[0].node, hello.gateways[0].name) == (48, "gw-london")
            assert [(s.name, s.satellites, round(s.altitude_km, 3)) for s in hello.shells] == [
                ("delta", 48, 1200)
            ]
            plane, slot = columns(nodes.plane_u32le, "<u4"), columns(nodes.slot_u32le, "<u4")
            assert [f"sat-{p}-{s}" for p, s in zip(plane, slot, strict=True)] == list(mesh.nodes.names[:48])
            a, b = columns(links.a_node_u32le, "<u4"), columns(links.b_node_u32le, "<u4")
            assert epoch.links_number == links.links_number
            assert len(a) == links.all_lasers + links.all_ground_links == len(epoch.link_delay_ns_f32le) // 4
            # by the scenario alone, at the instant that the page was told
            truth = Geometry(mesh.scenario).epoch_at(epoch.sim_ns)
            there = columns(epoch.position_itrs_km_f32le, "<f4").reshape(-1, 3)
            assert np.abs(there - truth.positions_itrs_km).max() < 0.5  # km: led on from the epoch before
            apart_km = np.linalg.norm(there[a].astype(float) - there[b], axis=1)
            light_ns = apart_km / 299_792.458 * 1e9
            assert np.allclose(columns(epoch.link_delay_ns_f32le, "<f4"), light_ns, atol=2000)
            unix_ns = np.array([hello.start_unix_ns + epoch.sim_ns])
            assert epoch.sun_itrs == pytest.approx(sun_direction_itrs(unix_ns)[0].tolist())
            assert set(epoch.link_is_up_u8) == {1}
            number = epoch.epoch_number
            await page.until(lambda: page.news["epoch"].epoch_number > number + 1, "two epochs more")

    run(work)


def test_a_page_fails_restores_pauses_and_steps(mesh: Emulation, tmp_path: Path) -> None:
    async def work() -> None:
        async with looking(mesh, tmp_path) as page:
            answer = await page.ask(intervene=pb.Intervene(what=["sat-0-0"]))
            assert answer.error == ""
            await page.until(lambda: list(page.news["epoch"].failed_node) == [0], "a satellite that failed")
            assert (
                0 in columns(page.news["epoch"].link_is_up_u8, "u1") or mesh.scenario.routing.reaction_ns == 0
            )
            (told,) = page.news["interventions"].interventions
            assert (told.what, told.by, told.does) == ("sat-0-0", "page", "fails")
            event = next(each for each in page.events if each.kind == "intervention")
            assert list(event.node) == [0]
            assert "sat-0-0" in event.text
            answer = await page.ask(lift=pb.Lift(what=["sat-0-0"]))
            assert answer.error == ""
            await page.until(lambda: not page.news["epoch"].failed_node, "the satellite restored")

            change = pb.Intervene(what=["sat-0-0:sat-0-1"], rate_bps=10**9, loss_ratio=0.02)
            assert (await page.ask(intervene=change)).error == ""
            await page.until(lambda: list(page.news["epoch"].changed_link_row), "a changed link")
            (row,) = page.news["epoch"].changed_link_row
            assert columns(page.news["epoch"].link_rate_ab_bps_f32le, "<f4")[row] == 1e9
            assert page.news["interventions"].interventions[0].does == "rate 1 Gbit/s, loss 2 %"
            assert (await page.ask(lift=pb.Lift(what=["sat-0-0:sat-0-1"]))).error == ""

            assert (await page.ask(pause=pb.Pause())).error == ""
            await page.until(lambda: page.news["epoch"].speed_ratio == 0, "time that stands still")
            at_ns = page.news["epoch"].sim_ns
            assert (await page.ask(step=pb.Step(step_ns=2 * 10**9))).error == ""
            await page.until(lambda: page.news["epoch"].sim_ns == at_ns + 2 * 10**9, "a step")
            assert "no node 'sat-99-0'" in (await page.ask(intervene=pb.Intervene(what=["sat-99-0"]))).error
            assert "more than 0" in (await page.ask(step=pb.Step(step_ns=0))).error
            assert (await page.ask(resume=pb.Resume())).error == ""
            await page.until(lambda: page.news["epoch"].speed_ratio == 1, "time that goes on")
            assert "a run that goes on" in (await page.ask(seek=pb.Seek(sim_ns=0))).error

    run(work)


def test_a_page_that_comes_back_is_told_the_events_since(mesh: Emulation, tmp_path: Path) -> None:
    async def work() -> None:
        async with looking(mesh, tmp_path) as page:
            mesh.fail("sat-1-1")
            mesh.restore("sat-1-1")
            await page.until(lambda: page.events and "ended" in page.events[-1].kind, "the events")
            numbers = [each.number for each in page.events]
            assert numbers == sorted(set(numbers))
            async with opened(page.port) as again:
                await again.enter(after_event=numbers[-2])
                await again.until(lambda: "answer" in again.news, "the answer to Enter")
                assert [each.number for each in again.events] == [numbers[-1]]

    run(work)


def test_a_page_that_may_only_look_changes_nothing(mesh: Emulation, tmp_path: Path) -> None:
    async def work() -> None:
        async with looking(mesh, tmp_path, can_control=False) as page:
            assert not page.news["hello"].can_control
            for ask in (
                {"intervene": pb.Intervene(what=["sat-0-0"])}, {"lift": pb.Lift(what=["sat-0-0"])},
                {"pause": pb.Pause()}, {"resume": pb.Resume()}, {"step": pb.Step(step_ns=10**9)},
                {"speed": pb.Speed(speed_ratio=2)},
            ):  # fmt: skip
                assert "may only look" in (await page.ask(**ask)).error
            assert mesh.faults() == []

    run(work)


def test_pages_are_told_that_the_run_has_ended(tmp_path: Path) -> None:
    async def work() -> None:
        with contextlib.ExitStack() as stack:
            mesh = stack.enter_context(fake_mesh(tmp_path / "run"))
            source = LiveSource(mesh.run_id, can_control=True)
            await source.open()
            async with served(source, page_in(tmp_path)) as port, opened(port) as page:
                await page.enter()
                await page.until(lambda: "epoch" in page.news, "an epoch")
                await asyncio.to_thread(stack.close)
                await page.until(lambda: "ended" in page.news, "the end")
                assert page.news["ended"].reason == "the run has ended"

    run(work)
