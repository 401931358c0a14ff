"""Specs, schedule, statistics, work: no network."""

from __future__ import annotations

import hashlib
import json
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitmesh.nodes import work
from orbitmesh.nodes.statistics import LATEST, Statistics
from orbitmesh.wire.schedule import next_instant_mono_ns, phase_ns
from orbitmesh.wire.spec import NodeSpec, Peer, ProbeSpec, Sample, TaskSpec

SPEC = NodeSpec(
    name="gw-london",
    kind="gateway",
    address="172.16.0.1",
    seed=7,
    probe=ProbeSpec((Peer("gw-tokyo", "172.16.0.2"),), ("udp",), 500_000_000, 300_000_000),
    tasks=(TaskSpec("matmul", 64), TaskSpec("generate", 8, "sat-3-7")),
    peers={"sat-3-7": "10.0.3.8"},
)


def sample(
    measured_ns: int, *, dst: str = "gw-a", kind: str = "udp", ok: bool = True, task: str = ""
) -> Sample:
    return Sample(kind, "sat-0-0", dst, 0, 1_000, 1_000 + measured_ns, measured_ns, ok=ok, task=task)


def test_a_spec_survives_the_wire() -> None:
    assert NodeSpec.from_json(SPEC.to_json()) == SPEC


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"kind": "moon"}, "unknown kind of node 'moon'"),
        ({"peers": {}}, "a task is for 'sat-3-7'"),
        (
            {"probe": {"peers": [], "kinds": ["icmp"], "interval_ns": 1, "timeout_ns": 1}},
            "unknown kind of probe 'icmp'",
        ),
        ({"probe": {"peers": [], "kinds": [], "interval_ns": 0, "timeout_ns": 1}}, "interval_ns is 0"),
        ({"tasks": [{"kind": "sort", "size": 1}]}, "unknown kind of task 'sort'"),
        ({"tasks": [{"kind": "matmul", "size": 0}]}, "size is 0"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        NodeSpec.from_json(json.dumps(json.loads(SPEC.to_json()) | change))


def test_a_sample_survives_the_wire() -> None:
    one = sample(123, ok=False, kind="task", task="matmul")
    assert Sample.from_json(one.to_json()) == one


@given(st.integers(0, 2**63), st.text(max_size=20), st.integers(1, 10**12))
def test_a_phase_lies_in_the_interval_and_is_always_the_same(
    seed: int, stream: str, interval_ns: int
) -> None:
    offset_ns = phase_ns(seed, stream, interval_ns)
    assert 0 <= offset_ns < interval_ns
    assert offset_ns == phase_ns(seed, stream, interval_ns)


def test_a_phase_is_the_same_in_every_version() -> None:
    assert phase_ns(1, "udp:gw-london", 1_000_000_000) == int.from_bytes(
        hashlib.blake2b(b"1:udp:gw-london", digest_size=8).digest(), "little"
    ) % 1_000_000_000  # fmt: skip


def test_the_phases_of_a_mesh_spread_over_the_interval() -> None:
    tenths = {phase_ns(seed, "udp:gw-london", 1_000_000_000) // 100_000_000 for seed in range(66)}
    assert tenths == set(range(10))


@given(st.integers(0, 10**18), st.integers(1, 10**12), st.data())
def test_the_next_instant_is_the_first_of_the_grid_that_lies_ahead(
    now: int, interval: int, data: st.DataObject
) -> None:
    offset = data.draw(st.integers(0, interval - 1))
    instant = next_instant_mono_ns(now, interval, offset)
    assert now < instant <= now + interval
    assert (instant - offset) % interval == 0


def test_statistics_count_what_was_answered_and_what_was_lost() -> None:
    statistics = Statistics()
    for measured_ns in (30, 10, 20):
        statistics.add(sample(measured_ns))
    statistics.add(sample(999, ok=False))
    (summary,) = statistics.summaries()
    assert (summary.count, summary.lost, summary.min_ns, summary.max_ns) == (3, 1, 10, 30)
    assert (summary.p50_ns, summary.last_ns, summary.last_mono_ns) == (20, 20, 1_020)


def test_statistics_keep_peers_kinds_and_tasks_apart() -> None:
    statistics = Statistics()
    for dst, kind, task in [
        ("gw-b", "udp", ""),
        ("gw-a", "grpc", ""),
        ("gw-a", "task", "matmul"),
        ("gw-a", "udp", ""),
    ]:
        statistics.add(sample(1, dst=dst, kind=kind, task=task))
    statistics.add(sample(1, dst="gw-c", ok=False))
    assert [(s.peer, s.kind, s.task) for s in statistics.summaries()] == [
        ("gw-a", "grpc", ""),
        ("gw-a", "task", "matmul"),
        ("gw-a", "udp", ""),
        ("gw-b", "udp", ""),
        ("gw-c", "udp", ""),
    ]
    assert len(list(statistics.summaries("gw-a"))) == 3
    (lost,) = statistics.summaries("gw-c")
    assert (lost.count, lost.lost, lost.p99_ns) == (0, 1, 0)


def test_quantiles_are_those_of_the_latest() -> None:
    statistics = Statistics()
    everything = np.random.default_rng(5).integers(1, 10**9, 2 * LATEST + 300)
    for measured_ns in everything:
        statistics.add(sample(int(measured_ns)))
    (summary,) = statistics.summaries()
    latest = np.sort(everything[-LATEST:])
    assert (summary.p50_ns, summary.p90_ns, summary.p99_ns) == (latest[499], latest[899], latest[989])
    assert (summary.min_ns, summary.max_ns, summary.count) == (
        everything.min(),
        everything.max(),
        len(everything),
    )


def test_matmul_is_exact() -> None:
    random = np.random.default_rng(3)
    left = random.integers(-7, 8, (5, 5), np.int8).astype(object)  # Python's own whole numbers
    right = random.integers(-7, 8, (5, 5), np.int8).astype(object)
    product = left.dot(right)
    trace, crc32 = work.matmul(5, 3)
    assert trace == sum(product[i, i] for i in range(5))
    assert crc32 == zlib.crc32(product.astype("<f8").tobytes())


def test_matmul_depends_on_its_seed() -> None:
    assert work.matmul(16, 1) == work.matmul(16, 1) != work.matmul(16, 2)


def test_checksum_by_reference_values() -> None:
    # FIPS 180-2 appendix B.1; CRC-32 check value of ITU-T V.42
    assert (
        work.checksum(b"abc")[0].hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    assert work.checksum(b"123456789")[1] == 0xCBF43926
