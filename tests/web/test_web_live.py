"""A running mesh, as a page is told of it: over real sockets, from a mesh without a network."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from web_lab import TOKEN, Viewer, fake_mesh, opened, page_in, pb, run, served

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.orbit.sun import sun_direction_itrs
from orbitmesh.emulator.safe_files import Folder
from orbitmesh.emulator.web import process, serving
from orbitmesh.emulator.web.listening import WebListening, WebSettings
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
            # led on from the epoch before, in a line: off by what 0.009 km/s² bend it meanwhile
            led_s, step_s = epoch.sim_ns / 1e9 - epoch.epoch_number * mesh.step_ns / 1e9, mesh.step_ns / 1e9
            assert led_s >= 0
            bent_km = 0.5 * 0.009 * led_s * (led_s + step_s) + 0.002
            assert np.abs(there - truth.positions_itrs_km).max() < bent_km
            apart_km = np.linalg.norm(there[a].astype(float) - there[b], axis=1)
            light_ns = apart_km / 299_792.458 * 1e9
            off_ns = np.abs(columns(epoch.link_delay_ns_f32le, "<f4") - light_ns)
            assert off_ns.max() < 2 * bent_km / 299_792.458 * 1e9
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
            assert event.text == "intervention: sat-0-0 fails, by page"
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
                told = [each.number for each in again.events]
                assert told[0] == numbers[-1]  # and what has come since

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


def test_pages_of_a_run_that_is_killed_are_told_though_its_feed_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's process is gone when its end of the control socket is: its page only lost its server."""
    monkeypatch.setattr(serving, "Page", lambda: page_in(tmp_path))

    async def work() -> None:
        with fake_mesh(tmp_path / "run") as mesh, Folder.open(mesh.out) as folder:
            runs, ours = socket.socketpair()
            listening = WebListening.here(0, TOKEN)
            port = listening.socket.getsockname()[1]
            told = argparse.Namespace(
                folder_fd=os.dup(folder.fd), control_fd=ours.fileno(), tcp_fd=listening.socket.detach()
            )
            task = asyncio.create_task(process._serve(told, WebSettings(mesh.run_id, TOKEN, True)))
            async with opened(port) as page:
                await page.enter()
                await page.until(lambda: "epoch" in page.news, "an epoch")
                runs.close()
                await page.until(lambda: "ended" in page.news, "the end")
                assert page.news["ended"].reason == "the run has ended"
            await asyncio.wait_for(task, 10)
            ours.close()

    run(work)


def test_the_server_ends_with_its_run_and_not_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its feed is over sooner: who ended then was started again, and said that there is no such run."""
    monkeypatch.setattr(serving, "Page", lambda: page_in(tmp_path))

    async def work() -> None:
        runs, ours = socket.socketpair()
        listening = WebListening.here(0, TOKEN)
        port = listening.socket.getsockname()[1]
        with contextlib.ExitStack() as stack:
            mesh = stack.enter_context(fake_mesh(tmp_path / "run"))
            folder = stack.enter_context(Folder.open(mesh.out))
            told = argparse.Namespace(
                folder_fd=os.dup(folder.fd), control_fd=ours.fileno(), tcp_fd=listening.socket.detach()
            )
            task = asyncio.create_task(process._serve(told, WebSettings(mesh.run_id, TOKEN, True)))
            async with opened(port) as page:
                await page.enter()
                await page.until(lambda: "epoch" in page.news, "an epoch")
                await asyncio.to_thread(stack.close)
                await page.until(lambda: "ended" in page.news, "the end")
        await asyncio.sleep(0.5)
        assert not task.done()
        runs.close()
        await asyncio.wait_for(task, 10)
        ours.close()

    run(work)


def test_a_page_is_shown_layers_ways_and_details(mesh: Emulation, tmp_path: Path) -> None:
    async def work() -> None:
        async with looking(mesh, tmp_path) as page:
            hello = page.news["hello"]
            assert list(hello.layers) == [pb.LAYER_KIND_SUNLIGHT, pb.LAYER_KIND_LATENCY]
            assert (await page.ask(show=pb.Show(kind=pb.LAYER_KIND_SUNLIGHT))).error == ""
            await page.until(lambda: "layer" in page.news, "a layer")
            light = columns(page.news["layer"].value_f32le, "<f4")
            assert len(light) == 48
            assert 0 in light
            assert 1 in light
            ask = pb.Show(kind=pb.LAYER_KIND_LATENCY, gateway_node=48)
            assert (await page.ask(show=ask)).error == ""
            before_ns = page.news["layer"].sim_ns
            await page.until(
                lambda: page.news["layer"].gateway_node == 48 and page.news["layer"].sim_ns > before_ns,
                "more",
            )
            told_ms = columns(page.news["layer"].value_f32le, "<f4")
            epoch = mesh.epoch
            assert epoch is not None
            (row,) = epoch.way_delays_ns(np.arange(48, dtype=np.int32), np.array([48], np.int32))
            known = np.isfinite(row)
            assert (np.isfinite(told_ms) == known).all()
            assert np.allclose(told_ms[known], 2e-6 * row[known], atol=0.2)  # another instant
            for wrong in (
                pb.Show(kind=pb.LAYER_KIND_BATTERY),
                pb.Show(kind=pb.LAYER_KIND_LATENCY, gateway_node=3),
            ):
                assert (await page.ask(show=wrong)).error
            assert (await page.ask(show=pb.Show())).error == ""

            assert (
                await page.ask(watch=pb.Watch(source_node=[48, 3], destination_node=[49, 17]))
            ).error == ""
            await page.until(lambda: page.came.count("way") >= 4, "ways")
            way = page.news["way"]
            assert (way.source_node, way.destination_node) in ((48, 49), (3, 17))
            assert way.node[0] == way.source_node
            assert way.node[-1] == way.destination_node
            assert len(way.hop_delay_ns) == len(way.hop_rate_bps) == len(way.node) - 1
            assert way.propagation_ns == pytest.approx(2 * sum(way.hop_delay_ns))
            assert way.straight_line_ns < way.propagation_ns
            assert not way.HasField("measured_ns")
            assert "up to 8 pairs" in (await page.ask(watch=pb.Watch(source_node=[1]))).error
            assert (
                "no node 99" in (await page.ask(watch=pb.Watch(source_node=[1], destination_node=[99]))).error
            )

            detail = (await page.ask(node=pb.AskNode(node=0))).node
            figures = {each.name: each.value for each in detail.figures}
            assert detail.name == "sat-0-0"
            assert figures["shell"] == "delta"
            assert 1190 < float(figures["altitude"].split()[0].replace(",", "")) < 1225
            assert (await page.ask(node=pb.AskNode(node=48))).node.name == "gw-london"
            a, b = (
                columns(page.news["links"].a_node_u32le, "<u4")[0],
                columns(page.news["links"].b_node_u32le, "<u4")[0],
            )
            link = (await page.ask(link=pb.AskLink(a_node=int(b), b_node=int(a)))).link
            assert {each.name: each.value for each in link.figures}["kind"] == "laser"
            assert "not linked" in (await page.ask(link=pb.AskLink(a_node=48, b_node=49))).error
            await page.until(lambda: "traffic" in page.news, "what links carry")
            traffic, links = page.news["traffic"], page.news["links"]
            assert len(traffic.use_ab_ratio_f32le) == len(links.a_node_u32le)
            assert traffic.carried_bps == 0  # nothing carries packets here
            assert "no node 51" in (await page.ask(node=pb.AskNode(node=51))).error

            contacts = (await page.ask(contacts=pb.AskContacts(a_node=48))).contacts.contacts
            assert contacts
            assert [each.begin_sim_ns for each in contacts] == sorted(each.begin_sim_ns for each in contacts)
            first = contacts[-1]
            assert first.a_node == 48
            (again, *_) = (
                each
                for each in (
                    await page.ask(contacts=pb.AskContacts(a_node=first.b_node, b_node=48))
                ).contacts.contacts
                if abs(each.begin_sim_ns - first.begin_sim_ns) < 10**7  # sought from another instant on
            )
            assert again.end_sim_ns == pytest.approx(first.end_sim_ns, abs=10**7)
            assert again.begin_rtt_ns == pytest.approx(first.begin_rtt_ns, rel=1e-4)
            ways = (await page.ask(contacts=pb.AskContacts(a_node=48, b_node=49))).contacts.contacts
            assert all(each.begin_rtt_ns > 0 for each in ways)

    run(work)
