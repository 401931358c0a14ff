"""A mesh without a network whose control API is called, and a way to it."""

from __future__ import annotations

import secrets
import shutil
import subprocess
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


class Certificates:
    """A CA, and certificates of it for ``localhost``: what callers and runs prove themselves by."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("needs openssl (./mesh test installs it)")
        self.folder = folder
        self.ca, self.ca_key = folder / "ca.pem", folder / "ca.key"
        self._openssl("req", "-x509", *self._new(self.ca_key, "a CA"), "-days", "2", "-out", self.ca)
        self.cert, self.key = self.of("run")
        self.token = folder / "token"
        self.token.touch(0o600)
        self.token.write_text(secrets.token_hex(32) + "\n")

    def of(self, name: str) -> tuple[Path, Path]:
        cert, key, asked, more = (self.folder / f"{name}.{kind}" for kind in ("pem", "key", "csr", "cnf"))
        more.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        self._openssl("req", *self._new(key, name), "-out", asked)
        self._openssl(
            "x509", "-req", "-in", asked, "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial",
            "-days", "2", "-extfile", more, "-out", cert,
        )  # fmt: skip
        return cert, key

    @staticmethod
    def _new(key: Path, name: str) -> list[str | Path]:
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        return [*curve, "-keyout", key, "-subj", f"/CN={name}"]

    @staticmethod
    def _openssl(*words: str | Path) -> None:
        done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


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
    assert mesh._doors.api is not None
    assert mesh._doors.api.pid is not None
    return mesh._doors.api.pid


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
