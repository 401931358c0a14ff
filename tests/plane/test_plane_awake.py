"""Keeping idle processors awake: who is trusted with it, how long, and what is said where it cannot be."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from orbitmesh.emulator.plane.kernel.awake import DEVICE, NOT_WANTED, StayAwake, distrust


def holders() -> list[int]:
    """This process's descriptors of the device."""
    fds = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    return [fd for fd in fds if is_device(fd)]


def is_device(fd: int) -> bool:
    try:
        return os.fstat(fd).st_rdev == DEVICE.stat().st_rdev and stat.S_ISCHR(os.fstat(fd).st_mode)
    except OSError:  # the listing's own
        return False


def latency_us() -> int:
    """What the kernel keeps to now."""
    return int.from_bytes(DEVICE.read_bytes(), sys.byteorder)


@pytest.mark.netns
def test_it_is_held_until_close_and_by_no_program_that_is_started_meanwhile() -> None:
    if (reason := distrust()) is not None:
        pytest.skip(reason)
    before = len(holders())
    with StayAwake() as awake:
        assert awake.state.to_dict() == {"held": True, "reason": ""}
        (fd,) = holders()[before:]
        assert not os.get_inheritable(fd)
        assert latency_us() == 0
        inside = f"import os; os.fstat({fd})"
        done = subprocess.run(
            [sys.executable, "-c", inside], close_fds=False, capture_output=True, check=False
        )
        assert b"Bad file descriptor" in done.stderr
        awake.close()
        assert len(holders()) == before
    assert len(holders()) == before


def test_who_does_not_want_it_opens_nothing() -> None:
    with StayAwake(wanted=False) as awake:
        assert awake.state.to_dict() == {"held": False, "reason": NOT_WANTED}
        assert holders() == []


def test_a_device_that_is_not_there_is_said(tmp_path: Path) -> None:
    awake = StayAwake(device=tmp_path / "cpu_dma_latency")
    assert not awake.state.held
    assert "is missing, as in most containers" in awake.state.why_not
    awake.close()


@pytest.mark.parametrize("kind", ["file", "link", "fifo"])
def test_what_is_no_device_is_not_written_to(tmp_path: Path, kind: str) -> None:
    path, target = tmp_path / "cpu_dma_latency", tmp_path / "precious"
    target.write_text("precious")
    if kind == "file":
        path.write_text("precious")
    elif kind == "link":
        path.symlink_to(target)
    else:
        os.mkfifo(path)
    with StayAwake(device=path) as awake:
        assert "is not the kernel's device of that name" in awake.state.why_not
    assert target.read_text() == "precious"
    assert kind != "file" or path.read_text() == "precious"


@pytest.mark.netns
def test_a_device_of_another_kind_or_of_another_user_is_not_written_to(tmp_path: Path) -> None:
    other, owned = tmp_path / "null", tmp_path / "owned"
    try:
        os.mknod(other, stat.S_IFCHR | 0o600, os.makedev(1, 3))
        os.mknod(owned, stat.S_IFCHR | 0o600, os.makedev(10, 0))
    except PermissionError:
        pytest.skip("needs CAP_MKNOD")
    os.chown(owned, 12_345, 0)
    assert "is not the kernel's device" in str(distrust(other))
    assert "belongs to user 12345, not to root" in str(distrust(owned))
