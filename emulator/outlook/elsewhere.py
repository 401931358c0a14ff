"""A part of a sweep in a process of its own: pickles between two processes of ours, over stdin and stdout.

It gets a session of its own, so that Ctrl-C reaches only who asked, and ends when its stdin does.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from typing import Any, Self

from ..errors import OrbitmeshError, ProcessDied


class Elsewhere:
    """``with Elsewhere(arguments of sweep.of_part) as other: other.result()``; left before, it is killed."""

    def __init__(self, asked: tuple[Any, ...]) -> None:
        self._asked = pickle.dumps(asked)

    def __enter__(self) -> Self:
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise ProcessDied(f"cannot start a process to compute in: {error}") from error
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # result() tells
            self._process.stdin.write(self._asked)
            self._process.stdin.flush()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        self._process.wait()

    def result(self) -> Any:
        assert self._process.stdout is not None
        try:
            answer = pickle.load(self._process.stdout)
        except (EOFError, pickle.UnpicklingError):
            status = self._process.wait()
            raise ProcessDied(
                f"a process that computed a part of the plan ended with status {status}"
            ) from None
        if isinstance(answer, OrbitmeshError):
            raise answer
        return answer


def _main() -> None:
    from .sweep import of_part

    asked = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        answer: Any = of_part(*asked)
    except OrbitmeshError as error:
        answer = error
    pickle.dump(answer, sys.stdout.buffer, protocol=pickle.HIGHEST_PROTOCOL)
    sys.stdout.buffer.flush()


def _end_with_stdin() -> None:
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    _main()
