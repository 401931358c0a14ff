"""A recorded run, as a page is told of it: sought, played, damaged, and of another version."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from geometry_toys import OF_TLE, TLE
from web_lab import Viewer, fake_mesh, opened, page_in, pb, run, served

from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.record.answers import ANSWERS
from orbitmesh.emulator.record.remove import remove_run
from orbitmesh.emulator.record.samples import SAMPLES
from orbitmesh.emulator.record.scenario_kept import keep_elements, scenario_of
from orbitmesh.emulator.safe_files import Folder
from orbitmesh.emulator.scenario import Scenario, loads, scenario_hash
from orbitmesh.emulator.web.record import Record
from orbitmesh.emulator.web.recorded import RecordedSource
from orbitmesh.wire.answers import CUT_OFF

S = 10**9


def samples_of(names: list[str], duration_s: int, each_s: int = 10) -> pa.Table:
    """Of three gateways: what is measured is 2 ms more than light needs."""
    rows: dict[str, Any] = {name: [] for name in SAMPLES.names}
    for i in range(duration_s * each_s):
        at_ns = i * S // each_s + 7
        gateway = names[48 + i % 3]
        row = dict.fromkeys(SAMPLES.names) | {
            "sim_utc": 1_793_491_200 * S + at_ns, "sim_ns": at_ns,
            "sent_mono_ns": at_ns, "done_mono_ns": at_ns + 10**7,
            "kind": "udp", "src": names[i % 48], "dst": gateway, "seq": i, "ok": i % 50 != 49, "error": "",
            "propagation_ns": 10**7 + i % 3, "measured_ns": 12 * 10**6 + i % 3, "serialisation_ns": 10**5,
            "remainder_ns": 19 * 10**5, "sound": True, "epoch_number": 0, "straddles_epoch": False,
        }  # fmt: skip
        for name, value in row.items():
            rows[name].append(value)
    return pa.Table.from_pydict(rows, SAMPLES)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of a mesh without a network, in which a satellite failed; samples as a network gives them."""
    out = tmp_path_factory.mktemp("recorded") / "run"
    with fake_mesh(out, clock="stepped") as mesh:
        mesh.step(10)
        mesh.fail("sat-0-0")
        mesh.step(10)
        mesh.restore("sat-0-0")
        mesh.step(40)
        names = list(mesh.nodes.names)
    pq.write_table(samples_of(names, 60), out / "samples.parquet", row_group_size=50)
    return out


@asynccontextmanager
async def looking(folder: Path, pages: Path) -> AsyncIterator[Viewer]:
    source = await RecordedSource.open(folder)
    async with served(source, page_in(pages)) as port, opened(port) as viewer:
        await viewer.enter()
        await viewer.until(lambda: {"answer", "status"} <= {*viewer.news}, "the first instant")
        viewer.port = port
        yield viewer


def test_any_instant_is_sought_and_is_where_the_scenario_says(recorded: Path, tmp_path: Path) -> None:
    async def work() -> None:
        async with looking(recorded, tmp_path) as page:
            hello = page.news["hello"]
            assert (hello.is_live, hello.can_control, hello.scenario) == (False, False, "toy")
            assert hello.begin_sim_ns < S
            assert 59 * S < hello.end_sim_ns <= 60 * S
            scenario = scenario_of(recorded, json.loads((recorded / "run.json").read_text()))
            geometry = Geometry(scenario)
            for at_s in (30, 15, 42.75):
                answer = await page.ask(seek=pb.Seek(sim_ns=int(at_s * S)))
                assert answer.error == ""
                await page.until(lambda at_s=at_s: page.news["epoch"].sim_ns == int(at_s * S), "the instant")
                epoch = page.news["epoch"]
                assert epoch.speed_ratio == 0
                place = np.frombuffer(epoch.position_itrs_km_f32le, "<f4").reshape(-1, 3)
                truth = geometry.epoch_at(int(at_s * S)).positions_itrs_km
                assert np.abs(place - truth).max() < 0.5
                assert list(epoch.failed_node) == ([0] if at_s == 15 else [])
                status = page.news["status"]
                await page.until(lambda at_s=at_s: page.news["status"].sim_ns == int(at_s * S), "its status")
                status = page.news["status"]
                assert status.is_paused
                figures = status.gateways[0]
                assert figures.udp_p50_ns == pytest.approx(12e6, abs=5)
                assert figures.physical_p50_ns == pytest.approx(10e6, abs=5)
                assert 30 <= figures.samples <= 36
            assert (await page.ask(seek=pb.Seek(sim_ns=10**15))).error == ""
            await page.until(lambda: page.news["epoch"].sim_ns == hello.end_sim_ns, "the end")

    run(work)


def test_what_happened_and_what_was_measured_is_there_from_the_start(recorded: Path, tmp_path: Path) -> None:
    async def work() -> None:
        async with looking(recorded, tmp_path) as page:
            kinds = [event.kind for event in page.events]
            assert kinds == ["stepped", "intervention", "stepped", "intervention ended", "stepped"]
            assert list(page.events[1].node) == [0]
            assert 10 * S <= page.events[1].sim_ns < 11 * S
            await page.until(lambda: page.came.count("series") == 3, "a series of each gateway")
            series = page.news["series"]
            at_s = np.frombuffer(series.sim_s_f64le, "<f8")
            assert (np.diff(at_s) > 0).all()
            assert 0 < at_s[0] < 2
            assert 58 < at_s[-1] < 60
            assert np.frombuffer(series.value_f32le, "<f4") == pytest.approx(12, abs=0.001)
            assert np.frombuffer(series.beside_f32le, "<f4") == pytest.approx(10, abs=0.001)

    run(work)


def test_it_is_played_and_each_page_is_where_it_wants(recorded: Path, tmp_path: Path) -> None:
    async def work() -> None:
        async with looking(recorded, tmp_path) as page, opened(page.port) as other:
            await other.enter()
            await other.until(lambda: "epoch" in other.news, "an epoch")
            began_ns, began_s = page.news["epoch"].sim_ns, time.monotonic()
            assert (await page.ask(play=pb.Play(speed_ratio=20))).error == ""
            await page.until(lambda: page.news["epoch"].sim_ns >= began_ns + 30 * S, "half a minute of it")
            assert time.monotonic() - began_s > 1.0
            assert page.news["epoch"].speed_ratio == 20
            assert (await page.ask(play=pb.Play(speed_ratio=0))).error == ""
            assert other.came.count("epoch") <= 2
            assert "write from 0 to 3600" in (await page.ask(play=pb.Play(speed_ratio=-1))).error
            await page.ask(seek=pb.Seek(sim_ns=59 * S))
            await page.ask(play=pb.Play(speed_ratio=100))
            await page.until(
                lambda: page.news["epoch"].sim_ns > 59.5 * S and page.news["status"].is_paused, "its end"
            )

    run(work)


def test_layers_ways_details_and_contacts_are_of_the_instant(recorded: Path, tmp_path: Path) -> None:
    async def work() -> None:
        async with looking(recorded, tmp_path) as page:
            await page.ask(seek=pb.Seek(sim_ns=30 * S))
            assert (await page.ask(show=pb.Show(kind=pb.LAYER_KIND_LATENCY, gateway_node=49))).error == ""
            assert (await page.ask(watch=pb.Watch(source_node=[3], destination_node=[48]))).error == ""
            await page.until(lambda: "way" in page.news and "layer" in page.news, "a way and a layer")
            way = page.news["way"]
            assert (way.node[0], way.node[-1]) == (3, 48)
            assert way.measured_ns == pytest.approx(12e6, abs=5)
            assert way.serialisation_ns == 1e5
            assert way.measured_by == "udp"
            assert "no such layer" in (await page.ask(show=pb.Show(kind=pb.LAYER_KIND_BATTERY))).error
            assert (await page.ask(node=pb.AskNode(node=48))).node.name == "gw-london"
            assert (await page.ask(contacts=pb.AskContacts(a_node=48))).contacts.contacts
            for ask in ({"intervene": pb.Intervene(what=["sat-0-0"])}, {"pause": pb.Pause()}):
                assert "cannot be changed" in (await page.ask(**ask)).error

    run(work)


def damaged(folder: Path, to: Path, change: Callable[[Path], None]) -> Path:
    shutil.copytree(folder, to)
    change(to)
    return to


def _edit(name: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        value = json.loads((folder / name).read_text())
        change(value)
        (folder / name).write_text(json.dumps(value))

    return edit


def test_a_class_of_a_record_is_judged_as_by_its_verdict(recorded: Path, tmp_path: Path) -> None:
    rows = [
        dict.fromkeys(ANSWERS.names)
        | {"sim_ns": S + i, "customer_class": "chat", "ok": i < 90, "refused": False, "output_tokens": 2,
           "error": CUT_OFF if i >= 100 else "", "ttft_ns": 10**8, "answer_ns": 2 * 10**8}
        for i in range(150)
    ]  # fmt: skip

    def asked(to: Path) -> None:
        pq.write_table(pa.Table.from_pylist(rows, ANSWERS), to / "answers.parquet")
        target = {"ttft_ns": S, "tpot_ns": None, "answer_ns": None, "share": 0.9, "preset": None}
        _edit("run.json", lambda run: run.update(customers=[{"name": "chat", "target": target}]))(to)

    record = Record(damaged(recorded, tmp_path / "asked", asked))
    (told,) = record.status(2 * S, 0)["digest"]["totals"]["exact"]
    # what the run's end cut off is judged nowhere, and 90 of 100 may be more or less than 90 %
    assert (told["asked"], told["in_time"], told["verdict"]) == (100, 90, "not known")


def test_of_a_damaged_record_the_rest_is_shown_and_what_is_missing_named(
    recorded: Path, tmp_path: Path
) -> None:
    cases: list[tuple[str, Callable[[Path], None], str, bool]] = [
        ("old", _edit("run.json", lambda run: run.pop("content")), "does not hold its scenario", False),
        ("other", _edit("run.json", lambda run: run["content"].update(title="x")), "the hash", False),
        ("strange", _edit("run.json", lambda run: run.update(content={"x": 1})), "damaged", False),
        ("newer", _edit("run.json", lambda run: run["content"].update(warp="9")), "not one that this", False),
        ("samples", lambda to: (to / "samples.parquet").write_bytes(b"PAR1"), "samples.parquet", True),
        ("pairs", lambda to: (to / "pairs.parquet").write_bytes(b"PAR1"), "sent by pair is missing", True),
        ("ended", _edit("summary.json", lambda of: of.update(ended="interrupted")), "was interrupted", True),
        ("summary", lambda to: (to / "summary.json").write_text("{"), "summary.json", True),
        ("format", _edit("run.json", lambda run: run.update(orbitmesh_run=99)), "format", True),
        ("gateways", _edit("run.json", lambda run: run.update(gateways=[1, {}])), "held on to", True),
        ("empty", lambda to: (to / "run.json").write_text(""), "holds the scenario, cannot be read", False),
        ("content", _edit("run.json", lambda run: run.update(content={})), "scenario is damaged", False),
        ("head", _edit("run.json", lambda run: run.update(content=1, scenario="x")), "cannot be", False),
    ]  # fmt: skip

    async def work() -> None:
        for name, change, note, has_geometry in cases:
            folder = damaged(recorded, tmp_path / name, change)
            async with looking(folder, tmp_path / "page") as page:
                notes = " / ".join(page.news["hello"].notes)
                assert note in notes, (name, notes)
                assert ("older version" in notes) == (name == "old")
                assert notes.count("samples.parquet cannot be read") == (name == "samples")
                assert notes.count("pairs.parquet cannot be read") == (name == "pairs")
                assert "this run has" not in notes
                assert str(folder) not in notes  # a descriptor's path, where a record is served
                await page.until(lambda: "status" in page.news, "a status")
                assert ("epoch" in page.news) == has_geometry, name
                answer = await page.ask(node=pb.AskNode(node=0))
                assert (answer.error == "") == has_geometry
        with pytest.raises(InputError, match="holds nothing of a run"):
            await RecordedSource.open(tmp_path)

    run(work)


def test_what_is_damaged_while_it_is_shown_is_named_to_who_comes_then(recorded: Path, tmp_path: Path) -> None:
    folder = damaged(recorded, tmp_path / "run", lambda to: None)

    async def work() -> None:
        source = await RecordedSource.open(folder)
        async with served(source, page_in(tmp_path / "page")) as port:
            async with opened(port) as page:
                await page.enter()
                await page.until(lambda: "status" in page.news, "a status")
                assert "cannot be read" not in " ".join(page.news["hello"].notes)
                shutil.rmtree(folder)
                page.news.clear()
                await page.ask(seek=pb.Seek(sim_ns=40 * S))
                await page.until(lambda: "epoch" in page.news and "status" in page.news, "the instant")
            async with opened(port) as page:
                await page.enter()
                await page.until(lambda: "hello" in page.news, "the beginning")
                notes = [note for note in page.news["hello"].notes if "samples.parquet" in note]
                assert len(notes) == 1
                assert "cannot be read" in notes[0]

    run(work)


def test_elements_are_kept_beside_the_record_and_nothing_else_is_read(tmp_path: Path) -> None:
    base = tmp_path / "scenario"
    base.mkdir()
    (base / "sats.tle").write_text(TLE)
    scenario = loads(OF_TLE, base=base)
    record = tmp_path / "record"
    with Folder.open(record, make=True) as folder:
        keep_elements(folder, scenario)
    assert (record / "elements-0.tle").read_text() == TLE
    header = {"content": scenario.model_dump(mode="json"), "scenario": {"sha256": scenario_hash(scenario)}}
    shutil.rmtree(base)
    again = scenario_of(record, json.loads(json.dumps(header)))
    assert scenario_hash(again) == header["scenario"]["sha256"]
    header["content"]["constellation"]["shells"][0]["tle"] = "/etc/passwd"
    assert scenario_of(record, header).constellation.shells[0].tle == Path("elements-0.tle")
    (record / "elements-0.tle").write_text("changed\n")
    with pytest.raises(InputError, match="not the one that ran"):
        scenario_of(record, header)
    (record / "elements-0.tle").unlink()
    with pytest.raises(InputError, match="elements that it was made from are missing"):
        scenario_of(record, header)
    (tmp_path / "elsewhere").write_text(TLE)
    (record / "elements-0.tle").symlink_to(tmp_path / "elsewhere")
    assert scenario_of(record, header)  # one's own link
    if os.geteuid() == 0:
        os.lchown(record / "elements-0.tle", 65534, 65534)
        with pytest.raises(InputError, match="is a link that user 65534 made"):
            scenario_of(record, header)
        (record / "elements-0.tle").unlink()
        (record / "elements-0.tle").write_text(TLE)
    with Folder.open(record) as folder:  # moved while it is shown
        shown = scenario_of(folder.anchored, header)
        record.rename(tmp_path / "moved")
        assert scenario_hash(shown) == header["scenario"]["sha256"]


def test_a_record_with_elements_is_removed_whole(recorded: Path, tmp_path: Path) -> None:
    folder = damaged(recorded, tmp_path / "run", lambda to: (to / "elements-0.tle").write_text("x"))
    assert remove_run(folder) == []
    assert not folder.exists()


def test_all_shipped_scenarios_come_back_from_their_content(tmp_path: Path) -> None:
    for name in ("demo", "starlink-shell1", "ai1-inference", "train-cluster"):
        scenario = Scenario.load(name)
        header = {
            "content": scenario.model_dump(mode="json"),
            "scenario": {"sha256": scenario_hash(scenario)},
        }
        again = scenario_of(tmp_path, json.loads(json.dumps(header)))
        assert again.model_dump() == scenario.model_dump()


def test_an_hour_is_opened_at_once(recorded: Path, tmp_path: Path) -> None:
    """Its tables are read where they are looked at: what is measured in bench_web.py, here as a ratio."""

    def longer(to: Path) -> None:
        table = pq.read_table(to / "samples.parquet")
        with pq.ParquetWriter(to / "samples.parquet", table.schema) as out:
            for k in range(60):
                moved = table.set_column(
                    1, table.schema.field(1), pa.array(table["sim_ns"].to_numpy() + k * 60 * S, pa.int64())
                )
                out.write_table(moved)

    hour = damaged(recorded, tmp_path / "hour", longer)

    async def work() -> None:
        source = await RecordedSource.open(hour)
        assert 3599 * S < source.end_ns <= 3600 * S
        held = sum(len(rows) for rows in source.record.samples._held.values())
        assert held == 0
        await source.close()
        async with looking(hour, tmp_path / "page") as page:
            await page.ask(seek=pb.Seek(sim_ns=1800 * S))
            await page.until(lambda: page.news["status"].sim_ns == 1800 * S, "the instant")
            await page.until(lambda: page.came.count("series") == 3, "the series")
            await asyncio.sleep(0)

    run(work)
