"""What the watch on the host costs: processor time and memory, over some seconds.

    .venv/bin/python tests/bench/bench_host_watch.py [--seconds N]

Prints figures, asserts nothing.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from orbitmesh.emulator.record.steadiness import watch_host


def ran_ns(process: Path) -> int:
    """Of all threads (/proc/PID/task/*/schedstat)."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in (process / "task").iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=40.0)
    seconds = parser.parse_args().seconds
    watch = watch_host()
    assert watch is not None
    try:
        time.sleep(1.0)  # its start is not what a run pays all the time
        process = Path(f"/proc/{watch.pid}")  # type: ignore[attr-defined]
        before_ns, began_ns = ran_ns(process), time.monotonic_ns()
        time.sleep(seconds)
        share = (ran_ns(process) - before_ns) / (time.monotonic_ns() - began_ns)
        memory = dict(line.split()[:2] for line in (process / "smaps_rollup").read_text().splitlines()[1:])
        threads = len(list((process / "task").iterdir()))
        print(
            f"{threads} threads, {100 * share:.2f} % of one core over {seconds:g} s; "
            f"{int(memory['Rss:']) / 1e3:.1f} MB resident, {int(memory['Private_Dirty:']) / 1e3:.1f} its own"
        )
    finally:
        watch.close()


if __name__ == "__main__":
    main()
