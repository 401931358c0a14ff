"""The models and accelerators of the measured rows, with the figures of their makers."""

from __future__ import annotations

import csv
from pathlib import Path

from orbitmesh.nodes.serving.limits import Limits
from orbitmesh.nodes.serving.request import Request
from orbitmesh.wire.serving import Accelerator, Deployment, Model

DATA = Path(__file__).parents[2] / "data"
_MIB = 2**20

LLAMA_8B = Model("llama-3.1-8b", 32, 4096, 32, 8, 128, 14336, 128256)
LLAMA_70B = Model("llama-3.1-70b", 80, 8192, 64, 8, 128, 28672, 128256)
LLAMA_405B = Model("llama-3.1-405b", 126, 16384, 128, 8, 128, 53248, 128256)
MIXTRAL = Model("mixtral-8x7b", 32, 4096, 32, 8, 128, 14336, 32000, experts=8, experts_active=2)

H100 = Accelerator("h100", 989.5e12, 1979e12, 0.0, 81_559 * _MIB, 3.35e12, 450e9, 700.0, 70.0)
H200 = Accelerator("h200", 989.5e12, 1979e12, 0.0, 143_771 * _MIB, 4.8e12, 450e9, 700.0, 70.0)
B200 = Accelerator("b200", 2250e12, 4500e12, 9000e12, 183_359 * _MIB, 8.0e12, 900e9, 1000.0, 100.0)
RTX_PRO_6000 = Accelerator("rtx-pro-6000", 503e12, 1007e12, 0.0, 97_887 * _MIB, 1.792e12, 64e9, 600.0, 60.0)

MODELS = {model.name: model for model in (LLAMA_8B, LLAMA_70B)}
ACCELERATORS = {card.name: card for card in (H100, H200, B200, RTX_PRO_6000)}


def limits_of(on: Deployment, requests: int = 128) -> Limits:
    return Limits(on.kv_blocks, on.step_tokens, requests, promise_answers=on.engine == "trtllm")


def replayed_rows() -> list[dict[str, float]]:
    with (DATA / "vllm_requests.csv").open() as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def replayed_requests() -> list[Request]:
    return [
        Request(int(row["input_tokens"]), int(row["output_tokens"]), round(row["arrival_s"] * 1e9))
        for row in replayed_rows()
    ]
