"""What the tests of this folder ask for by name: from a module of its own, as each folder has a conftest."""

from __future__ import annotations

from mesh_process import nothing_left, start_mesh, traces

__all__ = ["nothing_left", "start_mesh", "traces"]
