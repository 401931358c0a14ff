"""Customers through a real mesh: what this machine carries, and who of the run takes the processors.

    sudo .venv/bin/python tests/bench/bench_load.py [--satellites 160] [--gateways 40] [--rate 40]
                   [--tokens 10000] [--message-tokens 4] [--seconds 60] [--profile FOLDER]

All links, gateways and satellites are those of a run (``orbitmesh run``), in the fabric.  Each satellite
serves a model that takes 100 ms a token and more, so that answers are open for long: at 40 requests/s of 250
tokens 1,000 are.  What is counted begins once so many are open.  Prints figures; asserts nothing.  With
``--profile`` perf watches all processors for ten seconds of it: perf report -i FOLDER/perf.data.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from bench_run import descendants
from bench_serving import pss_bytes

from orbitmesh.emulator.presets.serving import accelerator, model
from orbitmesh.nodes.serving.step_time import StepTime
from orbitmesh.wire.serving import Deployment

CAPACITY_RATIO = 0.5
ON = Deployment(model("llama-3.1-70b"), accelerator("rtx-pro-6000"), 1, 8, 8)
SCENARIO = """name = "loaded"
[constellation]
shells = [{{ code = "D:1200:60:{satellites}/{planes}/1" }}]
[ground]
min-elevation = "10 deg"
antennas = 4
{stations}
[compute]
satellites = {satellites}
[compute.probes]
interval = "10 s"
gateways = 1
[platform]
preset = "rack"
figures = {{ "grid-power" = "76 kW" }}   # half of their speed
[serving]
model = "llama-3.1-70b"
accelerator = "rtx-pro-6000"
precision = "fp8"
message-tokens = {message_tokens}
[[customers]]
name = "chat"
rate = {rate}
prompt = {{ median = 200.0 }}
output = {{ median = {output} }}
target = {{ ttft = "2 s" }}
[run]
start = 2026-11-01T00:00:00Z
duration = "{seconds} s"
rate-scale = 0.001
plane = "fabric"
"""
STATION = """[[ground.stations]]
name = "{}"
latitude = "{} deg"
longitude = "{} deg"
"""


def scenario(given: argparse.Namespace) -> tuple[str, float]:
    """Its text, and how long an answer is open."""
    output = max(2.0, given.tokens / given.rate)
    open_s = 10.0
    for _ in range(20):  # the batch is what is open, and that the batch's pace
        batch = given.rate * open_s / given.gateways
        open_s = (
            output * StepTime(ON).ns(0, 0.0, round(batch), round(batch * output / 2)) / CAPACITY_RATIO / 1e9
        )
    # spread evenly where the satellites go: no two have the same one nearest
    n, golden = given.gateways, (5**0.5 - 1) / 2
    places = [
        (f"city-{i}", round(55 * (2 * (i + 0.5) / n - 1), 3), round((i * golden % 1) * 360 - 180, 3))
        for i in range(n)
    ]
    text = SCENARIO.format(
        satellites=given.satellites,
        planes=given.satellites // 10,
        stations="".join(STATION.format(*place) for place in places),
        message_tokens=given.message_tokens,
        rate=given.rate / given.gateways,
        output=output,
        seconds=round(open_s + given.seconds + 60),  # it is ended before
    )
    return text, open_s


def kind_of(pid: int) -> str:
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "gone"
    for known in ("sat-", "gw-"):
        if name.startswith(known):
            return {"sat-": "satellites", "gw-": "gateways"}[known]
    modules = [part.decode().rpartition(".")[2] for part in command if b"orbitmesh." in part]
    return modules[0] if modules else name


def cpu_s_by_kind(pids: set[int]) -> dict[str, float]:
    spent: dict[str, float] = defaultdict(float)
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        spent[kind_of(pid)] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return spent


def quantiles_ms(values_ns: Any) -> list[float]:
    return [round(float(v) / 1e6, 2) for v in np.quantile(values_ns, [0.5, 0.99])] if len(values_ns) else []


def figures(out: Path, from_ns: int, until_ns: int) -> dict[str, Any]:
    """Of what went on between two instants of the machine's clock."""
    from orbitmesh.emulator.record.results import load_run

    table = load_run(out).answers().drop_columns(["sim_utc"])
    column = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
    due, done = column["due_mono_ns"], column["done_mono_ns"]
    within = (due >= from_ns) & (due < until_ns)
    # of each answer the share of its tokens that came in between
    spans = np.maximum(1, done - column["sent_mono_ns"])
    shares = (
        np.clip(np.minimum(done, until_ns) - np.maximum(column["sent_mono_ns"], from_ns), 0, None) / spans
    )
    seconds = (until_ns - from_ns) / 1e9
    middle = (from_ns + until_ns) // 2
    ended = column["ok"] & (done >= from_ns) & (done < until_ns)
    over = column["answer_ns"][ended] - sum(
        column[name][ended] for name in ("queue_ns", "prefill_ns", "decode_ns", "propagation_ns")
    )
    return {
        "requests_per_s": round(within.sum() / seconds, 1),
        "open_at_once": int(((column["sent_mono_ns"] <= middle) & (done > middle)).sum()),
        "tokens_per_s": round(float((shares * column["output_tokens"]).sum() / seconds)),
        "sent_late_ms": quantiles_ms(column["late_ns"][within]),
        "node_late_p50_ms": quantiles_ms(column["node_late_p50_ns"][ended]),
        "node_late_p99_ms": quantiles_ms(column["node_late_p99_ns"][ended]),
        "answer_beyond_model_and_light_ms": quantiles_ms(over),
        "answered": int(ended.sum()),
        "open_s": round(float(np.median((done - due)[ended])) / 1e9, 1),
        "not_answered": int((within & ~column["ok"] & (column["error"] != "cut-off")).sum()),
        "bytes_per_token": round(
            float(column["bytes_down"][ended].sum() / column["output_tokens"][ended].sum()), 1
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--satellites", type=int, default=160)
    parser.add_argument("--gateways", type=int, default=40)
    parser.add_argument("--rate", type=float, default=40)
    parser.add_argument("--tokens", type=float, default=10_000, help="of all answers together, each second")
    parser.add_argument("--message-tokens", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--profile", type=Path)
    parser.add_argument("--out", type=Path, help="where the record is left")
    given = parser.parse_args()
    text, open_s = scenario(given)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file, out = Path(folder, "loaded.toml"), given.out or Path(folder, "run")
        file.write_text(text)
        log = Path(folder, "log")
        with log.open("wb") as to:
            run = subprocess.Popen(
                [sys.executable, "-m", "orbitmesh.emulator.cli", "run", str(file), "--out", str(out)],
                stdout=to, stderr=to,
            )  # fmt: skip
        atexit.register(run.terminate)  # where this script fails; the folder is then left behind
        while b"built in" not in log.read_bytes():
            if run.poll() is not None:
                raise SystemExit(log.read_text()[-2000:])
            time.sleep(0.1)
        time.sleep(open_s + 2)
        pids = descendants(run.pid)
        before, from_ns = cpu_s_by_kind(pids), time.monotonic_ns()
        until = time.monotonic() + given.seconds
        if given.profile:
            given.profile.mkdir(exist_ok=True)
            data = given.profile / "perf.data"
            subprocess.run(
                ["perf", "record", "-q", "-a", "-F", "199", "-o", str(data), "sleep", "10"], check=True
            )
        time.sleep(max(1.0, until - time.monotonic()))
        after, until_ns = cpu_s_by_kind(pids), time.monotonic_ns()
        if run.poll() is not None:
            raise SystemExit("the run was over too soon:\n" + log.read_text()[-3000:])
        memory = [pss_bytes(pid) for pid in pids if kind_of(pid) == "satellites"]
        run.send_signal(signal.SIGINT)
        run.wait()
        if run.returncode not in (0, 130):
            print(log.read_text()[-3000:], file=sys.stderr)
        seconds = (until_ns - from_ns) / 1e9
        found = figures(out, from_ns, until_ns)
        found["node_processes"] = given.satellites + given.gateways
        found["satellite_pss_mb"] = [round(max(memory) / 1e6, 2), round(sum(memory) / len(memory) / 1e6, 2)]
        found["cores"] = {
            kind: round((after[kind] - before[kind]) / seconds, 2)
            for kind in sorted(after, key=lambda kind: before[kind] - after[kind])
            if after[kind] - before[kind] > 0.005 * seconds
        }
        summary = json.loads((out / "summary.json").read_text())
        found["verdict"] = summary.get("verdict", {})
        found["given"] = {k: str(v) for k, v in vars(given).items()}
        print(json.dumps(found, indent=1, default=str))


if __name__ == "__main__":
    main()
