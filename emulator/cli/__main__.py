"""``python -m orbitmesh.emulator.cli`` is the ``orbitmesh`` command."""

from .main import main

main()
