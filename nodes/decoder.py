"""A small decoder-only transformer in numpy: real attention with a cache of keys and values, random weights.

It stands for the load of a language model (one pass over the prompt, then one
small step per token, each waiting for the one before), not for its sense: the
text is noise.  Pre-norm blocks, rotary positions, tied embedding; after
Vaswani et al. 2017 (arXiv 1706.03762) and Su et al. 2021 (arXiv 2104.09864).
The weights follow from a seed and are only read, so that forked processes
share one copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_CHARACTERS = "\n" + "".join(chr(code) for code in range(32, 127))
_SYLLABLES = tuple(consonant + vowel for consonant in "bcdfghjklmnprstvwxyz" for vowel in "aeiou")
VOCABULARY: tuple[str, ...] = (*_CHARACTERS, *_SYLLABLES)
_TOKEN_ID = {text: token_id for token_id, text in enumerate(VOCABULARY)}
_UNKNOWN = _TOKEN_ID["?"]
_ROTARY_BASE = 10_000.0


def encode(text: str) -> list[int]:
    """Token ids, longest match first; a character that the vocabulary lacks becomes "?"."""
    ids = []
    at = 0
    while at < len(text):
        pair = _TOKEN_ID.get(text[at : at + 2])
        ids.append(_TOKEN_ID.get(text[at], _UNKNOWN) if pair is None else pair)
        at += 1 if pair is None else 2
    return ids


@dataclass(frozen=True)
class Block:
    """Weights of one layer; ``to_qkv`` is (width, 3 * width), ``to_hidden`` (width, 4 * width)."""

    to_qkv: Float32
    from_heads: Float32
    to_hidden: Float32
    from_hidden: Float32


class Decoder:
    """The weights.  ``width`` is that of the embedding, shared out evenly over the heads."""

    def __init__(self, seed: int, width: int = 96, n_layers: int = 3, n_heads: int = 4) -> None:
        random = np.random.default_rng(seed)

        def matrix(rows: int, columns: int) -> Float32:
            weights = random.standard_normal((rows, columns), np.float32)
            weights *= np.float32(rows**-0.5)  # keeps the variance from layer to layer
            weights.flags.writeable = False
            return weights

        self.width, self.n_heads, self.head_width = width, n_heads, width // n_heads
        self.embedding = matrix(len(VOCABULARY), width)
        self.blocks = tuple(
            Block(
                to_qkv=matrix(width, 3 * width),
                from_heads=matrix(width, width),
                to_hidden=matrix(width, 4 * width),
                from_hidden=matrix(4 * width, width),
            )
            for _ in range(n_layers)
        )

    @property
    def n_parameters(self) -> int:
        return self.embedding.size + sum(
            w.size for b in self.blocks for w in (b.to_qkv, b.from_heads, b.to_hidden, b.from_hidden)
        )

    def generate(
        self, prompt: list[int], max_tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> Iterator[int]:
        """Token ids one after the other; at temperature 0 the likeliest.  An empty prompt is a newline.

        The same arguments give the same tokens with the same numpy on the same
        kind of machine: a float32 sum may round differently in another BLAS.
        """
        random = np.random.default_rng(seed)
        ids = prompt or [_TOKEN_ID["\n"]]
        context = Context(self, len(ids) + max_tokens)
        for _ in range(max_tokens):
            token_id = choose(context.extend(ids), temperature, random)
            yield token_id
            ids = [token_id]


class Context:
    """What a stream of tokens has seen: (n_layers, n_heads, capacity, head_width) float32 keys and values."""

    def __init__(self, decoder: Decoder, capacity: int) -> None:
        self._decoder = decoder
        self._length = 0
        shape = (len(decoder.blocks), decoder.n_heads, capacity, decoder.head_width)
        self._keys, self._values = np.empty(shape, np.float32), np.empty(shape, np.float32)
        half = decoder.head_width // 2
        angle_rad = np.outer(np.arange(capacity), _ROTARY_BASE ** (-np.arange(half) / half))
        self._cos, self._sin = np.cos(angle_rad).astype(np.float32), np.sin(angle_rad).astype(np.float32)

    def extend(self, ids: list[int]) -> Float32:
        """Take in tokens and return the scores of what follows the last: (len(VOCABULARY),) float32."""
        decoder, start, end = self._decoder, self._length, self._length + len(ids)
        self._length = end
        # a token sees itself and what came before
        hidden_from = np.arange(end) > np.arange(start, end)[:, None]
        x: Float32 = decoder.embedding[ids]
        for layer, block in enumerate(decoder.blocks):
            qkv = _normalise(x) @ block.to_qkv
            query, key, value = (
                part.reshape(len(ids), decoder.n_heads, decoder.head_width).transpose(1, 0, 2)
                for part in np.split(qkv, 3, axis=1)
            )
            self._keys[layer, :, start:end] = self._rotate(key, start, end)
            self._values[layer, :, start:end] = value
            scores = self._rotate(query, start, end) @ self._keys[layer, :, :end].transpose(0, 2, 1)
            scores *= np.float32(decoder.head_width**-0.5)
            scores[:, hidden_from] = -np.inf
            heads: Float32 = _softmax(scores) @ self._values[layer, :, :end]
            x = x + heads.transpose(1, 0, 2).reshape(len(ids), decoder.width) @ block.from_heads
            x = x + _gelu(_normalise(x) @ block.to_hidden) @ block.from_hidden
        last: Float32 = _normalise(x[-1:])[0] @ decoder.embedding.T
        return last

    def _rotate(self, heads: Float32, start: int, end: int) -> Float32:
        cos, sin = self._cos[start:end], self._sin[start:end]
        first, second = np.split(heads, 2, axis=-1)
        return np.concatenate([first * cos - second * sin, first * sin + second * cos], axis=-1)


def _normalise(x: Float32) -> Float32:
    """Each row to a root mean square of 1."""
    result: Float32 = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.float32(1e-6))
    return result


def _softmax(scores: Float32) -> Float32:
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    result: Float32 = weights / weights.sum(axis=-1, keepdims=True)
    return result


def _gelu(x: Float32) -> Float32:
    """By its tanh form (Hendrycks and Gimpel 2016, arXiv 1606.08415)."""
    result: Float32 = (
        np.float32(0.5) * x * (1 + np.tanh(np.float32(0.7978846) * (x + np.float32(0.044715) * x**3)))
    )
    return result


def choose(scores: Float32, temperature: float, random: np.random.Generator) -> int:
    """A token id, drawn in proportion to exp(score / temperature); at 0 the likeliest."""
    if temperature <= 0:
        return int(scores.argmax())
    weights = _softmax(scores / np.float32(max(temperature, 1e-3)))
    cumulative = weights.astype(np.float64).cumsum()
    return int(
        min(np.searchsorted(cumulative, random.random() * cumulative[-1], side="right"), len(cumulative) - 1)
    )
