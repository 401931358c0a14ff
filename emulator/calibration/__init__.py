"""How exact this machine's links are: measured with traffic, kept, and held against every run.

``document`` and ``budget`` are pure; ``lab``, ``traffic`` and ``measure`` make
namespaces and send packets; ``store`` is where results are kept.
"""
