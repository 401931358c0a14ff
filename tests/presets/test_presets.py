"""Presets: no figure lacks its origin, and a file that is wrong is told by file, line and key."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orbitmesh.emulator.cli.main import app
from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.links.presets import PRESETS
from orbitmesh.emulator.presets import FAMILIES, KINDS, Figure, preset, presets, read_preset
from orbitmesh.emulator.presets.units import base_of
from orbitmesh.emulator.scenario.model import Terminal

GOOD = """title = "a toy"

[sources]
talk = { text = "a talk", date = "2026-06" }

[figures]
power = { value = 150, unit = "kW", low = 140, high = 160, kind = "published", source = "talk" }
"""


@pytest.mark.parametrize("name", presets())
def test_no_figure_lacks_value_unit_source_date_kind_or_range(name: str) -> None:
    made = presets()[name]
    assert made.name == name
    assert made.family in FAMILIES
    assert made.title
    assert made.figures
    for figure in made.figures.values():
        assert all(getattr(figure, field.name) not in ("", None) for field in fields(Figure))
        assert figure.low <= figure.value <= figure.high
        assert figure.kind in KINDS
        assert base_of(figure.unit)
        assert "1990" <= figure.date[:4] <= "2100"


def made(folder: Path, text: str, family: str = "platform", name: str = "toy") -> Path:
    path = folder / family / f"{name}.toml"
    path.parent.mkdir()
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('unit = "kW", ', "", r"toy\.toml:7: figures\.power: the key 'unit' is missing"),
        ('source = "talk"', 'source = "walk"', r"7: figures\.power\.source: there is no source 'walk'"),
        ("low = 140", "low = 151", r"7: figures\.power: 151 <= 150 <= 160 does not hold"),
        ("high = 160", "high = 149", "does not hold"),
        ('"kW"', '"kw"', "7: figures.power.unit: 'kw' is not a unit: did you mean 'kW'"),
        ('"kW"', '"furlong/fortnight"', "'furlong' is not a unit: known are"),
        ("published", "heard", "'heard' is not a kind: write one of published, estimated, calibrated"),
        ("published", "own", "'own' is not a kind"),
        ("150", '"150"', r"figures\.power\.value: '150' cannot stand here: write a number"),
        ("150", "nan", "write a number"),
        ("150", "true", "write a number"),
        ("2026-06", "June", r"4: sources\.talk: a source has a text, and a date as in '2026-06'"),
        (', date = "2026-06"', "", "'date' is missing"),
        ('title = "a toy"', "", "the key 'title' is missing"),
        ("[figures]", "[figure]", "unknown key 'figure'"),
        ("power", '"Power W"', "'Power W' is not a name"),
        ("{ value", "[ 1 ]#", "cannot stand here: write a table of keys"),
        ("[sources]", "[sources", "not valid TOML"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_line_and_key(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        read_preset(made(tmp_path, GOOD.replace(old, new, 1)))


def test_a_file_of_no_family_and_one_without_a_figure(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the folder 'planet' is no family: there are platform"):
        read_preset(made(tmp_path, GOOD, family="planet"))
    with pytest.raises(InputError, match="a preset without a figure"):
        read_preset(made(tmp_path, GOOD[: GOOD.index("power")]))


def test_a_value_in_another_unit_and_of_another_kind(tmp_path: Path) -> None:
    toy = read_preset(made(tmp_path, GOOD))
    assert toy.value("power", "W") == 150_000
    assert toy.value("power", "kW") == 150
    with pytest.raises(InputError, match="preset 'toy', power: a figure in kW is not one in J"):
        toy.value("power", "J")
    with pytest.raises(InputError, match="platform preset 'toy' has no figure 'powre': did you mean 'power'"):
        toy.value("powre", "W")


@pytest.mark.parametrize(
    ("unit", "base", "factor"),
    [
        ("kg/kW", "kg/W", 1e-3),
        ("$/kWh", "$/J", 1 / 3.6e6),
        ("%/year", "1/s", 0.01 / 31_557_600),
        ("m²/kW", "m2/W", 1e-3),
        ("GiB", "B", 2**30),
        ("Tbit/s", "bit/s", 1e12),
        ("µrad", "rad", 1e-6),
        ("J/kg/K", "J/kg/K", 1.0),
    ],
)
def test_units_over_each_other(unit: str, base: str, factor: float) -> None:
    assert base_of(unit) == (base, pytest.approx(factor, rel=1e-15))


def test_ones_own_figures_stand_in_the_place_of_a_presets(tmp_path: Path) -> None:
    toy = read_preset(made(tmp_path, GOOD))
    mine = toy.with_own({"power": "0.13 MW"})
    assert mine.value("power", "W") == pytest.approx(130_000)
    assert (mine.figures["power"].kind, mine.figures["power"].source) == ("own", "the scenario")
    for value, said in (
        ("130", "'130' has no unit: write a number and a unit, as in '10 kW'"),
        (130, "130 has no unit"),
        ("130 K", "'130 K' is not in kW"),
        ("130 kk", "'kk' is not a unit"),
        ("much", "'much' is not a quantity"),
        ("1e999 kW", "'1e999 kW' is not a finite number"),
        (True, "True is not a quantity"),
        ([], r"\[\] is not a quantity"),
        ("9" * 100_000 + " kW", "is not a quantity"),
        (10**400, "has no unit"),
    ):
        with pytest.raises(InputError, match=said):
            toy.with_own({"power": value})


def test_the_terminals_are_as_they_were_before_they_were_files() -> None:
    """Rates of recorded runs stay what they are, to the bit."""
    starlink = {"power": "2 W", "aperture": "10 cm", "photons-per-bit": 40, "ceiling": "100 Gbit/s"}
    mini = {"power": "1 W", "aperture": "8 cm", "photons-per-bit": 62, "ceiling": "25 Gbit/s"}
    near = {**starlink, "ceiling": "9.6 Tbit/s", "max-range": "10 km"}
    for name, keys in (("starlink-class", starlink), ("mini", mini), ("dwdm-cluster", near)):
        assert PRESETS[name] == Terminal.model_validate(keys)


def test_an_unknown_name_in_a_family() -> None:
    with pytest.raises(
        InputError, match="'starlink' is not a terminal preset: did you mean 'starlink-class'"
    ):
        preset("terminal", "starlink")


def test_the_verb_lists_and_prints() -> None:
    run = CliRunner().invoke
    listed = run(app, ["presets", "-o", "json"])
    assert listed.exit_code == 0
    assert {row["name"] for row in json.loads(listed.output)} == set(presets())
    one = json.loads(run(app, ["presets", "mini", "-o", "json"]).output)
    assert one["figures"]["ceiling"] == {
        "value": 25.0, "unit": "Gbit/s", "low": 25.0, "high": 25.0, "kind": "published", "date": "2024",
        "source": preset("terminal", "mini").figures["ceiling"].source,
    }  # fmt: skip
    table = run(app, ["presets", "mini"]).output
    assert "calibrated" in table
    assert "Calibrated, no data sheet" in table
    assert run(app, ["presets", "mini", "-o", "csv"]).output.startswith(
        "figure,value,unit,low,high,kind,date,source\n"
    )
