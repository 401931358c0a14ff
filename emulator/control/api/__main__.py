"""``python -m orbitmesh.emulator.control.api``: the starter, as the run starts it."""

import sys

from .starter import main

if __name__ == "__main__":
    sys.exit(main())
