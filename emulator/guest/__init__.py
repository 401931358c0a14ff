"""A guest kernel of one's own: User-mode Linux, for machines without netem or without root.

- ``machine``: the kernel's command line, its first script, what it is told to do (pure)
- ``host``:    where this machine has the kernel, and room for its memory
- ``boot``:    starts it, watches it, hands on what it prints, ends it
- ``keeper``:  a process of its own that ends the guest when ``boot``'s process is gone
- ``init``:    the first process inside
"""
