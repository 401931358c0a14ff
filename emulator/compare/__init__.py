"""Runs beside each other: what differs, and whether it is more than noise; and a run beside rules."""
