"""What customers' requests cost this machine, measured once and kept beside its calibrations.

A run that asks for more than the processors have is refused by it before it is built.  The cost is the least
that one can be had for (``nodes/load/cost.py``), so what is refused surely cannot be carried.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orbitmesh.wire.serving import Deployment, ServingSpec
from orbitmesh.wire.spec import NodeSpec

from ..errors import HostError, InputError
from ..presets.serving import accelerator, model
from ..reading import CALIBRATION, parse_json, read_text
from ..safe_files import Folder
from .document import MACHINE_KEYS
from .store import folder

_TIMEOUT_S = 60.0
_KEYS = (*MACHINE_KEYS, "python", "libraries")
_MOST_S = 1.0  # of a core for one message: no machine that a mesh runs on


@dataclass(frozen=True)
class CustomerCost:
    """Seconds of a core, at both ends together, without links."""

    request_s: float
    message_s: float

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if type(value) is not float or not 0 <= value < _MOST_S:
                raise ValueError(f"{name} is {value!r}")

    def cores(self, requests_per_s: float, messages_per_s: float) -> float:
        return self.request_s * requests_per_s + self.message_s * messages_per_s


def path() -> Path:
    return folder() / "customers.json"


def cost_here(machine: Mapping[str, Any]) -> CustomerCost:
    """The kept one of this machine, else measured, which takes two seconds, and kept where that can be."""
    of = {key: machine.get(key) for key in _KEYS}
    if (kept := _recall(of)) is not None:
        return kept
    return measure(machine)


def measure(machine: Mapping[str, Any]) -> CustomerCost:
    """Anew, and kept.  HostError where it cannot be measured."""
    found = _measured()
    of = {key: machine.get(key) for key in _KEYS}
    document = json.dumps({"machine": of, **asdict(found)}, indent=1) + "\n"
    try:
        with Folder.reach(path().parent, make=True) as where:
            if where.others() is None:
                with where.replacing(path().name) as file:
                    file.write(document.encode())
    except OSError:
        pass  # it is measured again the next time
    return found


def _recall(of: Mapping[str, Any]) -> CustomerCost | None:
    try:
        with Folder.reach(path().parent) as where:
            if where.others() is not None:
                return None
        raw = parse_json(read_text(path(), CALIBRATION), CALIBRATION)
        if raw["machine"] != of:
            return None
        return CustomerCost(raw["request_s"], raw["message_s"])
    except (OSError, InputError, KeyError, TypeError, ValueError):
        return None  # measured anew


def _measured() -> CustomerCost:
    on = Deployment(model("llama-3.1-8b"), accelerator("h100"), 1, 8, 8)
    spec = NodeSpec("cost", "satellite", "127.0.0.1", 1, serving=ServingSpec(on, replicas=4))
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "orbitmesh.nodes.load.cost"],
            input=spec.to_json(),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            env={**os.environ, "GRPC_VERBOSITY": "NONE", "OPENBLAS_NUM_THREADS": "1"},
        )
        done.check_returncode()
        raw = json.loads(done.stdout)
        return CustomerCost(raw["request_s"], raw["message_s"])
    except (OSError, subprocess.SubprocessError, KeyError, TypeError, ValueError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise HostError(
            "what a customer's request costs this machine cannot be measured: " + str(said).strip()[-300:]
        ) from error
