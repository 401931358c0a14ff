"""What a plane needs of the kernel, and a stand-in that makes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ...epoch import Int32
from ...errors import BackendError

Progress = Callable[[str, int, int], None]


class Kernel(Protocol):
    """What a plane needs of the kernel; the other one does nothing, for the fake backend."""

    def build(self, on_progress: Progress | None) -> None: ...

    def netns_fd(self, node: int) -> int: ...

    @property
    def mntns_fd(self) -> int: ...

    def program_mntns_fd(self, node: int) -> int: ...

    def ifindex(self, node: int, interface: str) -> int: ...

    def is_gone(self, node: int, interface: str) -> bool: ...

    def guard_sources(self, node: int, ifindexes: Sequence[int]) -> None: ...

    def spoofed(self) -> int: ...

    def route(self, node: Int32, destination: Int32, next_node: Int32, ifindex: Int32) -> None: ...

    def disturbed(self) -> list[int]: ...

    def tend(self) -> None: ...

    def cautions(self) -> list[str]: ...

    def end_processes(self) -> list[int]: ...

    def close(self) -> None: ...


class NoKernel:
    """For the fake backend: nothing is made; the routes that would be set are kept in ``table``."""

    def __init__(self) -> None:
        self.table: dict[tuple[int, int], int] = {}  # (node, destination) -> next node
        self._ifindex: dict[tuple[int, str], int] = {}

    def build(self, on_progress: Progress | None) -> None:
        pass

    def netns_fd(self, node: int) -> int:
        raise BackendError('the fake backend makes no namespaces: run with links = "engine" to enter a node')

    @property
    def mntns_fd(self) -> int:
        return self.netns_fd(0)

    def program_mntns_fd(self, node: int) -> int:
        return self.netns_fd(node)

    def ifindex(self, node: int, interface: str) -> int:
        return self._ifindex.setdefault((node, interface), len(self._ifindex) + 2)

    def is_gone(self, node: int, interface: str) -> bool:
        return True

    def guard_sources(self, node: int, ifindexes: Sequence[int]) -> None:
        pass

    def spoofed(self) -> int:
        return 0

    def route(self, node: Int32, destination: Int32, next_node: Int32, ifindex: Int32) -> None:
        for at, to, by in zip(node.tolist(), destination.tolist(), next_node.tolist(), strict=True):
            if by < 0:
                self.table.pop((at, to), None)
            else:
                self.table[at, to] = by

    def disturbed(self) -> list[int]:
        return []

    def tend(self) -> None:
        pass

    def cautions(self) -> list[str]:
        return []

    def end_processes(self) -> list[int]:
        return []

    def close(self) -> None:
        pass
