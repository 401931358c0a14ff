"""A server in this process must not stand in the way of other tests that fork."""

from __future__ import annotations

import os

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # read when grpc is imported
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products on a shared machine: threads only contend
