"""Helper processes: nothing is left open of one that could not be started, whatever stood in its way."""

from __future__ import annotations

import os
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
