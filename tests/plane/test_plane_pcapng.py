"""The head of a capture, read by Wireshark's own reader and by scapy."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from orbitmesh.emulator.plane.fabric.pcapng import head

IP = bytes.fromhex("45000014000100004001000000000000") + bytes([10, 0, 0, 1])


def packet(stamp_ns: int, data: bytes) -> bytes:
    size = struct.pack("=I", 32 + len(data) + (-len(data) % 4))
    about = struct.pack("=IIIII", 0, stamp_ns >> 32, stamp_ns & 0xFFFFFFFF, len(data), len(data))
    return struct.pack("=I", 6) + size + about + data + bytes(-len(data) % 4) + size


def tshark(*arguments: str) -> str:
    if shutil.which("tshark") is None:
        pytest.skip("needs tshark (vagrant/provision.sh --test)")
    done = subprocess.run(["tshark", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["sat-0-0:sat-0-1", "gw-lima", "x" * 81])
def test_tshark_names_the_interface_and_has_the_stamp(tmp_path: Path, name: str) -> None:
    file = tmp_path / "a.pcapng"
    words = "the laser from sat-0-0 (Łódź 1) to sat-0-1: what passes"
    stamp_ns = 1_790_000_000_123_456_789
    file.write_bytes(head(name, words, "orbitmesh capture") + packet(stamp_ns, IP))
    fields = ("frame.interface_name", "frame.interface_description", "frame.time_epoch", "ip.src")
    said = tshark("-r", str(file), "-T", "fields", *(word for field in fields for word in ("-e", field)))
    assert said.rstrip("\n").split("\t") == [name, words, "1790000000.123456789", "0.0.0.0"]


def test_a_comment_that_is_too_long_is_cut_between_letters(tmp_path: Path) -> None:
    file = tmp_path / "a.pcapng"
    file.write_bytes(head("a", "Ł" * 800, "é" * 800) + packet(5, IP))
    said = tshark("-r", str(file), "-T", "fields", "-e", "frame.interface_description")
    assert said.strip() == "Ł" * 500


def test_sections_follow_each_other(tmp_path: Path) -> None:
    """As where a laser was lost, and is back."""
    file = tmp_path / "a.pcapng"
    file.write_bytes((head("a:b", "one", "c") + packet(5, IP)) * 2)
    assert tshark("-r", str(file), "-T", "fields", "-e", "frame.interface_name").split() == ["a:b", "a:b"]
