"""Builds of the engine's sources under sanitizers, and runs of its fuzzers."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from orbitmesh.emulator.plane.engine.process import BINARY

SOURCES = BINARY.parent / "src"
FLAGS = ["-std=c11", "-g", "-O1", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-fno-sanitize-recover=all"]


def need(compiler: str, sanitizers: str) -> None:
    """Skip the test where the compiler or its run-time is not there."""
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    trial = subprocess.run(
        [compiler, f"-fsanitize={sanitizers}", "-x", "c", "-", "-o", os.devnull],
        input="int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n > 9; }"
        if "fuzzer" in sanitizers
        else "int main(void) { return 0; }",
        capture_output=True,
        text=True,
    )
    if trial.returncode != 0:
        pytest.skip(
            f"needs the run-time of {compiler} -fsanitize={sanitizers}: {trial.stderr.splitlines()[-1]}"
        )


def build(compiler: str, target: Path, sanitizers: str, sources: list[Path]) -> Path:
    """A program of sources, or of objects."""
    need(compiler, sanitizers)
    _compile(compiler, sanitizers, ["-o", target, *sources, "-lm", "-pthread"], target.parent)
    return target


def build_objects(compiler: str, folder: Path, sanitizers: str, sources: list[Path]) -> None:
    _compile(compiler, sanitizers, ["-c", *sources], folder)


def _compile(compiler: str, sanitizers: str, arguments: list[str | Path], folder: Path) -> None:
    done = subprocess.run(
        [compiler, *FLAGS, f"-fsanitize={sanitizers}", f"-I{SOURCES}", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr


def fuzz(fuzzer: Path, runs: int, *, max_bytes: int = 4000) -> None:
    """So many inputs, from the corpus beside the fuzzer on; the same ones each time."""
    done = subprocess.run(
        [
            fuzzer,
            "-seed=1",
            f"-runs={runs}",
            f"-max_len={max_bytes}",
            "-len_control=0",
            "-print_final_stats=1",
            "corpus",
        ],
        capture_output=True,
        text=True,
        cwd=fuzzer.parent,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert f"stat::number_of_executed_units: {runs}" in done.stderr, done.stderr[-4000:]
