"""A report's page is whole, safe, and says the same as its JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import html5lib
import pytest
import report_lab as lab
from record_fakes import strict_json
from report_lab import HOSTILE
from report_told import figure, numbers_of, table, undrawn

from orbitmesh.emulator.report import report_of, written
from orbitmesh.emulator.report.document import Document, Value
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
    assert f"| {' | '.join(cells)} |" in text
    assert "gw-london" in text


def test_markdown_reads_as_text_and_makes_no_link_of_a_record(tmp_path: Path) -> None:
    title = "# one (two) - x@example.org https://example.org www.example.org [a](b) *c* 1. d"
    scenario = {"name": "- toy", "title": title, "sha256": "ab" * 32}
    made = lab.write(tmp_path, lab.header(scenario=scenario, began_utc="1. x"))
    text = written(report_of(made), "markdown")
    links = "x\\@example.org https\\://example.org www\\.example.org \\[a\\](b)"
    assert f"\n\\# one (two) - {links} \\*c\\* 1. d\n" in text
    assert "| Scenario | \\- toy" in text
    assert "| Ran at | 1\\. x |" in text


def test_the_same_record_gives_the_same_page(run: Path, page: str) -> None:
    assert written(report_of(run), "html") == page


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


def test_of_many_gateways_each_figure_says_how_many_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tuple(f"gw-{i}" for i in range(50))
    monkeypatch.setattr(lab, "GATEWAYS", names)
    made = report_of(
        lab.write(tmp_path, lab.header(gateways=list(names)), samples=lab.samples(6_000, satellites=90))
    )
    for name in ("gateways", "parts-udp"):
        assert "40 of 50 gateways, those most measured" in figure(made, name).shows
    assert "40 of 50 gateways" in table(made, "by-gateway").left_out
    shown = figure(made, "matrix")
    assert "24 of 50 gateways and 72 of 90 satellites, those most measured" in shown.shows
    cells = sum(value is not None for row in shown.plot.values for value in row)
    assert cells <= shown.samples.value < figure(made, "distribution").samples.value / 2
    assert "8 of 50 gateways with the highest p99" in figure(made, "each-gateway").shows


def test_what_is_to_be_typed_is_code_and_nothing_of_a_record_is(tmp_path: Path) -> None:
    sly = "`rm`\ue000ls\ue001\ue000"
    preset = {"family": "model", "name": sly, "figures": {"estimated": 2}, "own": {sly: sly}}
    scenario = {"name": sly, "title": sly, "sha256": "ab" * 32}
    made = report_of(lab.write(tmp_path, lab.header(presets=[preset], scenario=scenario)))
    root = ElementTree.fromstring(undrawn(made))
    typed = ["".join(e.itertext()) for e in root.iter() if e.tag.endswith("}code")]
    assert typed == ["orbitmesh presets NAME", "orbitmesh report RUN --json FILE"]
    assert "are estimates. orbitmesh presets NAME prints" in "".join(root.itertext())
    assert not set("\ue000\ue001") & set("".join(root.itertext()))
    assert re.findall(r"(?<!\\)`([^`]*)`", written(made, "markdown")) == [
        "orbitmesh presets NAME", "orbitmesh report RUN --html FILE",
    ]  # fmt: skip
    told = written(made, "json")
    assert "2 are estimates. orbitmesh presets NAME prints" in told
    assert "\\ue000ls" not in told.replace("\\\\ue000", "")


def test_the_last_point_of_a_course_is_on_its_axis_and_faults_reach_its_end(tmp_path: Path) -> None:
    """A bin that the run's end cut has its point in its middle, which lay beyond the axis."""
    out = lab.write(tmp_path, lab.header(), samples=lab.samples(400, seconds=25))
    failed = {
        "event": "intervention",
        "intervention": 0,
        "what": "gw-tokyo",
        "by": "me",
        "sim_ns": 20 * lab.S,
    }
    lab.events(out, failed)
    course = figure(report_of(out), "over-time").plot
    last_x = max(x for panel in course.panels for line in panel.lines for x in line.x)
    assert last_x < course.x_range[1] == 26
    assert course.panels[0].spans[0].end == 26


def test_what_nothing_is_to_be_said_of_takes_no_column(tmp_path: Path, document: Document) -> None:
    assert table(document, "presets").columns[-1] == "estimated"
    preset = {"family": "model", "name": "m", "figures": {"estimated": 2}, "own": {"beam": "1 m"}}
    made = report_of(lab.write(tmp_path, lab.header(presets=[preset])))
    assert table(made, "presets").columns[-1] == "the scenario's own"


def test_one_part_of_a_bar_is_named_too_and_things_are_counted_in_whole_numbers() -> None:
    drawn = draw(Bars("requests", ("chat", "voice"), ("waiting",), ((2.0, 1.0),)), "f", "it")
    said = re.findall(r">([^<>]+)</text>", drawn)
    assert "waiting" in said
    assert {each for each in said if each[0].isdigit()} == {"0", "1", "2"}
