"""``orbitmesh export``: each format, to a file and to stdout; records and running meshes; what is refused."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from geometry_toys import OF_TLE, TLE
from typer.testing import CliRunner

from orbitmesh.emulator.cli.export import ExportFormat
from orbitmesh.emulator.cli.main import app

sys.path.append(str(Path(__file__).parents[1] / "control"))
from api_lab import fake_mesh

runner = CliRunner()


def export(*words: str) -> str:
    done = runner.invoke(app, ["export", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(*words: str) -> str:
    done = runner.invoke(app, ["export", *words])
    assert done.exit_code in (1, 2)
    return " ".join(done.output.split())


FIRST = {
    "czml": '[\n{"id":"document"', "tle": "sat-0-0\n1 80001U ", "omm-xml": "<?xml ",
    "omm-kvn": "CCSDS_OMM_VERS = 2.0", "omm-json": '[\n{"CCSDS_OMM_VERS"',
    "omm-csv": "OBJECT_NAME,",
    "geojson": '{"type":"FeatureCollection"', "csv": "begin_utc,", "ion": "# pocket",
}  # fmt: skip


@pytest.mark.parametrize("form", [*ExportFormat])
def test_each_format_goes_to_stdout(form: str) -> None:
    said = export("pocket", "--format", form, "--duration", "30s")
    assert said.startswith(FIRST[form])
    assert said.endswith("\n")


def test_a_run_that_the_environment_names_is_none_of_a_scenario_s_business(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ORBITMESH_RUN", "pocket-20261127T000000Z-0001")
    assert export("pocket", "--format", "tle").startswith("sat-0-0")


def test_into_a_file_and_only_what_is_named(tmp_path: Path) -> None:
    out = tmp_path / "some.czml"
    export("pocket", "--format", "czml", "--node", "sat-1-*", "--node", "gw-london", "--out", str(out))
    ids = {each["id"] for each in json.loads(out.read_text())}
    assert {"document", "gw-london", "sat-1-0", "sat-1-5"} <= ids
    assert "sat-0-0" not in ids
    assert "cannot write /nowhere/x: No such file" in refused(
        "pocket", "--format", "tle", "--out", "/nowhere/x"
    )


def test_of_a_running_mesh_from_now_on_with_what_is_failed_in_it(tmp_path: Path) -> None:
    with fake_mesh(tmp_path / "r") as mesh:
        mesh.fail("sat-0-0:sat-0-1")
        rows = export("--format", "csv", "--duration", "20s", "--run", mesh.run_id).splitlines()
    assert any(",sat-0-1,sat-0-2,laser," in row for row in rows)
    assert not any(",sat-0-0,sat-0-1,laser," in row for row in rows)


def test_of_a_record_by_the_scenario_that_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orbitmesh.emulator import Emulation, Scenario

    monkeypatch.chdir(tmp_path)
    with Emulation(Scenario.load("pocket"), links="fake", duration_ns=10**9, out=Path("runs/one")) as mesh:
        mesh.wait()
    assert export("./runs/one", "--format", "tle") == export("pocket", "--format", "tle")
    run = json.loads(Path("runs/one/run.json").read_text())
    run["scenario"]["sha256"] = "00"
    Path("runs/one/run.json").write_text(json.dumps(run))
    said = refused("./runs/one", "--format", "tle")
    assert "its scenario is not the one that ran" in said
    assert "name the scenario's file in place of the run" in said


def test_of_a_record_of_a_scenario_of_one_s_own_whose_file_is_gone(tmp_path: Path) -> None:
    with fake_mesh(tmp_path / "r"):
        pass
    satellites = [
        line for line in export(str(tmp_path / "r"), "--format", "tle").splitlines() if "sat-" in line
    ]
    assert len(satellites) == 48


def test_of_a_record_of_any_scenario_where_its_satellites_were(tmp_path: Path) -> None:
    """Positions of the run itself, also of elements whose file is gone since; over the run's own window."""
    from orbitmesh.emulator import Emulation
    from orbitmesh.emulator.scenario import loads

    base = tmp_path / "mine"
    base.mkdir()
    (base / "sats.tle").write_text(TLE)
    out = tmp_path / "record"
    with Emulation(
        loads(OF_TLE, base=base), links="fake", clock="stepped", duration_ns=60 * 10**9, out=out
    ) as mesh:
        before_km = mesh.epoch.positions_itrs_km[0].copy()
        mesh.step(60)
        after_km = mesh.epoch.positions_itrs_km[0].copy()
    shutil.rmtree(base)
    packets = json.loads(export(str(out), "--format", "czml"))
    assert packets[0]["clock"]["interval"].startswith("2026-11-01T00:00:00")
    assert "/2026-11-01T00:01:00" in packets[0]["clock"]["interval"]  # the scenario's own is ten seconds
    moved = np.array(packets[1 + [p["id"] for p in packets[1:]].index("sat-0-0")]["position"]["cartesian"])
    t_s, metres = moved.reshape(-1, 4)[:, 0], moved.reshape(-1, 4)[:, 1:]
    for at_s, km in ((0.0, before_km), (60.0, after_km)):
        assert np.abs(metres[t_s == at_s][0] - 1000 * km).max() < 0.01  # as the file rounds
    (out / "elements-0.tle").unlink()
    assert "orbital elements that it was made from are missing" in refused(str(out), "--format", "tle")


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ('{"orbitmesh_run": 99}', "has format 99, and this version reads 2"),
        ("{", "is damaged: this is not valid JSON"),
        ('{"orbitmesh_run": 2, "scenario": 7}', "this record does not hold its scenario"),
        ('{"orbitmesh_run": 2, "content": {"x": 1}}', "its scenario is damaged: run.json holds what is none"),
    ],
)
def test_a_record_that_is_damaged_or_of_another_version_is_told(tmp_path: Path, told: str, said: str) -> None:
    (tmp_path / "run.json").write_text(told)
    assert said in refused(str(tmp_path), "--format", "tle")


def test_what_makes_no_sense_is_told() -> None:
    for words, said in (
        (["pocket", "--format", "csv", "--node", "mars"], "mars"),
        (["pocket", "--format", "csv", "--run", "x"], "name a scenario, or a running mesh, not both"),
        (["pocket", "--format", "csv", "--step", "0s"], "is no time at all"),
        (["starlink-shell1", "--format", "geojson", "--duration", "300h"], "more than 5,000,000 positions"),
    ):
        assert said in refused(*words)
    for words in (["pocket", "--format", "kml"], ["pocket"]):
        assert runner.invoke(app, ["export", *words]).exit_code == 2


def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/export.md").read_text()
    commands = [line.partition("#")[0] for line in page.splitlines() if line.startswith("$ orbitmesh export")]
    assert len(commands) == 5
    for number, command in enumerate(commands):
        words = shlex.split(command)[3:]
        if "--duration" in words:  # so long is what people want, not tests
            words[words.index("--duration") + 1] = "1min"
        words[words.index("--out") + 1] = str(tmp_path / str(number))
        export(*words)
        assert (tmp_path / str(number)).stat().st_size > 1000


def test_nothing_but_a_file_is_written_over_and_no_link_is_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("kept")
    (tmp_path / "link").symlink_to(kept)
    (tmp_path / "dangling").symlink_to(tmp_path / "made")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")  # with no reader: to open it would wait for ever
    for name, what in (
        ("link", "a link"), ("dangling", "a link"), ("folder", "a folder"), ("pipe", "no regular file"),
    ):  # fmt: skip
        out = str(tmp_path / name)
        done = runner.invoke(app, ["export", "pocket", "--format", "tle", "--out", out])
        assert done.exit_code == 2, done.output
        assert f"is {what}: name a file" in " ".join(done.output.split())
    assert kept.read_text() == "kept"
    assert not (tmp_path / "made").exists()
    export("pocket", "--format", "tle", "--out", str(kept))  # an earlier file is replaced
    assert kept.read_text().startswith("sat-0-0")
    assert len(list(tmp_path.iterdir())) == 5
    (tmp_path / "run.json").write_text("{}")
    assert "is part of a run's record" in refused("pocket", "--format", "tle", "--out", str(kept))
