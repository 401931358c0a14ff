"""A mesh on another machine, as a page that is served here is told of it: by the control API, over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from web_lab import Viewer, opened, page_in, pb, run, served

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.cli.elsewhere import Elsewhere
from orbitmesh.emulator.cli.far import Far
from orbitmesh.emulator.control.api.listening import Listening
from orbitmesh.emulator.control.client import Client
from orbitmesh.emulator.feed.feed import Entry
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.metrics.layout import Layout
from orbitmesh.emulator.metrics.seen import Seen
from orbitmesh.emulator.web import live
from orbitmesh.emulator.web.live import LiveSource

sys.path.insert(0, str(Path(__file__).parents[1] / "control"))
from api_lab import Certificates, fake_mesh


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("papers"))


@contextlib.contextmanager
def listening(out: Path, papers: Certificates) -> Iterator[tuple[Emulation, Elsewhere]]:
    listen = Listening.open("127.0.0.1:0", certificate=papers.cert, key=papers.key, token=papers.token)
    with fake_mesh(out, listen=listen) as mesh:
        yield mesh, Elsewhere(listen.address, papers.token, papers.ca, None, None)


@pytest.fixture(scope="module")
def there(
    tmp_path_factory: pytest.TempPathFactory, papers: Certificates
) -> Iterator[tuple[Emulation, Elsewhere]]:
    with listening(tmp_path_factory.mktemp("far") / "run", papers) as found:
        yield found


@asynccontextmanager
async def looking(mesh: Emulation, where: Elsewhere, folder: Path) -> AsyncIterator[Viewer]:
    def connect() -> Any:
        return Far.connect(where, None)

    source = LiveSource(mesh.run_id, can_control=True, elsewhere=connect)
    await source.open()
    async with served(source, page_in(folder)) as port, opened(port) as page:
        await page.enter()
        await page.until(lambda: "answer" in page.news, "the answer to Enter")
        yield page


def columns(data: bytes, kind: str) -> np.ndarray:
    return np.frombuffer(data, kind)


def test_a_page_is_told_the_same_as_there(
    there: tuple[Emulation, Elsewhere], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_GLANCE_S", 0.3)
    mesh, where = there

    async def work() -> None:
        async with looking(mesh, where, tmp_path) as page:
            hello, epoch = page.news["hello"], page.news["epoch"]
            assert (hello.run_id, hello.scenario, hello.satellites) == (mesh.run_id, "toy", 48)
            assert any("on another machine" in each for each in hello.notes)
            truth = Geometry(mesh.scenario).epoch_at(epoch.sim_ns)
            told = columns(epoch.position_itrs_km_f32le, "<f4").reshape(-1, 3)
            assert np.abs(told - truth.positions_itrs_km).max() < 0.1
            assert len(page.news["links"].a_node_u32le) // 4 == len(truth.links)
            before = epoch.epoch_number
            await page.until(lambda: page.news["epoch"].epoch_number > before, "another epoch")
            await page.until(lambda: "status" in page.news, "a status")
            await page.until(lambda: "traffic" in page.news, "what links carry")
            assert page.news["traffic"].carried_bps == 0  # nothing carries packets here

            assert (await page.ask(intervene=pb.Intervene(what=["sat-0-0"]))).error == ""
            await page.until(lambda: list(page.news["epoch"].failed_node) == [0], "a satellite that failed")
            await page.until(lambda: page.news["interventions"].interventions, "what is in force")
            (each,) = page.news["interventions"].interventions
            assert (each.what, each.by, each.does) == ("sat-0-0", "page", "fails")
            assert any(event.kind == "intervention" for event in page.events)
            assert (await page.ask(lift=pb.Lift(what=["sat-0-0"]))).error == ""
            await page.until(lambda: not page.news["epoch"].failed_node, "the satellite restored")
            assert "no node 'sat-99-0'" in (await page.ask(intervene=pb.Intervene(what=["sat-99-0"]))).error

            watch = pb.Watch(source_node=[3], destination_node=[17])
            assert (await page.ask(watch=watch)).error == ""  # routes to it are found there
            await page.until(lambda: list(page.news["way"].node)[-1:] == [17], "a way")

            assert (await page.ask(pause=pb.Pause())).error == ""
            await page.until(lambda: page.news["epoch"].speed_ratio == 0, "time that stands still")
            at_ns = page.news["epoch"].sim_ns
            assert (await page.ask(step=pb.Step(step_ns=2 * 10**9))).error == ""
            await page.until(lambda: page.news["epoch"].sim_ns >= at_ns + 10**9, "a step")
            assert (await page.ask(resume=pb.Resume())).error == ""
            await page.until(lambda: page.news["epoch"].speed_ratio == 1, "time that goes on")

    run(work)


def test_a_page_is_told_that_the_run_there_has_ended(tmp_path: Path, papers: Certificates) -> None:
    async def work() -> None:
        with contextlib.ExitStack() as stack:
            mesh, where = stack.enter_context(listening(tmp_path / "run", papers))
            async with looking(mesh, where, tmp_path) as page:
                await asyncio.to_thread(stack.close)
                await page.until(lambda: "ended" in page.news, "the end")
                reason = page.news["ended"].reason
                assert reason == "the run has ended" or "cannot be reached, or was lost" in reason

    run(work)


def test_metrics_count_by_shell_and_plane_there_too(there: tuple[Emulation, Elsewhere]) -> None:
    mesh, where = there
    with Far.connect(where, None) as far:
        with Client.connect(mesh.run_id) as here:
            assert far.layout() == here.layout()
        seen, watching = Seen(Layout.of(far.layout())), far.watching(epochs=True)
        while seen.epoch_figures() is None:
            news = watching.read(5)
            assert isinstance(news, Entry)
            seen.take(news)
        figures = seen.epoch_figures()
        assert figures is not None
        assert sum(figures.lasers.values()) > 0
        assert {shell for shell, _ in figures.lasers} == {"delta"}
        assert set(figures.ground) == set(mesh.nodes.names[48:])
