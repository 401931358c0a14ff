"""Links that another user planted, in each place where root writes: none is followed."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from orbitmesh.emulator.calibration import store
from orbitmesh.emulator.cli import capture, options
from orbitmesh.emulator.control import client as control
from orbitmesh.emulator.errors import FailureError, HostError, InputError
from orbitmesh.emulator.record.remove import remove_run
from orbitmesh.emulator.record.writer import append_lines, write_json
from orbitmesh.emulator.safe_files import Folder

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to plant links as another user")
NOBODY = 65534


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("precious")
    return path


def plant(link: Path, target: Path) -> Path:
    link.symlink_to(target)
    os.lchown(link, NOBODY, NOBODY)
    return link


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestFolder:
    def test_a_folder_behind_a_stranger_s_link_is_not_opened(self, tmp_path: Path) -> None:
        (tmp_path / "real/in").mkdir(parents=True)
        plant(tmp_path / "link", tmp_path / "real")
        for path in (tmp_path / "link", tmp_path / "link/in"):
            with pytest.raises(OSError, match=r"made|Not a directory|Too many"):
                Folder.open(path)
        with pytest.raises(PermissionError, match="link is a link that user 65534 made"):
            Folder.open(tmp_path / "link/new", make=True)
        with pytest.raises(PermissionError, match="link is a link that user 65534 made"):
            Folder.reach(tmp_path / "link")
        assert names(tmp_path / "real") == ["in"]

    def test_root_s_own_links_on_the_way_are_followed(self, tmp_path: Path) -> None:
        (tmp_path / "real/deep").mkdir(parents=True)
        (tmp_path / "one").symlink_to("real")
        (tmp_path / "two").symlink_to(tmp_path / "one")
        with Folder.open(tmp_path / "two/deep/../deep/new", make=True) as folder:
            assert folder.made
        assert (tmp_path / "real/deep/new").is_dir()
        (tmp_path / "round").symlink_to("round")
        with pytest.raises(OSError, match="Too many levels"):
            Folder.open(tmp_path / "round/x")

    def test_what_was_opened_is_what_is_written_to(self, tmp_path: Path) -> None:
        (tmp_path / "theirs").mkdir()
        with Folder.open(tmp_path / "out", make=True) as folder:
            (tmp_path / "out").rename(tmp_path / "moved")
            plant(tmp_path / "out", tmp_path / "theirs")
            write_json(folder, "run.json", {})
            append_lines(folder, "events.jsonl", {})
        assert names(tmp_path / "theirs") == []
        assert names(tmp_path / "moved") == ["events.jsonl", "run.json"]


def test_a_record_s_files_are_made_anew_where_links_stand(tmp_path: Path, secret: Path) -> None:
    with Folder.open(tmp_path / "out", make=True) as folder:
        for name in ("run.json", ".run.json.writing"):
            plant(tmp_path / "out" / name, secret)
        write_json(folder, "run.json", {})
        plant(tmp_path / "out/events.jsonl", secret)
        with pytest.raises(HostError, match=r"cannot write .*/out/events\.jsonl"):
            append_lines(folder, "events.jsonl", {})
        os.link(secret, tmp_path / "out/windows.jsonl")
        with pytest.raises(HostError, match=r"it has another name"):
            append_lines(folder, "windows.jsonl", {})
    assert secret.read_text() == "precious"
    assert not (tmp_path / "out/run.json").is_symlink()


def test_links_in_a_record_are_removed_and_not_followed(tmp_path: Path, secret: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "part-00000.parquet").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_text('{"orbitmesh_run": 2, "run_id": "toy-1"}')
    plant(tmp_path / "run/samples", theirs)
    plant(tmp_path / "run/summary.json", secret)
    plant(tmp_path / "run/run.log", secret)
    assert remove_run(tmp_path / "run") == []
    assert not (tmp_path / "run").exists()
    assert (theirs / "part-00000.parquet").read_text() == secret.read_text() == "precious"


def test_a_record_behind_a_stranger_s_link_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "real/run").mkdir(parents=True)
    (tmp_path / "real/run/run.json").write_text('{"orbitmesh_run": 2, "run_id": "toy-1"}')
    plant(tmp_path / "link", tmp_path / "real")
    with pytest.raises(HostError, match="link is a link that user 65534 made"):
        remove_run(tmp_path / "link/run")
    assert (tmp_path / "real/run/run.json").exists()


class FakeClient:
    socket: socket.socket

    def __init__(self, *, refuses: bool = False) -> None:
        self.socket, self._other = socket.socketpair()
        self._refuses = refuses

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
        self._other.close()

    def capture(self, node: str, peer: str | None, fd: int) -> None:
        if self._refuses:
            raise FailureError("no such node")


def test_a_capture_goes_into_a_file_of_its_own(
    tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control.Client, "connect", classmethod(lambda cls, run: FakeClient()))
    plant(tmp_path / "a.pcapng", secret)
    plant(tmp_path / "b.pcapng", tmp_path / "made")
    (tmp_path / "sub").mkdir()
    plant(tmp_path / "way", tmp_path / "sub")
    for name in ("a.pcapng", "b.pcapng", "secret"):
        with pytest.raises(InputError, match="is there already"):
            capture.capture("gw-london", tmp_path / name, duration="1ms")
    with pytest.raises(FailureError, match="way is a link that user 65534 made"):
        capture.capture("gw-london", tmp_path / "way/c.pcapng", duration="1ms")
    assert secret.read_text() == "precious"
    assert names(tmp_path / "sub") == []
    assert not (tmp_path / "made").exists()
    capture.capture("gw-london", tmp_path / "sub/c.pcapng", duration="1ms")
    assert names(tmp_path / "sub") == ["c.pcapng"]
    monkeypatch.setattr(control.Client, "connect", classmethod(lambda cls, run: FakeClient(refuses=True)))
    with pytest.raises(FailureError, match="no such node"):
        capture.capture("gw-london", tmp_path / "sub/d.pcapng")
    assert names(tmp_path / "sub") == ["c.pcapng"]


class Calibrated:
    plane, backend, wait, quick = "fabric", "engine", "sleep", False

    def to_json(self) -> str:
        return "{}"


def test_a_calibration_takes_the_place_of_a_link(
    tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORBITMESH_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(store, "checked", lambda calibration, **_: calibration)
    calibrated: Any = Calibrated()
    path = store.keep(calibrated)
    path.unlink()
    for name in (path.name, f".{path.name}.writing", path.with_suffix(".part").name):
        plant(path.with_name(name), secret)
    store.keep(calibrated)
    assert (path.read_text(), secret.read_text(), path.is_symlink()) == ("{}", "precious", False)
    os.chown(path.parent, NOBODY, NOBODY)
    with pytest.raises(HostError, match="it belongs to user 65534, who could put another one there"):
        store.keep(calibrated)


def test_the_folder_of_runs_is_given_to_who_called_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUDO_UID", str(NOBODY))
    assert options.runs_folder().stat().st_uid == NOBODY
    Path("runs").rmdir()
    plant(tmp_path / "runs", tmp_path / "elsewhere")
    with pytest.raises(HostError, match="cannot make"):
        options.runs_folder()
    assert not (tmp_path / "elsewhere").exists()
