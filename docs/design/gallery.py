"""The gallery of the live page: runs meshes, opens their page in Chromium, and keeps what it shows.

    sudo .venv/bin/python docs/design/gallery.py            # all of them, some minutes
    sudo .venv/bin/python docs/design/gallery.py globe      # one of them

writes docs/images/NAME.png, each below 300 kB.  It takes root, for the meshes, Chromium, and Pillow.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.epoch import NS_PER_S
from orbitmesh.emulator.scenario import load
from orbitmesh.emulator.web.listening import WebListening

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/web/browser"))
from browser_lab import shown  # noqa: E402
from chromium import SOFTWARE_GL, Browser, Page, chromium  # noqa: E402

IMAGES = ROOT / "docs/images"
MOST_BYTES = 300_000
_TOKEN = "a-token-of-the-gallery"


@dataclass(frozen=True)
class Shot:
    """``look`` brings the page to what is shown; ``warm_s`` is how long the mesh runs before."""

    scenario: str
    look: Callable[[Page], None]
    warm_s: float = 12
    width: int = 1280
    height: int = 720
    phone: bool = False
    scheme: str = "dark"


def node(name: str) -> str:
    """In the page's own words."""
    return (
        f"Array.from({{length: orbitmesh.mesh.epoch.positionKm.length / 3}}, (_, i) => i)"
        f".find(i => orbitmesh.mesh.name(i) === '{name}')"
    )


def pair(page: Page, source: str, destination: str) -> None:
    page.ask(f"orbitmesh.mesh.setPair([{node(source)}, {node(destination)}])")
    page.wait_for("orbitmesh.drawn().wayStrokes > 0")


def focus(page: Page, *names: str) -> None:
    page.ask(f"orbitmesh.focusOn([{', '.join(map(node, names))}])")
    page.hear(1.5)


def globe(page: Page) -> None:
    pair(page, "gw-london", "gw-singapore")
    focus(page, "gw-london", "gw-singapore")
    page.hear(6)


def latency(page: Page) -> None:
    """Of a gateway and a satellite that serves it: what is measured is shown in its parts."""
    focus(page, "gw-new-york")
    for satellite in page.ask("Array.from({length: orbitmesh.mesh.nSatellites}, (_, i) => i)"):
        page.ask(f"orbitmesh.mesh.setPair([{node('gw-new-york')}, {satellite}])")
        page.hear(0.3)
        if page.ask("[...orbitmesh.mesh.ways.values()].some(w => w.measuredNs !== undefined)"):
            break
    page.hear(8)


def temperature(page: Page) -> None:
    page.ask("orbitmesh.mesh.setLook({satellitesBy: 'temperature', frame: 'stars'})")
    page.hear(5)


def failed(page: Page) -> None:
    pair(page, "gw-london", "gw-singapore")
    focus(page, "gw-london", "gw-singapore")
    way = page.ask("[...orbitmesh.mesh.ways.values()][0].node")
    u, v = way[len(way) // 2 - 1 : len(way) // 2 + 1]
    page.ask(f"orbitmesh.mesh.pick({{kind: 'link', a: {min(u, v)}, b: {max(u, v)}}})")
    page.ask("[...document.querySelectorAll('button')].find(b => b.textContent === 'Fail').click()")
    page.hear(4)


def table(page: Page) -> None:
    page.press("t")
    page.hear(2)


def as_globe(page: Page) -> None:
    """A page begins as the last one was left."""
    page.press("g")
    page.hear(0.5)


SHOTS = {
    "globe": Shot("starlink-shell1", globe),
    "table": Shot("starlink-shell1", table, warm_s=2, scheme="light"),
    "laser-failed": Shot("starlink-shell1", failed, warm_s=2),  # and it stays so: the last of its mesh
    "latency": Shot("demo", latency, warm_s=25),
    "phone": Shot("demo", lambda page: page.hear(4), warm_s=2, width=390, height=844, phone=True),
    "temperature": Shot("ai1-eclipse", temperature),
}


@contextmanager
def meshes() -> Iterator[Callable[[str], str]]:
    """The address of a scenario's page: one mesh at a time, kept while its shots are taken."""
    now: list[Any] = []

    def of(scenario: str) -> str:
        if now and now[0] == scenario:
            return str(now[2])
        close()
        listening = WebListening.here(0, _TOKEN)
        folder = tempfile.TemporaryDirectory(prefix="orbitmesh-gallery-")
        out = Path(folder.name, "run")
        mesh = Emulation(load(scenario), out=out, seed=7, duration_ns=600 * NS_PER_S, web=listening)
        mesh.__enter__()
        now[:] = [scenario, mesh, listening.url, folder]
        return listening.url

    def close() -> None:
        if now:
            now[1].__exit__(None, None, None)
            now[3].cleanup()
            now.clear()

    try:
        yield of
    finally:
        close()


def taken(browser: Browser, url: str, shot: Shot) -> bytes:
    page = browser.page(shot.width, shot.height, phone=shot.phone)
    scheme = {"name": "prefers-color-scheme", "value": shot.scheme}
    page.call("Emulation.setEmulatedMedia", features=[scheme])
    page.open(url)
    shown(page, timeout_s=90)
    as_globe(page)
    page.hear(shot.warm_s)
    shot.look(page)
    with tempfile.TemporaryDirectory() as folder:
        png = page.picture(Path(folder, "shot.png")).read_bytes()
    for error in page.errors:
        print(f"the page complained: {error}", file=sys.stderr)
    page.close()
    return png


def small(png: bytes) -> bytes:
    """As it is where that is small enough; else with so many colours that it is."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    few = picture.quantize(256, Image.Quantize.MEDIANCUT)
    forms = (
        lambda: picture,
        lambda: picture.quantize(palette=few, dither=Image.Dither.FLOYDSTEINBERG),
        lambda: picture.quantize(256, Image.Quantize.FASTOCTREE),
        lambda: picture.quantize(64, Image.Quantize.FASTOCTREE),
    )
    for form in forms:
        out = io.BytesIO()
        form().save(out, "PNG", optimize=True)
        if out.tell() < MOST_BYTES:
            break
    return out.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="*", help=f"of {', '.join(SHOTS)}; all of them by default")
    names = parser.parse_args().name or list(SHOTS)
    if unknown := [name for name in names if name not in SHOTS]:
        parser.error(f"there is no {unknown[0]}, but {', '.join(SHOTS)}")
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as profile,
        chromium(Path(profile), *SOFTWARE_GL) as browser,
        meshes() as of,
    ):
        for name in names:
            shot = SHOTS[name]
            png = small(taken(browser, of(shot.scenario), shot))
            (IMAGES / f"{name}.png").write_bytes(png)
            print(f"docs/images/{name}.png: {len(png)} bytes")


if __name__ == "__main__":
    main()
