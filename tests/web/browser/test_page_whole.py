"""The whole page in a real browser: a laser is broken by hand, no WebGL, a desk's and a phone's size."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_lab import Seen, corner_px, need_page, opened, served
from chromium import NO_GL, Browser, Page, chromium

from orbitmesh.emulator import Emulation, Scenario

POCKET = Path(__file__).parents[3] / "emulator/scenario/shipped/pocket.toml"
#: what a page must fit into
SIZES = {"desk": (1280, 720, False), "phone": (390, 844, True)}
#: left, top, right, bottom; px of the window
BOX = "(b => [b.left, b.top, b.right, b.bottom])(document.querySelector('%s').getBoundingClientRect())"
NOTED_WEBGL = """
globalThis.webglMs = [];
const plain = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  if (kind === 'webgl2') webglMs.push(performance.now());
  return plain.call(this, kind, ...more);
};"""


def far_pair() -> Scenario:
    """The pocket's satellites, and two stations that no single one of them joins."""
    raw = tomllib.loads(POCKET.read_text())
    nairobi = {"name": "nairobi", "latitude": "-1.3 deg", "longitude": "36.8 deg"}
    raw["ground"]["stations"] = [raw["ground"]["stations"][0], nairobi]
    raw["run"]["duration"] = "10 min"
    return Scenario.model_validate(raw)


@pytest.fixture(scope="module")
def running(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulation, str]]:
    with served(far_pair(), tmp_path_factory.mktemp("whole") / "run") as both:
        yield both


def press_button(page: Page, label: str) -> None:
    """As a mouse does: the button of that label must be there, in sight and enabled."""
    is_meant = f"b => b.textContent === '{label}' && b.checkVisibility()"
    button = f"[...document.querySelectorAll('button')].find({is_meant})"
    page.wait_for(f"(b => b && !b.disabled)({button})")
    page.ask(f"{button}.scrollIntoView({{block: 'nearest'}})")
    x, y = page.ask(f"(b => [b.x + b.width / 2, b.y + b.height / 2])({button}.getBoundingClientRect())")
    page.click(x, y)


def way(page: Page) -> list[int]:
    nodes: list[int] = page.ask("[...orbitmesh.mesh.ways.values()].find(w => w.sourceNode === 24).node")
    return nodes


def click_laser(page: Page, u: int, v: int) -> Any:
    """What is picked then; tried again where a busy machine was late, and the laser had moved on."""
    for _ in range(5):
        page.ask(f"orbitmesh.focusOn([{u}, {v}])")
        page.hear(1)  # the turn
        seen = Seen(page)
        page.click(*(corner_px(page) + (seen.px[u] + seen.px[v]) / 2))
        page.hear(0.5)
        if (picked := page.ask("orbitmesh.mesh.picked")) and picked["kind"] == "link":
            return picked
    raise AssertionError(f"no laser is picked, but {picked}")


def test_a_laser_that_is_clicked_and_failed_carries_the_way_no_more(
    running: tuple[Emulation, str], browser: Browser, pictures: Path
) -> None:
    mesh, url = running
    page = opened(browser, url)
    page.ask("orbitmesh.mesh.setPair([24, 25])")
    page.wait_for("orbitmesh.drawn().wayStrokes > 0")
    before = way(page)
    assert tuple(before) == mesh.epoch.path(24, 25)
    u, v = before[1:3]
    picked = click_laser(page, u, v)
    assert {picked["a"], picked["b"]} == {u, v}
    press_button(page, "Fail")
    page.wait_for(f"[...orbitmesh.mesh.ways.values()].every(w => w.node.length && !({joined(u, v)})(w.node))")
    page.wait_for("orbitmesh.mesh.interventions.length === 1")
    assert mesh.epoch.links.find(u, v) < 0
    assert not {(u, v), (v, u)} & set(zip(way(page), way(page)[1:], strict=False))
    page.picture(pictures / "laser-failed.png")
    press_button(page, "Restore")
    page.wait_for(f"({joined(u, v)})([...orbitmesh.mesh.ways.values()].find(w => w.sourceNode === 24).node)")
    assert mesh.epoch.links.find(u, v) >= 0
    assert page.errors == []
    page.close()


def joined(u: int, v: int) -> str:
    """Of a way's nodes: whether it goes over the link between two."""
    return f"nodes => nodes.some((n, i) => [{u}, {v}].includes(n) && [{u}, {v}].includes(nodes[i + 1]))"


@pytest.mark.parametrize("size", SIZES)
def test_it_fits_a_desk_and_a_phone(
    running: tuple[Emulation, str], browser: Browser, pictures: Path, size: str
) -> None:
    _, url = running
    width, height, phone = SIZES[size]
    page = opened(browser, url, width, height, phone=phone)
    assert page.ask("document.documentElement.scrollWidth") <= width
    seen, corner = Seen(page), corner_px(page)
    assert seen.width > 0.5 * width
    assert seen.height > 0.4 * height
    # the whole shell is in the picture
    assert (seen.px > 0).all()
    assert (seen.px < [seen.width, seen.height]).all()
    assert (corner >= 0).all()
    assert corner[1] + seen.height / 2 < height
    press_button(page, "Pause")
    page.wait_for("orbitmesh.mesh.status.isPaused")
    press_button(page, "Resume")
    page.wait_for("!orbitmesh.mesh.status.isPaused")
    page.picture(pictures / f"{size}.png")
    assert page.errors == []
    page.close()


@pytest.mark.parametrize("size", SIZES)
def test_what_colours_mean_stands_beside_the_globe_and_hides_nothing_of_it(
    running: tuple[Emulation, str], browser: Browser, size: str
) -> None:
    _, url = running
    width, height, phone = SIZES[size]
    page = opened(browser, url, width, height, phone=phone)
    for satellites, lasers in (
        ("shell", "use"),
        ("faults", "rate"),
        ("latency", "use"),
        ("sunlight", "none"),
    ):
        page.ask(f"orbitmesh.mesh.setLook({{satellitesBy: '{satellites}', lasersBy: '{lasers}'}})")
        titles = 1 if lasers == "none" else 2
        page.wait_for(f"document.querySelectorAll('.legend figure').length === {titles}")
        page.hear(0.7)
        left, top, right, bottom = page.ask(BOX % ".globe-canvas")
        of = page.ask(BOX % ".legend")
        assert of[1] >= bottom or of[3] <= top or of[0] >= right or of[2] <= left, (satellites, of)
        middle = page.ask(BOX % ".middle")
        assert of[0] >= middle[0]
        assert of[3] <= middle[3] + 0.5
        assert page.ask("(l => l.scrollHeight <= l.clientHeight + 1)(document.querySelector('.legend'))")
        assert bottom - top > 0.75 * (middle[3] - middle[1])
    assert page.errors == []
    page.close()


def test_all_but_the_globe_is_on_the_screen_before_webgl_begins(
    running: tuple[Emulation, str], browser: Browser
) -> None:
    """Which holds a browser without a graphics card up for as long as a second."""
    _, url = running
    page = browser.page()
    page.before_scripts(NOTED_WEBGL)
    page.open(url)
    began_ms = page.wait_for("webglMs[0] || null")
    painted_ms = page.wait_for("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    assert painted_ms <= began_ms
    page.wait_for("orbitmesh.firstSatellitesMs() > 0")
    assert page.errors == []
    page.close()


def test_without_webgl_the_table_takes_over(
    running: tuple[Emulation, str], tmp_path: Path, pictures: Path
) -> None:
    need_page()
    _, url = running
    with chromium(tmp_path / "no-gl", *NO_GL) as browser:
        page = browser.page()
        page.open(url)
        page.wait_for("document.body.innerText.includes('sat-0-0')")
        said = page.ask("document.body.innerText")
        assert "WebGL" in said
        assert page.ask("document.querySelector('.globe-canvas')") is None
        page.picture(pictures / "no-webgl.png")
        assert page.errors == []
