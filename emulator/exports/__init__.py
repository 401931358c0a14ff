"""What a scenario's geometry says, in the formats of other programs: Cesium, STK, SGP4's, maps, ION.

Each module is one format, and pure: from a ``Scene`` to pieces of text.  Nothing here needs a mesh that runs.
"""
