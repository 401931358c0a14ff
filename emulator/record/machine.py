"""What of this machine bears on the results of a run, and by what a calibration knows it again."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_LIBRARIES = (
    "grpcio", "mininet", "numpy", "protobuf", "pyarrow", "pydantic", "pyerfa", "rich", "scipy",
    "sgp4", "typer",
)  # fmt: skip
_CPUINFO = Path("/proc/cpuinfo")
_CLOCKSOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")


def machine_facts() -> dict[str, Any]:
    """What of this machine bears on the results: kernel, processors, memory, clock source, versions.

    A fact that this machine does not tell is None, and ``not_told`` says why of those that a calibration is
    known by; where it tells all, there is no such key.
    """
    not_told: dict[str, str] = {}
    facts = {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "cpu_model": _told("cpu_model", _cpu_model, not_told),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "clocksource": _told(
            "clocksource", lambda: _CLOCKSOURCE.read_text().splitlines()[0].strip(), not_told
        ),
        "distribution": _distribution(),
        "python": platform.python_version(),
        "orbitmesh": _version("orbitmesh"),
        "libraries": {name: _version(name) for name in _LIBRARIES},
    }
    return facts | ({"not_told": not_told} if not_told else {})


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _told(name: str, read: Callable[[], str], not_told: dict[str, str]) -> str | None:
    try:
        return read()
    except OSError as error:
        not_told[name] = f"{error.filename}: {error.strerror}"
    except LookupError:
        not_told[name] = "the kernel's file does not hold it"
    return None


def _cpu_model() -> str:
    """LookupError where the kernel names neither a model (x86) nor a maker and a part (ARM)."""
    lines = (line.partition(":") for line in _CPUINFO.read_text().splitlines())
    said = {key.strip(): value.strip() for key, _, value in reversed(list(lines))}  # of the first processor
    if (model := said.get("model name")) is not None:
        return model
    return f"implementer {said['CPU implementer']}, part {said['CPU part']}"


def _distribution() -> str | None:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return None
