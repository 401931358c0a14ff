"""One scenario on both planes: the same paths, the same latencies."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from e2e_lab import Commanded, HeldClock, quiet

from orbitmesh.emulator import Emulation

pytestmark = [pytest.mark.netns, pytest.mark.timeout(180)]

# what a path takes longer than light, at best: kernels, and the engine on a machine that does much else
AGREE_WITHIN_NS = 2_000_000
PRINTED_NS = 1_000  # ping's last digit


class Seen(NamedTuple):
    path: tuple[str, ...]
    least_excess_ns: float  # of many round trips over light


def _all_at_once(mesh: Emulation, pairs: list[tuple[int, int]], command: str) -> list[str]:
    """What each pair's command prints: they wait for light most of their time."""
    names = mesh.nodes.names
    running = [mesh.net.get(names[a]).popen([*command.split(), names[b]], text=True) for a, b in pairs]
    return [process.communicate()[0] for process in running]


def _look(plane: str, out: Path) -> dict[tuple[str, str], Seen]:
    """All pairs of gateways, and each gateway with a satellite; the epoch is the first one throughout."""
    clock = HeldClock()
    scenario = quiet()
    commanded = Commanded(scenario, 1)
    first = commanded.epochs[0]
    with Emulation(scenario, clock=clock, out=out, plane=plane) as mesh:
        assert mesh.plane.name == plane
        names = mesh.nodes.names
        gateways = range(mesh.nodes.n_satellites, len(mesh.nodes))
        satellite = int(mesh.hosting.nonzero()[0][3])
        pairs = [(a, b) for a in gateways for b in gateways if a != b] + [(g, satellite) for g in gateways]
        address = {mesh.plane.addresses[node]: name for node, name in enumerate(names)}
        traces = _all_at_once(mesh, pairs, "traceroute -n -q 1 -w 2 -m 64")
        began_ns = time.monotonic_ns()
        pings = _all_at_once(mesh, pairs, "ping -n -c 20 -i 0.02 -W 2")
        # the links go on by their slopes while the clock is held
        at_ns = (began_ns - clock.mono_ns(0), time.monotonic_ns() - clock.mono_ns(0))
        found = {}
        for (a, b), trace, ping in zip(pairs, traces, pings, strict=True):
            hops = re.findall(r"^\s*\d+\s+([\d.]+)\s+[\d.]+ ms", trace, re.MULTILINE)
            least_ms = re.search(r" 20 received.* = ([\d.]+)/", ping, re.DOTALL)
            assert least_ms is not None, ping
            light_ns = min(
                sum(first.path_delay_ns(first.path(*way), at) for way in ((a, b), (b, a))) for at in at_ns
            )
            excess_ns = float(least_ms[1]) * 1e6 - light_ns
            assert excess_ns >= -PRINTED_NS, ping
            found[names[a], names[b]] = Seen((names[a], *(address[hop] for hop in hops)), excess_ns)
            assert found[names[a], names[b]].path == commanded.names(first.path(a, b)), trace
    return found


@pytest.mark.native
def test_both_planes_take_the_same_ways_in_the_same_time(
    tmp_path: Path, nothing_left: Callable[[], None]
) -> None:
    wired, fabric = (_look(plane, tmp_path / plane) for plane in ("wired", "fabric"))
    assert wired.keys() == fabric.keys()
    for pair, seen in wired.items():
        assert fabric[pair].path == seen.path
        assert abs(fabric[pair].least_excess_ns - seen.least_excess_ns) < AGREE_WITHIN_NS, (
            pair,
            seen,
            fabric[pair],
        )
    nothing_left()
