"""Everything that can be wrong with a scenario: file, line, key, one sentence, the next step."""

# ruff: noqa: E501  (one fault a line: a table)

from __future__ import annotations

import pickle
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitmesh.emulator.errors import ScenarioError
from orbitmesh.emulator.scenario import Scenario, load, loads

GOOD = """\
name = "good"
[constellation]
[[constellation.shells]]
name = "one"
code = "D:550:53:66/6/1"
[[constellation.shells]]
name = "two"
planes = [
  { altitude = "560 km", inclination = "70 deg", raan = "0 deg", satellites = 10 },
  { altitude = "560 km", inclination = "70 deg", raan = "90 deg", satellites = 12 },
]
[lasers]
terminal = { power = "2 W", aperture = "10 cm", photons-per-bit = 40, ceiling = "100 Gbit/s" }
[ground]
min-elevation = "25 deg"
[[ground.stations]]
name = "london"
latitude = "51.5 deg"
longitude = "-0.1 deg"
[[ground.stations]]
name = "new-york"
latitude = "40.7 deg"
longitude = "-74 deg"
[compute]
satellites = ["sat-0-0", "sat-7-11"]
[compute.probes]
interval = "2 s"
[[compute.tasks]]
kind = "matmul"
size = 64
gateways = ["london"]
satellite = "sat-0-0"
[run]
start = 2026-11-01T00:00:00Z
duration = "60 s"
"""

# name: (what is replaced, by what, the line, the key, a part of the message)
FAULTS: dict[str, tuple[str, str, int | None, str | None, str]] = {
    "mtu too small": ("[lasers]", "[lasers]\nmtu = \"1279 B\"", 13, "lasers.mtu", "1280"),
    "mtu too large": ("min-elevation = \"25 deg\"", "min-elevation = \"25 deg\"\nmtu = \"66 kB\"", 16, "ground.mtu", "65535"),
    "unknown key": ("min-elevation", "min-elevatoin", 15, "ground.min-elevatoin", "unknown key 'min-elevatoin': did you mean 'min-elevation'?"),
    "unknown key of a station": ("latitude = \"51.5", "lattitude = \"51.5", 18, "ground.stations[0].lattitude", "did you mean 'latitude'?"),
    "attribute's name for the key's": ("photons-per-bit", "photons_per_bit", 13, "lasers.terminal.photons_per_bit", "did you mean 'photons-per-bit'?"),
    "unknown section": ("[compute.probes]", "[compute.zzz]", 26, "compute.zzz", "unknown key 'zzz': keys here: satellites, probes, tasks"),
    "unknown key in a plane": ("raan = \"90 deg\"", "rann = \"90 deg\"", 10, "constellation.shells[1].planes[1].rann", "did you mean 'raan'?"),
    "wrong unit": ("\"25 deg\"", "\"25 km\"", 15, "ground.min-elevation", "'25 km' has the unit 'km': write a number and one of deg, °, rad"),
    "no unit": ("\"60 s\"", "60", 35, "run.duration", "60 has no unit: write a number and one of ns, us, µs, ms, s, min, h"),
    "negative": ("\"60 s\"", "\"-60 s\"", 35, "run.duration", "'-60 s' is negative"),
    "zero": ("\"60 s\"", "\"0 s\"", 35, "run.duration", "it must be more than 0 ms"),
    "overflow": ("\"60 s\"", "\"1e12 h\"", 35, "run.duration", "is too large"),
    "not a number": ("photons-per-bit = 40", "photons-per-bit = nan", 13, "lasers.terminal.photons-per-bit", "write a finite number"),
    "infinite": ("photons-per-bit = 40", "photons-per-bit = inf", 13, "lasers.terminal.photons-per-bit", "write a finite number"),
    "number in quotes": ("size = 64", "size = \"64\"", 30, "compute.tasks[0].size", "'64' cannot stand here: write a whole number, without quotes"),
    "fraction": ("size = 64", "size = 6.4", 30, "compute.tasks[0].size", "write a whole number"),
    "true for a number": ("size = 64", "size = true", 30, "compute.tasks[0].size", "true cannot stand here: write a whole number"),
    "too small": ("size = 64", "size = 0", 30, "compute.tasks[0].size", "it must be more than 0"),
    "unknown choice": ("\"matmul\"", "\"matmull\"", 29, "compute.tasks[0].kind", "'matmull' is not known here: write one of 'matmul', 'checksum' or 'generate'"),
    "missing key": ("longitude = \"-0.1 deg\"\n", "", 16, "ground.stations[0].longitude", "the key 'longitude' is missing: add it to ground.stations[0]"),
    "missing key in a plane": (", satellites = 12", "", 10, "constellation.shells[1].planes[1].satellites", "the key 'satellites' is missing"),
    "background without bound": ("[run]\n", "[background]\nlasers = 1.0\n[run]\n", 34, "background.lasers", "it must be at most 0.99"),
    "missing section": ("[run]\nstart = 2026-11-01T00:00:00Z\nduration = \"60 s\"\n", "", None, "run", "the key 'run' is missing: add it"),
    "naive start": ("00:00:00Z", "00:00:00", 34, "run.start", "2026-11-01T00:00:00 has no offset from UTC: say the offset, as in 2026-11-01T00:00:00Z"),
    "a day for an instant": ("2026-11-01T00:00:00Z", "2026-11-01", 34, "run.start", "is not a date and a time"),
    "table for a text": ("name = \"good\"", "name = {}", 1, "name", "write a text in quotes"),
    "text for a table": ("[ground]\nmin-elevation = \"25 deg\"", "[lasers2]", 14, "lasers2", "unknown key 'lasers2'"),
    "station name": ("\"new-york\"", "\"New York\"", 21, "ground.stations[1].name", "write lower-case letters, digits and hyphens, as in 'new-york'"),
    "two stations of one name": ("\"new-york\"", "\"london\"", 21, "ground.stations[1].name", "a second station is named 'london': give each its own name"),
    "two shells of one name": ("\"two\"", "\"one\"", 7, "constellation.shells[1].name", "a second shell is named 'one'"),
    "two sources": ("name = \"one\"", "tle = \"x.tle\"", 4, "constellation.shells[0].tle", "the shell gives code and tle, where only one is allowed of code, planes, formation, tle, omm"),
    "no source": ("code = \"D:550:53:66/6/1\"\n", "", 3, "constellation.shells[0]", "the shell gives none of code, planes, formation, tle, omm: give exactly one"),
    "shape for a code": ("name = \"one\"", "shape = [6, 11]", 4, "constellation.shells[0].shape", "shape is for tle and omm files"),
    "star for a code": ("name = \"one\"", "star = true", 4, "constellation.shells[0].star", "a code says itself whether it is a star"),
    "code": ("D:550:53:66/6/1", "D:550:53:66/6", 5, "constellation.shells[0].code", "is not a constellation code: write D (delta) or S (star)"),
    "code: planes": ("66/6/1", "67/6/1", 5, "constellation.shells[0].code", "asks for 67 satellites in 6 planes: write a multiple of 6, such as 66"),
    "code: phasing": ("66/6/1", "66/6/6", 5, "constellation.shells[0].code", "the phasing factor 6: write one between 0 and 5"),
    "code: altitude": ("D:550:", "D:5:", 5, "constellation.shells[0].code", "an altitude of 5 km: write one between 100 and 100000"),
    "code: inclination": ("D:550:53", "D:550:181", 5, "constellation.shells[0].code", "an inclination of 181 degrees"),
    "code: too many": ("66/6/1", "999999990/1/0", 5, "constellation.shells[0].code", "write at most 2000000"),
    "code: none": ("66/6/1", "0/6/1", 5, "constellation.shells[0].code", "no satellites or no planes"),
    "code: second shell": ("66/6/1", "66/6/1+X:1:2:3/1/0", 5, "constellation.shells[0].code", "'X:1:2:3/1/0' is not a constellation code"),
    "plane's altitude": ("{ altitude = \"560 km\", inclination = \"70 deg\", raan = \"90", "{ altitude = \"560 m\", inclination = \"70 deg\", raan = \"90", 10, "constellation.shells[1].planes[1].altitude", "the altitude is 0.56 km: write one between 100 km and 100000 km"),
    "plane's inclination": ("inclination = \"70 deg\", raan = \"90", "inclination = \"-70 deg\", raan = \"90", 10, "constellation.shells[1].planes[1].inclination", "the inclination is -70 deg"),
    "plane's perigee": ("satellites = 12", "satellites = 12, eccentricity = 0.1", 10, "constellation.shells[1].planes[1].eccentricity", "puts the perigee at -134 km"),
    "terminal preset": ("terminal = { power = \"2 W\", aperture = \"10 cm\", photons-per-bit = 40, ceiling = \"100 Gbit/s\" }", "terminal = \"starlink\"", 13, "lasers.terminal", "'starlink' is not a terminal preset: did you mean 'starlink-class'?"),
    "terminal's unit": ("\"10 cm\"", "\"10 W\"", 13, "lasers.terminal.aperture", "'10 W' has the unit 'W'"),
    "no rate": ("ceiling = \"100 Gbit/s\"", "ceiling = \"0 bit/s\"", 13, "lasers.terminal.ceiling", "it must be more than 0 bit/s"),
    "neither mask nor range": ("min-elevation = \"25 deg\"", "", 16, "ground.stations[0]", "station 'london' has neither min-elevation nor max-slant-range: set one of them here, or in [ground] for all stations (1 more error in this file)"),
    "mask": ("\"25 deg\"", "\"90 deg\"", 15, "ground.min-elevation", "the elevation mask is 90 deg: write one from 0 deg to below 90 deg"),
    "latitude": ("\"51.5 deg\"", "\"515 deg\"", 18, "ground.stations[0].latitude", "the latitude of station 'london' is 515 deg: write one between -90 deg and 90 deg"),
    "longitude": ("\"-74 deg\"", "\"-740 deg\"", 23, "ground.stations[1].longitude", "the longitude of station 'new-york' is -740 deg"),
    "station's altitude": ("latitude = \"40.7 deg\"", "latitude = \"40.7 deg\"\naltitude = \"400 km\"", 23, "ground.stations[1].altitude", "is 400 km: write one between -0.5 km and 30 km"),
    "no antennas": ("[ground]", "[ground]\nantennas = 0", 15, "ground.antennas", "it must be at least 1"),
    "satellite's name": ("\"sat-7-11\"", "\"satellite\"", 25, "compute.satellites[1]", "'satellite' is not a satellite: write sat-<plane>-<slot>, as in 'sat-3-7'"),
    "satellite's plane": ("\"sat-7-11\"", "\"sat-8-0\"", 25, "compute.satellites[1]", "there is no satellite 'sat-8-0': planes are numbered 0 to 7"),
    "satellite's slot": ("\"sat-7-11\"", "\"sat-6-11\"", 25, "compute.satellites[1]", "there is no satellite 'sat-6-11': slots of plane 6 are numbered 0 to 9"),
    "satellite twice": ("\"sat-7-11\"", "\"sat-0-0\"", 25, "compute.satellites[1]", "the satellite 'sat-0-0' is named twice"),
    "too many satellites": ("[\"sat-0-0\", \"sat-7-11\"]", "100", 25, "compute.satellites", "100 satellites are to run node processes, and there are 88"),
    "satellites of no kind": ("[\"sat-0-0\", \"sat-7-11\"]", "\"some\"", 25, "compute.satellites", "'some' is none of these: \"all\", a list of names, or a number from 0 on"),
    "gateways of no kind": ("gateways = [\"london\"]", "gateways = 1", 31, "compute.tasks[0].gateways", "1 is none of these: \"all\", a list of names"),
    "task's gateway": ("gateways = [\"london\"]", "gateways = [\"gw-londn\"]", 31, "compute.tasks[0].gateways[0]", "there is no ground station 'gw-londn': did you mean 'london'?"),
    "task's satellite": ("satellite = \"sat-0-0\"", "satellite = \"sat-0-12\"", 32, "compute.tasks[0].satellite", "there is no satellite 'sat-0-12'"),
    "too large a task": ("size = 64", "size = 2049", 30, "compute.tasks[0].size", "the size is 2049: a task 'matmul' takes at most 2048"),
    "a task too often": ("size = 64", "size = 64\ninterval = \"1 ns\"", 31, "compute.tasks[0].interval", "it must be at least 1 ms"),
    "probes too often": ("interval = \"2 s\"", "interval = \"1 us\"", 27, "compute.probes.interval", "it must be at least 1 ms"),
    "a kind of probe twice": ("interval = \"2 s\"", "kinds = [\"udp\", \"udp\"]", 27, "compute.probes.kinds[1]", "the kind 'udp' is named twice: remove one"),
    "a gateway twice": ("gateways = [\"london\"]", "gateways = [\"london\", \"london\"]", 31, "compute.tasks[0].gateways[1]", "the gateway 'london' is named twice: remove one"),
    "too many gateways to probe": ("interval = \"2 s\"", "gateways = 3", 27, "compute.probes.gateways", "3 gateways are to be probed, and there are 2"),
    "no gateways to probe": ("interval = \"2 s\"", "gateways = 0", 27, "compute.probes.gateways", "0 is neither \"all\" nor a number from 1 on"),
    "step": ("duration = \"60 s\"", "duration = \"60 s\"\nstep = \"90 s\"", 36, "run.step", "the step is 90 s, longer than the run of 60 s"),
    "tiny step": ("duration = \"60 s\"", "duration = \"60 s\"\nstep = \"1 us\"", 36, "run.step", "it must be at least 1 ms"),
    "scale": ("duration = \"60 s\"", "duration = \"60 s\"\nrate-scale = 2", 36, "run.rate-scale", "it must be at most 1"),
    "UT1 - UTC": ("[constellation]", "[constellation]\ndut1-seconds = 37", 3, "constellation.dut1-seconds", "it must be at most 0.9 s"),
    "name with a slash": ("\"good\"", "\"a/b\"", 1, "name", "'a/b' is not a name: write letters"),
    "name with a blank": ("\"good\"", "\"my run\"", 1, "name", "'my run' is not a name: write letters"),
    "name with a separator": ("\"good\"", "\"a\\u2028b\"", 1, "name", "'a\\u2028b' is not a name: write letters"),
    "name of no letters": ("\"good\"", "\".\"", 1, "name", "'.' is not a name: write letters"),
    "name that is too long": ("\"good\"", f"\"{'n' * 61}\"", 1, "name", "has 61 characters: write at most 60"),
    "syntax": ("size = 64", "size = ", 30, None, "this is not valid TOML: invalid value at column 8"),
    "unfinished text": ("duration = \"60 s\"\n", "duration = \"60 s", 35, None, "this is not valid TOML"),
    "a key twice": ("size = 64", "size = 64\nsize = 65", 31, None, "this is not valid TOML: cannot overwrite a value"),
}  # fmt: skip


def test_the_unchanged_scenario_is_good() -> None:
    scenario = loads(GOOD)
    assert scenario.ground.min_elevation_rad == pytest.approx(0.4363, abs=1e-4)
    assert scenario.run.duration_ns == 60 * 10**9


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(tmp_path: Path, fault: str) -> None:
    old, new, line, key, message = FAULTS[fault]
    assert GOOD.count(old) >= 1
    path = tmp_path / "wrong.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ScenarioError) as caught:
        Scenario.load(path)
    error = caught.value
    assert message in str(error)
    assert (error.path, error.line, error.key) == (path, line, key)
    assert "\n" not in str(error)
    assert error.exit_status == 2


def outcome(text: str) -> ScenarioError | None:
    try:
        loads(text)
    except ScenarioError as error:
        return error
    return None


VALUES = ["5", "-5", '"x"', "true", "[]", "{}", "[1]", "{ a = 1 }", "1.5", "nan", "inf", "2026-01-01", "07:00:00", '"1 km"', '"-5 deg"',
          '"sat-0-0"', "99999999999999999999", '[["a"]]', "[{}]", '""', ""]  # fmt: skip


@given(st.integers(0, GOOD.count("\n") - 1), st.sampled_from(VALUES))
def test_any_value_anywhere_is_accepted_or_named(row: int, value: str) -> None:
    lines = GOOD.split("\n")
    key, equals, _ = lines[row].partition(" = ")
    lines[row] = f"{key}{equals}{value if equals else ''}"
    error = outcome("\n".join(lines))
    if error is not None:
        assert "\n" not in error.message
        assert error.line is not None


def test_a_constellation_needs_shells_and_a_shell_planes() -> None:
    start, end = GOOD.index("[constellation]"), GOOD.index("[lasers]")
    none = GOOD[:start] + "[constellation]\nshells = []\n" + GOOD[end:]
    with pytest.raises(
        ScenarioError, match=r"there is no shell: add one under \[\[constellation\.shells\]\]"
    ) as caught:
        loads(none)
    assert caught.value.line == 3
    with pytest.raises(ScenarioError, match="there is no plane: add one"):
        loads(none.replace("shells = []", "shells = [{ planes = [] }]"))


def test_tasks_need_a_gateway_and_a_satellite() -> None:
    start = GOOD.index("[[ground.stations]]")
    no_stations = GOOD[:start] + GOOD[GOOD.index("[compute]") :]
    with pytest.raises(
        ScenarioError, match=r"there is no ground station: add one under \[\[ground\.stations\]\]"
    ):
        loads(no_stations)
    idle = GOOD.replace('["sat-0-0", "sat-7-11"]', "0").replace('satellite = "sat-0-0"', "")
    with pytest.raises(ScenarioError, match="no satellite runs a node process"):
        loads(idle)


def test_a_slant_range_serves_instead_of_a_mask() -> None:
    scenario = loads(GOOD.replace('min-elevation = "25 deg"', 'max-slant-range = "1000 km"'))
    assert scenario.ground.max_slant_range_km == 1000


def test_several_errors_are_counted_and_the_first_in_the_file_is_said() -> None:
    text = GOOD.replace('"60 s"', '"60"').replace("size = 64", "size = -1").replace("51.5 deg", "51.5 km")
    with pytest.raises(
        ScenarioError, match=r"'51.5 km' has the unit 'km'.*\(2 more errors in this file\)$"
    ) as caught:
        loads(text)
    assert caught.value.line == 18


def test_a_missing_file_names_the_shipped_scenarios(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        Scenario.load("starlink-shel1")
    assert "did you mean 'starlink-shell1'?" in str(caught.value)
    assert "ai1-pilot, demo, pocket, starlink-shell1" in str(caught.value)
    with pytest.raises(ScenarioError, match="there is no such file"):
        Scenario.load(tmp_path / "demo")  # a path is never a shipped name


def test_files_that_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="this is a folder, and a scenario is read from a regular file"):
        load(tmp_path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b'name = "x"\ntitle = "\xff"\n')
    with pytest.raises(ScenarioError, match="not UTF-8") as caught:
        load(binary)
    assert caught.value.line == 2


def element_file_scenario(file: str) -> str:
    return f'name = "f"\n[[constellation.shells]]\ntle = "{file}"\n[run]\nstart = 2026-11-01T00:00:00Z\n'


def test_element_files_count_from_the_scenarios_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "scenarios"
    folder.mkdir()
    (folder / "here.tle").write_text("not read yet")
    (folder / "s.toml").write_text(element_file_scenario("here.tle"))
    monkeypatch.chdir(tmp_path)
    scenario = load("scenarios/s.toml")
    assert (scenario.path, scenario.base) == (Path("scenarios/s.toml"), folder)
    monkeypatch.chdir("/")
    assert (scenario.base / "here.tle").exists()


def test_a_missing_element_file(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(element_file_scenario("gone.tle"))
    with pytest.raises(ScenarioError) as caught:
        load(path)
    assert str(caught.value) == (
        f"{path}:3: constellation.shells[0].tle: there is no file {tmp_path / 'gone.tle'}: "
        "correct the name; a relative path counts from the scenario's folder"
    )


def test_satellites_of_a_file_without_a_shape_are_not_counted_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "some.tle").write_text("")
    text = element_file_scenario("some.tle") + '[compute]\nsatellites = ["sat-0-999"]\n'
    assert loads(text, base=tmp_path).compute.satellites == ("sat-0-999",)
    shaped = text.replace("[run]", "shape = [3, 8]\n[run]")
    with pytest.raises(ScenarioError, match="slots of plane 0 are numbered 0 to 7"):
        loads(shaped, base=tmp_path)
    with pytest.raises(ScenarioError, match="it must be more than 0") as caught:
        loads(text.replace("[run]", "shape = [3, 0]\n[run]"), base=tmp_path)
    assert caught.value.key == "constellation.shells[0].shape[1]"


def test_later_errors_can_be_placed_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(GOOD)
    scenario = pickle.loads(pickle.dumps(load(path)))  # as it goes to another process
    error = scenario.error("nobody sees it", "ground", "stations", 1)
    assert str(error) == f"{path}:20: ground.stations[1]: nobody sees it"
    assert scenario.base == tmp_path


def test_a_scenario_made_in_python_is_checked_as_well() -> None:
    raw = tomllib.loads(GOOD)
    assert Scenario.model_validate(raw).base == Path.cwd()
    raw["ground"]["stations"][1]["name"] = "london"
    with pytest.raises(ValueError, match="a second station is named 'london'"):
        Scenario.model_validate(raw)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            'altitude = "650 km", raan = "0 deg", spacing = "0.1 m"',
            "neighbours are 0.1 m apart: write at least 1 m",
        ),
        ('altitude = "650 km", raan = "0 deg", radius = "60 km"', "the radius is 60 km: write one between"),
        ('altitude = "650 km", raan = "0 deg", radius = "20 km"', "more than 2000 satellites within 20 km"),
        (
            'altitude = "9000 km", raan = "0 deg"',
            "no orbit at 9000 km is sun-synchronous: write an inclination",
        ),
        ('altitude = "50 km", raan = "0 deg"', "the altitude is 50 km: write one between 100 km"),
    ],
)
def test_a_formation_that_cannot_be(keys: str, said: str) -> None:
    text = f"""name = "flock"
constellation = {{ shells = [{{ formation = {{ {keys} }} }}] }}
run = {{ start = 2026-11-01T00:00:00Z }}
"""
    with pytest.raises(ScenarioError, match=said):
        loads(text)
