"""The recorder as a process of its own: its protocol, and what is left when it or main is killed."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from record_fakes import ROW, STEP_NS, facts, header, sample, small_world, strict_json

from orbitmesh.emulator.epoch import Epoch, RouteRows
from orbitmesh.emulator.errors import FasterThanLight, HostError, RunError
from orbitmesh.emulator.feed.parcels import Parcel, send
from orbitmesh.emulator.record.results import load_run
from orbitmesh.emulator.record.writer import parts_of

MS = 1_000_000


class Child:
    """A recorder process and the three ends that main and the nodes hold."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.nodes, samples = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with theirs, samples:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-P", "-m", "orbitmesh.emulator.record.process",
                    "--control-fd", str(theirs.fileno()), "--samples-fd", str(samples.fileno()),
                ],
                pass_fds=[theirs.fileno(), samples.fileno()], stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
        self.control = Connection(ours.detach())
        self.heard: list[tuple[Any, ...]] = []
        self.world = small_world()
        self.t0 = time.monotonic_ns()

    def open(self, out: Path) -> None:
        self.control.send(("open", header(out, self.world.who)))
        self.until("ready")

    def until(self, what: str, timeout_s: float = 60.0) -> tuple[Any, ...]:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.control.poll(0.1):
                message: tuple[Any, ...] = self.control.recv()
                self.heard.append(message)
                if message[0] == what:
                    return message
        raise AssertionError(f"no {what!r} in {timeout_s} s; heard {[m[0] for m in self.heard]}")

    def epoch(self, number: int) -> None:
        """As if the mesh had begun at ``t0``, one epoch a second."""
        t0 = self.t0 + number * STEP_NS
        self.tell(self.world.epoch(number, number * STEP_NS, ROW), t0, t0, t0 + MS)

    def tell(self, epoch: Epoch, *when_mono_ns: int, more: RouteRows | None = None) -> None:
        parcel = Parcel.pack(epoch)
        send(self.control, "epoch", parcel, more, *when_mono_ns)
        parcel.close()

    def sample(self, seq: int, measured_ns: int = 6 * MS) -> None:
        taken = sample("sat-0-0", "gw-london", seq, self.t0 + 5 * MS + seq, measured_ns)
        self.nodes.send(taken.to_json())

    def end(self) -> tuple[int, str]:
        assert self.process.stderr is not None
        stderr = self.process.communicate(timeout=20)[1]
        return self.process.returncode, stderr

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        # also of one that has ended by itself, or its pipe is left to the next test's garbage collection
        if self.process.stderr is not None and not self.process.stderr.closed:
            self.process.communicate()
        if not self.control.closed:
            self.control.close()
        self.nodes.close()


@pytest.fixture
def child() -> Iterator[Child]:
    made = Child()
    yield made
    made.close()


def wait_for(condition: Any, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.02)


def test_who_was_kept_from_reading_judges_by_all_epochs_that_came_meanwhile(
    child: Child, tmp_path: Path
) -> None:
    child.open(tmp_path)
    child.t0 -= 10 * STEP_NS  # so that no sample is held back for news to come
    os.kill(child.process.pid, signal.SIGSTOP)
    for number in range(6):
        child.epoch(number)
    child.nodes.send(sample("sat-0-0", "gw-london", 0, child.t0 + 4 * STEP_NS + 5 * MS, 6 * MS).to_json())
    time.sleep(0.3)  # it is overdue to judge when it goes on
    os.kill(child.process.pid, signal.SIGCONT)
    wait_for(lambda: parts_of(tmp_path / "samples"))
    child.control.send(("finish", facts()))
    child.until("finished")
    assert pq.read_table(tmp_path / "samples.parquet")["epoch_number"].to_pylist() == [4]


def test_from_open_to_finished(child: Child, tmp_path: Path) -> None:
    child.open(tmp_path)
    child.epoch(0)
    for seq in range(200):
        child.sample(seq)
    child.epoch(1)
    digest = child.until("digest")[1]
    while digest["samples"] < 200 or digest["gateways"][0]["samples"] < 200:
        digest = child.until("digest")[1]
    assert digest["gateways"][0]["gateway"] == "gw-london"
    assert digest["gateways"][0]["udp_p50_ns"] == 6 * MS
    child.sample(200)
    child.nodes.close()  # all nodes have gone before the end, as in a run
    child.control.send(("finish", facts()))
    summary = child.until("finished")[1]
    assert child.end() == (0, "")
    assert summary["trusted"], summary["doubts"]
    assert summary["samples"]["samples"] == 201
    assert strict_json((tmp_path / "summary.json").read_text()) == summary
    assert len(pq.read_table(tmp_path / "samples.parquet")) == 201
    assert [m[0] for m in child.heard if m[0] != "digest"] == ["ready", "finished"]


def test_main_dies(child: Child, tmp_path: Path) -> None:
    child.open(tmp_path)
    child.epoch(0)
    for seq in range(50):
        child.sample(seq)
    child.control.close()  # as the kernel does for a killed process
    assert child.end() == (1, "")
    assert sum(len(pq.read_table(part)) for part in parts_of(tmp_path / "samples")) == 50
    assert "main died" in (tmp_path / "events.jsonl").read_text()
    results = load_run(tmp_path)
    assert not results.is_finished
    assert results.summary["ended"] == "killed"
    assert results.summary["gateways"][0]["samples"] == 50


def test_main_dies_before_it_said_anything(child: Child) -> None:
    child.control.close()
    assert child.end() == (1, "")


def test_the_recorder_is_killed(child: Child, tmp_path: Path) -> None:
    child.open(tmp_path)
    child.epoch(0)
    for seq in range(50):
        child.sample(seq)
    child.epoch(1)
    wait_for(lambda: parts_of(tmp_path / "samples"))
    os.kill(child.process.pid, signal.SIGKILL)
    assert child.end()[0] == -signal.SIGKILL
    results = load_run(tmp_path)
    assert results.summary["gateways"][0]["kinds"]["udp"]["measured"]["p50_ns"] == 6 * MS
    assert "recorded until 2026-11-01T12:00:00.005" in results.notes[0]


def test_ctrl_c_is_for_main(child: Child, tmp_path: Path) -> None:
    child.open(tmp_path)
    os.kill(child.process.pid, signal.SIGINT)
    os.kill(child.process.pid, signal.SIGHUP)
    child.until("digest")
    child.until("digest")
    child.control.send(("finish", facts(ended="interrupted")))
    assert child.until("finished")[1]["ended"] == "interrupted"
    assert child.end() == (0, "")


def test_a_fault_is_told_at_once(child: Child, tmp_path: Path) -> None:
    child.open(tmp_path)
    child.epoch(0)
    child.sample(3, measured_ns=1 * MS)
    child.epoch(1)
    fault = child.until("fault")[1]
    assert isinstance(fault, FasterThanLight)
    assert "sample 3" in str(fault)
    child.control.send(("finish", facts(ended="failed", reason=str(fault))))
    assert child.until("finished")[1]["light"]["too_fast"] == 1


def test_a_folder_that_cannot_be_written(child: Child, tmp_path: Path) -> None:
    child.control.send(("open", header(tmp_path / "not-there", child.world.who)))
    fault = child.until("fault")[1]
    assert isinstance(fault, HostError)
    assert "not-there: No such file or directory" in str(fault)
    assert child.end() == (1, "")


def test_a_folder_with_a_run_in_it(child: Child, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    child.control.send(("open", header(tmp_path, child.world.who)))
    fault = child.until("fault")[1]
    assert isinstance(fault, RunError)
    assert "holds a run already" in str(fault)
    assert child.end() == (1, "")


def test_an_epoch_that_contradicts_itself_is_a_sentence(child: Child, tmp_path: Path) -> None:
    child.open(tmp_path)
    epoch, without = child.world.epoch(0, 0, ROW), child.world.epoch(0, 0, ROW[:3])
    child.tell(replace(without, routes=epoch.routes), child.t0, child.t0, child.t0)
    child.sample(1)
    child.tell(replace(epoch, number=1), *[child.t0 + STEP_NS] * 3)
    fault = child.until("fault")[1]
    assert "routes sat-0-0 to gw-london over sat-0-0 and gw-london, which no link joins" in str(fault)
    child.control.send(("finish", facts(ended="failed", reason=str(fault))))
    summary = child.until("finished")[1]
    assert child.end() == (0, "")
    assert summary["samples"]["without_truth"] == 1
    assert len(pq.read_table(tmp_path / "samples.parquet")) == 1


def test_what_crosses_the_socket_survives_pickling(tmp_path: Path) -> None:
    made = header(tmp_path, small_world().who, machine={"kernel": "6.18", "libraries": {}})
    again = pickle.loads(pickle.dumps(made))
    assert again.to_dict() == made.to_dict()
    assert pickle.loads(pickle.dumps(facts())) == facts()
    error = pickle.loads(pickle.dumps(HostError("no room")))
    assert (type(error), str(error)) == (HostError, "no room")
