"""What a node accepts.  The .proto files state the same figures to callers."""

from __future__ import annotations

MAX_MATMUL_ORDER = 2048  # 100 MB of matrices, some 20 Gflop
MAX_PAYLOAD_BYTES = 16 * 2**20
MAX_ECHO_BYTES = 2**20
MAX_PROMPT_TOKENS = 512
MAX_NEW_TOKENS = 1024
MAX_TEMPERATURE = 10.0

MAX_EMBEDDED_BYTES = 64 * 2**10  # of UTF-8; the model reads the first 256 tokens
MAX_SERVED_PROMPT_BYTES = 4 * 2**20
MAX_SERVED_TOKENS = 1_000_000  # of a prompt, or of an answer; the KV cache is mostly less
MAX_CACHE_PIECE_BYTES = 2**20
MAX_NAME_CHARACTERS = 200  # of a session, a class, a prefix

MAX_WAITING_TASKS = 16  # beyond it a task is refused with RESOURCE_EXHAUSTED
LONGEST_TASK_S = 60.0  # for a caller that states no deadline

# room for the other fields of a request that carries the largest payload
MAX_MESSAGE_BYTES = MAX_PAYLOAD_BYTES + 64 * 2**10
