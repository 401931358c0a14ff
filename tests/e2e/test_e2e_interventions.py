"""A laser of a scenario's fault, under traffic: a black hole until routes react, and then another way."""

from __future__ import annotations

import json
import threading
import time
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from e2e_lab import TOY, Commanded, HeldClock, toy, udp_socket

from orbitmesh.emulator import Emulation, Scenario

pytestmark = [pytest.mark.netns, pytest.mark.beside]

FAILS_S, REACTS_S, ENDS_S = 1.0, 3.0, 5.0
MARGIN_S = 0.4  # epochs may be late on a machine that does much else
EVERY_S = 0.02


def _on_the_way() -> tuple[str, tuple[int, int]]:
    """A laser in the middle of the first way between two gateways, and those gateways."""
    commanded = Commanded(toy(), 1)
    n = commanded.nodes.n_satellites
    ends = n, n + 1
    path = commanded.path(0, *ends)
    assert path is not None
    a, b = next(hop for hop in pairwise(path) if max(hop) < n)
    return f"{commanded.nodes.names[a]}:{commanded.nodes.names[b]}", ends


@pytest.mark.parametrize("plane", ["wired", "fabric"])
def test_packets_on_a_broken_laser_are_lost_until_routes_know(plane: str, tmp_path: Path) -> None:
    laser, (a, b) = _on_the_way()
    raw = tomllib.loads(TOY.read_text())
    raw["faults"] = [{"what": laser, "at": f"{FAILS_S} s", "until": "1 h"}]
    raw["routing"] = {"reaction": f"{REACTS_S - FAILS_S} s"}
    clock, sent, came = HeldClock(), {}, set()
    with Emulation(Scenario.model_validate(raw), clock=clock, out=tmp_path / "run", plane=plane) as mesh:
        events = mesh.feed.reader()
        sender, receiver = udp_socket(mesh.plane, a), udp_socket(mesh.plane, b)
        receiver.settimeout(0.2)
        over = threading.Event()

        def listen() -> None:
            while not over.is_set():
                try:
                    came.add(int(receiver.recv(100)))
                except TimeoutError:
                    continue

        listening = threading.Thread(target=listen)
        listening.start()
        clock.release()
        began_ns = clock.mono_ns(0)
        number = 0
        while (at_s := (time.monotonic_ns() - began_ns) / 1e9) < ENDS_S:
            sent[number] = at_s
            sender.sendto(str(number).encode(), receiver.getsockname())
            number += 1
            time.sleep(EVERY_S)
        time.sleep(0.5)
        over.set()
        listening.join()
        told = []
        while (entry := events.read(0)) is not None:
            if getattr(entry, "kind", "") == "event" and entry.value["event"].startswith("intervention"):
                told.append(entry.value)
        sender.close()
        receiver.close()
    before = {n for n, at_s in sent.items() if at_s < FAILS_S - MARGIN_S}
    meanwhile = {n for n, at_s in sent.items() if FAILS_S + MARGIN_S < at_s < REACTS_S - MARGIN_S}
    after = {n for n, at_s in sent.items() if at_s > REACTS_S + MARGIN_S}
    assert min(len(before), len(meanwhile), len(after)) > 5
    assert before <= came
    assert not meanwhile & came
    assert after <= came
    assert mesh.summary["packets_dropped"]["down"] >= len(meanwhile)
    (one,) = told
    assert (one["what"], one["by"], one["sim_ns"]) == (laser, "scenario", FAILS_S * 1e9)
    lines = [json.loads(line) for line in (tmp_path / "run/events.jsonl").read_text().splitlines()]
    assert [line["what"] for line in lines if line["event"] == "intervention"] == [laser]
