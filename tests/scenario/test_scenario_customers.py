"""Classes of customers in a scenario: what they become, and what is refused, by key and in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orbitmesh.emulator.answers.targets import Target
from orbitmesh.emulator.errors import InputError, ScenarioError
from orbitmesh.emulator.scenario import Scenario, loads
from orbitmesh.emulator.scenario.customers import described, loads_of, target_of
from orbitmesh.emulator.scenario.traces import read_trace
from orbitmesh.wire.load import Lengths, LoadSpec

SERVED = """
name = "served"

[constellation]
shells = [{ code = "D:1200:60:24/4/1" }]

[ground]
min-elevation = "10 deg"

[[ground.stations]]
name = "london"
latitude = "51.5 deg"
longitude = "-0.1 deg"

[[ground.stations]]
name = "tokyo"
latitude = "35.7 deg"
longitude = "139.7 deg"

[run]
start = 2026-11-01T06:00:00Z

%s
"""
SERVING = '[serving]\nmodel = "llama-3.1-8b"\naccelerator = "h100"\n'
CHAT = SERVING + '[[customers]]\nname = "chat"\nrate = 2.0\n%s'


def chat(more: str = "") -> Scenario:
    return loads(SERVED % (CHAT % more))


def of(scenario: Scenario, seed: int) -> dict[str, tuple[LoadSpec, ...]]:
    return loads_of(scenario, scenario.base, seed)


def test_a_class_may_name_a_policy_that_there_is() -> None:
    assert chat('placement = "sticky"').customers[0].placement == "sticky"
    for wrong, said in (("stiky", "did you mean 'sticky'"), ("sunlit", "add \\[platform\\]")):
        with pytest.raises(ScenarioError, match=said):
            chat(f'placement = "{wrong}"')


def test_a_class_becomes_a_load_at_each_of_its_gateways() -> None:
    found = of(chat("gaps-cv = 2.5\nclients = 7\none-in = 4\nprompt = { median = 400.0 }"), 1)
    assert set(found) == {"gw-london", "gw-tokyo"}
    (london,), (tokyo,) = found["gw-london"], found["gw-tokyo"]
    assert (london.rate_per_s, london.gaps_cv, london.clients, london.one_in) == (2.0, 2.5, 7, 4)
    assert london.prompt == Lengths("fixed", 400.0)
    assert london.local_hour_at_start == pytest.approx(6.0, abs=0.01)
    assert tokyo.local_hour_at_start == pytest.approx(6 + 139.7 / 15)
    assert london.seed != tokyo.seed
    assert of(chat(), 2)["gw-london"][0].seed != of(chat(), 1)["gw-london"][0].seed
    assert set(of(chat('gateways = ["gw-tokyo"]'), 1)) == {"gw-tokyo"}


def test_targets_are_presets_or_one_s_own() -> None:
    preset = chat('target = "mlperf-llama3.1-8b-interactive"')
    assert target_of(preset.customers[0]) == Target(
        500_000_000, 30_000_000, share=0.99, preset="mlperf-llama3.1-8b-interactive"
    )
    own = chat('target = { answer = "3 s", share = 0.95 }')
    assert target_of(own.customers[0]) == Target(answer_ns=3_000_000_000, share=0.95)
    assert described(chat()) == [{"name": "chat", "one_in": 1, "target": None}]


def test_a_scenario_with_customers_survives_its_dump() -> None:
    scenario = chat('target = { ttft = "1 s" }\noutput = { median = 50.0, spread = "exponential" }')
    again = Scenario.model_validate(scenario.model_dump())
    assert again.customers == scenario.customers
    assert again.model_dump() == scenario.model_dump()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[customers]]\nname = "chat"\nrate = 1.0\n', "nothing serves them: add [serving]"),
        (CHAT % 'gateways = ["lodnon"]', "there is no station 'lodnon': did you mean 'london'?"),
        (CHAT % "gateways = []", "it has no gateway"),
        (CHAT % 'model = "llama-3.1-70b"', "the satellites serve llama-3.1-8b"),
        (CHAT % 'target = "mlperf-lama"', "'mlperf-lama' is not a target preset"),
        (CHAT % "target = { share = 0.9 }", "a target bounds nothing: give it ttft, tpot or answer"),
        (
            CHAT % 'target = { tfft = "1 s" }',
            "customers[0].target.tfft: unknown key 'tfft': did you mean 'ttft'?",
        ),
        (
            CHAT % 'target = { ttft = "1 s", share = 1.5 }',
            "customers[0].target.share: the value is out of range",
        ),
        (CHAT % "target = 5", "customers[0].target: 5 cannot stand here: write a text in quotes"),
        (CHAT % "prompt = { median = 900000.0 }", "half of its requests need"),
        (CHAT % "prompt = { median = 50.0, p95 = 20.0 }", "a 95th percentile of 20.0 tokens is not above"),
        (CHAT % "hours = [1.0, 2.0]", "a day's curve needs 24 factors"),
        (CHAT % 'trace = "none.csv"', "there is no file"),
        (CHAT % "" + '[[customers]]\nname = "chat"\nrate = 1.0\n', "chat"),
        (CHAT.replace("2.0", "0.0") % "", "rate"),
        (CHAT % "gaps-cv = 100.0", "gaps-cv"),
        (CHAT.replace("rate = 2.0\n", "") % "", "the key 'rate' is missing: add it, or name a trace"),
        (CHAT.replace("2.0", "30000.0") % "one-in = 1000", "all classes together ask 59,940 times a second"),
    ],
)
def test_what_is_wrong_is_said_by_key(text: str, words: str) -> None:
    with pytest.raises(ScenarioError) as failed:
        loads(SERVED % text)
    assert words in str(failed.value)


def trace(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    return path


def test_azure_s_traces_are_read(tmp_path: Path) -> None:
    found = read_trace(trace(tmp_path, (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:15:46.6805900,374,44\n"
        "2023-11-16 18:15:50.9951690,396,109\n"
        "2023-11-16 18:15:46.6805900,879,0\n"
    )))  # fmt: skip
    assert found.arrival_ns == (0, 0, 4_314_579_000)
    assert (found.prompt_tokens, found.output_tokens, found.images) == ((374, 879, 396), (44, 1, 109), ())


def test_traces_of_seconds_and_of_images(tmp_path: Path) -> None:
    found = read_trace(
        trace(tmp_path, "arrival_s,input_tokens,output_tokens,images\n1.5,10,2,1\n1.75,20,3,0\n")
    )
    assert (found.arrival_ns, found.images, found.image_bytes) == ((0, 250_000_000), (1, 0), ())


def test_a_trace_may_tell_the_bytes_of_its_images(tmp_path: Path) -> None:
    found = read_trace(trace(tmp_path, (
        "TIMESTAMP,NumImages,ContextTokens,GeneratedTokens,image_bytes\n"
        "2024-10-15 00:00:01,1,900,20,350000\n"
        "2024-10-15 00:00:00,2,1900,30,700000\n"
        "2024-10-15 00:00:02,0,90,10,0\n"
    )))  # fmt: skip
    assert (found.images, found.image_bytes) == ((2, 1, 0), (700_000, 350_000, 0))


def test_images_of_which_nothing_says_how_large_they_are_are_refused(tmp_path: Path) -> None:
    """They weighed nothing."""
    trace(tmp_path, "TIMESTAMP,NumImages,ContextTokens,GeneratedTokens\n2024-10-15 00:00:01,1,900,20\n")
    (tmp_path / "s.toml").write_text(SERVED % (CHAT % 'trace = "trace.csv"'))
    with pytest.raises(InputError, match="has images, and nothing says how large they are: give the class"):
        of(Scenario.load(str(tmp_path / "s.toml")), 1)
    (tmp_path / "s.toml").write_text(SERVED % (CHAT % 'trace = "trace.csv"\nbytes-per-image = "300 kB"'))
    (load,) = of(Scenario.load(str(tmp_path / "s.toml")), 1)["gw-london"]
    assert load.bytes_per_image == 300_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "has no column timestamp or arrival_s"),
        ("arrival_s,input_tokens,output_tokens\n", "holds no request below its header"),
        ("arrival_s,input_tokens,output_tokens\n0,1,1\n1,x,1\n", ":3: 'x' is not a whole number"),
        ("arrival_s,input_tokens,output_tokens\n0,1\n", ":2: has 2 values, the header 3"),
        ("arrival_s,input_tokens,output_tokens\n0,-5,1\n", ":2: -5 tokens are not 0 to 1,000,000"),
        ("arrival_s,input_tokens,output_tokens\n-1,5,1\n", ":2: an arrival of"),
        ("arrival_s,input_tokens,output_tokens,images\n0,5,1,-1\n", ":2: -1 images are not 0 to 10,000"),
        ("arrival_s,input_tokens,output_tokens,imagebytes\n0,5,1,0\n1,5,1,9e3\n", ":3: '9e3' is not a whole"),
        (
            "arrival_s,input_tokens,output_tokens,image_bytes\n0,5,1,4194305\n",
            ":2: 4194305 bytes of images are not 0 to 4,194,304",
        ),
        (
            "arrival_s,input_tokens,output_tokens,images,image_bytes\n0,5,1,0,7\n",
            ":2: 0 images have 7 bytes: both are 0, or neither",
        ),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n16:00:99,5,1\n", ":2: '16:00:99' is no instant"),
        ("arrival_s,input_tokens,output_tokens\n0,1,1\n1," + "1" * 200_000 + ",1\n", ":3: is no CSV there"),
    ],
)
def test_a_trace_with_a_bad_row_is_refused_by_file_and_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as failed:
        read_trace(trace(tmp_path, text))
    assert words in str(failed.value)
    assert "trace.csv" in str(failed.value)


def test_instants_of_a_trace_keep_their_offsets_and_lines_may_end_in_any_way(tmp_path: Path) -> None:
    found = read_trace(trace(tmp_path, (
        "TIMESTAMP,ContextTokens,GeneratedTokens\r"
        "2024-05-10 02:00:01.5+02:00,1,1\r"
        "2024-05-10 00:00:00.009930-05:00,3,1\r"
        "2024-05-10 00:00:01Z,2,1\r"
    )))  # fmt: skip
    assert (found.prompt_tokens, found.arrival_ns[1]) == ((2, 1, 3), 500_000_000)
    assert found.arrival_ns[2] == 5 * 3600 * 10**9 - 990_070_000


def test_a_trace_needs_no_rate(tmp_path: Path) -> None:
    trace(tmp_path, "arrival_s,input_tokens,output_tokens\n0,1,1\n2,1,1\n")
    chat = CHAT.replace("rate = 2.0\n", "") % 'trace = "trace.csv"'
    (tmp_path / "s.toml").write_text(SERVED % chat)
    (load,) = of(Scenario.load(str(tmp_path / "s.toml")), 1)["gw-london"]
    assert load.mean_rate_per_s == 0.5


def test_a_trace_is_found_beside_its_scenario(tmp_path: Path) -> None:
    trace(tmp_path, "arrival_s,input_tokens,output_tokens\n0,1,1\n")
    (tmp_path / "s.toml").write_text(SERVED % (CHAT % 'trace = "trace.csv"'))
    (load,) = of(Scenario.load(str(tmp_path / "s.toml")), 1)["gw-london"]
    assert load.trace is not None
    assert replace(load.trace, arrival_ns=(0,)) == load.trace
