"""How long a report of a large record takes, and how much memory: reading, gathering, drawing.

    .venv/bin/python tests/bench/bench_report.py [SAMPLES ...]      default: 10,000 100,000 1,000,000

Makes a record of so many samples by hand (33,000 different paths of eight hops, as a constellation has), and
reports it in a process of its own, so that the peak of memory is the report's alone.  By turns, three each.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
import report_lab as lab

_CHILD = """
import re, sys, time
from pathlib import Path
Path("/proc/self/clear_refs").write_text("5")  # the peak of who started it is not its own
began = time.monotonic()
from orbitmesh.emulator.report import report_of, written
document = report_of(sys.argv[1])
gathered = time.monotonic()
page = written(document, "html")
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
print(gathered - began, time.monotonic() - gathered, peak * 1024, len(page.encode()))
"""


def main() -> None:
    sizes = [int(each) for each in sys.argv[1:]] or [10_000, 100_000, 1_000_000]
    with tempfile.TemporaryDirectory() as folder:
        runs = {
            n: lab.write(
                Path(folder, str(n)), lab.header(),
                samples=lab.samples(n, satellites=1_000, seconds=3_600, paths=33_000, hops=7),
                path_changes=lab.path_changes(lab.many_changes(min(n // 50, 20_000))),
                platforms=lab.platforms(3_600),
            )
            for n in sizes
        }  # fmt: skip
        found: dict[int, list[list[float]]] = {n: [] for n in sizes}
        for _ in range(3):
            for n, run in runs.items():
                done = subprocess.run(
                    [sys.executable, "-c", _CHILD, run], capture_output=True, text=True, check=True
                )
                found[n].append([float(each) for each in done.stdout.split()])
        print("samples    read and gather  draw    in all   peak memory  page")
        for n, rows in found.items():
            read, draw, peak, size = (median(column) for column in zip(*rows, strict=True))
            print(
                f"{n:9,}  {read:8.2f} s  {draw:8.2f} s  {read + draw:6.2f} s  {peak / 1e6:8.0f} MB  "
                f"{size / 1e3:5.0f} kB"
            )


if __name__ == "__main__":
    main()
