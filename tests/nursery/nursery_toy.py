"""What a test has a nursery fork: a program that tells what it finds, or ends as it is told."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> int:
    verb, *words = sys.argv[1:]
    if verb == "tell":
        fds = {int(fd.name): str(fd.resolve()) for fd in Path("/proc/self/fd").iterdir() if fd.exists()}
        told = {
            "arguments": words, "cwd": str(Path.cwd()), "environment": dict(os.environ),
            "parent_pid": os.getppid(), "session": os.getsid(0), "pid": os.getpid(), "fds": fds,
            "stdin": sys.stdin.read(),
        }  # fmt: skip
        os.write(int(words[0]), json.dumps(told).encode())
    elif verb == "end":
        return int(words[0])
    elif verb == "say and end":
        sys.exit(words[0])
    elif verb == "raise":
        raise ValueError(words[0])
    elif verb == "kill itself":
        os.kill(os.getpid(), signal.SIGKILL)
    elif verb == "wait":
        time.sleep(60)
    return 0
