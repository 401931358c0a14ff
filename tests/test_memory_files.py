"""Memory files are written again when nobody has them any more, in any process, and not before."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from orbitmesh.emulator.feed.parcels import Parcel
from orbitmesh.emulator.memory_files import MemoryFiles

SIZE_BYTES = 1 << 20


@pytest.fixture
def files() -> Iterator[MemoryFiles]:
    with MemoryFiles() as made:
        yield made


def test_a_file_is_used_again_once_its_reader_has_closed_it(files: MemoryFiles) -> None:
    first = files.take(SIZE_BYTES)
    fd = first.reader()
    assert files.take(SIZE_BYTES) is not first
    os.close(fd)
    assert files.take(SIZE_BYTES) is first


def test_a_duplicate_keeps_it(files: MemoryFiles) -> None:
    first = files.take(SIZE_BYTES)
    fd = first.reader()
    other = os.dup(fd)
    os.close(fd)
    assert files.take(SIZE_BYTES) is not first
    os.close(other)
    assert files.take(SIZE_BYTES) is first


def test_a_mapping_keeps_it_without_a_descriptor(files: MemoryFiles) -> None:
    """In another process, which is killed: nobody says that it has let go, but the kernel."""
    first = files.take(SIZE_BYTES)
    fd = first.reader()
    holds = (
        "import ctypes, os, sys\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "libc.mmap.restype = ctypes.c_void_p\n"
        "at = libc.mmap(None, ctypes.c_size_t(4096), 1, 1, int(sys.argv[1]), ctypes.c_long(0))\n"
        "assert at not in (None, ctypes.c_void_p(-1).value)\n"
        "os.close(int(sys.argv[1]))\n"
        "print(flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holds, str(fd)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[fd]
    ) as child:
        os.close(fd)
        assert child.stdout is not None
        assert child.stdout.readline() == b"\n"
        assert files.take(SIZE_BYTES) is not first
        child.kill()
        child.wait()
        assert files.take(SIZE_BYTES) is first


def test_readers_can_not_write(files: MemoryFiles) -> None:
    fd = files.take(SIZE_BYTES).reader()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.pwrite(fd, b"x", 0)
    with pytest.raises(PermissionError):
        mmap.mmap(fd, SIZE_BYTES)
    os.close(fd)


def test_no_more_are_kept_than_will_be_used(files: MemoryFiles) -> None:
    readers = [files.take(SIZE_BYTES).reader() for _ in range(8)]
    assert len(files) == 8
    for fd in readers:
        os.close(fd)
    files.take(SIZE_BYTES)
    assert len(files) == 3  # the one that was taken, and two more


@pytest.mark.parametrize("size_bytes", [2 * SIZE_BYTES, SIZE_BYTES // 4])
def test_what_does_not_fit_any_more_is_let_go(files: MemoryFiles, size_bytes: int) -> None:
    first = files.take(SIZE_BYTES)
    other = files.take(size_bytes)
    assert other is not first
    assert size_bytes <= len(other.memory) <= size_bytes * 1.1
    assert len(files) == 1


def test_parcels_do_not_write_over_arrays_that_are_still_there(files: MemoryFiles) -> None:
    def packed(value: int) -> Parcel:
        return Parcel.pack(np.full(500_000, value), files)

    parcel = packed(0)
    kept = parcel.open()[1000:1010]
    parcel.close()
    for value in range(1, 6):
        parcel = packed(value)
        assert (parcel.open() == value).all()
        parcel.close()
        assert kept.tolist() == [0] * 10
    assert len(files) == 2  # kept's, and the one that goes around
    del kept
    packed(6).close()
    assert len(files) == 2


def test_what_was_handed_out_outlives_the_files() -> None:
    with MemoryFiles() as files:
        parcel = Parcel.pack(np.arange(500_000), files)
    assert parcel.open().sum() == 124_999_750_000
    parcel.close()
