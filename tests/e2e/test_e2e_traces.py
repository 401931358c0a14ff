"""What is called left of a run, and what of others that are there is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mesh_process import Traces, _number_of

pytestmark = [pytest.mark.netns, pytest.mark.beside]

HOLD = "import sys; print('inside', flush=True); sys.stdin.read()"


def test_a_namespace_that_got_the_name_of_one_of_ours_is_not_ours(traces: Traces) -> None:
    """The kernel gives the least name that is free: another mesh's namespaces have it at once."""
    with subprocess.Popen(
        ["unshare", "--net", sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"inside\n"
        link = Path(f"/proc/{other.pid}/ns/net")
        name, number = str(link.readlink()), _number_of(link)
        assert number is not None
        traces.namespaces = {(name, number)}
        assert traces.left() == {"namespaces": {name}}
        if number:  # this kernel numbers them
            traces.namespaces = {(name, number - 1)}
            assert traces.left() == {}
        other.communicate()
    traces.namespaces = {(name, number)}
    assert "namespaces" not in traces.left()


def test_what_a_run_holds_is_noted(traces: Traces) -> None:
    with subprocess.Popen(
        ["unshare", "--net", sys.executable, "-c", HOLD],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=traces.environment,
    ) as run:  # fmt: skip
        assert run.stdout is not None
        assert run.stdout.readline() == b"inside\n"
        traces.note_namespaces()
        assert [name for name, _ in traces.namespaces] == [str(Path(f"/proc/{run.pid}/ns/net").readlink())]
        assert set(traces.left()) == {"processes", "namespaces"}
        run.communicate()
    assert traces.left() == {}
