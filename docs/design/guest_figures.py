"""What things cost in a guest kernel: the figures of docs/limitations.md.

    orbitmesh guest exec -- python docs/design/guest_figures.py     # in the guest
    sudo python docs/design/guest_figures.py                        # the same natively, where it can

Medians of a few; run it on a machine that does nothing else.
"""

from __future__ import annotations

import mmap
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

N_PAGES = 4_000


def median_us(times: int, one: Callable[[], object], n: int = 1) -> float:
    """Of one of the ``n`` things that ``one`` does."""
    spent_us = []
    for _ in range(times):
        began_ns = time.perf_counter_ns()
        one()
        spent_us.append((time.perf_counter_ns() - began_ns) / 1000 / n)
    return statistics.median(spent_us)


def touch_pages() -> None:
    with mmap.mmap(-1, N_PAGES * mmap.PAGESIZE) as memory:
        for offset in range(0, len(memory), mmap.PAGESIZE):
            memory[offset] = 1


def fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def ping(delay_ms: int) -> str:
    """Between two namespaces over a veth pair, with netem on both ends or without."""
    netem = f"root netem delay {delay_ms}ms"
    script = f"""
        unshare --net sleep 99 & there=$!
        trap 'kill $there' EXIT
        until [ "$(readlink /proc/$there/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
        in_there() {{ nsenter --target $there --net "$@"; }}
        ip link add name guest0 type veth peer name guest1 && ip link set guest1 netns $there
        ip addr add 192.0.2.1/30 dev guest0 && ip link set guest0 up
        in_there ip addr add 192.0.2.2/30 dev guest1 && in_there ip link set guest1 up
        if [ {delay_ms} -gt 0 ]; then
            tc qdisc add dev guest0 {netem}
            in_there tc qdisc add dev guest1 {netem}
        fi
        ping -q -c 1 192.0.2.2 >/dev/null # it waits for ARP
        ping -q -c 50 -i 0.05 192.0.2.2
    """
    # in a namespace of its own, so that nothing is left
    done = subprocess.run(["unshare", "--net", "sh", "-ec", script], capture_output=True, text=True)
    found = re.search(r"min/avg/max/mdev = ([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+)", done.stdout)
    if found is None:
        return f"cannot ({(done.stderr.strip().splitlines() or ['no answer'])[0]})"
    return f"min {found[1]}, mean {found[2]}, max {found[3]}, deviation {found[4]} ms"


def main() -> None:
    print(f"kernel {os.uname().release}, load of the last minute {os.getloadavg()[0]:.1f}")
    print(f"system call          {median_us(5, lambda: [os.getppid() for _ in range(5000)], 5000):9.1f} µs")
    print(f"page, first touch    {median_us(5, touch_pages, N_PAGES):9.1f} µs")
    print(f"fork of this process {median_us(20, fork) / 1000:9.1f} ms")
    print(f"start of a program   {median_us(20, lambda: subprocess.run(['true'])) / 1000:9.1f} ms")
    python = [sys.executable, "-c", "pass"]
    print(f"start of Python      {median_us(5, lambda: subprocess.run(python)) / 1000:9.0f} ms")
    grpc = [sys.executable, "-c", "import grpc, numpy, scipy"]
    print(f"  with its libraries {median_us(5, lambda: subprocess.run(grpc)) / 1000:9.0f} ms")
    print(f"ping, bare veth           {ping(0)}")
    print(f"ping, netem 10 ms twice   {ping(10)}")


if __name__ == "__main__":
    main()
