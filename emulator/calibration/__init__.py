"""How exact this machine's links are: measured with traffic, kept, and held against every run.

``document``, ``budget`` and ``consistency`` are pure.  ``lab`` and
``fabric_lab`` make nodes in a row, ``traffic`` and ``hops`` send packets
between them, ``measure`` is all of it; ``agreement`` builds a scenario in both
planes; ``store`` is where results are kept.
"""
