"""A helper process that is stopped while a run ends is let go on, whenever that happens until its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

from orbitmesh.emulator.run.supervision import Supervision
from orbitmesh.emulator.stopped import is_stopped


def test_who_stops_after_the_first_look_goes_on_too() -> None:
    supervision, said = Supervision(), list[str]()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        child: Any = SimpleNamespace(name="recorder", pid=process.pid, ended=lambda: None)
        supervision.children.append(child)
        supervision.watch()
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(0.3)
        assert is_stopped(process.pid), "while a run goes on it is nobody's business"
        supervision.let_all_go_on(said.append)
        for n in (1, 2):
            until_s = time.monotonic() + 20
            while len(said) < n or is_stopped(process.pid):
                assert time.monotonic() < until_s
                time.sleep(0.01)
            if n == 1:
                os.kill(process.pid, signal.SIGSTOP)
        supervision.stop_watching()
        process.kill()
    assert set(said) == {
        f"the recorder process (pid {process.pid}) was stopped when the run ended, and was let go on for it"
    }
