"""A run held against rules: figures that a table's own arithmetic gives, and verdicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from compare_fakes import Model, change, run, training, with_answers

from orbitmesh.emulator.compare.junit import junit
from orbitmesh.emulator.compare.rules import rules_of
from orbitmesh.emulator.compare.runs import read_run
from orbitmesh.emulator.compare.sla import Result, Verdict, hold
from orbitmesh.emulator.compare.sla_words import cells
from orbitmesh.emulator.errors import InputError

MODEL = Model(samples=4000, lost_ratio=0.01)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = with_answers(tmp_path_factory.mktemp("sla") / "run", MODEL)
    table = pq.read_table(at / "samples.parquet")
    sound = np.arange(len(table)) % 10 > 0
    pq.write_table(table.set_column(table.schema.get_field_index("sound"), "sound", pa.array(sound)),
                   at / "samples.parquet")  # fmt: skip
    # marks are made anew from windows: every tenth sample's instant is one
    sent = table["sent_mono_ns"].to_numpy()[~sound]
    (at / "windows.jsonl").write_text("".join(
        f'{{"from_mono_ns": {t}, "to_mono_ns": {t}, "cause": "host-stall", "worst_ns": 1}}\n'
        for t in sent.tolist()
    ))  # fmt: skip
    return at


def held(folder: Path, text: str, name: str = "a") -> list[Result]:
    return hold(read_run(folder), rules_of(f'[[rules]]\nname = "{name}"\n{text}\n'))


def test_a_quantile_is_that_of_the_table(folder: Path) -> None:
    run_ = read_run(folder)
    side = run_.by_kind["udp"]
    assert 0.5 < side.sound.mean() < 0.95  # samples on their way touch windows of others, too
    kept = side.values_ns[""][side.ok & side.sound]
    (found,) = held(folder, 'of = "udp"\nquantile = "p99"\nat-most = "1 s"')
    assert found.value == pytest.approx(np.quantile(kept, 0.99))
    assert (found.samples, found.verdict) == (len(kept), Verdict.PASS)
    (every,) = held(folder, 'of = "udp"\nquantile = "p99"\nat-most = "1 ms"\nsound-only = false')
    assert (every.samples, every.verdict) == (int(side.ok.sum()), Verdict.FAIL)


def test_filters_take_the_ends_by_their_names(folder: Path) -> None:
    udp = 'of = "udp"\nquantile = "p50"\nat-most = "1 s"\nsound-only = false\n'
    (every,) = held(folder, udp)
    (london,) = held(folder, udp + 'gateway = "gw-lon*"')
    (one,) = held(folder, udp + 'gateway = "gw-london"\nsatellite = ["sat-0-0", "x"]')
    assert every.samples > london.samples > one.samples > 0
    each = held(folder, udp + 'each = "gateway"')
    assert [r.subject for r in each] == ["gw-london", "gw-tokyo"]
    assert sum(r.samples for r in each) == every.samples
    assert len(held(folder, udp + 'each = "satellite"')) == 4
    (none,) = held(folder, udp + 'gateway = "gw-nowhere"')
    assert (none.verdict, none.passes, none.value) == (Verdict.NOT_KNOWN, False, None)
    assert none.why == "takes 30 samples, and there are 0 of the names that the rule gives"


def test_shares_count_of_all_that_were_sent(folder: Path) -> None:
    lost = float((~read_run(folder).by_kind["udp"].ok).mean())
    (found,) = held(folder, 'of = "lost"\nat-most = "0.5 %"')
    assert (found.value, found.samples, found.verdict) == (pytest.approx(lost), 4000, Verdict.FAIL)
    (found,) = held(folder, 'of = "lost"\nat-most = "2 %"\nkind = "u*"')
    assert found.verdict is Verdict.PASS
    # 4,000 samples cannot tell a thousandth of a per mille
    (found,) = held(folder, 'of = "lost"\nat-most = "0.0001 %"')
    assert (found.verdict, found.needed) == (Verdict.NOT_KNOWN, 3_000_000)
    (found,) = held(folder, 'of = "lost"\nat-most = "0.0001 %"\nleast-samples = 10')
    assert found.verdict is Verdict.FAIL
    (found,) = held(folder, 'of = "unanswered"\nat-most = "5 %"\nclass = "chat"')
    assert found.verdict is Verdict.PASS
    (found,) = held(folder, 'of = "sound"\nat-least = "99 %"')
    assert found.verdict is Verdict.FAIL
    (found,) = held(folder, 'of = "availability"\nat-least = "90 %"\neach = "gateway"\ngateway = "gw-london"')
    assert found.verdict in (Verdict.PASS, Verdict.NOT_KNOWN)


def test_few_samples_are_not_known_and_fail_unless_told_otherwise(folder: Path) -> None:
    tail = 'of = "ttft"\nquantile = "p99.9"\nat-most = "1 s"\n'
    (found,) = held(folder, tail)
    assert (found.verdict, found.needed, found.passes) == (Verdict.NOT_KNOWN, 10_000, False)
    assert "takes 10,000 samples" in found.why
    assert found.value is not None
    (found,) = held(folder, tail + 'not-known = "pass"')
    assert found.passes
    (found,) = held(folder, tail + "least-samples = 100")
    assert found.verdict is Verdict.PASS


def test_figures_of_the_whole_run(folder: Path, tmp_path: Path) -> None:
    text = "\n".join(
        f'[[rules]]\nname = "{i}"\n{each}'
        for i, each in enumerate((
            'of = "trusted"', 'of = "completed"',
            'of = "engine-lateness"\nquantile = "p99"\nat-most = "100 us"',
            'of = "engine-lateness"\nquantile = "most"\nat-most = "100 us"', 'of = "late-ticks"\nat-most = 0',
            'of = "dead-nodes"\nat-most = 0', 'of = "path-changes"\nat-most = 100000',
            'of = "handovers"\nat-most = 0',
            'of = "samples"\nat-least = 4000', 'of = "samples"\nat-least = 4001', 'of = "target"',
        ))
    )  # fmt: skip
    rules = rules_of(text)
    verdicts = [str(each.verdict) for each in hold(read_run(folder), rules)]
    assert verdicts == ["pass", "pass", "pass", "fail", *["pass"] * 5, "fail", "not known"]
    other = run(tmp_path / "other", trusted=False)
    change(other / "summary.json", trusted=False, doubts=["it slept"], customers=[], ended="interrupted")
    first, second, *_ = hold(read_run(other), rules)
    assert (first.verdict, first.why, second.verdict) == (Verdict.FAIL, "it slept", Verdict.FAIL)
    change(other / "run.json", orbitmesh_run=3)  # of another version nothing is known but its tables
    found = hold(read_run(other), rules)
    assert [str(each.verdict) for each in found[:8]] == ["not known"] * 8
    assert found[8].verdict is Verdict.PASS


def test_junit_is_what_its_readers_take(folder: Path) -> None:
    junitparser = pytest.importorskip("junitparser", reason="needs junitparser: pip install junitparser")
    evil = r"<b>&\"\u0007\u001b[31m]]>"
    results = [
        *held(folder, 'of = "udp"\nquantile = "p50"\nat-most = "1 ms"\neach = "gateway"', evil),
        *held(folder, 'of = "udp"\nquantile = "p50"\nat-most = "1 s"', "good"),
        *held(folder, 'of = "ttft"\nquantile = "p99.9"\nat-most = "1 s"', "few"),
        *held(folder, 'of = "ttft"\nquantile = "p99.9"\nat-most = "1 s"\nnot-known = "pass"', "few, passes"),
    ]
    text = junit("run\x00<", ["a \x1b note"], results)
    ET.fromstring(text)
    (suite,) = junitparser.JUnitXml.fromstring(text.encode())
    assert (suite.tests, suite.failures, suite.skipped, suite.errors) == (5, 3, 1, 0)
    cases = list(suite)
    assert cases[0].name == '<b>&"\\x07\\x1b[31m]]> [gw-london]'
    assert isinstance(cases[0].result[0], junitparser.Failure)
    assert "at most 1 ms" in cases[0].result[0].message
    assert not cases[2].result
    assert cases[3].result[0].type == "not known"
    assert isinstance(cases[4].result[0], junitparser.Skipped)
    assert "1 sample</" in junit("run", [], [replace(results[2], samples=1)])
    assert {len(cells(each)) for each in results} == {8}


def test_steps_of_training_are_held_against_rules(tmp_path: Path) -> None:
    at = run(tmp_path / "trains", Model(samples=400))
    pq.write_table(training(Model(samples=60)), at / "training.parquet")
    (step,) = held(at, 'of = "step"\nquantile = "p50"\nat-most = "8 s"')
    assert (step.samples, step.verdict) == (60, Verdict.FAIL)
    assert step.value == pytest.approx(8.002e9 + 20e6 * np.log(2), rel=0.002)
    (reduce,) = held(at, 'of = "all-reduce"\nquantile = "p99"\nat-most = "9 s"')
    assert reduce.why == "takes 1,000 steps, and there are 60"
    with pytest.raises(InputError, match="step is not told by gateway: remove it"):
        held(at, 'of = "step"\nquantile = "p50"\nat-most = "8 s"\ngateway = "gw-*"')
    serves = run(tmp_path / "serves", Model(samples=400))
    (nobody,) = held(serves, 'of = "step"\nquantile = "p50"\nat-most = "8 s"')
    assert nobody.verdict is Verdict.NOT_KNOWN
