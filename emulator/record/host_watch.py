"""A watch on the host itself: does a processor run what is due on it?

As a program (``python -I -S host_watch.py``): a thread on each of a few
processors sleeps PERIOD_NS at a time and sees how late it wakes; and once in
STOLEN_OVER_NS the first reads from /proc/stat what the hypervisor took.  What is
beyond the bounds goes to stdout, a line of JSON each, and a sign of life every
second.  It imports nothing but the standard library, so that it costs
little: with two processors 1.0 to 1.3 % of one core, and 12 MB of which 6 are its own
(tests/bench/bench_host_watch.py).  It ends when its stdin does.

``HostWatch`` starts it, and reads it without waiting.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path

PERIOD_NS = 10_000_000
MOST_PROCESSORS = 4
_ALIVE_NS = 1_000_000_000
_NS_PER_S = 1_000_000_000


# ---- the program


def _watch(stall_ns: int, stolen_ratio: float, stolen_over_ns: int) -> None:
    processors = sorted(os.sched_getaffinity(0))
    step = max(1, len(processors) // MOST_PROCESSORS)
    for processor in processors[::step][1:MOST_PROCESSORS]:
        threading.Thread(target=_sit, args=(processor, stall_ns), daemon=True).start()
    seen_ns, jiffies, told_ns = time.monotonic_ns(), _stolen_jiffies(), 0
    if not jiffies:
        _tell({"knows_stolen": False})
    os.sched_setaffinity(0, {processors[0]})
    jiffy_ns = _NS_PER_S // os.sysconf("SC_CLK_TCK")
    before_ns = time.monotonic_ns()
    while not select.select([0], [], [], PERIOD_NS / _NS_PER_S)[0]:
        now_ns = time.monotonic_ns()
        _judge(before_ns, now_ns, processors[0], stall_ns)
        if now_ns - told_ns >= _ALIVE_NS:
            told_ns = now_ns
            _tell({"alive_mono_ns": now_ns})
        if now_ns - seen_ns >= stolen_over_ns:
            after = _stolen_jiffies()
            worst = max((after[name] - jiffies.get(name, n) for name, n in after.items()), default=0)
            if worst * jiffy_ns > stolen_ratio * (now_ns - seen_ns):
                _tell({"cause": "stolen", "from": seen_ns, "to": now_ns, "worst": worst * jiffy_ns})
            seen_ns, jiffies = now_ns, after
        before_ns = time.monotonic_ns()


def _sit(processor: int, stall_ns: int) -> None:
    os.sched_setaffinity(threading.get_native_id(), {processor})
    while True:
        before_ns = time.monotonic_ns()
        time.sleep(PERIOD_NS / _NS_PER_S)
        _judge(before_ns, time.monotonic_ns(), processor, stall_ns)


def _judge(before_ns: int, now_ns: int, processor: int, stall_ns: int) -> None:
    late_ns = now_ns - before_ns - PERIOD_NS
    if late_ns > stall_ns:
        # it may have stood still since it went to sleep
        _tell({"cause": "host-stall", "from": before_ns, "to": now_ns, "worst": late_ns, "cpu": processor})


def _stolen_jiffies() -> dict[str, int]:
    """By processor; empty where the kernel does not say."""
    found = {}
    try:
        with Path("/proc/stat").open() as file:
            for line in file:
                if not line.startswith("cpu"):
                    break
                name, *fields = line.split()
                if name != "cpu" and len(fields) > 7:
                    found[name] = int(fields[7])
    except OSError:
        pass
    return found


def _tell(value: dict[str, object]) -> None:
    # one write: the threads' lines do not mix
    os.write(1, (json.dumps(value) + "\n").encode())


# ---- its reader


class HostWatch:
    """Starts the program; ``read`` gives what it has told since, without waiting; ``close`` ends it."""

    def __init__(self, stall_ns: int, stolen_ratio: float, stolen_over_ns: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(stall_ns), str(stolen_ratio), str(stolen_over_ns)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._unread = b""
        self.alive_mono_ns: int | None = None  # when it last gave a sign of life
        self.knows_stolen = True  # /proc/stat says what the hypervisor took

    @property
    def pid(self) -> int:
        return self._process.pid

    def read(self) -> list[tuple[int, int, str, int]]:
        """(from_mono_ns, to_mono_ns, cause, worst_ns) of what it saw."""
        assert self._process.stdout is not None
        try:
            while data := os.read(self._process.stdout.fileno(), 1 << 16):
                self._unread += data
        except BlockingIOError:
            pass
        *lines, self._unread = self._unread.split(b"\n")
        found = []
        for line in lines:
            value = json.loads(line)
            if "alive_mono_ns" in value:
                self.alive_mono_ns = value["alive_mono_ns"]
            elif "knows_stolen" in value:
                self.knows_stolen = value["knows_stolen"]
            else:
                found.append((value["from"], value["to"], value["cause"], value["worst"]))
        return found

    def close(self) -> list[tuple[int, int, str, int]]:
        """End it; what it told last."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        found = self.read()
        self._process.stdout.close()
        return found


if __name__ == "__main__":
    try:
        _watch(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(0)  # nobody listens any more
