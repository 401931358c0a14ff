"""What the live page takes: frames a second drawn by the processor, the first picture, bytes that are loaded.

    .venv/bin/python tests/bench/bench_page.py [--seconds 4]
    .venv/bin/python tests/bench/bench_page.py --paint 10    only what is seen when, opened so many times

At 1,280 x 720 in headless Chromium with SwiftShader: no graphics card.  Satellites go around in planes,
joined by a grid of lasers in the smallest case; the real server, on loopback, in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orbitmesh.emulator.web.files import DIST, Page
from orbitmesh.emulator.web.listening import WebListening
from orbitmesh.emulator.web.server import Server
from orbitmesh.emulator.web.viewer import Viewer
from orbitmesh.web.v1 import web_pb2 as pb

sys.path.insert(0, str(Path(__file__).parents[1] / "web/browser"))
from browser_lab import TOKEN, need_page, shown
from chromium import SOFTWARE_GL, Browser, chromium

#: planes, satellites of each, with lasers
CASES = ((72, 22, True), (400, 250, False), (1000, 1000, False))
TIMES = 3
_NS_PER_S = 1_000_000_000


class Planes:
    """A source of epochs: circular orbits at 550 km, an epoch a second."""

    def __init__(self, planes: int, per_plane: int, has_lasers: bool) -> None:
        self.ended, self.reason = asyncio.Event(), ""
        self._n = planes * per_plane
        plane, slot = np.divmod(np.arange(self._n), per_plane)
        self._node, self._phase = 2 * np.pi * plane / planes, 2 * np.pi * (slot / per_plane + plane / self._n)
        self._plane, self._slot = plane, slot
        after = plane * per_plane + (slot + 1) % per_plane
        beside = (plane + 1) % planes * per_plane + slot
        this = np.arange(self._n) if has_lasers else np.empty(0, int)
        self._a = np.concatenate([this, this])
        self._b = np.concatenate([after, beside])[: len(self._a)]
        self._viewers: set[Viewer] = set()
        self._number = 0
        self._task: asyncio.Task[None] | None = None

    def _epoch(self) -> bytes:
        angle = self._phase + 2 * np.pi * self._number / 5739  # s of an orbit
        along, across = np.cos(angle), np.sin(angle)
        up, in_plane = np.sin(np.radians(53)), np.cos(np.radians(53))
        x = np.cos(self._node) * along - np.sin(self._node) * across * in_plane
        y = np.sin(self._node) * along + np.cos(self._node) * across * in_plane
        at_km = 6928 * np.column_stack([x, y, across * up])
        ones = np.full(len(self._a), 1e11, "<f4").tobytes()
        epoch = pb.Epoch(
            epoch_number=self._number, sim_ns=self._number * _NS_PER_S, speed_ratio=1,
            position_itrs_km_f32le=at_km.astype("<f4").tobytes(), sun_itrs=[0.8, 0.5, -0.33], links_number=1,
            link_delay_ns_f32le=ones, link_rate_ab_bps_f32le=ones, link_rate_ba_bps_f32le=ones,
            link_is_up_u8=bytes([1]) * len(self._a),
        )  # fmt: skip
        return pb.ToPage(epoch=epoch).SerializeToString()

    def whole(self, viewer: Viewer) -> Sequence[bytes]:
        u32 = [each.astype("<u4").tobytes() for each in (0 * self._plane, self._plane, self._slot)]
        use = np.random.default_rng(1).random((2, len(self._a))) ** 6
        parts = (
            pb.ToPage(hello=pb.Hello(
                run_id="bench", scenario="bench", title="bench", is_live=True, satellites=self._n,
                step_ns=_NS_PER_S, end_sim_ns=3600 * _NS_PER_S,
                shells=[pb.Shell(name="bench", satellites=self._n)],
            )),
            pb.ToPage(nodes=pb.Nodes(shell_u32le=u32[0], plane_u32le=u32[1], slot_u32le=u32[2])),
            pb.ToPage(links=pb.Links(
                links_number=1, a_node_u32le=self._a.astype("<u4").tobytes(),
                b_node_u32le=self._b.astype("<u4").tobytes(), kind_u8=bytes([1]) * len(self._a),
            )),
            pb.ToPage(traffic=pb.Traffic(
                links_number=1, use_ab_ratio_f32le=use[0].astype("<f4").tobytes(),
                use_ba_ratio_f32le=use[1].astype("<f4").tobytes(),
            )),
        )  # fmt: skip
        return [*(part.SerializeToString() for part in parts), self._epoch()]

    async def enter(self, viewer: Viewer, after_event: int) -> None:
        viewer.put_all(self.whole(viewer))
        self._viewers.add(viewer)
        if self._task is None:
            self._task = asyncio.create_task(self._go_on())

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._number += 1
            epoch = await asyncio.to_thread(self._epoch)
            for viewer in self._viewers:
                viewer.put(epoch)

    def leave(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)

    async def ask(self, viewer: Viewer, what: str, request: Any) -> dict[str, Any]:
        return {}

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()


async def serve(planes: int, per_plane: int, has_lasers: bool) -> None:
    listening = WebListening.here(0, TOKEN)
    print(listening.url, flush=True)
    source = Planes(planes, per_plane, has_lasers)
    await Server(source, Page(), TOKEN).serve(listening.socket, asyncio.Event())


def seen_at(page: Any) -> tuple[float, float]:
    """ms since the page was opened: the first paint with something in it, satellites on the globe."""
    shown(page, 120)
    paint = page.wait_for("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    return paint, page.wait_for("orbitmesh.firstSatellitesMs() || null", 60)


def paints(browser: Browser, url: str, times: int) -> None:
    """By turns: in a profile that has nothing of the page yet, and again in the same."""
    found: dict[str, list[tuple[float, float]]] = {"nothing kept": [], "opened again": []}
    for turn in range(times + 1):
        page = browser.page(1280, 720, alone=True)
        page.open(url)
        first = seen_at(page)
        if turn == 0:
            print(f"the browser's very first page: {first[0]:.0f} ms, satellites after {first[1]:.0f} ms")
        else:
            found["nothing kept"].append(first)
            page.reload()
            found["opened again"].append(seen_at(page))
        page.close()
    for name, rows in found.items():
        paint, satellites = zip(*rows, strict=True)
        print(
            f"{name}: first paint {statistics.median(paint):.0f} ms (worst {max(paint):.0f}), "
            f"satellites after {statistics.median(satellites):.0f} ms (worst {max(satellites):.0f}), "
            f"medians of {times}",
            flush=True,
        )


def measured(browser: Browser, url: str, seconds: float) -> dict[str, float]:
    page = browser.page(1280, 720)
    page.open(url)
    paint, first = seen_at(page)
    page.hear(3)
    used_s = browser.cpu_s()
    drawn = page.ask(f"orbitmesh.measure({1000 * seconds})")
    used_s = browser.cpu_s() - used_s
    rows = page.ask("orbitmesh.drawn()")
    page.close()
    return {
        "satellites": rows["satellites"], "links": rows["links"], "paint_ms": paint, "first_ms": first,
        "frames_per_s": drawn["frames"] / drawn["seconds"],
        "cpu_ms_per_frame": 1000 * used_s / drawn["frames"],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=4, help="of drawing, each time")
    parser.add_argument("--paint", type=int, metavar="TIMES", help="only when something is seen")
    parser.add_argument("--serve", nargs=3, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve(arguments.serve[0], arguments.serve[1], bool(arguments.serve[2])))
        return
    need_page()
    for form in ("", ".gz", ".br"):
        files = [
            path
            for path in DIST.iterdir()
            if path.name.endswith((f".js{form}", f".css{form}", f".html{form}"))
        ]
        print(f"bundle{form or ' as it is'}: {sum(path.stat().st_size for path in files) / 1e3:.0f} kB")
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile), *SOFTWARE_GL) as browser:
        for case in CASES[:1] if arguments.paint else CASES:
            argv = [sys.executable, __file__, "--serve", *(str(int(each)) for each in case)]
            server = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
            assert server.stdout is not None
            try:
                url = server.stdout.readline().strip()
                if arguments.paint:
                    paints(browser, url, arguments.paint)
                    continue
                times = [measured(browser, url, arguments.seconds) for _ in range(TIMES)]
            finally:
                server.kill()
                server.wait()
            of = {key: statistics.median(each[key] for each in times) for key in times[0]}
            print(
                f"{of['satellites']:,.0f} satellites, {of['links']:,.0f} lasers: "
                f"{of['frames_per_s']:.1f} frames/s, {of['cpu_ms_per_frame']:.0f} ms of processor each; "
                f"first paint {of['paint_ms']:.0f} ms, satellites after {of['first_ms']:.0f} ms "
                f"(medians of {TIMES})",
                flush=True,
            )


if __name__ == "__main__":
    main()
