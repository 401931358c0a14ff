"""What a measurement says of itself: percentiles with what was lost, and why it failed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from testing_fakes import MS, HeldMesh, event, measurement, trip

from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.record.soundness import Window
from orbitmesh.emulator.testing.assertions import assert_available, assert_latency, assert_within_physics
from orbitmesh.emulator.testing.measurement import Measurement
from orbitmesh.emulator.testing.nodes import gateway_of, satellite_of
from orbitmesh.emulator.testing.quantities import duration_ns, rate_bps, ratio


def not_asked(*_: object, **__: object) -> Measurement:
    raise AssertionError("nothing is to be measured")


def test_percentiles_count_what_was_lost_as_later_than_any() -> None:
    found = measurement(*(trip(k, 20 + k) for k in range(98)), trip(98, None), trip(99, None))
    assert found.lost == 2
    assert found.answered_ratio == 0.98
    assert found.measured.p50_ns == pytest.approx(68.5 * MS)
    assert found.percentile_ns(97) == 117 * MS
    assert found.p99_ns == float("inf")
    assert found.worst is not None
    assert found.worst.sample.seq == 98


def test_a_percentile_that_so_few_cannot_tell_is_refused() -> None:
    found = measurement(*(trip(k, 20) for k in range(50)))
    with pytest.raises(InputError, match="a p99 needs 100 samples at least, and 50 were taken"):
        assert_latency(not_asked, found, p99="40 ms")
    assert found.percentile_ns(98) == 20 * MS
    assert found.percentile_ns(100) == 20 * MS


def test_a_failed_latency_says_why() -> None:
    slow = replace(trip(42, 55.25), waited_ns=3 * MS)
    found = measurement(
        *(trip(k, 21.5) for k in range(42)), slow, *(trip(k, 21.5) for k in range(43, 100)),
        events=[
            event("handover", 40, n=1, of=[{"gateway": "gw-a", "left": ["sat-0-0"], "joined": ["sat-0-1"]}]),
            event("intervention", 41, what="sat-0-0:sat-0-1", by="program", intervention=0),
            event("late tick", 41, late_ns=12 * MS),
            event("laser lost", 41, n=1, of=[["sat-3-0", "sat-3-1"]]),
        ],
        late=[Window(slow.sample.sent_mono_ns, slow.sample.done_mono_ns, "host-stall", 31 * MS)],
    )  # fmt: skip
    with pytest.raises(AssertionError) as caught:
        assert_latency(not_asked, found, p50="30 ms", most="40 ms")
    said = str(caught.value)
    for expected in (
        "most is 55.250 ms, and 40.000 ms are allowed",
        "100 sent, 0 without an answer",
        "the worst, number 42",
        "gw-a>sat-0-0",
        "there gw-a > sat-0-0: 10.000 ms + 0.050 ms sending",
        "propagation     20.000 ms",
        "sending          0.100 ms",
        "queueing         3.000 ms",
        "processing       0.000 ms",
        "the machine     32.150 ms",
        "handover: gw-a left sat-0-0, joined sat-0-1",
        "intervention: sat-0-0:sat-0-1 (by program)",
        "late tick: links and routes came 12.0 ms late",
        "and 1 of links and gateways that none of these were on",
        "host-stall, 1 times, by up to 31.000 ms",
        "also while the worst one was on its way",
    ):
        assert expected in said, said
    assert "p50" not in said.split("\n\n")[0]  # that one was kept
    # the parts of the worst are all of it
    parts_ms = [20.0, 0.1, 3.0, 0.0, 32.15]
    assert sum(parts_ms) == 55.25


def test_a_target_below_light_is_said_to_be_one() -> None:
    found = measurement(*(trip(k, 21.5) for k in range(100)))
    with pytest.raises(AssertionError, match=r"light alone needs 20.000 ms along this path, so no service"):
        assert_latency(not_asked, found, p99="15 ms")


def test_availability_is_the_share_that_was_answered() -> None:
    found = measurement(*(trip(k, 21) for k in range(9)), replace(trip(9, None), truth=None))
    assert assert_available(not_asked, found, ratio="90 %") is found
    with pytest.raises(
        AssertionError, match=r"90.00 % .* 99.5 % are asked for; for 1 of 10 there was no way"
    ):
        assert_available(not_asked, found, ratio=0.995)


def test_nothing_is_faster_than_light() -> None:
    sound = measurement(*(trip(k, 21.5) for k in range(100)))
    assert assert_within_physics(not_asked, sound, remainder="2 ms") is sound
    with pytest.raises(AssertionError, match=r"p99 beyond physics is 1.400 ms, and 1.000 ms are allowed"):
        assert_within_physics(not_asked, sound, remainder="1 ms")
    with pytest.raises(AssertionError, match=r"number 1 took 19.500 ms, and light needs 20.000 ms"):
        assert_within_physics(not_asked, measurement(trip(0, 21), trip(1, 19.5)))


def test_what_cannot_be_asserted_is_refused() -> None:
    found = measurement(trip(0, 21))
    for refused, why in (
        (lambda: assert_latency(not_asked, found), "nothing is asserted"),
        (lambda: assert_latency(not_asked, found, most="40"), "has no unit"),
        (lambda: assert_latency(not_asked, found, most="40 ms", n=7), "measured already: n cannot change it"),
        (lambda: assert_latency(not_asked, "gw-a", most="40 ms"), "name two nodes"),
        (lambda: assert_latency(not_asked, found, p95="40 ms"), "p95= is not known"),
        (lambda: assert_latency(not_asked, "a", "b", p99="40 ms", timout="1 s"), "did you mean 'timeout'"),
        (lambda: assert_available(not_asked, "a", "b", interval="0 s"), "write more than 0"),
        (lambda: found.p99_ns, "give n=100 or more"),
        (lambda: rate_bps("ten"), "is not a quantity"),
        (lambda: ratio("two"), "is no share"),
        (lambda: ratio(1.5), "is no share"),
    ):
        with pytest.raises(InputError, match=why):
            refused()
    assert (duration_ns("40 ms"), duration_ns(5), ratio("2 %"), ratio(0.5)) == (40 * MS, 5, 0.02, 0.5)


def test_as_a_table_it_is_samples() -> None:
    found = measurement(trip(0, 21), trip(1, None))
    assert found.to_arrow().schema.field("measured_ns").metadata[b"unit"] == b"ns"
    pytest.importorskip("pandas", reason="needs pandas: pip install pandas")
    frame = found.to_pandas()
    assert frame["measured_ns"].tolist()[0] == 21 * MS
    assert frame["ok"].tolist() == [True, False]


def test_the_satellite_of_a_test_is_the_nearest_with_a_process() -> None:
    mesh = HeldMesh()
    assert gateway_of(mesh, None) == "gw-london"
    assert gateway_of(mesh, "tokyo") == "gw-tokyo"
    assert satellite_of(mesh, "gw-london", None) == "sat-0-1"  # sat-0-0 is nearer, and runs nothing
    assert satellite_of(mesh, "gw-tokyo", None) == "sat-0-2"
    assert satellite_of(mesh, "gw-tokyo", "sat-0-3") == "sat-0-3"
    with pytest.raises(InputError, match="sat-0-1 is no gateway: gateways are gw-london, gw-tokyo"):
        gateway_of(mesh, "sat-0-1")
    with pytest.raises(InputError, match="gw-tokyo is a gateway, and a satellite is meant"):
        satellite_of(mesh, "gw-london", "gw-tokyo")
    mesh.hosting[:] = False
    with pytest.raises(InputError, match="no satellite of the scenario small runs a process"):
        satellite_of(mesh, "gw-london", None)


def test_what_was_in_force_before_is_said_with_what_happened() -> None:
    faults = (
        {"intervention": 3, "what": "gw-a", "by": "program", "until_sim_ns": None},
        {"intervention": 4, "what": "sat-0-0", "by": "root", "rate_bps": None, "loss_ratio": 0.02},
    )
    said = replace(measurement(trip(0, None)), in_force=faults).explain()
    assert "in force in the mesh: failed: gw-a (by program)" in said
    assert "in force in the mesh: changed: sat-0-0 (by root, loss 2 %)" in said
