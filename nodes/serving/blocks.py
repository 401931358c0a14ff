"""KV cache in blocks of 16 tokens: how many are free, and what is still in those that nobody has taken.

With prefix caching what was computed stays until the room is needed: prefixes that requests share, and what
remains of the preempted.
"""

from __future__ import annotations

from orbitmesh.wire.serving import BLOCK_TOKENS

from .prefixes import Prefixes
from .request import Request


def blocks_of(tokens: int) -> int:
    return -(-tokens // BLOCK_TOKENS)


class Blocks:
    def __init__(self, n: int, *, caching: bool) -> None:
        self.free = n
        self._caching = caching
        self._prefixes = Prefixes()
        # blocks of the preempted that nobody has taken yet, the longest preempted first: they count as free
        self._remains: dict[Request, int] = {}
        self._n_remains = 0

    def room(self, blocks: int, keep: str = "") -> bool:
        """Whether there are so many, without prefixes that nobody uses if need be; not that of ``keep``."""
        while self.free < blocks:
            freed = self._prefixes.drop_oldest(keep)
            if not freed:
                return False
            self.free += freed
        return True

    def take(self, blocks: int) -> None:
        """From what is free: last what remains of the preempted, of the longest preempted first."""
        self.free -= blocks
        while self._n_remains > self.free:
            oldest = next(iter(self._remains))
            gone = min(self._remains[oldest], self._n_remains - self.free)
            self._remains[oldest] -= gone
            self._n_remains -= gone
            if not self._remains[oldest]:
                del self._remains[oldest]

    def give_back(self, blocks: int) -> None:
        self.free += blocks

    # -- of a request ---------------------------------------------------------------------------------

    def known(self, request: Request) -> tuple[int, int]:
        """Blocks that it shares, and tokens that it need not compute: all but the last, at most."""
        shared = self._prefixes.held(request) if self._caching else 0
        kept = self._remains.get(request, 0)
        return shared, min(max(shared, kept) * BLOCK_TOKENS, request.target - 1)

    def begin(self, request: Request, shared: int, more: int) -> None:
        """With the blocks that it shares, and more of its own."""
        if shared:
            self._prefixes.take(request)
        request.blocks = shared
        self.forget(request)
        self.grow(request, more)

    def grow(self, request: Request, more: int) -> None:
        self.take(more)
        request.blocks += more

    def publish(self, request: Request) -> None:
        """What it has computed, to those that begin alike."""
        if self._caching:
            self._prefixes.publish(request)

    def leave(self, request: Request, blocks: int) -> int:
        """It had so many; how many become free."""
        freed = blocks - self._prefixes.leave(request)
        self.free += freed
        request.blocks = 0
        return freed

    def remain(self, request: Request, blocks: int) -> None:
        """It was preempted, and will need again what is in them."""
        if self._caching and blocks > 0:
            self._remains[request] = blocks
            self._n_remains += blocks

    def forget(self, request: Request) -> None:
        """What remains of it is nobody's."""
        self._n_remains -= self._remains.pop(request, 0)
