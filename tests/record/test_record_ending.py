"""A run says how it ended also where the disk takes nothing more: at any size of disk, or it is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from record_fakes import facts, header, record, small_world

from orbitmesh.emulator.errors import RunError
from orbitmesh.emulator.record import ending, files
from orbitmesh.emulator.record.recorder import Recorder
from orbitmesh.emulator.record.results import load_run
from orbitmesh.emulator.run.endings import release_ending, tell_failure
from orbitmesh.emulator.safe_files import Folder

KIB = (4, 8, 12, 16, 20, 24, 28, 32, 48, 64, 128)
# All in one process: importing what a record needs takes longer than the records.
INSIDE = """
import json, os, subprocess, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import record_fakes
from orbitmesh.emulator.errors import HostError
from orbitmesh.emulator.record.recorder import Recorder
from orbitmesh.emulator.record.results import load_run
for kib in {kib}:
    disk = Path({folder!r}, f"disk-{{kib}}")
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={{kib}}k", "none", str(disk)], check=True)
    faults, out = [], disk / "run"
    out.mkdir()
    try:
        run = record_fakes.header(out, record_fakes.small_world().who, options={{"padding": "x" * {padding}}})
        recorder = Recorder(run, faults.append)
    except HostError as error:
        print(json.dumps([kib, "refused", str(error), os.listdir(out)]))
        continue
    (disk / "theirs").write_bytes(b"")
    with (disk / "theirs").open("wb", buffering=0) as other:  # another program takes what is left
        try:
            while other.write(bytes(4096)):
                pass
        except OSError:
            pass
    for seq in range(2_000):
        recorder.datagram(record_fakes.sample("sat-0-0", "gw-london", seq, seq, 1_000).to_json())
    recorder.advance(10**12)
    recorder.flush()
    if {finish}:
        recorder.finish(record_fakes.facts())
    summary = load_run(out).summary
    print(json.dumps([kib, summary["ended"], summary["reason"], [str(fault) for fault in faults]]))
"""


@pytest.mark.netns
@pytest.mark.beside
@pytest.mark.parametrize("finish", [False, True], ids=["killed", "finished"])
@pytest.mark.parametrize("padding", [0, 3_000, 9_000])  # of run.json, which grows with each version
def test_whatever_the_size_of_the_disk(tmp_path: Path, padding: int, *, finish: bool) -> None:
    script = INSIDE.format(
        tests=str(Path(__file__).parent), kib=KIB, folder=str(tmp_path), padding=padding, finish=finish
    )
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [kib for kib, *_ in found] == list(KIB)
    for kib, ended, reason, more in found:
        assert "No space left on device" in reason, (kib, ended)
        assert ended in ("refused", "failed")
        assert more == ([] if ended == "refused" else [reason])  # what was left, or what the run was told
    assert [ended for _, ended, *_ in found] == sorted((ended for _, ended, *_ in found), reverse=True)
    assert {ended for _, ended, *_ in found} == {"refused", "failed"}


def test_it_is_written_in_the_page_that_it_has(tmp_path: Path) -> None:
    with Folder.open(tmp_path) as folder:
        ending.reserve(folder)
        before = (tmp_path / files.ENDING).stat()
        assert ending.told(tmp_path / files.ENDING) is None
        for reason in ("no room", "x" * 9_000, "\N{SNOWMAN}" * 9_000):
            assert ending.tell(folder, "failed", reason)
            after = (tmp_path / files.ENDING).stat()
            assert (after.st_size, after.st_ino) == (ending.ROOM_BYTES, before.st_ino)
            told = ending.told(tmp_path / files.ENDING)
            assert told is not None
            assert told[0] == "failed"
            assert reason.startswith(told[1])
            assert len(told[1]) > (500 if len(reason) > 500 else 0)
        ending.release(folder)
        assert not ending.tell(folder, "failed", "too late")
    assert not list(tmp_path.iterdir())


def test_it_goes_when_the_summary_says_the_same_and_not_before(tmp_path: Path) -> None:
    out = tmp_path / "run"
    record(out, facts())
    with Folder.open(out) as folder:
        assert (out / files.ENDING).exists()
        summary = json.loads((out / files.SUMMARY).read_text())
        release_ending(folder, summary | {"ended": "failed"})  # which could not be written
        assert (out / files.ENDING).exists()
        release_ending(folder, summary)
        assert not (out / files.ENDING).exists()


def ends(out: Path) -> list[str]:
    lines = [json.loads(line) for line in (out / files.EVENTS).read_text().splitlines()]
    return [f"{line['ended']} {line['reason']}".strip() for line in lines if line["event"] == "ended"]


def no_space(*_: object, **__: object) -> int:
    raise OSError(28, "No space left on device")


def test_events_and_summary_tell_the_same_where_the_summary_was_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, whole = tmp_path / "run", Folder.replacing

    def refuses(folder: Folder, name: str, *more: Any) -> Any:
        return no_space() if name == files.SUMMARY else whole(folder, name, *more)

    monkeypatch.setattr(Folder, "replacing", refuses)
    record(out, facts())
    assert not (out / files.SUMMARY).exists()
    (said,) = ends(out)
    assert said.startswith("failed cannot write")
    assert load_run(out).summary["ended"] == "failed"


def test_what_failed_before_the_summary_is_in_it(tmp_path: Path) -> None:
    (out := tmp_path / "run").mkdir()
    world = small_world()
    recorder = Recorder(header(out, world.who), lambda error: None)
    recorder._journal.fault(RunError("the epochs contradict themselves"))
    summary = recorder.finish(facts())
    assert (summary["ended"], summary["reason"]) == ("failed", "the epochs contradict themselves")
    assert summary["doubts"][0] == "the run failed: the epochs contradict themselves"
    assert ends(out) == ["failed the epochs contradict themselves"]


def test_a_failure_after_a_summary_that_cannot_be_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    record(out, facts())
    assert load_run(out).summary["ended"] == "completed"

    assert ends(out) == ["completed"]

    with Folder.open(out) as folder:
        summary = json.loads((out / files.SUMMARY).read_text())
        with monkeypatch.context() as patch:
            patch.setattr(Folder, "create", no_space)
            tell_failure(folder, summary, "the engine died")
        release_ending(folder, summary)
    assert ends(out) == ["completed", "failed the engine died"], "the last line counts"
    found = load_run(out).summary
    assert (found["ended"], found["reason"], found["trusted"]) == ("failed", "the engine died", False)
    assert found["doubts"][0] == "the run failed: the engine died"
