"""The globe in a real browser, drawn by the processor: what it shows beside what the scenario says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser_lab import TOKEN, Seen, corner_px, ground_km, opened, served, shown, stand_still
from chromium import Browser, Page

from orbitmesh.emulator import Emulation, Scenario
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.orbit.sun import sun_direction_itrs
from orbitmesh.emulator.scenario import load

#: how far what is drawn may be from what was reckoned here
NEAR_PX = 1.5


def pocket() -> Scenario:
    scenario = load("pocket")
    run = scenario.run.model_copy(update={"duration_ns": 600 * 10**9})
    return scenario.model_copy(update={"run": run, "title": "<img src=/x onerror=alert(1)> & co"})


@pytest.fixture(scope="module")
def running(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulation, str]]:
    with served(pocket(), tmp_path_factory.mktemp("globe") / "run") as both:
        yield both


@pytest.fixture(scope="module")
def still(browser: Browser, running: tuple[Emulation, str]) -> Page:
    """A page of the mesh, whose clock stands still: nothing is drawn that is not asked for."""
    mesh, url = running
    page = opened(browser, url)
    mesh.pause()
    stand_still(page)
    return page


def truth_km(mesh: Emulation, sim_ns: int) -> np.ndarray:
    return Geometry(mesh.scenario).epoch_at(sim_ns).positions_itrs_km


def test_it_loads_without_a_complaint_and_asks_nobody_else(
    running: tuple[Emulation, str], still: Page
) -> None:
    mesh, url = running
    origin = url.partition("/#")[0]
    assert still.errors == []
    assert still.requests
    assert {each.split("://")[1].split("/")[0] for each in still.requests} == {origin.split("://")[1]}
    assert not [each for each in still.requests if TOKEN in each]
    assert still.ask("location.href") == f"{origin}/"
    drawn = still.ask("orbitmesh.drawn()")
    assert (drawn["satellites"], drawn["gateways"]) == (24, 2)
    assert drawn["links"] == len(mesh.epoch.links)
    # a scenario's title is text, whatever it says
    assert still.ask("document.images.length") == 0
    # nothing moves: no next frame is asked for
    stand_still(still)


@pytest.mark.parametrize("frame", ["earth", "stars"])
def test_satellites_are_where_the_epoch_says(running: tuple[Emulation, str], still: Page, frame: str) -> None:
    mesh, _ = running
    still.ask(f"orbitmesh.mesh.setLook({{frame: '{frame}'}})")
    stand_still(still)
    seen, at_km = Seen(still), truth_km(running[0], mesh.epoch.sim_ns)
    there = truth_km(mesh, seen.sim_ns)
    assert np.abs(there - at_km).max() < 50  # km: the page is not seconds behind
    assert np.abs(seen.px - seen.project(there)).max() < NEAR_PX
    sat = slice(0, 24)
    assert (seen.is_behind_earth(there)[sat] == seen.is_hidden[sat]).all()
    assert 4 < np.count_nonzero(~seen.is_hidden[sat]) < 24
    still.ask("orbitmesh.mesh.setLook({frame: 'earth'})")


def test_between_epochs_they_move_on_as_physics_does(browser: Browser, tmp_path: Path) -> None:
    """Steps of 10 s: 70 km, which without the motion between would be seen."""
    scenario = pocket()
    run = scenario.run.model_copy(update={"step_ns": 10 * 10**9})
    with served(scenario.model_copy(update={"run": run}), tmp_path / "run") as (mesh, url):
        mesh.pause()
        mesh.step(10)  # what a tick takes must be known
        mesh.speed(4)
        mesh.resume()
        page = opened(browser, url, 640, 360)
        page.wait_for(
            "orbitmesh.mesh.before !== null && orbitmesh.mesh.before.simNs < orbitmesh.mesh.epoch.simNs"
        )
        ahead = []
        for _ in range(4):
            page.hear(0.4)
            seen = Seen(page)
            ahead.append(seen.sim_ns - int(page.ask("orbitmesh.mesh.epoch.simNs")))
            assert np.abs(seen.px - seen.project(truth_km(mesh, seen.sim_ns))).max() < NEAR_PX
        assert max(ahead) > 10**9
        assert page.errors == []
        page.close()


def test_what_is_drawn_is_seen(running: tuple[Emulation, str], still: Page, pictures: Path) -> None:
    """In the picture itself: points where satellites are, land where the map has it, day where the Sun is."""
    mesh, _ = running
    still.ask("orbitmesh.mesh.setLook({lasersBy: 'none'})")
    stand_still(still)
    box = corner_px(still)
    seen, picture = Seen(still), still.pixels().astype(int)
    still.picture(pictures / "globe.png")

    def around(px: np.ndarray, reach: int) -> np.ndarray:
        x, y = np.round(px + box).astype(int)
        return picture[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1].reshape(-1, 3)

    at_km = truth_km(mesh, seen.sim_ns)[:24]
    px, hidden = seen.project(at_km), seen.is_behind_earth(at_km)
    blue = np.array([0x56, 0xB4, 0xE9])
    near = np.array([np.abs(around(each, 2) - blue).sum(axis=1).min() for each in px])
    assert (near[~hidden] < 240).all(), near[~hidden]
    # the Earth hides: few of those behind it have such a point before them by chance
    assert np.count_nonzero(near[hidden] < 240) <= 2

    places = {"Sahara": (24, 10), "Congo": (0, 22), "Atlantic": (25, -38), "south Atlantic": (-5, -15)}
    spots = {name: ground_km(*where) for name, where in places.items()}
    still.ask("orbitmesh.mesh.setLook({lasersBy: 'use'})")
    for name, at in spots.items():
        assert not seen.is_behind_earth(at * 1.001)[0], name
    light = {name: np.median(around(seen.project(at)[0], 3), axis=0).sum() for name, at in spots.items()}
    assert min(light["Sahara"], light["Congo"]) > 1.2 * max(light["Atlantic"], light["south Atlantic"]), light
    unix_ns = np.array([int(mesh.scenario.run.start_utc.timestamp() * 1e9) + seen.sim_ns])
    sun = sun_direction_itrs(unix_ns)[0]
    told = still.ask("orbitmesh.mesh.epoch.sun")
    assert np.allclose(told, sun, atol=1e-4)


def test_keys_turn_it_and_home_goes_back(still: Page) -> None:
    still.ask("document.querySelector('.globe-canvas').focus()")
    still.ask("orbitmesh.home()")
    stand_still(still)
    first = Seen(still)
    for key in ("ArrowRight", "ArrowUp", "+"):
        before = Seen(still)
        still.press(key)
        stand_still(still)
        assert np.abs(Seen(still).px - before.px).max() > 5, key
    assert np.linalg.norm(Seen(still).eye_km) < np.linalg.norm(first.eye_km)
    still.press("Home")
    stand_still(still)
    assert np.abs(Seen(still).px - first.px).max() < 0.5


def test_a_satellite_that_is_focused_on_stands_in_the_middle(still: Page) -> None:
    still.ask("orbitmesh.focusOn([5])")
    stand_still(still)
    seen = Seen(still)
    assert not seen.is_hidden[5]
    assert np.abs(seen.px[5] - [seen.width / 2, seen.height / 2]).max() < 2
    still.ask("orbitmesh.home()")
    stand_still(still)


def test_what_is_clicked_is_picked(still: Page) -> None:
    seen = Seen(still)
    box = corner_px(still)
    london = still.ask("orbitmesh.mesh.hello.gateways[0].node")
    still.click(*(seen.px[london] + box))
    assert still.ask("orbitmesh.mesh.picked") == {"kind": "node", "node": london}
    for node in np.flatnonzero(~seen.is_hidden[:24])[:4]:
        still.click(*(seen.px[node] + box))
        assert still.ask("orbitmesh.mesh.picked") == {"kind": "node", "node": int(node)}
    still.move(*(seen.px[london] + box))
    tip = still.wait_for("(t => !t.hidden && t.textContent)(document.querySelector('.globe-tip'))")
    assert tip.startswith("gw-london")
    # where there is nothing: a corner of the sky
    still.click(box[0] + 5, box[1] + 300)
    assert still.ask("orbitmesh.mesh.picked") == {"kind": "nothing"}


def test_a_lost_context_comes_back(still: Page) -> None:
    before = still.ask("orbitmesh.drawn().frames")
    still.ask(
        "globalThis.lost = document.querySelector('.globe-canvas').getContext('webgl2')"
        ".getExtension('WEBGL_lose_context'); lost.loseContext()"
    )
    still.hear(0.3)
    still.ask("lost.restoreContext()")
    still.wait_for(f"orbitmesh.drawn().frames > {before}")
    stand_still(still)
    assert still.pixels().max() > 150
    assert [each for each in still.errors if "CONTEXT_LOST" not in each and "Context" not in each] == []
    still.errors.clear()


def test_a_reload_resumes_and_two_pages_show_the_same(
    running: tuple[Emulation, str], still: Page, browser: Browser
) -> None:
    mesh, url = running
    still.reload()  # the address has no token any more
    shown(still)
    assert still.ask("orbitmesh.mesh.hello.runId") == mesh.run_id
    other = opened(browser, url, 390, 844, phone=True)
    a, b = Seen(still), Seen(other)
    assert a.sim_ns == b.sim_ns
    for seen in (a, b):
        assert np.abs(seen.px - seen.project(truth_km(mesh, seen.sim_ns))).max() < NEAR_PX
    mesh.fail("sat-0-0")
    for page in (still, other):
        page.wait_for("orbitmesh.mesh.epoch.failedNodes.has(0)")
        assert page.errors == []
    mesh.restore("sat-0-0")
    # a finger is broader than a mouse
    seen = Seen(other)
    box = corner_px(other)
    node = other.ask("orbitmesh.mesh.hello.gateways[0].node")
    other.tap(*(seen.px[node] + box + [6, 6]))
    assert json.loads(other.ask("JSON.stringify(orbitmesh.mesh.picked)")) == {"kind": "node", "node": node}
    other.close()
