"""How far the model of a served language model is from what others measured; its constants, fitted anew.

    .venv/bin/python docs/design/serving_errors.py            the errors, per group: docs/serving.md has them
    .venv/bin/python docs/design/serving_errors.py --first-token      those of first tokens: 20 s
    .venv/bin/python docs/design/serving_errors.py --write    puts both there
    .venv/bin/python docs/design/serving_errors.py --fit      fits the constants of step_time.py, and again
                                                              with each group of rows left out

Other rows of the same columns are tried with ``--rows FILE`` and ``--replay FILE --card NAME``.
"""

from __future__ import annotations

import argparse
import csv
import math
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median

import numpy as np
from numpy.typing import NDArray

from orbitmesh.nodes.serving.batcher import Batcher, Limits
from orbitmesh.nodes.serving.published import PublishedStepTime
from orbitmesh.nodes.serving.replay import common_start, replay, steady
from orbitmesh.nodes.serving.request import Request
from orbitmesh.nodes.serving.step_time import CALIBRATED, Calibration, EngineCost, StepTime
from orbitmesh.wire.serving import ENGINES, Accelerator, Deployment, Model, usual_kv_bits

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests/data"
DOCUMENT = ROOT / "docs/serving.md"
BLOCK = re.compile(r"(?<=^```text\nerrors of).*?(?=^```$)", re.DOTALL | re.MULTILINE)
FIRST_BLOCK = re.compile(r"(?<=^```text\ntime to first token).*?(?=^```$)", re.DOTALL | re.MULTILINE)
GROUPS = ("model", "accelerator", "engine", "precision", "tensor_parallel")
LEFT_OUT = ("model", "accelerator", "engine")
BITS = {"fp16": 16, "bf16": 16, "unstated": 16, "fp8": 8, "fp4": 4}
FAR_OFF = 0.4
STEP_TOKENS, REQUESTS = 8192, 512  # of the engines of those rows: all clients are served at once

Row = dict[str, str]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cards:
    models: dict[str, Model]
    accelerators: dict[str, Accelerator]


def cards() -> Cards:
    """Of the presets."""
    from orbitmesh.emulator.presets.serving import accelerators, models

    return Cards(models(), accelerators())


def read(path: Path) -> list[Row]:
    with path.open() as file:
        return list(csv.DictReader(file))


def deployment(row: Row, known: Cards) -> Deployment:
    bits = BITS[row["precision"]]
    return Deployment(
        known.models[row["model"]],
        known.accelerators[row["accelerator"]],
        int(row["tensor_parallel"]),
        bits,
        usual_kv_bits(bits),
        row["engine"],
        STEP_TOKENS,
    )


def known_rows(rows: list[Row], known: Cards) -> list[Row]:
    """Those of which there are presets; the others are named on stderr."""
    kept = []
    for line, row in enumerate(rows, 2):
        missing = [
            f"{key} {row[key]!r}"
            for key, names in (
                ("model", known.models),
                ("accelerator", known.accelerators),
                ("precision", BITS),
                ("engine", ENGINES),
            )
            if row[key] not in names
        ]
        if missing:
            print(f"line {line} is left out: nothing is known of {', '.join(missing)}", file=sys.stderr)
        else:
            kept.append(row)
    return kept


def limits(on: Deployment, requests: int = 128) -> Limits:
    return Limits(on.kv_blocks, on.step_tokens, requests, promise_answers=on.engine == "trtllm")


def time_per_token_ms(row: Row, known: Cards, times: Callable[[Deployment], StepTime]) -> float:
    on = deployment(row, known)
    batcher = Batcher(times(on), limits(on, REQUESTS))
    prompt, output = int(row["input_tokens"]), int(row["output_tokens"])
    return steady(batcher, int(row["concurrency"]), prompt, output).time_per_token_ns / 1e6


#: how often each client asks, which the rows do not state: one value for all of them, none fitted
ROUNDS = (1, 2, 5, 10)
ROUNDS_SHOWN = 5


def first_token_ms(row: Row, known: Cards) -> dict[int, float]:
    """Mean time to first token, by how often each client asks after all began at once."""
    on, clients = deployment(row, known), int(row["concurrency"])
    batcher = Batcher(StepTime(on), limits(on, REQUESTS))
    found = common_start(batcher, clients, int(row["input_tokens"]), int(row["output_tokens"]), ROUNDS[-1])
    return {rounds: mean(found[: clients * rounds]) / 1e6 for rounds in ROUNDS}


def arithmetic_asked(row: Row, known: Cards) -> float:
    """Share of the peak that the row's own rate of prompts asks, by its measured times alone."""
    on = deployment(row, known)
    each_s = (float(row["ttft_ms"]) + float(row["tpot_ms"]) * int(row["output_tokens"])) / 1e3
    prompts_per_s = int(row["concurrency"]) / each_s
    m, n = on.model, int(row["input_tokens"])
    linear = 2 * (m.attention_weights + m.experts_active * m.expert_weights) * n
    attention = 4 * m.layers * m.heads * m.head_width * n * n / 2
    card = on.accelerator
    seconds = linear / card.flops_per_s(on.weight_bits) + attention / card.flops_per_s_16bit
    return prompts_per_s * seconds / on.tensor_parallel


def replayed(rows: list[Row], on: Deployment, times: StepTime) -> tuple[float, float, int]:
    """Mean TTFT, s, mean time per token, ms, and how often somebody was preempted."""
    requests = [
        Request(int(r["input_tokens"]), int(r["output_tokens"]), round(float(r["arrival_s"]) * 1e9))
        for r in rows
    ]
    replay(Batcher(times, limits(on)), requests)
    first = mean((r.first_token_ns - r.arrival_ns) / 1e9 for r in requests)
    each = mean((r.finished_ns - r.first_token_ns) / 1e6 / max(1, r.output_tokens - 1) for r in requests)
    return first, each, sum(r.preempted for r in requests)


def replay_measured(rows: list[Row]) -> tuple[float, float]:
    first = mean(float(r["queued_to_first_token_s"]) for r in rows)
    each = mean(float(r["first_to_last_token_s"]) * 1e3 / max(1, int(r["output_tokens"]) - 1) for r in rows)
    return first, each


# -- the errors ---------------------------------------------------------------------------------------


def table(rows: list[Row], made: list[float], measured: str = "tpot_ms") -> str:
    errors = [m / float(row[measured]) - 1 for row, m in zip(rows, made, strict=True)]
    grouped: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row, error in zip(rows, errors, strict=True):
        for group in GROUPS:
            grouped[group, row[group]].append(error)
    lines = [f"{'':32}{'rows':>6}{'median |error|':>16}{'90 % within':>13}{'bias':>9}"]
    lines.append(_line("all", errors))
    for group, name in sorted(grouped, key=lambda key: (GROUPS.index(key[0]), key[1])):
        lines.append(_line(f"{group.replace('_', ' ')} {name}", grouped[group, name]))
    return "\n".join(lines)


def _line(name: str, errors: list[float]) -> str:
    sizes = sorted(abs(error) for error in errors)
    most = sizes[min(len(sizes) - 1, int(0.9 * len(sizes)))]
    return f"{name:32}{len(errors):>6}{median(sizes):>15.1%} {most:>12.1%} {median(errors):>+8.1%}"


def first_report(known: Cards, rows: list[Row]) -> str:
    made = [first_token_ms(row, known) for row in rows]
    parts = [f" of {len(rows)} rows, all clients asking at once and each so many times in all\n"]
    for rounds in ROUNDS:
        errors = [m[rounds] / float(row["ttft_ms"]) - 1 for row, m in zip(rows, made, strict=True)]
        parts.append(
            f"{rounds:>2} times: median |error| {median(map(abs, errors)):.0%}, bias {median(errors):+.0%}, "
            f"half of the rows from {np.quantile(errors, 0.25):+.0%} to {np.quantile(errors, 0.75):+.0%}"
        )
    shown = [m[ROUNDS_SHOWN] for m in made]
    parts.append(f"\n{ROUNDS_SHOWN} times, by group\n\n{table(rows, shown, 'ttft_ms')}")
    return "\n".join(parts) + "\n"


def report(known: Cards, rows: list[Row], replays: list[Row], card: str) -> str:
    made = [time_per_token_ms(row, known, StepTime) for row in rows]
    plain = [time_per_token_ms(row, known, PublishedStepTime) for row in rows]  # type: ignore[arg-type]
    plain_errors = [p / float(row["tpot_ms"]) - 1 for row, p in zip(rows, plain, strict=True)]
    parts = [
        f" time per output token, {len(rows)} rows\n\n{table(rows, made)}\n",
        f"the published formula by itself: median {median(map(abs, plain_errors)):.1%}, bias "
        f"{median(plain_errors):+.1%}\n",
    ]
    parts.append("rows off by more than 40 %, and what share of the peak their own rate of prompts asks:\n")
    for row, m in zip(rows, made, strict=True):
        if abs(m / float(row["tpot_ms"]) - 1) > FAR_OFF:
            parts.append(
                f"{row['model']} {row['engine']} {row['accelerator']} x{row['tensor_parallel']}, "
                f"{row['input_tokens']} in, {row['output_tokens']} out, {row['concurrency']} clients: "
                f"{float(row['tpot_ms']):.1f} ms, here {m:.1f}; {arithmetic_asked(row, known):.0%}"
            )
    on = Deployment(known.models["llama-3.1-8b"], known.accelerators[card])
    first, each, preempted = replayed(replays, on, StepTime(on))
    measured_first, measured_each = replay_measured(replays)
    parts.append(
        f"\nreplay of {len(replays)} requests on {card}: mean TTFT {first:.2f} s where {measured_first:.2f} "
        f"was measured ({first / measured_first - 1:+.1%}),\ntime per token {each:.1f} ms where "
        f"{measured_each:.1f} was ({each / measured_each - 1:+.1%}); preempted {preempted} times"
    )
    return "\n".join(parts) + "\n"


# -- the fit ------------------------------------------------------------------------------------------

#: what one would guess without a measurement, and whether it is a ratio (at most 0.95 of a peak is reached)
GUESSES: dict[str, tuple[float, bool]] = {
    "weights_ratio": (0.85, True),
    "arithmetic_ratio": (0.7, True),
    "attention_ratio": (0.4, True),
    "peer_ratio": (0.5, True),
    "layer_s": (40e-6, False),
    "layer_4bit_s": (10e-6, False),
    "all_reduce_s": (4e-6, False),
    "parallel_request_s": (5e-6, False),
    "vllm.kv_ratio": (0.8, True),
    "trtllm.kv_ratio": (0.8, True),
    "sglang.kv_ratio": (0.5, True),
    "vllm.request_s": (20e-6, False),
    "trtllm.request_s": (20e-6, False),
    "sglang.request_s": (50e-6, False),
}
PULL = 0.1  # towards the guess, against an error of one row, in logarithms
HUBER = 0.1  # beyond such an error a row pulls no stronger
REPLAY_WEIGHT = 2.0  # of each of its two means, against one row


def calibration(logs: Floats) -> Calibration:
    value = dict(zip(GUESSES, np.exp(logs).tolist(), strict=True))
    engines = {e: EngineCost(value[f"{e}.kv_ratio"], value[f"{e}.request_s"]) for e in ENGINES}
    common = {name: number for name, number in value.items() if "." not in name}
    return replace(CALIBRATED, **common, engines=engines)


def logs_of(by: Calibration) -> Floats:
    found = []
    for name in GUESSES:
        engine, dot, key = name.rpartition(".")
        found.append(math.log(getattr(by.engines[engine] if dot else by, key)))
    return np.array(found)


def residuals(known: Cards, rows: list[Row], replays: list[Row], card: str, logs: Floats) -> Floats:
    by = calibration(logs)
    errors = [
        math.log(time_per_token_ms(row, known, lambda on: StepTime(on, by)) / float(row["tpot_ms"]))
        for row in rows
    ]
    on = Deployment(known.models["llama-3.1-8b"], known.accelerators[card])
    made, measured = replayed(replays, on, StepTime(on, by)), replay_measured(replays)
    errors += [math.log(made[i] / measured[i]) for i in (0, 1)]
    return np.array(errors)


def solve(errors: Floats, slopes: Floats, logs: Floats, kept: NDArray[np.bool_]) -> Floats:
    """The logarithms that least errors have, by the slopes there: Huber weights, a pull, bounds."""
    from scipy.optimize import lsq_linear

    guesses = np.log([guess for guess, _ in GUESSES.values()])
    highest = np.array([math.log(0.95) if ratio else math.log(g * 20) for g, ratio in GUESSES.values()])
    lowest = guesses - math.log(20)
    weight = np.ones(len(errors))
    weight[-2:] = REPLAY_WEIGHT
    new = logs
    for _ in range(30):
        left = errors + slopes @ (new - logs)
        robust = weight * np.sqrt(np.minimum(1.0, HUBER / np.maximum(np.abs(left), 1e-12)))
        a = np.vstack([(slopes * robust[:, None])[kept], PULL * np.eye(len(logs))])
        b = np.concatenate([(robust * (slopes @ logs - errors))[kept], PULL * guesses])
        new = lsq_linear(a, b, bounds=(lowest, highest)).x
    return new


def slopes_at(measure: Callable[[Floats], Floats], errors: Floats, logs: Floats) -> Floats:
    columns = []
    for i in range(len(logs)):
        moved = logs.copy()
        moved[i] += 0.03
        columns.append((measure(moved) - errors) / 0.03)
    return np.array(columns).T


def fit(known: Cards, rows: list[Row], replays: list[Row], card: str) -> str:
    def measure(logs: Floats) -> Floats:
        return residuals(known, rows, replays, card, logs)

    logs = logs_of(CALIBRATED)
    everything = np.ones(len(rows) + 2, bool)
    for _ in range(4):
        errors = measure(logs)
        slopes = slopes_at(measure, errors, logs)
        print(f"median {np.median(np.abs(np.expm1(errors[:-2]))):.2%}", file=sys.stderr)
        logs = logs + np.clip(solve(errors, slopes, logs, everything) - logs, -0.3, 0.3)
    errors = measure(logs)
    lines = [f"{name:20} {math.exp(log):.3g}" for name, log in zip(GUESSES, logs, strict=True)]
    lines.append(f"median {np.median(np.abs(np.expm1(errors[:-2]))):.1%}")
    for group in LEFT_OUT:
        for name in sorted({row[group] for row in rows}):
            out = np.array([row[group] == name for row in rows] + [False, False])
            # by the slopes at the fit: its errors are then computed in full
            left = [r for r, o in zip(rows, out[:-2], strict=True) if o]
            without = solve(errors, slopes, logs, ~out)
            seen = residuals(known, left, replays, card, without)[:-2]
            sizes = np.abs(np.expm1(seen))
            lines.append(
                f"without {group} {name}: median error of its {len(left)} rows {np.median(sizes):.1%}, bias "
                f"{np.median(np.expm1(seen)):+.1%}"
            )
    return "\n".join(lines) + "\n"


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=Path, default=DATA / "llm_measured.csv")
    parser.add_argument("--replay", type=Path, default=DATA / "vllm_requests.csv")
    parser.add_argument("--card", default="rtx-pro-6000", help="the accelerator preset of the replay")
    parser.add_argument("--fit", action="store_true", help="fit the constants, and without each group")
    parser.add_argument("--first-token", action="store_true", help="the errors of the time to first token")
    parser.add_argument("--write", action="store_true", help="replace the tables in docs/serving.md")
    given = parser.parse_args(None if arguments is None else list(arguments))
    known, replays = cards(), read(given.replay)
    rows = known_rows(read(given.rows), known)
    if not rows or given.card not in known.accelerators:
        raise SystemExit("no row, or no card, of which there is a preset: orbitmesh presets lists them")
    if given.fit:
        print(fit(known, rows, replays, given.card), end="")
        return
    if given.first_token:
        print("time to first token" + first_report(known, rows), end="")
        return
    text = report(known, rows, replays, given.card)
    if given.write:
        first, document = first_report(known, rows), DOCUMENT.read_text()
        document = BLOCK.sub(lambda _: text, document, count=1)
        DOCUMENT.write_text(FIRST_BLOCK.sub(lambda _: first, document, count=1))
    else:
        print("errors of" + text, end="")


if __name__ == "__main__":
    main()
