"""Parts appear whole, survive a disk that refuses, and become one file at the end."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from record_fakes import sample

from orbitmesh.emulator.errors import HostError
from orbitmesh.emulator.record import writer
from orbitmesh.emulator.record.samples import SAMPLES, Row, sample_row
from orbitmesh.emulator.record.writer import TableWriter, parts_of, write_json, write_whole
from orbitmesh.emulator.safe_files import Folder


def row(seq: int) -> Row:
    return sample_row(sample("sat-0-0", "gw-london", seq, seq, 1_000), None, 0)


def refuse(number: int) -> object:
    def write(self: Folder, name: str, **_: object) -> int:
        raise OSError(number, os.strerror(number))

    return write


def test_parts_then_one_file_in_order(tmp_path: Path) -> None:
    table = TableWriter(Folder.open(tmp_path), "samples", SAMPLES)
    for part in range(3):
        for k in range(4):
            table.add(row(4 * part + k))
        table.flush()
        assert len(parts_of(tmp_path / "samples")) == part + 1
    table.flush()  # nothing waits: no empty part
    assert len(parts_of(tmp_path / "samples")) == 3
    table.merge()
    merged = pq.read_table(tmp_path / "samples.parquet")
    assert merged.schema.names == SAMPLES.names
    assert merged["seq"].to_pylist() == list(range(12))
    assert [p.name for p in tmp_path.iterdir()] == ["samples.parquet"]


def test_an_empty_run_still_gives_a_table(tmp_path: Path) -> None:
    table = TableWriter(Folder.open(tmp_path), "samples", SAMPLES)
    table.flush()
    table.merge()
    merged = pq.read_table(tmp_path / "samples.parquet")
    assert (len(merged), merged.schema.names) == (0, SAMPLES.names)


def test_many_rows_make_several_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_ROWS_PER_PART", 10)
    monkeypatch.setattr(writer, "_ROWS_PER_GROUP", 25)
    table = TableWriter(Folder.open(tmp_path), "samples", SAMPLES)
    for seq in range(64):
        table.add(row(seq))
    table.flush()
    assert len(parts_of(tmp_path / "samples")) == 7
    table.merge()
    file = pq.ParquetFile(tmp_path / "samples.parquet")
    assert file.num_row_groups == 3
    assert file.read()["seq"].to_pylist() == list(range(64))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_one_sentence_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    table = TableWriter(Folder.open(tmp_path), "samples", SAMPLES)
    table.add(row(1))
    table.flush()
    table.add(row(2))
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "create", refuse(number))
        with pytest.raises(HostError) as caught:
            table.flush()
    text = str(caught.value)
    assert "\n" not in text
    assert str(tmp_path / "samples" / "part-00001.parquet") in text
    assert os.strerror(number) in text
    assert "free some space" in text
    assert (table.rows_written, table.rows_waiting) == (1, 1)
    assert [p.name for p in (tmp_path / "samples").iterdir()] == ["part-00000.parquet"]
    table.flush()  # there is room again
    table.merge()
    assert pq.read_table(tmp_path / "samples.parquet")["seq"].to_pylist() == [1, 2]


def test_another_error_of_the_disk_names_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Folder, "create", refuse(errno.EIO))
    with pytest.raises(HostError, match="Input/output error; name a folder that can be written"):
        write_whole(Folder.open(tmp_path), "x", b"x")


def test_memory_is_bounded_while_the_disk_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MOST_ROWS_WAITING", 5)
    table = TableWriter(Folder.open(tmp_path), "samples", SAMPLES)
    for seq in range(8):
        table.add(row(seq))
    assert (table.rows_waiting, table.rows_lost) == (5, 3)


def test_a_merge_that_fails_leaves_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = TableWriter(Folder.open(tmp_path), "samples", SAMPLES)
    table.add(row(1))
    table.flush()

    def rename(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        with pytest.raises(HostError, match=r"samples\.parquet: No space left"):
            table.merge()
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["part-00000.parquet", "samples"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    folder = Folder.open(tmp_path / "nowhere", make=True)
    (tmp_path / "nowhere").rmdir()
    with pytest.raises(HostError, match="nowhere/samples: No such file or directory"):
        TableWriter(folder, "samples", SAMPLES)


def test_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(Folder.open(tmp_path), "x.json", {"a": float("nan")})
    assert not list(tmp_path.iterdir())


FILL = """
    import sys
    from pathlib import Path
    from orbitmesh.emulator.errors import HostError
    from orbitmesh.emulator.record.samples import SAMPLES
    from orbitmesh.emulator.record.writer import TableWriter
    from orbitmesh.emulator.safe_files import Folder
    sys.path.insert(0, {tests!r})
    from test_record_writer import row

    table = TableWriter(Folder.open(Path({out!r})), "samples", SAMPLES)
    failed = []
    for part in range({parts}):
        for seq in range({rows}):
            table.add(row(part * {rows} + seq))
        try:
            table.flush()
        except HostError as error:
            failed.append(str(error))
            break
    try:
        table.merge()
    except HostError as error:
        failed.append(str(error))
    print(table.rows_written)
    print("\\n".join(failed))
"""


def fill(out: Path, parts: int, rows: int, prefix: list[str], limit_bytes: int | None = None) -> list[str]:
    script = textwrap.dedent(FILL).format(
        tests=str(Path(__file__).parent), out=str(out), parts=parts, rows=rows
    )

    def limited() -> None:
        if limit_bytes is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    done = subprocess.run(
        [*prefix, sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=limited,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_limit_on_file_size_stops_the_merge_and_the_parts_stay(tmp_path: Path) -> None:
    written, *failed = fill(tmp_path, 8, 600, [], limit_bytes=24_000)
    assert written == "4800"
    assert len(failed) == 1
    assert "samples.parquet: File too large; what was recorded until now can be read" in failed[0]
    parts = parts_of(tmp_path / "samples")
    assert sum(len(pq.read_table(part)) for part in parts) == 4800
    assert not (tmp_path / "samples.parquet").exists()


@pytest.mark.netns
@pytest.mark.beside
def test_a_real_full_disk(tmp_path: Path) -> None:
    """A tmpfs of 256 kB in a mount namespace of its own; what was written is read inside it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    copy = tmp_path / "copy"
    inside = f'mount -t tmpfs -o size=256k none {disk} && "$@"; cp -r {disk} {copy}'
    prefix = ["unshare", "-m", "sh", "-c", inside, "sh"]
    written, *failed = fill(disk, 100, 400, prefix)
    assert 0 < int(written) < 40_000
    assert len(failed) == 2  # a part, then the merge
    assert all("No space left on device; what was recorded until now can be read" in text for text in failed)
    parts = parts_of(copy / "samples")
    assert sum(len(pq.read_table(part)) for part in parts) == int(written)
    assert not list(copy.rglob(".*writing"))
