"""CZML as czml3 and as Cesium itself read it, by its numbers."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exports_lab import S_NS, scene, text
from made_once import made_once

from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.exports import scene as scene_module
from orbitmesh.emulator.exports.czml import czml
from orbitmesh.emulator.exports.scene import Scene

WITHIN_M = 0.05  # of our own place, half way between two samples
FAULT = {"what": "sat-0-0:sat-0-1", "at": "100 s", "until": "200 s"}


@pytest.fixture(scope="module")
def of() -> Scene:
    return scene("D:1200:60:48/6/1", faults=[FAULT])


@pytest.fixture(scope="module")
def packets(of: Scene) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in json.loads(text(czml, of))}


def test_czml3_takes_every_packet(of: Scene) -> None:
    document = pytest.importorskip("czml3").Document
    found = document.model_validate_json(f'{{"packets":{text(czml, of)}}}')
    assert found.packets[0].id == "document"
    assert {"gw-london", "sat-0-0", "sat-3-5", "sat-0-0:sat-0-7"} <= {each.id for each in found.packets}


def test_the_clock_and_where_things_are_at_the_samples(of: Scene, packets: dict[str, dict[str, Any]]) -> None:
    clock = packets["document"]["clock"]
    assert clock["interval"] == "2026-11-01T00:00:00.000000Z/2026-11-01T00:20:00.000000Z"
    assert clock["multiplier"] == 10
    position = packets["sat-2-3"]["position"]
    samples = np.array(position["cartesian"]).reshape(-1, 4)
    assert samples[:, 0].tolist() == list(range(0, 1260, 60))
    ours_km = of.geometry.fleet.states_itrs((samples[:, 0] * S_NS).astype(np.int64)).position_km[
        of.geometry.nodes.index["sat-2-3"]
    ]
    assert np.abs(samples[:, 1:] - ours_km * 1000).max() < 0.01
    london_m = np.array(packets["gw-london"]["position"]["cartesian"])
    assert np.abs(london_m - of.geometry.stations.position_itrs_km[0] * 1000).max() < 0.01


def test_a_link_is_there_when_its_epochs_have_it(of: Scene, packets: dict[str, dict[str, Any]]) -> None:
    assert packets["sat-0-0:sat-0-7"]["availability"].endswith("/2026-11-01T00:20:00.000000Z")
    failed = packets["sat-0-0:sat-0-1"]
    assert failed["availability"] == [
        "2026-11-01T00:00:00.000000Z/2026-11-01T00:01:40.000000Z",
        "2026-11-01T00:03:20.000000Z/2026-11-01T00:20:00.000000Z",
    ]
    assert failed["polyline"]["positions"] == {"references": ["sat-0-0#position", "sat-0-1#position"]}
    ids = [name for name in packets if ":" in name]
    assert all(end in packets for name in ids for end in name.split(":"))


def test_only_what_is_named_and_no_more_than_can_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    few = json.loads(text(czml, scene("D:550:53:24/4/1", nodes=["sat-1-*", "gw-london"], minutes=1)))
    assert {each["id"].partition("-")[0] for each in few} == {"document", "sat", "gw"}
    assert all("sat-1-" in each["id"] or each["id"] in ("document", "gw-london") for each in few)
    short = next(each for each in few if each["id"] == "sat-1-0")["position"]["cartesian"]
    assert short[::4] == [float(s) for s in range(0, 65, 5)]  # enough of them for the polynomial
    with pytest.raises(InputError, match="no node is called like 'sat-9-"):
        scene("D:550:53:24/4/1", nodes=["sat-9-*"])
    monkeypatch.setattr(scene_module, "MOST_POSITIONS", 100)
    with pytest.raises(
        InputError, match="24 satellites at 21 instants are more than 100 positions: name fewer"
    ):
        text(czml, scene("D:550:53:24/4/1"))
    monkeypatch.setattr(scene_module, "MOST_LOOKS", 100)
    with pytest.raises(InputError, match="links of 27 nodes at 120 instants are more than 100 looks"):
        text(czml, scene("D:550:53:24/4/1"))


CESIUM = """
import { readFileSync } from "node:fs";
// what Cesium asks a browser for even where it draws nothing
globalThis.Image = globalThis.HTMLCanvasElement = globalThis.HTMLImageElement = class {};
const { CzmlDataSource, JulianDate } = await import("@cesium/engine");
const source = new CzmlDataSource();
await source.load(JSON.parse(readFileSync(process.argv[2], "utf8")));
const asked = JSON.parse(readFileSync(process.argv[3], "utf8"));
const places = asked.map(([name, when]) => {
  const p = source.entities.getById(name).position.getValue(JulianDate.fromIso8601(when));
  return [p.x, p.y, p.z];
});
const link = source.entities.getById("sat-0-0:sat-0-1");
const at = (when) => {
  const date = JulianDate.fromIso8601(when);
  const ends = link.polyline.positions.getValue(date);
  return [link.isAvailable(date), ends.map((p) => [p.x, p.y, p.z])];
};
console.log(JSON.stringify({
  places, entities: source.entities.values.length,
  up: at("2026-11-01T00:01:00Z"), down: at("2026-11-01T00:02:00Z"), multiplier: source.clock.multiplier,
}));
"""


@pytest.fixture(scope="module")
def cesium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in ("node", "npm"):
        if shutil.which(name) is None:
            pytest.skip(f"needs {name} (./mesh test installs it)")

    def make(folder: Path) -> None:
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
        done = subprocess.run([*command, "@cesium/engine"], capture_output=True, text=True, timeout=100)
        if done.returncode != 0:
            pytest.skip(f"needs @cesium/engine from npm, which did not install: {done.stderr[-200:]}")
        (folder / "look.mjs").write_text(CESIUM)

    return made_once(tmp_path_factory, "cesium", make)


def test_cesium_moves_satellites_where_they_are_between_the_samples(
    cesium: Path, of: Scene, packets: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    half_s = [30 + 60 * k for k in range(20)]
    satellites = [0, 9, 23]
    asked = [(of.names[s], of.utc(when * S_NS)) for s in satellites for when in half_s]
    (tmp_path / "toy.czml").write_text(json.dumps([*packets.values()]))
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    done = subprocess.run(
        ["node", cesium / "look.mjs", tmp_path / "toy.czml", tmp_path / "asked.json"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["entities"] == len(packets) - 1
    assert found["multiplier"] == 10
    ours_km = of.geometry.fleet.states_itrs(np.array(half_s, np.int64) * S_NS).position_km[satellites]
    off_m = np.linalg.norm(np.array(found["places"]) - ours_km.reshape(-1, 3) * 1000, axis=1)
    off_m = off_m.reshape(len(satellites), -1)
    print(f"Cesium: within {off_m[:, 3:-3].max() * 1000:.1f} mm, at the ends {off_m.max():.3f} m")
    assert off_m.max() < WITHIN_M
    assert (found["up"][0], found["down"][0]) == (True, False)
    ends_km = of.geometry.fleet.states_itrs(np.array([60 * S_NS])).position_km[:2, 0]
    assert np.abs(np.array(found["up"][1]) - ends_km * 1000).max() < 0.01
