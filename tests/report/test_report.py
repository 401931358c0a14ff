"""A report: its numbers are the record's, its page is whole and safe, and what is missing is named."""

from __future__ import annotations

import json
import re
import sys
import tracemalloc
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import html5lib
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "record"))
import report_lab as lab
from record_fakes import facts, record, strict_json
from report_lab import GATEWAYS, MS, S

from orbitmesh.emulator.report import report_of, written
from orbitmesh.emulator.report.document import Absent, Document, Figure, Section, Table, Value
from orbitmesh.emulator.report.gather import document as gathered
from orbitmesh.emulator.report.html import to_html
from orbitmesh.emulator.report.plot_data import (
    Bars,
    Line,
    Lines,
    Map,
    Matrix,
    Panel,
    Place,
    Ranges,
    Span,
    Timeline,
)  # fmt: skip
from orbitmesh.emulator.report.plots import draw
from orbitmesh.emulator.report.source import read

HOSTILE_CLASS = lab.CLASS
HOSTILE = "<script>alert(1)</script>&\"'$\\frac{<b>"
EVENTS = (
    {"event": "began"},
    {"event": "intervention", "intervention": 0, "what": "gw-tokyo", "by": "scenario", "sim_ns": 20 * S},
    {
        "event": "intervention ended",
        "intervention": 0,
        "what": "gw-tokyo",
        "by": "scenario",
        "sim_ns": 30 * S,
    },
    {
        "event": "intervention",
        "intervention": 1,
        "what": HOSTILE,
        "by": "chance",
        "sim_ns": 40 * S,
        "rate_bps": 10**7,
    },
    {"event": "intervention", "intervention": 2, "what": "sat-0-1", "by": "ann", "sim_ns": 50 * S},
)
CHANGES = [
    (10 * S, "sat-0-1", "gw-tokyo", "sat-0-1>sat-1-0>gw-tokyo", "sat-0-1>sat-2-0>gw-tokyo"),
    (10 * S, "sat-0-2", "gw-tokyo", "sat-0-2>sat-1-0>gw-tokyo", "sat-0-2>sat-2-0>gw-tokyo"),
    (11 * S, "gw-london", "sat-0-3", "gw-london>sat-3-0>sat-0-3", "gw-london>sat-3-0>sat-4-0>sat-0-3"),
    (20 * S, "sat-0-1", "gw-tokyo", "sat-0-1>sat-2-0>gw-tokyo", None),
    (30 * S, "sat-0-1", "gw-tokyo", None, "sat-0-1>sat-2-0>gw-tokyo"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed, with faults, changes of paths and platforms."""
    figure_of = {"value": 1, "unit": "kW", "source": HOSTILE}
    scenario = {"name": HOSTILE, "title": f"T {HOSTILE}", "sha256": "ab" * 32}
    out = lab.write(
        tmp_path_factory.mktemp("report") / "run",
        lab.header(scenario=scenario, platform={"preset": HOSTILE, "figures": {"a": figure_of}}),
        samples=lab.samples(3_000), path_changes=lab.path_changes(CHANGES), platforms=lab.platforms(),
    )  # fmt: skip
    lab.events(out, *EVENTS)
    return out


@pytest.fixture(scope="module")
def document(run: Path) -> Document:
    return report_of(run)


@pytest.fixture(scope="module")
def page(document: Document) -> str:
    return written(document, "html")


def section(document: Document, name: str) -> Section:
    return next(each for each in document.sections if each.id == name)


def table(document: Document, name: str) -> Table:
    return next(b for s in document.sections for b in s.blocks if isinstance(b, Table) and b.id == name)


def figure(document: Document, name: str) -> Figure:
    return next(each for each in document.figures() if each.id == name)


def absent(document: Document) -> str:
    blocks = (b for s in document.sections for b in s.blocks if isinstance(b, Absent))
    return "\n".join(f"{b.what}: {b.why}" for b in blocks)


def undrawn(document: Document) -> str:
    """The page without its figures: drawing them takes most of the time."""
    return to_html(document, lambda plot, name, label: "<svg/>")


def numbers_of(row: tuple[Any, ...]) -> list[Any]:
    return [cell.value if isinstance(cell, Value) else cell for cell in row]


# ---- the numbers


def test_quantiles_of_a_gateway_are_those_of_its_rows(run: Path, document: Document) -> None:
    rows = pq.read_table(run / "samples.parquet")
    checked = 0
    for row in table(document, "by-gateway").rows:
        gateway, kind = row[0], {"UDP probes": "udp", "gRPC probes": "grpc", "tasks": "task"}[str(row[1])]
        of = rows.filter(pc.and_(pc.equal(rows["dst"], gateway), pc.equal(rows["kind"], kind)))
        answered = of.filter(of["ok"])
        measured = np.array(answered["measured_ns"].to_pylist(), np.int64)
        light = np.array(answered["propagation_ns"].to_pylist(), np.int64)
        assert numbers_of(row)[2:10] == [
            len(of), len(of) - len(answered), pc.sum(of["sound"]).as_py(),
            round(float(np.quantile(light, 0.5))),
            *(round(float(np.quantile(measured, q))) for q in (0.5, 0.9, 0.99)), int(measured.max()),
        ]  # fmt: skip
        checked += 1
    assert checked == 9


def test_the_headline_is_the_median_of_all_udp_probes(run: Path, document: Document) -> None:
    rows = pq.read_table(run / "samples.parquet")
    udp = rows.filter(pc.and_(pc.equal(rows["kind"], "udp"), rows["ok"]))
    head = next(each for each in document.headlines if each.title.startswith("Round trip"))
    assert isinstance(head.value, Value)
    assert head.value.value == round(float(np.quantile(udp["measured_ns"].to_numpy(), 0.5)))


def test_a_course_over_time_is_of_the_samples_of_each_bin(run: Path, document: Document) -> None:
    rows = pq.read_table(run / "samples.parquet")
    udp = rows.filter(pc.and_(pc.equal(rows["kind"], "udp"), rows["ok"]))
    course = figure(document, "over-time")
    assert course.samples.value == len(udp)
    line = next(each for each in course.plot.panels[0].lines if each.name == "measured p99")
    at, measured = udp["sim_ns"].to_numpy(), udp["measured_ns"].to_numpy()
    assert line.x[:3] == (1.0, 3.0, 5.0)  # as wide as the interval of the probes
    for x, y in zip(line.x, line.y, strict=True):
        here = measured[(at >= (x - 1) * S) & (at < (x + 1) * S)]
        assert y == pytest.approx(np.quantile(here, 0.99) / 1e6, rel=1e-5)


def test_faults_and_handovers_stand_where_they_happened(document: Document) -> None:
    panel = figure(document, "over-time").plot.panels[0]
    assert [(span.name, span.begin, span.end) for span in panel.spans] == [
        ("gw-tokyo", 20, 30), ("sat-0-1", 50, pytest.approx(60, abs=0.1)),
    ]  # fmt: skip
    assert panel.crosses == (40,)  # by chance
    assert panel.marks == (10,)  # gw-tokyo had another satellite; gw-london another way from the same
    assert numbers_of(table(document, "handovers").rows[0]) == ["gw-tokyo", 1, 2]
    changes = [numbers_of(row)[1:4] for row in table(document, "path-changes").rows]
    assert changes == [[2, 2, 2 * MS], [1, 1, 2 * MS], [1, 1, "–"], [1, 1, "–"]]
    gap = figure(document, "gaps").plot.spans[0][0]
    assert (gap.begin, gap.end) == (20, 30)


def test_interventions_are_told_with_what_is_not_known(document: Document) -> None:
    rows = [numbers_of(row) for row in table(document, "interventions").rows]
    assert rows[0][:5] == ["gw-tokyo", "scenario", "failed", 20 * S, 30 * S]
    assert rows[1][2:5] == ["rate 10 Mbit/s", 40 * S, "in force at the end"]
    assert rows[0][5:] == ["–", "–"]  # a run that was killed has not counted them


def test_use_of_links_counts_each_crossing(run: Path, document: Document) -> None:
    rows = pq.read_table(run / "samples.parquet")
    lasers, ground = (numbers_of(row) for row in table(document, "link-use").rows)
    assert lasers[2] + ground[2] == 4 * len(rows)  # two links there, two back
    assert ground[2] == 2 * len(rows)
    assert lasers[4] + ground[4] == 4 * 48 * len(rows)
    ends = pc.value_counts(rows["path"]).to_pylist()
    most: dict[str, int] = {}
    for each in ends:
        a, b, c = each["values"].split(">")
        for link in (":".join(sorted((a, b))), ":".join(sorted((b, c)))):
            most[link] = most.get(link, 0) + 2 * each["counts"]
    assert figure(document, "busiest-links").plot.values[0][0] == max(most.values())


def test_parts_of_a_gateway_add_up(run: Path, tmp_path: Path) -> None:
    record(tmp_path, facts())
    made = report_of(tmp_path)
    for row in table(made, "parts-udp-numbers").rows:
        whole, *parts = numbers_of(row)[2:]
        assert sum(parts) == pytest.approx(whole, abs=2)


def test_platforms_are_weighed_by_how_many_satellites_a_row_is_of(document: Document) -> None:
    shown = figure(document, "platform-over-time")
    assert shown.samples.value == 40
    heat = {line.name: line.y for line in shown.plot.panels[0].lines}
    assert heat["mean, with a process"][0] == pytest.approx(300 - 273.15)
    assert heat["the hottest"][0] == pytest.approx(60)
    asked = next(line.y for line in shown.plot.panels[2].lines if line.name.startswith("asked"))
    assert asked[0] == pytest.approx((120 + 3 * 100) / 4)
    satellite = numbers_of(table(document, "satellites").rows[0])
    assert satellite[:3] == ["sat-0-1", pytest.approx(0.25), "eclipse"]


def test_a_map_has_each_gateway_where_it_stands(document: Document) -> None:
    places = {
        place.name: (place.latitude_deg, place.longitude_deg) for place in figure(document, "map").plot.places
    }
    assert places == {name.removeprefix("gw-"): at for name, at in lab.STATIONS.items()}


def test_a_record_of_before_stations_were_written_says_that_it_has_no_map(run: Path, tmp_path: Path) -> None:
    old = lab.header()
    del old["stations"]
    made = report_of(lab.write(tmp_path, old, samples=lab.samples(50)))
    assert "map" not in {each.id for each in made.figures()}
    assert "does not say where gateways stand" in absent(made)


# ---- the page


def test_the_page_is_html_and_xml_and_stands_alone(page: str, document: Document) -> None:
    html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)
    root = ElementTree.fromstring(page)
    names = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert not {"script", "img", "link", "iframe", "object", "embed", "foreignObject", "image"} & set(names)
    assert names.count("svg") == len(list(document.figures()))
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    for element in root.iter():
        for key, value in element.attrib.items():
            name = key.rpartition("}")[2]
            assert not name.startswith("on")
            assert name != "style"  # which the policy forbids
            assert name not in ("src", "action", "srcset", "data")
            if name == "href":
                assert value.startswith("#")
                assert value[1:] in ids
            for target in re.findall(r"url\(([^)]*)\)", value):
                assert target.startswith("#")
                assert target[1:] in ids
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) <= {
        "http://www.w3.org/1999/xhtml",
        "http://www.w3.org/2000/svg",
    }


def test_the_policy_allows_the_page_s_own_style_and_nothing_else(page: str) -> None:
    import base64
    import hashlib

    root = ElementTree.fromstring(page)
    metas = [e for e in root.iter() if e.get("http-equiv") == "Content-Security-Policy"]
    assert len(metas) == 1
    style = page[page.index("<style>") + len("<style>") : page.index("</style>")]
    held = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{held}'" in str(metas[0].get("content"))
    assert "unsafe" not in str(metas[0].get("content"))
    assert page.count("<style") == 1


def test_every_number_of_the_page_is_the_json_s(page: str, document: Document) -> None:
    told = strict_json(written(document, "json"))
    held: list[tuple[float, str]] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if {"value", "unit", "shown"} == set(value):
                held.append((value["value"], value["shown"]))
            else:
                for each in value.values():
                    walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(told)
    root = ElementTree.fromstring(page)
    shown = [
        (json.loads(str(e.get("value"))), "".join(e.itertext()))
        for e in root.iter()
        if e.tag.endswith("}data")
    ]
    assert len(shown) > 150
    assert shown == held


def test_each_figure_says_what_it_shows_over_what_and_of_how_many(page: str, document: Document) -> None:
    root = ElementTree.fromstring(page)
    captions = ["".join(e.itertext()) for e in root.iter() if e.tag.endswith("}figcaption")]
    assert len(captions) == len(list(document.figures())) > 8
    for caption, shown in zip(captions, document.figures(), strict=True):
        assert re.search(r"Over .+; n = [\d,]+ ", caption), caption
        assert shown.shows in caption
        assert f"n = {shown.samples.value:,} {shown.of}" in caption


def test_names_of_a_record_are_never_markup(page: str, document: Document) -> None:
    root = ElementTree.fromstring(page)
    assert f"T {HOSTILE}" in "".join(root.itertext())
    assert "<script" not in page.lower()
    assert HOSTILE in numbers_of(table(document, "platform-figures").rows[0])
    text = written(document, "markdown")
    assert not re.search(r"(?<!\\)<(?!!-- orbitmesh report -->)", text)
    assert "\\<script\\>" in text


def test_markdown_has_the_same_tables(document: Document) -> None:
    text = written(document, "markdown")
    for each in document.sections:
        assert f"## {each.title}" in text
    row = table(document, "by-gateway").rows[0]
    cells = [cell.text if isinstance(cell, Value) else cell for cell in row]
    assert f"| {' | '.join(cells)} |".replace("-", "\\-") in text


def test_the_same_record_gives_the_same_page(run: Path, page: str) -> None:
    assert written(report_of(run), "html") == page


# ---- what is missing


def test_a_run_with_nothing_but_its_header_is_a_report_that_says_so(tmp_path: Path) -> None:
    made = report_of(lab.write(tmp_path, lab.header()))
    ElementTree.fromstring(undrawn(made))
    told = absent(made)
    for what in (
        "distributions of latency",
        "the use of links",
        "power, battery and temperature",
        "customers",
    ):
        assert what in told


def test_a_run_of_another_version_is_read_as_far_as_it_can_be(tmp_path: Path) -> None:
    out = lab.write(tmp_path, lab.header(orbitmesh_run=1, machine=7), samples=lab.samples(200))
    made = report_of(out)
    assert made.headlines[0].value == "not known"
    assert any("has format 1" in str(each) for each in section(made, "what-ran").blocks)
    assert figure(made, "over-time").samples.value > 50
    ElementTree.fromstring(undrawn(made))


def test_damaged_parts_are_named_and_the_others_shown(tmp_path: Path) -> None:
    record(tmp_path, facts())
    (tmp_path / "path-changes.parquet").write_bytes(b"PAR1 nothing")
    (tmp_path / "summary.json").write_text("{")
    (tmp_path / "events.jsonl").write_bytes(b"\xff\xfe\n{]\n")
    (tmp_path / "pairs.parquet").unlink()
    made = report_of(tmp_path)
    said = str(section(made, "what-ran"))
    for name in ("path-changes.parquet", "summary.json", "events.jsonl"):
        assert f"{name} cannot be read" in said, name
    assert "in doubt" in {each.value for each in made.headlines}
    assert figure(made, "distribution").samples.value == 6
    ElementTree.fromstring(undrawn(made))


def test_tables_without_a_run_json_are_a_report(tmp_path: Path) -> None:
    out = lab.write(tmp_path, lab.header(), samples=lab.samples(100))
    (out / "run.json").unlink()
    made = report_of(out)
    assert {row[0] for row in table(made, "by-gateway").rows} == set(GATEWAYS)
    ElementTree.fromstring(undrawn(made))


def test_a_table_that_lacks_columns_is_read_without_them(tmp_path: Path) -> None:
    kept = lab.samples(100).drop_columns(["path", "remainder_ns", "hops"])
    made = report_of(lab.write(tmp_path, lab.header(), samples=kept))
    assert "lacks the column path" in str(section(made, "what-ran"))
    assert figure(made, "distribution").samples.value > 50
    assert "remainder" not in {each.id for each in made.figures()}


def test_a_finished_run_tells_its_verdict(tmp_path: Path) -> None:
    record(tmp_path, facts())
    made = report_of(tmp_path)
    assert numbers_of(table(made, "losses").rows[0]) == ["measurements without an answer", "timeout", 3]
    assert "for how much of the time gateways had a way" in absent(made)  # it had no schedule
    ElementTree.fromstring(undrawn(made))


def test_a_page_does_not_grow_with_its_samples(tmp_path: Path) -> None:
    """A hundred times as many, and no figure has more to draw."""
    sizes = []
    for n in (1_000, 100_000):
        source = read(lab.write(tmp_path / str(n), lab.header(), samples=lab.samples(n)))
        tracemalloc.start()
        made = gathered(source)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        sizes.append(len(undrawn(made)) + len(written(made, "json")))
    assert sizes[1] < 1.3 * sizes[0]
    assert peak_bytes < 300 * n  # some forty numbers of each; a million take 0.3 GB beside the table


def test_a_figure_of_a_million_names_and_one_of_nothing_are_drawn() -> None:
    """Whatever a record holds, a figure is made: names that are markup, mathematics, or of no font."""
    odd = ("$\\frac{", "<b>", "\u4e2d\u6587", "a" * 300)
    plots = (
        Bars("ms", odd, ("a", "b"), ((1.0, 0.0, None, 2.0), (-1.0, 0.5, 0.0, 0.0))),
        Bars("ms", (), ("a",), ((),)),
        Ranges("ms", odd, (0.0,) * 4, (1.0, None, 2.0, 3.0), (4.0,) * 4, (None,) * 4, ("a", "b", "c")),
        Lines(
            "s", (Panel("$x", "ms", (Line("a", (0.0, None), (1.0, 2.0)),), y_from_zero=False),), x_log=True
        ),
        Lines("s", (Panel("", "", ()),)),
        Map("ms", tuple(Place(name, 89.0, 540.0 + i, None) for i, name in enumerate(odd))),
        Map("ms", ()),
        Matrix("ms", odd, odd, ((None,) * 4,) * 4, ((0, 1),)),
        Matrix("ms", ("a",), ("b",), ((0.0,),)),
        Timeline("s", odd, ((Span("a", 0.0, 0.0),), (), (), ()), (0.0, 1.0)),
    )
    for number, plot in enumerate(plots):
        drawn = draw(plot, f"f{number}", "<it>")
        root = ElementTree.fromstring(drawn)
        assert root.get("aria-label") == "<it>"
        assert "<b>" not in drawn


# ---- customers


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed, with two classes of customers, one of which nobody answered."""
    return lab.write(
        tmp_path_factory.mktemp("asked") / "run", lab.header(**lab.with_customers()),
        samples=lab.samples(300), answers=lab.answers(200),
    )  # fmt: skip


def test_the_verdict_of_a_class_is_that_of_its_answers(asked: Path) -> None:
    made = report_of(asked)
    rows = pq.read_table(asked / "answers.parquet").to_pylist()
    within = [
        row["ok"]
        and row["ttft_ns"] <= lab.TTFT_NS
        and (row["answer_ns"] - row["ttft_ns"]) / (row["output_tokens"] - 1) <= lab.TPOT_NS
        for row in rows
    ]
    chat, silent = (numbers_of(row) for row in table(made, "verdicts").rows)
    assert chat[:6] == [HOSTILE_CLASS, "missed", len(rows), 6, sum(row["ok"] for row in rows), 0]
    assert chat[9] == pytest.approx(sum(within) / len(rows))
    assert chat[10] < chat[9] < chat[11]
    assert silent[:2] == ["silent", "nobody asked"]
    missed = sum(numbers_of(row)[2] for row in table(made, "causes").rows)
    assert missed == len(rows) - sum(within)
    heads = {each.title: each.value for each in made.headlines}
    assert heads[f"Customers: {HOSTILE_CLASS}"] == "missed"
    ElementTree.fromstring(undrawn(made))


def test_the_parts_of_a_first_token_add_up_to_its_mean(asked: Path) -> None:
    made = report_of(asked)
    rows = [row for row in pq.read_table(asked / "answers.parquet").to_pylist() if row["ok"]]
    shown = figure(made, "first-token-parts")
    assert shown.samples.value == len(rows)
    mean_ms = sum(row["ttft_ns"] for row in rows) / len(rows) / 1e6
    assert sum(part[0] for part in shown.plot.values) == pytest.approx(mean_ms, rel=1e-4)
    curve = figure(made, "first-token").plot.panels[0]
    assert curve.levels == (("target 500 ms", 500.0),)
    assert curve.lines[0].x[50] == pytest.approx(
        np.quantile([r["ttft_ns"] for r in rows], curve.lines[0].y[50] / 100) / 1e6, rel=1e-3
    )
