"""A mesh without a network whose control API is called, and a way to it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from orbitmesh.control.v1 import control_pb2_grpc
from orbitmesh.emulator import Emulation
from orbitmesh.emulator.control import places

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from e2e_lab import toy

PATIENCE_S = 30.0
ControlStub: Any = control_pb2_grpc.ControlServiceStub


@contextmanager
def fake_mesh(out: Path, **more: Any) -> Iterator[Emulation]:
    with Emulation(toy(run={"duration": "10 min"}), links="fake", out=out, **more) as mesh:
        yield mesh


def socket_of(mesh: Emulation) -> str:
    (run,) = [run for run in places.announced() if run.run_id == mesh.run_id]
    return f"{run.folder}/{mesh.run_id}.api"


@contextmanager
def called(mesh: Emulation) -> Iterator[Any]:
    with grpc.insecure_channel(f"unix:{socket_of(mesh)}") as channel:
        yield ControlStub(channel)


def starter_pid(mesh: Emulation) -> int:
    assert mesh._api is not None
    assert mesh._api.pid is not None
    return mesh._api.pid


def server_pid(mesh: Emulation) -> int:
    """Of the process that serves gRPC: the starter's child of that program."""
    starter = starter_pid(mesh)
    for child in Path(f"/proc/{starter}/task/{starter}/children").read_text().split():
        if b"control.api.process" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    raise AssertionError("there is no server")


def refused(call: Callable[[], Any]) -> tuple[Any, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code(), caught.value.details()


def until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"waited {PATIENCE_S} s in vain: {what}"
        time.sleep(0.01)
