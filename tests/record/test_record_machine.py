"""What a machine tells of itself; what it does not is said, with the reason."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from orbitmesh.emulator.record import machine
from orbitmesh.emulator.record.machine import machine_facts


def test_the_facts_of_this_machine_are_json() -> None:
    found = machine_facts()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["kernel"] == os.uname().release
    assert found["cpus"] >= 1
    assert found["memory_bytes"] > 1 << 28
    assert found["libraries"]["pyarrow"]


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("processor\t: 0\nmodel name\t: One\n\nprocessor\t: 1\nmodel name\t: Two\n", "One"),
        ("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", "implementer 0x41, part 0xd0c"),
    ],
)
def test_a_processor_is_named_as_the_kernel_names_it(
    text: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(machine, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(machine, "_CLOCKSOURCE", tmp_path / "cpuinfo")
    assert machine_facts()["cpu_model"] == model
    assert "not_told" not in machine_facts()


def test_what_cannot_be_read_is_none_and_why_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\n")
    monkeypatch.setattr(machine, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(machine, "_CLOCKSOURCE", tmp_path / "none")
    found = machine_facts()
    assert (found["cpu_model"], found["clocksource"]) == (None, None)
    assert found["not_told"] == {
        "cpu_model": "the kernel's file does not hold it",
        "clocksource": f"{tmp_path}/none: No such file or directory",
    }
