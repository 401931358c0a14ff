"""A language model, the accelerators that hold it, and whether it fits.

Memory is what the driver shows of it, rates are bytes/s and FLOP/s of one accelerator, dense (no sparsity).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

EMBEDDING_BYTES = 2  # input and output embeddings stay at 16 bits in every engine met
SCALED_4_BIT_BYTES = 0.5625  # 4 bits and a scale of 8 bits for each 16 weights (NVFP4)
CONTEXT_BYTES = (
    500_000_000  # of an accelerator: the CUDA context and its libraries, outside of all pools [est]
)
MEMORY_RATIO = 0.9  # of an accelerator's memory that vLLM and SGLang take (their default)
FREE_RATIO = 0.9  # of what the weights leave that TensorRT-LLM takes for the KV cache (its default)
BLOCK_TOKENS = 16  # tokens of a block of KV cache (vLLM)
WEIGHT_BITS = (16, 8, 4)
KV_BITS = (16, 8)
ENGINES = ("vllm", "trtllm", "sglang")
TENSOR_PARALLEL = (1, 2, 4, 8, 16, 32, 64, 72)


class DoesNotFit(ValueError):
    """A model on accelerators that cannot hold it."""


@dataclass(frozen=True)
class Model:
    """A decoder-only transformer with grouped queries and a gated feed-forward part.

    ``ff_width`` is that of one expert where there are ``experts``, of which a token takes
    ``experts_active``.
    """

    name: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_width: int
    ff_width: int
    vocabulary: int
    experts: int = 1
    experts_active: int = 1

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name != "name" and (type(value) is not int or value < 1):
                raise ValueError(
                    f"model {self.name!r}: {name} is {value!r}: it must be a whole number above 0"
                )
        if self.experts_active > self.experts:
            raise ValueError(
                f"model {self.name!r}: {self.experts_active} of {self.experts} experts take a token"
            )

    @property
    def extrapolated(self) -> bool:
        """Whether nothing measured was at hand to hold its step times against."""
        return self.experts > 1

    @property
    def attention_weights(self) -> int:
        """Of all layers: queries and output, keys and values."""
        own = self.heads * self.head_width
        return self.layers * self.width * (2 * own + 2 * self.kv_heads * self.head_width)

    @property
    def expert_weights(self) -> int:
        """Of one expert, in all layers: gate, up and down."""
        return self.layers * 3 * self.width * self.ff_width

    @property
    def embedding_weights(self) -> int:
        """Of the output; the input's are as many, and are looked up, not read."""
        return self.vocabulary * self.width

    def kv_bytes_per_token(self, kv_bits: int) -> int:
        return self.layers * 2 * self.kv_heads * self.head_width * kv_bits // 8


@dataclass(frozen=True)
class Accelerator:
    """``flops_per_s_4bit`` and ``_8bit`` are 0 where the hardware has none: the next wider is taken."""

    name: str
    flops_per_s_16bit: float
    flops_per_s_8bit: float
    flops_per_s_4bit: float
    memory_bytes: int
    memory_bytes_per_s: float
    peer_bytes_per_s: float  # to its peers, one direction
    power_w: float
    idle_power_w: float
    count: int = 1  # in a box or a rack

    def __post_init__(self) -> None:
        for name in (
            "flops_per_s_16bit",
            "memory_bytes",
            "memory_bytes_per_s",
            "peer_bytes_per_s",
            "power_w",
            "count",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"accelerator {self.name!r}: {name} is {getattr(self, name)}: it must be above 0"
                )
        if not 0 <= self.idle_power_w <= self.power_w:
            raise ValueError(
                f"accelerator {self.name!r}: idle_power_w is {self.idle_power_w}: it must be 0 to "
                f"{self.power_w}"
            )

    def flops_per_s(self, bits: int) -> float:
        """At a width of the weights, or the next wider that the hardware multiplies in."""
        choices = {4: (self.flops_per_s_4bit, self.flops_per_s_8bit), 8: (self.flops_per_s_8bit,)}
        return next(filter(None, choices.get(bits, ())), self.flops_per_s_16bit)


@dataclass(frozen=True)
class Deployment:
    """A model on ``tensor_parallel`` accelerators.  DoesNotFit, in words, where they cannot hold it."""

    model: Model
    accelerator: Accelerator
    tensor_parallel: int = 1
    weight_bits: int = 16
    kv_bits: int = 16
    engine: str = "vllm"
    step_tokens: int = 2048

    def __post_init__(self) -> None:
        for what, value, accepted in (
            ("weight bits", self.weight_bits, WEIGHT_BITS),
            ("KV bits", self.kv_bits, KV_BITS),
            ("engine", self.engine, ENGINES),
            ("tensor parallel", self.tensor_parallel, TENSOR_PARALLEL),
        ):
            if value not in accepted:
                raise ValueError(f"{what} {value!r}: give one of {', '.join(map(str, accepted))}")
        if self.kv_tokens < BLOCK_TOKENS:
            raise DoesNotFit(self._misfit())

    @property
    def reserved_bytes(self) -> int:
        """Of each accelerator, beside weights and KV cache: as an engine finds by trying its largest step.

        Activations at 16 bits: gate, up and their product, and about four times the width.
        """
        model = self.model
        wide = 3 * model.ff_width * model.experts_active / self.tensor_parallel + 4 * model.width
        return CONTEXT_BYTES + int(self.step_tokens * 2 * wide)

    @property
    def weight_bytes(self) -> int:
        """Of all accelerators together."""
        each = SCALED_4_BIT_BYTES if self.weight_bits == 4 else self.weight_bits / 8
        model = self.model
        linear = model.attention_weights + model.experts * model.expert_weights
        return int(linear * each + 2 * model.embedding_weights * EMBEDDING_BYTES)

    @property
    def kv_tokens(self) -> int:
        """Tokens whose keys and values fit beside the weights, in all accelerators together."""
        return max(0, self._free_bytes(self.tensor_parallel)) // self._token_bytes(self.tensor_parallel)

    @property
    def kv_blocks(self) -> int:
        return self.kv_tokens // BLOCK_TOKENS

    def _token_bytes(self, parallel: int) -> int:
        """A head cannot be split: it is copied where there are more accelerators than heads."""
        copies = max(1, -(-parallel // self.model.kv_heads))
        return self.model.kv_bytes_per_token(self.kv_bits) * copies

    def _free_bytes(self, parallel: int) -> int:
        """For the KV cache, of all accelerators together; below 0 where the weights alone are too many."""
        memory = self.accelerator.memory_bytes * parallel
        if self.engine == "trtllm":
            free = memory - self.reserved_bytes * parallel - self.weight_bytes
            return int(free * FREE_RATIO) if free > 0 else free
        return int(memory * MEMORY_RATIO) - self.reserved_bytes * parallel - self.weight_bytes

    def _misfit(self) -> str:
        tp = self.tensor_parallel
        there = f"{tp} × {self.accelerator.name}" if tp > 1 else self.accelerator.name
        token_bytes = BLOCK_TOKENS * self._token_bytes(tp)
        needed = self.weight_bytes + token_bytes
        usable = max(0, needed + self._free_bytes(tp) - token_bytes)
        fits = next(
            (p for p in TENSOR_PARALLEL if self._free_bytes(p) >= BLOCK_TOKENS * self._token_bytes(p)), None
        )
        advice = (
            "no number of them that is known holds it"
            if fits is None
            else f"tensor-parallel {fits} would fit"
        )
        narrower = [f"{bits}-bit" for bits in WEIGHT_BITS if bits < self.weight_bits]
        if narrower:
            advice += f"; {' or '.join(narrower)} weights need less"
        return (
            f"{self.model.name} with {self.weight_bits}-bit weights needs {needed:,} bytes, and {there} has "
            f"{usable:,} for it: {advice}"
        )


def usual_kv_bits(weight_bits: int) -> int:
    """Of the KV cache where nothing else is said: 8 beside quantised weights, as in the measured rows."""
    return 16 if weight_bits == 16 else 8


def messages(tokens: float, message_tokens: int) -> float:
    """Of an answer: its first token has one of its own."""
    return 1 + max(0.0, tokens - 1) / message_tokens


@dataclass(frozen=True)
class ServingSpec:
    """What a node process serves: ``replicas`` groups of accelerators, each with a queue of its own.

    ``message_tokens``: tokens of an answer, after its first, that share a message (1: each is sent as it is
    made).
    ``power_exponent``: of the platform: how speed follows from power, ((P - P_idle) / (P_max - P_idle))^g;
    without a platform nothing is ever slowed.  ``report_interval_ns``: how often the process tells what its
    accelerators drew (``energy.py``); 0: never.
    ``cache_ratio``: of the bytes of a KV cache, the share that is sent where it moves: the links' rate scale.
    """

    deployment: Deployment
    requests: int = 128
    waiting: int = 1000
    prefix_caching: bool = True
    replicas: int = 1
    message_tokens: int = 1
    power_exponent: float = 1.0
    report_interval_ns: int = 0
    cache_ratio: float = 1.0

    def __post_init__(self) -> None:
        for name in ("requests", "waiting", "replicas", "message_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be above 0")
        if not self.power_exponent > 0:
            raise ValueError(f"power_exponent is {self.power_exponent}: it must be above 0")
        if self.report_interval_ns < 0:
            raise ValueError(f"report_interval_ns is {self.report_interval_ns}: it must be 0 or above")
        if not 0 < self.cache_ratio <= 1:
            raise ValueError(f"cache_ratio is {self.cache_ratio}: it must be above 0 and at most 1")

    def cache_bytes(self, tokens: int) -> int:
        """What is sent of the keys and values of so many tokens."""
        on = self.deployment
        return max(1, round(tokens * on.model.kv_bytes_per_token(on.kv_bits) * self.cache_ratio))

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> ServingSpec:
        """What ``dataclasses.asdict`` made of one."""
        of = raw["deployment"]
        deployment = Deployment(
            **of | {"model": Model(**of["model"]), "accelerator": Accelerator(**of["accelerator"])}
        )
        return cls(**raw | {"deployment": deployment})
