"""What links carry, as a page is told, on both planes: a stream is seen where it goes, and what is lost."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from web_lab import Viewer, opened, page_in, pb, run, served

from orbitmesh.client import Mesh
from orbitmesh.emulator import Emulation
from orbitmesh.emulator.web.live import LiveSource

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from e2e_lab import toy

pytestmark = [pytest.mark.netns, pytest.mark.beside]

PACKET_BYTES = 1000
SENDER = """
import socket, sys, time
name, per_s, packet_bytes = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
out, next_s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), time.monotonic()
to = socket.gethostbyname(name), 9
while True:
    out.sendto(bytes(packet_bytes), to)
    next_s += 1 / per_s
    time.sleep(max(0, next_s - time.monotonic()))
"""


@pytest.fixture(scope="module", params=["wired", "fabric"])
def mesh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    out = tmp_path_factory.mktemp("carried") / "run"
    scenario = toy(run={"duration": "10 min"}, compute={"satellites": 2})
    with Emulation(scenario, plane=request.param, out=out) as mesh:
        yield mesh


def into(page: Viewer, gateway: int) -> tuple[float, float]:
    """Of a gateway's ground links: bit/s that come down to it, and could, emulated; NaN: not known."""
    links, epoch, traffic = (page.news[kind] for kind in ("links", "epoch", "traffic"))
    b = np.frombuffer(links.b_node_u32le, "<u4")
    use = np.frombuffer(traffic.use_ab_ratio_f32le, "<f4")
    rate_bps = np.frombuffer(epoch.link_rate_ab_bps_f32le, "<f4") * page.news["hello"].rate_scale
    if not len(b) == len(use) == len(rate_bps):
        return np.nan, np.nan  # one of them is of other links
    mine = b == gateway
    return float(np.nansum(use[mine] * rate_bps[mine])), float(rate_bps[mine].max(initial=0))


def test_a_stream_is_seen_where_it_goes_and_what_is_lost_is_told(mesh: Emulation, tmp_path: Path) -> None:
    async def work() -> None:
        source = LiveSource(mesh.run_id, can_control=True)
        await source.open()
        async with served(source, page_in(tmp_path)) as port, opened(port) as page:
            await page.enter()
            await page.until(lambda: "traffic" in page.news and "hello" in page.news, "what links carry")
            names = {each.name: each.node for each in page.news["hello"].gateways}
            with Mesh.connect(mesh.run_id) as here:
                await stream(here, page, names)

    async def stream(here: Mesh, page: Viewer, names: dict[str, int]) -> None:
        tokyo = names["gw-tokyo"]
        assert here.path("gw-london", "gw-tokyo")
        await page.until(lambda: into(page, tokyo)[1] > 0, "the rate of Tokyo's links")
        stream_bps = 0.3 * into(page, tokyo)[1]
        per_s = stream_bps / 8 / PACKET_BYTES
        argv = [sys.executable, "-c", SENDER, "gw-tokyo", str(per_s), str(PACKET_BYTES)]
        with here.start("gw-london", *argv):
            # on a busy machine it sends less; beside it there are its headers, and probes
            await page.until(
                lambda: into(page, tokyo)[0] > 0.3 * stream_bps, "the stream, where it comes down"
            )
            assert into(page, tokyo)[0] < 2 * stream_bps
            traffic = page.news["traffic"]
            assert traffic.carried_bps > into(page, tokyo)[0]  # it goes by other links before
            change = pb.Intervene(what=["gw-tokyo"], loss_ratio=0.5)
            assert (await page.ask(intervene=change)).error == ""
            await page.until(lambda: page.news["traffic"].lost_per_s > 0.1 * per_s, "what is lost")
            assert (await page.ask(lift=pb.Lift(what=["gw-tokyo"]))).error == ""

    run(work)
