"""Helper processes: nothing is left open of one that could not be started, whatever stood in its way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orbitmesh.emulator import processes
from orbitmesh.emulator.errors import ProcessDied


@pytest.mark.parametrize(
    ("error", "raised"), [(OSError("no room"), ProcessDied), (KeyboardInterrupt(), KeyboardInterrupt)]
)
def test_a_start_that_fails_or_is_interrupted_leaves_no_socket(
    error: BaseException, raised: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def popen(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(processes.subprocess, "Popen", popen)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(raised) as caught:  # whose traceback keeps what the call had
        processes.start_child("toy", "orbitmesh.toy", pickles=False)
    assert len(list(Path(f"/proc/{os.getpid()}/fd").iterdir())) == before
    del caught


_KEPT = """
import resource
import numpy as np
from orbitmesh.emulator.processes import keep_freed_memory

{keep}
def new_pages() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(32 << 17)  # 32 MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

new_pages()
print(new_pages())
"""


@pytest.mark.parametrize(("keep", "is_used_again"), [("keep_freed_memory()", True), ("", False)])
def test_what_is_freed_is_used_again_where_that_was_asked_for(keep: str, is_used_again: bool) -> None:
    found = subprocess.run(
        [sys.executable, "-c", _KEPT.format(keep=keep)],
        check=True, capture_output=True, text=True, env=os.environ | {"NUMPY_MADVISE_HUGEPAGE": "0"},
    )  # fmt: skip
    assert (int(found.stdout) < 1_000) == is_used_again  # of 8,192 pages of 4 KiB
