"""Blocks of KV cache that requests with the same beginning share; they stay until the room is needed."""

from __future__ import annotations

from dataclasses import dataclass

from orbitmesh.wire.serving import BLOCK_TOKENS

from .request import Request


@dataclass
class _Held:
    blocks: int
    users: int


class Prefixes:
    """Full blocks only, as vLLM's.  A prefix is there once one request has computed all of it."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}  # the one unused for longest first

    def held(self, request: Request) -> int:
        """Blocks that it need not compute."""
        found = self._held.get(request.prefix) if request.prefix else None
        return 0 if found is None else min(found.blocks, request.prefix_tokens // BLOCK_TOKENS)

    def take(self, request: Request) -> None:
        self._held[request.prefix].users += 1
        request.holds = request.prefix
        request.shared_blocks = self.held(request)

    def publish(self, request: Request) -> None:
        """Blocks of a request become others' too, once it has computed its prefix."""
        if not request.prefix or request.holds or request.prefix in self._held:
            return
        blocks = request.prefix_tokens // BLOCK_TOKENS
        if blocks and request.computed >= request.prefix_tokens:
            self._held[request.prefix] = _Held(blocks, 1)
            request.holds, request.shared_blocks = request.prefix, blocks

    def leave(self, request: Request) -> int:
        """A request goes; the blocks of it that stay."""
        if not request.holds:
            return 0
        held = self._held.pop(request.holds)
        held.users -= 1
        self._held[request.holds] = held  # the latest used
        stay, request.holds, request.shared_blocks = request.shared_blocks, "", 0
        return stay

    def drop_oldest(self, keep: str) -> int:
        """Give up a prefix that nobody uses; its blocks, or 0 where there is none."""
        for name, held in self._held.items():
            if held.users == 0 and name != keep:
                del self._held[name]
                return held.blocks
        return 0
