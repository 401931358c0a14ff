"""Links that another user planted, in each place where root writes: none is followed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from orbitmesh.emulator.calibration import store
from orbitmesh.emulator.cli import capture, options
from orbitmesh.emulator.control import client as control
from orbitmesh.emulator.errors import FailureError, HostError, InputError
from orbitmesh.emulator.reading import RECORD, SCENARIO, read_text
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


class TestStrict:
    """Where a run's folder is made: nobody else is to own a folder on the way, or to be able to swap one."""

    def test_another_user_s_folder_on_the_way_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "theirs/in").mkdir(parents=True)
        os.chown(tmp_path / "theirs", NOBODY, NOBODY)
        for path in ("theirs/in/new", "theirs/new", "theirs/new/newer"):
            with pytest.raises(PermissionError, match="user 65534 owns theirs on the way to it"):
                Folder.open(tmp_path / path, make=True, is_strict=True)
        assert names(tmp_path / "theirs") == ["in"]
        assert names(tmp_path / "theirs/in") == []

    def test_a_folder_that_others_can_write_is_refused_unless_it_is_sticky(self, tmp_path: Path) -> None:
        shared = tmp_path / "shared"
        shared.mkdir()
        shared.chmod(0o777)
        with pytest.raises(PermissionError, match="others can write shared on the way to it"):
            Folder.open(shared / "new", make=True, is_strict=True)
        shared.chmod(0o1777)
        with Folder.open(shared / "new", make=True, is_strict=True) as folder:
            assert folder.made
        (shared / "planted").mkdir()
        os.chown(shared / "planted", NOBODY, NOBODY)
        with pytest.raises(PermissionError, match="user 65534 owns planted"):
            Folder.open(shared / "planted/new", make=True, is_strict=True)

    @pytest.mark.parametrize("place", ["a", "a/b", "a/b/c"])
    def test_a_link_of_another_s_in_any_place(self, tmp_path: Path, place: str) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        plant(tmp_path / place, tmp_path / "real")
        with pytest.raises(OSError, match=r"is a link that user 65534 made|Not a directory|Too many"):
            Folder.open(tmp_path / "a/b/c", make=True, is_strict=True)
        assert names(tmp_path / "real") == []

    def test_folders_swapped_for_links_while_root_makes_its_own(self, tmp_path: Path) -> None:
        """Another user, who owns the folder above, swaps and swaps; root's files go where root looked."""
        above, real = tmp_path / "above", tmp_path / "real"
        above.mkdir()
        real.mkdir()
        real.chmod(0o755)
        os.chown(above, NOBODY, NOBODY)
        pid = os.fork()
        if pid == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            while True:
                with contextlib.suppress(OSError):
                    os.symlink(real, above / "x")  # noqa: PTH211
                with contextlib.suppress(OSError):
                    (above / "x").unlink()
        try:
            for number in range(300):
                with (
                    contextlib.suppress(OSError),
                    Folder.open(above / "x" / str(number), make=True) as folder,
                ):
                    write_json(folder, "run.json", {})
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        assert names(real) == []


class TestReading:
    def test_root_reads_no_record_through_a_stranger_s_link(self, tmp_path: Path, secret: Path) -> None:
        plant(tmp_path / "run.json", secret)
        (tmp_path / "real").mkdir()
        (tmp_path / "real/run.json").write_text("{}")
        plant(tmp_path / "way", tmp_path / "real")
        (tmp_path / "own.json").symlink_to("real/run.json")
        for path, why in (
            (tmp_path / "run.json", "this is a link"),
            (tmp_path / "own.json", "this is a link"),
            (tmp_path / "way/run.json", "is a link that user 65534 made"),
        ):
            with pytest.raises(InputError, match=why):
                read_text(path, RECORD)
            assert read_text(path, SCENARIO)  # what a person names is that person's to trust

    def test_what_is_no_regular_file_is_not_opened(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """To open /dev/watchdog starts it."""
        opened = []
        really = os.open
        monkeypatch.setattr(
            os, "open", lambda path, flags, **more: opened.append(flags) or really(path, flags, **more)
        )
        os.mkfifo(tmp_path / "run.json")
        for kind in (RECORD, SCENARIO):
            with pytest.raises(InputError, match="this is a FIFO"):
                read_text(tmp_path / "run.json", kind)
        assert opened
        assert all(flags & os.O_PATH for flags in opened)


def test_a_calibration_that_another_could_have_put_there_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORBITMESH_STATE", str(tmp_path))
    (tmp_path / "calibration").mkdir()
    said = store.recall("wired", "engine", "sleep", {}, is_awake=True)
    assert said == "not calibrated: sudo orbitmesh calibrate"
    os.chown(tmp_path / "calibration", NOBODY, NOBODY)
    said = store.recall("wired", "engine", "sleep", {}, is_awake=True)
    assert said == (
        f"{tmp_path}/calibration is not believed (it belongs to user 65534): sudo orbitmesh calibrate"
    )


def test_folders_in_the_places_of_a_record_s_files_stay_and_the_rest_goes(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "samples/part-00000.parquet").mkdir(parents=True)
    (run / "samples/part-00001.parquet").write_text("")
    (run / "summary.json").mkdir()
    os.mkfifo(run / "path-changes")
    (run / "events.jsonl").write_text("")
    (run / "run.json").write_text('{"orbitmesh_run": 2, "run_id": "toy-1"}')
    assert remove_run(run) == ["samples", "summary.json"]
    assert names(run / "samples") == ["part-00000.parquet"]


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
    with pytest.raises(InputError, match="link is a link that user 65534 made"):
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
