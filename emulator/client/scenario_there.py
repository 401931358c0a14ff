"""What a mesh elsewhere was made of, made again here: its scenario, its nodes, what is failed or changed."""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..epoch import Nodes
from ..errors import OrbitmeshError
from ..geometry import nodes_of
from ..interventions import Interventions
from ..interventions.told import intervention_told
from ..orbit import Fleet
from ..record.scenario_kept import is_kept, scenario_of
from ..scenario import Scenario


class ScenarioThere:
    """Its orbital elements are kept in a folder for as long as the scenario is."""

    def __init__(self, answer: Any) -> None:
        """``answer``: a ScenarioResponse.  InputError where this version cannot read it."""
        path = Path(tempfile.mkdtemp(prefix="orbitmesh-elements-"))
        is_to_go = weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        for name, data in answer.elements.items():
            if is_kept(name):
                (path / name).write_bytes(data)
        told = {"content": json.loads(answer.content_as_json), "scenario": json.loads(answer.hash_as_json)}
        self.scenario: Scenario = scenario_of(path, told)
        is_to_go.detach()
        weakref.finalize(self.scenario, shutil.rmtree, path, ignore_errors=True)
        fleet = Fleet.build(self.scenario.constellation, self.scenario.run.start_utc, self.scenario.base)
        self.nodes: Nodes = nodes_of(fleet, self.scenario)
        self._shells = [(shell.name, len(shell)) for shell in fleet.shells]

    def interventions(self, listed: Sequence[Mapping[str, Any]]) -> Interventions:
        """As the door lists those in force; one that names nothing here is left out."""
        found, names = [], [name or None for name, _ in self._shells]
        for each in listed:
            try:
                found.append(intervention_told(each, self.nodes, self.scenario.ground.stations, names))
            except (OrbitmeshError, TypeError, ValueError, KeyError):
                continue  # of a newer version: what links do, the epochs tell
        return Interventions(len(self.nodes), self.nodes.n_satellites, found)

    def layout(self) -> dict[str, Any]:
        """As a run tells it (run/questions.py)."""
        sizes = np.bincount(self.nodes.plane[: self.nodes.n_satellites])
        first = np.flatnonzero(np.diff(sizes, prepend=-1))
        runs = zip(sizes[first].tolist(), np.diff(first, append=len(sizes)).tolist(), strict=True)
        return {
            "shells": [list(each) for each in self._shells],
            "planes": [list(run) for run in runs],
            "gateways": list(self.nodes.names[self.nodes.n_satellites :]),
        }
