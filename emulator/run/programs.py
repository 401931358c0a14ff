"""The modules that a run's helper processes run."""

GEOMETRY = "orbitmesh.emulator.run.ahead"
RECORDER = "orbitmesh.emulator.record.process"
NODE_PARENT = "orbitmesh.nodes.parent"
ALL = (GEOMETRY, RECORDER, NODE_PARENT)
