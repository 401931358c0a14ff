"""Handovers in a record: who left whom for whom, when and why; of a mesh, of very many, of older records."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from record_fakes import MS, ROW, STEP_NS, T0, facts, header, rows_of, small_world

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.links.changes import Handover, link_changes
from orbitmesh.emulator.record.recorder import Recorder
from orbitmesh.emulator.record.results import load_run
from orbitmesh.emulator.results import load, tables

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from e2e_lab import toy

BEGAN_S, ENDED_S, LAST_S = 640, 700, 1000
GROUND = {"policy": "longest-visibility"}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]], str]:
    """A quarter of an hour without a network; in the midst of it a satellite that serves London fails."""
    out = tmp_path_factory.mktemp("handovers") / "run"
    scenario = toy(run={"duration": "60 min", "step": "10 s"}, ground=GROUND)
    with Emulation(scenario, links="fake", out=out, clock="stepped") as mesh:
        mesh.step(BEGAN_S)
        epoch, names = mesh.epoch, mesh.nodes.names
        assert epoch is not None
        london = epoch.links.a[epoch.links.b == names.index("gw-london")]
        served = names[int(london[0])]
        mesh.fail(served)
        mesh.step(ENDED_S - BEGAN_S)
        mesh.restore(served)
        mesh.step(LAST_S - ENDED_S)
    return out, rows_of(out / "handovers.parquet"), served


def test_a_record_has_each_handover_of_its_mesh(mesh: tuple[Path, list[dict[str, Any]], str]) -> None:
    out, rows, served = mesh
    geometry = Geometry(toy(run={"duration": "60 min", "step": "10 s"}, ground=GROUND))
    names, n = geometry.nodes.names, geometry.nodes.n_satellites
    wanted, before = set[tuple[int, str, str | None, str | None]](), None
    for epoch in geometry.epochs(0, 10 * STEP_NS):
        if epoch.sim_ns > BEGAN_S * STEP_NS:
            break
        for each in () if before is None else link_changes(before.links, epoch.links).handovers:
            left, joined = ("+".join(names[s] for s in side) or None for side in (each.left, each.joined))
            wanted.add((epoch.sim_ns, names[each.gateway], left, joined))
        before = epoch
    assert len(wanted) > 3
    until_then = [row for row in rows if row["sim_ns"] <= BEGAN_S * STEP_NS]
    # as long as nothing has failed, geometry alone says it
    assert {(r["sim_ns"], r["gateway"], r["left"], r["joined"]) for r in until_then} == wanted
    assert len(until_then) == len(wanted)
    for row in rows:
        assert row["sim_utc"] - row["sim_ns"] == rows[0]["sim_utc"] - rows[0]["sim_ns"]
        if row["left"] is None:
            assert row["cause"] is None
            continue
        left = [names.index(name) for name in row["left"].split("+")]
        look = geometry.stations.look(geometry.epoch_at(row["sim_ns"]).positions_itrs_km[left])
        is_in_sight = look.visible[names.index(row["gateway"]) - n].all()
        if BEGAN_S * STEP_NS < row["sim_ns"] <= ENDED_S * STEP_NS and served in row["left"]:
            assert row["cause"] == "failed"
        else:
            assert row["cause"] == ("chosen" if is_in_sight else "set"), row
    assert {"failed", "set"} <= {row["cause"] for row in rows}
    summary = json.loads((out / "summary.json").read_text())
    assert summary["handovers"] == {"count": len(rows), "not_in_table": 0}


def test_programs_read_it_and_older_records_have_none(
    mesh: tuple[Path, list[dict[str, Any]], str], tmp_path: Path
) -> None:
    out, rows, _ = mesh
    table = load(out).table("handovers")
    assert len(table) == len(rows)
    assert table.schema.field("cause").metadata[b"meaning"].startswith(b"why those were left")
    assert "handovers" in tables()
    # of a version that knew none
    old = shutil.copytree(out, tmp_path / "old")
    (old / "handovers.parquet").unlink()
    summary = json.loads((old / "summary.json").read_text())
    del summary["handovers"]
    (old / "summary.json").write_text(json.dumps(summary))
    assert load_run(old).notes == ()
    assert not len(load(old).table("handovers"))
    (old / "summary.json").unlink()
    assert load_run(old).summary["handovers"] is None
    # of one whose summary was lost they are counted again; and a table that is missing is said to be
    lost = shutil.copytree(out, tmp_path / "lost")
    (lost / "summary.json").unlink()
    assert load_run(lost).summary["handovers"] == {"count": len(rows), "not_in_table": 0}
    gone = shutil.copytree(out, tmp_path / "gone")
    (gone / "handovers.parquet").unlink()
    assert any("handovers.parquet is not there" in note for note in load_run(gone).notes)


def test_of_very_many_at_once_the_first_are_named_and_all_are_counted(tmp_path: Path) -> None:
    world = small_world()
    recorder = Recorder(header(tmp_path, world.who), lambda fault: None)
    recorder.epoch(world.epoch(0, 0, ROW), T0, T0, T0 + MS)
    handed = (Handover(4, (0,), (1, 2), "set"), Handover(5, (), (3,)))
    t0 = T0 + STEP_NS
    recorder.epoch(world.epoch(1, STEP_NS, ROW), t0, t0, t0 + MS, handed, 25_000)
    summary = recorder.finish(facts())
    assert summary["handovers"] == {"count": 25_000, "not_in_table": 24_998}
    told = pq.read_table(tmp_path / "handovers.parquet").select(["gateway", "left", "joined", "cause"])
    assert [tuple(row.values()) for row in told.to_pylist()] == [
        ("gw-london", "sat-0-0", "sat-0-1+sat-0-2", "set"),
        ("gw-tokyo", None, "sat-0-3", None),
    ]
