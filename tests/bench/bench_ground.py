"""Policies of ground links against each other: what a tick takes, how often links change, how long ways are.

    python tests/bench/bench_ground.py [--step 1] [--ticks 60] [--margins 0 0.5 2] [--stations 6] [SCENARIO]
    python tests/bench/bench_ground.py --code D:550:53:100000/400/200 starlink-shell1

Each instant is computed once by each policy, in turns, in one process; the
least-delay policy once for each handover margin in ms.

- tick: median of the wall time in ms, with routes to the scenario's destinations.
- changes: links given up per station and minute; early: of those, the ones whose
  satellite was still in sight; back: of those, the ones taken again within a minute.
- round trip: between all pairs of gateways, in ms: median, mean, p99, and the mean of each pair's
  worst (inf where two never meet); to hosts: mean from each gateway to each satellite
  that runs a process.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from orbitmesh.emulator.epoch import NS_PER_S, Epoch
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.scenario import Scenario
from orbitmesh.emulator.scenario.constellation import Constellation

MINUTE_S = 60.0


class Column:
    """One policy with one margin."""

    def __init__(self, scenario: Scenario, policy: str, margin_ms: float | None, step_s: float) -> None:
        update: dict[str, object] = {"policy": policy}
        if margin_ms is not None:
            update["handover_margin_ns"] = round(margin_ms * 1e6)
        ground = scenario.ground.model_copy(update=update)
        self.name = policy if margin_ms is None else f"{policy}, {margin_ms:g} ms"
        self.geometry = Geometry(scenario.model_copy(update={"ground": ground}))
        self.step_s = step_s
        self.epochs = self.geometry.epochs(0, round(step_s * NS_PER_S))
        self.tick_ms: list[float] = []
        self.rtt_ms: list[np.ndarray] = []
        self.host_ms: list[float] = []
        self.links: set[tuple[int, int]] = set()
        self.given_up_s: dict[tuple[int, int], float] = {}
        self.changes = self.early = self.back = 0

    def turn(self, number: int) -> None:
        began = time.perf_counter()
        epoch = next(self.epochs)
        self.tick_ms.append((time.perf_counter() - began) * 1e3)
        self._count(epoch, number * self.step_s)
        n, n_nodes = self.geometry.nodes.n_satellites, len(self.geometry.nodes)
        gateways = np.arange(n, n_nodes, dtype=np.int32)
        hosts = np.flatnonzero(self.geometry.hosting[:n]).astype(np.int32)
        delay_ms = epoch.way_delays_ns(gateways, np.concatenate([hosts, gateways])) / 1e6
        self.host_ms.append(2 * float(delay_ms[: len(hosts)].mean()) if len(hosts) else np.nan)
        self.rtt_ms.append(2 * delay_ms[len(hosts) :][np.triu_indices(len(gateways), 1)])

    def _count(self, epoch: Epoch, now_s: float) -> None:
        n = self.geometry.nodes.n_satellites
        is_ground = epoch.links.b >= n
        links = set(zip(epoch.links.a[is_ground].tolist(), epoch.links.b[is_ground].tolist(), strict=True))
        if self.links:
            sight = self.geometry._stations.sight(epoch.positions_itrs_km[:n])
            seen = [set(sight.of(row)[0].tolist()) for row in range(self.geometry.nodes.n_gateways)]
            for link in self.links - links:
                self.changes += 1
                if link[0] in seen[link[1] - n]:
                    self.early += 1
                    self.given_up_s[link] = now_s
            self.back += sum(now_s - self.given_up_s.get(new, -1e9) <= MINUTE_S for new in links - self.links)
        self.links = links

    def row(self) -> str:
        minutes = self.geometry.nodes.n_gateways * (len(self.tick_ms) - 1) * self.step_s / MINUTE_S
        rtt_ms = np.array(self.rtt_ms)
        return (
            f"{self.name:<22} {np.median(self.tick_ms[1:]):8.1f}  {self.changes / minutes:7.2f} "
            f"{self.early / minutes:6.2f} {self.back / minutes:6.2f}  {np.median(rtt_ms):8.1f} "
            f"{rtt_ms.mean():7.1f} {np.quantile(rtt_ms, 0.99, method='higher'):7.1f} "
            f"{rtt_ms.max(axis=0).mean():7.1f}  {np.mean(self.host_ms):8.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", nargs="?", default="starlink-shell1")
    parser.add_argument("--code", help="this constellation instead")
    parser.add_argument("--step", type=float, default=1.0, help="s")
    parser.add_argument("--ticks", type=int, default=60)
    parser.add_argument("--antennas", type=int)
    parser.add_argument("--stations", type=int, help="only the first so many")
    parser.add_argument("--margins", type=float, nargs="*", default=[0.5], help="ms")
    arguments = parser.parse_args()
    scenario = Scenario.load(arguments.scenario)
    if arguments.code:
        shells = Constellation.model_validate({"shells": [{"code": arguments.code}]})
        scenario = scenario.model_copy(update={"constellation": shells})
    if arguments.antennas:
        ground = scenario.ground.model_copy(update={"antennas": arguments.antennas})
        scenario = scenario.model_copy(update={"ground": ground})
    if arguments.stations:
        few = scenario.ground.stations[: arguments.stations]
        ground = scenario.ground.model_copy(update={"stations": few})
        scenario = scenario.model_copy(update={"ground": ground})
    policies: list[tuple[str, float | None]] = [("nearest", None), ("longest-visibility", None)]
    policies += [("least-delay", margin_ms) for margin_ms in arguments.margins]
    columns = [Column(scenario, *policy, arguments.step) for policy in policies]
    for number in range(arguments.ticks):
        for column in columns:
            column.turn(number)
    nodes = columns[0].geometry.nodes
    print(
        f"{arguments.code or scenario.name}: {nodes.n_satellites} satellites, {nodes.n_gateways} stations of "
        f"{scenario.ground.antennas} antennas; {arguments.ticks} ticks of {arguments.step:g} s\n"
        f"{'':<22}  tick ms  changes  early   back    median    mean     p99   worst  to hosts"
    )
    for column in columns:
        print(column.row())


if __name__ == "__main__":
    main()
