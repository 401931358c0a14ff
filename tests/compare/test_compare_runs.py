"""Whole folders beside each other: what is paired, what is found, and what is said of damaged ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from compare_fakes import (
    Model,
    answers,
    change,
    fewer_draws,
    filled,
    run,
    samples,
    training,
    with_answers,
)  # fmt: skip

from orbitmesh.emulator.compare.comparing import Against, compare
from orbitmesh.emulator.compare.page import page
from orbitmesh.emulator.compare.rows import More, Row
from orbitmesh.emulator.compare.runs import read_runs
from orbitmesh.emulator.compare.telling import as_dict, figure, is_same
from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.record.samples import SAMPLES
from orbitmesh.emulator.record.training_book import TRAINING as SCHEMA


@pytest.fixture(scope="module", autouse=True)
def few() -> Iterator[None]:
    with fewer_draws(400):
        yield


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("base") / "base")


def against(base: Path, other: Path, *again: Path) -> Against:
    first, second, *more = read_runs([base, other, *again])
    return compare(first, [second], more).others[0]


def row(found: Against, name: str) -> Row:
    return next(each for each in found.rows if each.name == name)


def test_the_same_scenario_twice_is_no_more_than_noise(base: Path, tmp_path: Path) -> None:
    found = against(base, run(tmp_path / "twice", Model(noise=2)))
    assert found.pairing.startswith("paired by instant and pair: 100.0 %") or "9" in found.pairing
    assert not found.differences
    assert not [each.name for each in found.rows if each.more is More.YES]
    assert row(found, "udp p50").paired


def test_what_the_host_took_longer_in_one_run_is_not_the_mesh_s(base: Path, tmp_path: Path) -> None:
    """As real runs of one scenario have it: the same physics, and a quarter more of the host, throughout."""
    other = run(tmp_path / "slower", Model(noise=2))
    table = pq.read_table(other / "samples.parquet").to_pydict()
    for i, rest in enumerate(table["remainder_ns"]):
        table["measured_ns"][i] += rest // 4
        table["remainder_ns"][i] += rest // 4
    pq.write_table(filled(table, len(table["dst"]), SAMPLES), other / "samples.parquet")
    pair = row(against(base, other), "udp pair")
    assert pair.low is not None
    assert pair.low > 0  # blocks of time alone would call it a difference
    assert pair.more is More.NO


def test_a_changed_delay_is_found_and_what_was_changed_is_named(base: Path, tmp_path: Path) -> None:
    fault = {"what": ["gw-tokyo"], "delay": "2000000 ns"}
    content = {"name": "small", "faults": [fault], "lasers": {"pattern": "grid"}}
    other = run(
        tmp_path / "slow", Model(noise=2, added_ms=2.0), content=content,
        scenario={"name": "small", "title": "Four in a row", "sha256": "cd" * 32},
    )  # fmt: skip
    found = against(base, other)
    for at in ("p50", "p90", "p99", "pair"):
        each = row(found, f"udp {at}")
        assert each.more is More.YES, each
        assert each.difference == pytest.approx(2e6, rel=0.15)
        assert (each.low or 0) < 2e6 < (each.high or 0)
    assert [(each.what, each.base) for each in found.differences] == [("faults[0]", "(not given)")]
    assert "delay = 2 ms" in found.differences[0].other


def test_by_gateway_it_shows_where_the_difference_is(base: Path, tmp_path: Path) -> None:
    other = run(tmp_path / "one", Model(noise=2))
    table = pq.read_table(other / "samples.parquet").to_pydict()
    for i, dst in enumerate(table["dst"]):
        table["measured_ns"][i] += 10_000_000 * (dst == "gw-tokyo")
    pq.write_table(filled(table, len(table["dst"]), SAMPLES), other / "samples.parquet")
    first, second = read_runs([base, other])
    (found,) = compare(first, [second], by_gateway=True).others
    told = {each.name: each for each in found.rows}
    assert told["udp pair gw-tokyo"].more is More.YES
    assert told["udp pair gw-tokyo"].difference == pytest.approx(10e6, rel=0.05)
    assert told["udp pair gw-london"].more is More.NO
    assert told["lost udp gw-london"].samples_base == 2000
    assert len(told) == len(found.rows)


def test_more_losses_are_found(base: Path, tmp_path: Path) -> None:
    found = against(base, run(tmp_path / "lossy", Model(noise=2, lost_ratio=0.02)))
    lost = row(found, "lost udp")
    assert (lost.more, lost.unit) == (More.YES, "ratio")
    assert lost.difference == pytest.approx(0.02, abs=0.01)
    assert row(found, "udp p50").more is More.NO


def test_other_seeds_are_not_paired(base: Path, tmp_path: Path) -> None:
    found = against(base, run(tmp_path / "seed", Model(noise=2, seed=8)))
    assert found.pairing.startswith("not paired: the seeds differ")
    assert [(each.what, each.base, each.other) for each in found.differences] == [("seed", "7", "8")]
    assert not row(found, "udp p50").paired
    assert row(found, "udp p50").more is More.NO
    assert not [each for each in found.rows if each.at == "pair"]


def test_runs_that_measure_other_pairs_are_not_paired(base: Path, tmp_path: Path) -> None:
    found = against(base, run(tmp_path / "others", Model(noise=2, src="sat-1-")))
    assert not row(found, "udp p50").paired


def test_customers_answers_are_paired_by_request(tmp_path: Path) -> None:
    first = with_answers(tmp_path / "a", Model(samples=2000))
    second = with_answers(tmp_path / "b", Model(samples=2000, noise=2, added_ms=5.0, lost_ratio=0.03))
    found = against(first, second)
    for name in ("chat ttft p50", "chat answer p90", "chat ttft pair"):
        each = row(found, name)
        assert each.paired
        assert each.more is More.YES, each
    # queues differ by 20 ms from one to the next, and pairs see a hundredth of that
    pair = row(found, "chat ttft pair")
    assert (pair.high or 0) - (pair.low or 0) < 0.2e6
    assert row(found, "unanswered chat").more is More.YES


def test_answers_count_whether_sound_or_not_unless_it_is_asked(tmp_path: Path) -> None:
    folders = [with_answers(tmp_path / name, Model(samples=400, noise=k)) for k, name in enumerate("ab")]
    for folder in folders:
        table = pq.read_table(folder / "answers.parquet")
        half = pa.array([i % 2 == 0 for i in range(len(table))])
        at = table.schema.get_field_index("sound")
        pq.write_table(table.set_column(at, "sound", half), folder / "answers.parquet")
    first, second = read_runs(folders)
    for sound_only, n in ((None, 400), (True, 200), (False, 400)):
        (found,) = compare(first, [second], sound_only=sound_only).others
        assert row(found, "chat ttft p50").samples_base == n


def test_one_run_beside_itself_differs_in_nothing(base: Path) -> None:
    first, second = read_runs([base, base])
    found = compare(first, [second])
    assert is_same(found, found.others[0])
    assert {each.difference for each in found.others[0].rows} <= {0.0, None}
    assert More.YES not in {each.more for each in found.others[0].rows}
    assert page(found, []).count("This is the base itself") == 1


def test_further_runs_of_the_base_widen_what_is_noise(base: Path, tmp_path: Path) -> None:
    other = run(tmp_path / "other", Model(noise=2, added_ms=0.4))
    assert row(against(base, other), "udp pair").more is More.YES
    again = [run(tmp_path / f"again-{k}", Model(noise=k, added_ms=0.2 * (k - 3))) for k in (3, 4, 5)]
    found = row(against(base, other, *again), "udp pair")
    assert found.more is More.NO
    assert found.floor > 0.4e6
    for k, each in enumerate((base, *again)):
        change(each / "summary.json", engine_lateness={"p50_ns": 10, "p99_ns": 1000 + k, "max_ns": 5000})
    change(other / "summary.json", engine_lateness={"p50_ns": 10, "p99_ns": 9000, "max_ns": 5000})
    assert row(against(base, other), "engine-lateness p99").more is More.NOT_KNOWN
    assert row(against(base, other, *again), "engine-lateness p99").more is More.YES
    change(base / "summary.json", engine_lateness={"p50_ns": None, "p99_ns": None, "max_ns": None})


def test_availability_is_known_by_the_epochs(base: Path, tmp_path: Path) -> None:
    other = run(tmp_path / "gone", Model(noise=2))
    pairs = pq.read_table(base / "pairs.parquet")
    for folder, ratio in ((base, 1.0), (other, 0.25)):
        kept = pairs.set_column(3, "available_ratio", pa.array([ratio] * len(pairs)))
        pq.write_table(kept, folder / "pairs.parquet")
    found = row(against(base, other), "availability")
    assert (found.more, found.difference) == (More.YES, -0.75)


def test_handovers_are_counted_by_gateway_and_hour_where_both_runs_lasted_as_long(
    base: Path, tmp_path: Path
) -> None:
    other = run(tmp_path / "handed", Model(noise=2))
    summary = json.loads((base / "summary.json").read_text())
    n_gateways = len(summary["gateways"])
    for folder, n, lasted in ((base, 30, 3600 * 10**9), (other, 90, 3600 * 10**9)):
        change(folder / "summary.json", handovers={"count": n, "not_in_table": 0}, emulated_ns=lasted)
    found = row(against(base, other), "handovers")
    assert (found.more, found.base, found.difference) == (
        More.YES, pytest.approx(30 / n_gateways), pytest.approx(60 / n_gateways),
    )  # fmt: skip
    assert figure(found.base, found.unit) == f"{30 / n_gateways:.2f} /h"
    change(other / "summary.json", handovers={"count": 30, "not_in_table": 0})
    assert row(against(base, other), "handovers").more is More.NO
    change(other / "summary.json", emulated_ns=1800 * 10**9)
    assert "equally long" in row(against(base, other), "handovers").why
    change(other / "summary.json", handovers=None)  # of a version that recorded none
    found = row(against(base, other), "handovers")
    assert (found.more, found.other) == (More.NOT_KNOWN, None)
    change(base / "summary.json", handovers=None, emulated_ns=summary["emulated_ns"])
    assert not [each for each in against(base, other).rows if each.figure == "handovers"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "summary.json").unlink(), "did not end in order"),
        (lambda folder: change(folder / "summary.json", trusted=False, doubts=["the host\x1b[31m slept"]),
         r"not trusted: the host\x1b[31m slept"),
        (lambda folder: change(folder / "run.json", orbitmesh_run=3), "has format 3"),
        (lambda folder: (folder / "run.json").write_text("{"), "run.json"),
        (lambda folder: (folder / "pairs.parquet").write_bytes(b"PAR1"), "pairs.parquet cannot be read"),
        (lambda folder: (folder / "samples.parquet").write_bytes(b"PAR1"), "samples.parquet cannot be read"),
        (lambda folder: pq.write_table(SAMPLES.empty_table(), folder / "samples.parquet"), ""),
        (lambda folder: pq.write_table(samples(Model()).drop_columns(["measured_ns"]),
                                       folder / "samples.parquet"), "lack measured_ns, and are left out"),
        (lambda folder: pq.write_table(samples(Model()).drop_columns(["sound", "remainder_ns", "hops"]),
                                       folder / "samples.parquet"), "lacks the column hops"),
        (lambda folder: pq.write_table(answers(Model()).drop_columns(["ttft_ns"]),
                                       folder / "answers.parquet"), "its answers lack ttft_ns"),
    ],
)  # fmt: skip
def test_what_is_damaged_is_compared_as_far_as_it_goes(
    base: Path, tmp_path: Path, damage: object, words: str
) -> None:
    other = run(tmp_path / "other", Model(noise=2))
    damage(other)  # type: ignore[operator]
    for first, second in ((base, other), (other, base)):
        found = compare(*(lambda a, b: (a, [b]))(*read_runs([first, second])))
        said = [*found.base.said, *found.others[0].run.said]
        assert any(words in sentence for sentence in said) or not words, said
        assert "\x1b" not in " ".join(said)
        assert row(found.others[0], "udp p50").more in (More.NO, More.NOT_KNOWN)
        assert page(found, []).startswith("<!doctype html>")
        as_dict(found, [])


def test_values_that_cannot_have_been_measured_are_left_out_and_counted(base: Path, tmp_path: Path) -> None:
    other = run(tmp_path / "other", Model(noise=2))
    table = pq.read_table(other / "samples.parquet").to_pydict()
    table["measured_ns"][:3] = [-5, 2**62, None]
    table["sim_ns"][3:5] = [None, 2**62]
    table["ok"] = [True] * len(table["ok"])
    pq.write_table(filled(table, len(table["ok"]), SAMPLES), other / "samples.parquet")
    found = against(base, other)
    said = " ".join(found.run.said)
    assert "3 udp samples hold no time that can have been measured" in said
    assert "2 samples of no known instant" in said
    assert row(found, "udp p50").more is More.NO
    assert np.isfinite(row(found, "udp p50").other or 0)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds nothing of a run"):
        read_runs([tmp_path])


def test_names_of_a_record_are_no_markup(base: Path, tmp_path: Path) -> None:
    evil = '<script>alert(1)</script>"&\x1b[31m'
    other = run(tmp_path / "evil", Model(noise=2), run_id=evil, options={evil: evil})
    rows = answers(Model(samples=300), customer_class=evil)
    pq.write_table(rows, other / "answers.parquet")
    pq.write_table(samples(Model(noise=2, kind=evil)), other / "samples.parquet")
    first, second = read_runs([base, other])
    made = page(compare(first, [second]), [])
    assert "<script" not in made
    assert "\x1b" not in made
    assert "&lt;script&gt;" in made
    assert "default-src 'none'" in made.replace("&#x27;", "'")


def with_training(out: Path, model: Model) -> Path:
    run(out, Model(samples=400))
    pq.write_table(training(model), out / "training.parquet")
    return out


def test_runs_that_train_are_compared_by_their_steps(tmp_path: Path) -> None:
    base = with_training(tmp_path / "base", Model(samples=60))
    found = against(base, with_training(tmp_path / "slower", Model(samples=60, noise=2, added_ms=500)))
    for name in ("training step", "training all-reduce"):
        for at in ("p50", "pair"):
            each = row(found, f"{name} {at}")
            assert each.more is More.YES, each
            assert each.difference == pytest.approx(500e6, rel=0.05)
            assert each.samples_base == 60  # what the end cut off is no step
            assert each.paired  # by their numbers, however late they are
    each = row(found, "training step p50")
    assert each.base == pytest.approx(8.002e9 + 20e6 * np.log(2), rel=0.002)  # of the group, as the summary
    assert row(found, "failed training").base == 0
    again = against(base, with_training(tmp_path / "again", Model(samples=60, noise=3)))
    assert not [each.name for each in again.rows if each.more is More.YES]


def test_a_step_that_failed_is_in_no_quantile_and_damaged_ones_are_named(tmp_path: Path) -> None:
    base = with_training(tmp_path / "base", Model(samples=60))
    other = with_training(tmp_path / "other", Model(samples=60))
    table = pq.read_table(other / "training.parquet").to_pydict()
    table["ok"][4] = False
    table["step"][7] = None
    table["done_mono_ns"][9] = table["done_mono_ns"][10] = table["done_mono_ns"][11] = -(2**62)
    pq.write_table(filled(table, len(table["step"]), SCHEMA), other / "training.parquet")
    found = against(base, other)
    assert row(found, "failed training").other == pytest.approx(1 / 59)  # one lacks a member
    assert row(found, "training step p50").samples_other <= 58
    assert any("hold no time that can have been measured" in each for each in found.run.said)


def test_a_run_no_longer_than_its_steps_tells_nothing_of_availability(base: Path, tmp_path: Path) -> None:
    """It was said to be known to within 155 %."""
    short = run(tmp_path / "short", step_ns=1_000_000_000, emulated_ns=1_300_000_000)
    found = row(against(short, short), "availability")
    assert (found.more, found.low) == (More.NOT_KNOWN, None)
    assert "no longer than the steps" in found.why or "no pair" in found.why


def test_what_differs_is_told_as_it_was_written_and_how_time_was_led(base: Path, tmp_path: Path) -> None:
    content = {
        "name": "small", "faults": [{"what": "a", "delay": "2000000000 ns"}],
        "lasers": {"pattern": "grid", "tilt": "0.08726646259971647 rad"},
    }  # fmt: skip
    scenario = {"name": "small", "title": "t", "sha256": "ef" * 32}
    other = run(tmp_path / "led", content=content, scenario=scenario)
    change(other / "summary.json", clock_pauses=2, clock_speeds=[0.5, 1.0])
    told = {each.what: each.other for each in against(base, other).differences}
    assert told["lasers.tilt"] == "5 deg"
    assert told["faults[0]"] == "{what = a, delay = 2 s}"
    assert told["clock_pauses"] == "2"
    assert told["clock_speeds"] == "0.5, 1.0"
