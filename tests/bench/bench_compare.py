"""How long two runs of a million samples each take to be compared, and one to be held against rules.

.venv/bin/python tests/bench/bench_compare.py [SAMPLES [STREAMS]]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "compare"))
from compare_fakes import Model, run

RULES = '[[rules]]\nname = "tail"\nof = "udp"\nquantile = "p99"\nat-most = "2 s"\neach = "satellite"\n'
TIMES = 3


def took_s(*words: str) -> float:
    """The least of some: the machine is not alone."""
    found = []
    for _ in range(TIMES):
        began = time.perf_counter()
        argv = [sys.executable, "-m", "orbitmesh.emulator.cli", *words]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        found.append(time.perf_counter() - began)
    return min(found)


def main() -> None:
    samples, streams = (int(word) for word in (sys.argv[1:] + ["1000000", "200"][len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        a, b = (
            str(run(top / f"run-{k}", Model(noise=k, samples=samples, streams=streams, added_ms=k / 100)))
            for k in (1, 2)
        )
        (top / "rules.toml").write_text(RULES)
        for words in (("compare", a, b), ("compare", a, b, "--by", "gateway"),
                      ("sla", a, str(top / "rules.toml"))):  # fmt: skip
            said = " ".join(word for word in words if not word.startswith(folder))
            print(f"{said}, {samples:,} samples a run: {took_s(*words):.1f} s")
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        print(f"at most {most / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
