"""The program that measures for a test, on this machine's loopback."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from orbitmesh.wire.measure import Order
from orbitmesh.wire.spec import Sample

MS = 10**6
# nobody answers there
ORDER = Order("call", "gw-a", "sat-0-0", "127.0.0.1", "127.77.3.9", 4, 5 * MS, 50 * MS)

MODULE = """
import beside_it

class Refused(Exception):
    def code(self):
        return type("Status", (), {"name": "UNAVAILABLE"})

def connect(address):
    print("connecting to", address)
    count = iter(range(100))

    def once():
        number = next(count)
        if number == 1:
            raise ValueError("not this one")
        if number == 2:
            raise Refused()
        return {"compute_ns": 7, "bytes_up": number, "of_no_use": 1} if number else None
    return once

class Callers:
    nested = staticmethod(connect)
"""


def run(order: Order, status: int = 0) -> tuple[list[Sample], str]:
    done = subprocess.run(
        [sys.executable, "-m", "orbitmesh.nodes.measure"],
        input=order.to_json() + "\n", capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    return [Sample.from_json(line.encode()) for line in done.stdout.splitlines()], done.stderr


def test_a_function_is_called_at_its_interval_and_what_it_raises_is_a_loss(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "beside_it.py").write_text("")
    order = replace(ORDER, file=str(tmp_path / "mine.py"), import_path=(*sys.path, str(tmp_path)))
    for function in ("connect", "Callers.nested"):
        samples, said = run(replace(order, function=function))
        assert said == "connecting to 127.77.3.9\n"  # what it prints is no sample
        assert [(s.seq, s.ok, s.error) for s in samples] == [
            (0, True, ""), (1, False, "ValueError: not this one"), (2, False, "UNAVAILABLE"), (3, True, ""),
        ]  # fmt: skip
        assert (samples[0].compute_ns, samples[3].compute_ns, samples[3].bytes_up) == (0, 7, 3)
        for earlier, later in pairwise(samples):
            assert later.sent_mono_ns >= earlier.done_mono_ns
        assert samples[3].sent_mono_ns - samples[0].sent_mono_ns > 2 * 5 * MS
        assert all(s.measured_ns == s.done_mono_ns - s.sent_mono_ns > 0 for s in samples)
    _, said = run(replace(order, function="gone"), status=1)
    assert "has no attribute 'gone'" in said


def test_what_nobody_answers_is_lost() -> None:
    samples, _ = run(replace(ORDER, kind="udp", n=2))
    assert [(s.kind, s.ok, s.error) for s in samples] == [("udp", False, "timeout")] * 2
    assert all(s.measured_ns >= 50 * MS for s in samples)
    samples, _ = run(replace(ORDER, kind="grpc", n=1))
    assert [(s.kind, s.ok) for s in samples] == [("grpc", False)]
    assert samples[0].error in ("UNAVAILABLE", "DEADLINE_EXCEEDED")


def test_an_order_survives_the_wire() -> None:
    order = replace(ORDER, file="a.py", function="f", import_path=("a", "b"))
    assert Order.from_json(order.to_json()) == order
