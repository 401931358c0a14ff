"""What lies ahead of many pairs of nodes: sets of them, their ways over time, and what comes of these."""
