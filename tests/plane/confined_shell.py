"""A shell with job control, on the terminal that is its standard input: a job, and ``fg`` when it stops.

Its arguments are the job's.  It writes what became of it, a line each.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = subprocess.Popen(
    sys.argv[1:], process_group=0, pass_fds=[int(word) for word in sys.argv[3:5]], restore_signals=True,
    preexec_fn=lambda: signal.signal(signal.SIGTTOU, signal.SIG_DFL),
)  # fmt: skip
os.tcsetpgrp(0, job.pid)
while True:
    _, how = os.waitpid(job.pid, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpgrp())
    if not os.WIFSTOPPED(how):
        sys.stderr.write(f"ended {os.waitstatus_to_exitcode(how)}\n")
        break
    sys.stderr.write(f"stopped {signal.Signals(os.WSTOPSIG(how)).name}\n")
    os.tcsetpgrp(0, job.pid)
    os.killpg(job.pid, signal.SIGCONT)
