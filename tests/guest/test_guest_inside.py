"""What a guest kernel has to offer; in it, these run by ``./mesh guest test``."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from orbitmesh.emulator.guest.machine import MARK

pytestmark = [
    pytest.mark.guest,
    pytest.mark.skipif(MARK not in os.environ, reason="runs in User-mode Linux: ./mesh guest test"),
]


def sh(script: str) -> str:
    done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_root_with_a_loopback_and_random_numbers() -> None:
    assert os.geteuid() == 0
    assert "inet 127.0.0.1/8" in sh("ip addr show dev lo up")
    began_s = time.monotonic()
    assert len(os.urandom(64)) == 64
    assert time.monotonic() - began_s < 1  # the kernel had its entropy from the host


@pytest.mark.parametrize(
    "place", ["/dev/net/tun", "/dev/pts/ptmx", "/dev/shm", "/dev/fd/0", "/proc/self", "/sys/class/net/lo"]
)
def test_what_programs_expect_is_there(place: str) -> None:
    assert Path(place).exists()


def test_pseudo_terminals_work() -> None:
    for fd in os.openpty():
        os.close(fd)


def test_the_layer_takes_what_is_written() -> None:
    """Over the host's files; test_guest_boot.py sees to it that nothing of it arrives there."""
    beside = Path(__file__).with_suffix(".layer")
    beside.write_text("only here")
    assert beside.read_text() == "only here"
    beside.unlink()


def test_netem_delays_between_two_namespaces() -> None:
    """10 ms each way: never sooner than that, whatever the host does."""
    said = sh(
        """
        unshare --net sleep 60 & there=$!
        until [ "$(readlink /proc/$there/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
        ip link add name guest0 type veth peer name guest1
        ip link set guest1 netns $there
        in_there() { nsenter --target $there --net "$@"; }
        ip addr add 192.0.2.1/24 dev guest0; ip link set guest0 up
        in_there ip addr add 192.0.2.2/24 dev guest1; in_there ip link set guest1 up
        tc qdisc add dev guest0 root netem delay 10ms
        in_there tc qdisc add dev guest1 root netem delay 10ms
        ping -c 5 -i 0.2 192.0.2.2
        kill $there
        ip link del guest0 2>/dev/null || true
        """
    )
    times_ms = [float(found) for found in re.findall(r"time=([\d.]+) ms", said)]
    assert len(times_ms) == 5, said
    assert min(times_ms) >= 20.0


def test_a_tun_device_can_be_made() -> None:
    assert "tun" in sh("ip tuntap add dev guest2 mode tun; ip -details link show guest2; ip link del guest2")
