"""A running mesh in numbers for Prometheus: a process beside the run, which reads its feed and is scraped.

It asks the run for nothing but the feed that all watchers share, and computes only when it is scraped; the
mesh waits for it nowhere.  Labels are shells, planes, gateways, classes and kinds, each of a bounded number
(``layout``), and never satellites.
"""
