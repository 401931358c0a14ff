"""One real mesh, and its page served by a child of the run: what is measured is told."""

from __future__ import annotations

import os
import signal
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from web_lab import TOKEN, opened, pb, run

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.web import files
from orbitmesh.emulator.web.listening import WebListening

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from e2e_lab import toy

pytestmark = [pytest.mark.netns, pytest.mark.beside]


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    folder = tmp_path_factory.mktemp("web-real")
    if not (files.DIST / "index.html").is_file():
        pytest.skip("needs the page (./mesh web builds it)")
    listening = WebListening.here(0, TOKEN)
    scenario = toy(run={"duration": "10 min"}, compute={"satellites": 4})
    with Emulation(scenario, out=folder / "run", web=listening) as mesh:
        yield mesh


def port_of(mesh: Emulation) -> int:
    assert mesh.web_url is not None
    return int(mesh.web_url.partition("#")[0].rstrip("/").rpartition(":")[2])


def test_what_is_measured_and_carried_is_told(mesh: Emulation) -> None:
    async def work() -> None:
        async with opened(port_of(mesh)) as page:
            await page.enter()
            await page.until(lambda: "answer" in page.news, "the answer to Enter")
            hosts = np.flatnonzero(mesh.hosting[:48]).tolist()
            gateways = [each.node for each in page.news["hello"].gateways]
            pairs = [(host, gateway) for host in hosts for gateway in gateways][:8]
            a, b = zip(*pairs, strict=True)
            assert (await page.ask(watch=pb.Watch(source_node=a, destination_node=b))).error == ""
            await page.until(
                lambda: page.news.get("way") and page.news["way"].HasField("measured_ns"), "a sample"
            )
            way = page.news["way"]
            # its samples are of the last ten seconds, in which a satellite at 1,200 km comes 80 km nearer
            assert way.measured_ns > way.straight_line_ns * 0.8
            assert way.measured_by in ("udp", "grpc")
            assert way.samples > 0
            await page.until(
                lambda: page.news.get("traffic") and page.news["traffic"].packets_per_s > 0, "packets"
            )
            use = np.frombuffer(page.news["traffic"].use_ab_ratio_f32le, "<f4")
            assert len(use) * 4 == len(page.news["links"].a_node_u32le)
            assert np.nanmax(use) > 0
            await page.until(lambda: page.news["status"].samples > 0, "samples in the status")

    run(work)


def test_its_process_has_no_privileges_and_is_started_again(mesh: Emulation) -> None:
    assert mesh._doors.page is not None
    pid = mesh._doors.page.pid
    assert pid is not None
    status = Path(f"/proc/{pid}/status").read_text()
    for name in ("CapEff", "CapPrm", "CapBnd"):
        assert f"{name}:\t0000000000000000" in status
    assert os.getpriority(os.PRIO_PROCESS, pid) >= 5
    os.kill(pid, signal.SIGKILL)

    async def work() -> None:
        async with opened(port_of(mesh)) as page:
            await page.enter()
            await page.until(lambda: "epoch" in page.news, "an epoch")

    run(work)
    assert mesh._doors.page.pid not in (None, pid)
    with urllib.request.urlopen(f"http://127.0.0.1:{port_of(mesh)}/", timeout=20) as answer:
        assert b"<html" in answer.read()
