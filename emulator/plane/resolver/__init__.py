"""Names asked by DNS inside nodes: a name server on each loopback, all in one small process."""
