"""A program in a node whose output a verb reads itself."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..control.client import Client
from ..errors import FailureError

if TYPE_CHECKING:
    from .far import Far


def planned_path(client: Client | Far, a: str, b: str) -> dict[str, Any]:
    """The path as routed now, as the client gives it; FailureError where there is none."""
    planned = client.path(a, b)
    if planned["path"] is None:
        raise FailureError(
            f"there is no way from {a} to {b} now; "
            f"to see when there is one: orbitmesh plan SCENARIO --pair {shlex.quote(f'{a}:{b}')}"
        )
    return planned


class Inside:
    """``for line in Inside(…)``: the program's lines as they come; then ``status`` is its exit status."""

    def __init__(self, client: Client | Far, node: str, argv: Sequence[str]) -> None:
        self._client, self._node, self._argv = client, node, argv
        self.status: int | None = None

    def __iter__(self) -> Iterator[str]:
        if not isinstance(self._client, Client):
            self.status = yield from self._client.lines(self._node, self._argv)
            return
        from ..plane.kernel.processes import spawn_in

        netns_fd, mntns_fd = self._client.enter(self._node)
        try:
            # the C locale, for numbers and words as they are read here
            process = spawn_in(
                netns_fd,
                mntns_fd,
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "LC_ALL": "C"},
            )
            try:
                assert process.stdout is not None
                with process.stdout:
                    yield from (line.rstrip("\n") for line in process.stdout)
                self.status = process.wait()
            finally:
                if self.status is None:
                    process.kill()
                    process.wait()
        finally:
            # not before: the program finds its namespaces by these descriptors of ours
            os.close(netns_fd)
            os.close(mntns_fd)
