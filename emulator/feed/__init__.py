"""What happens in a run, for whoever watches: epochs, events, digests, numbered, each read at its own pace.

``Feed.put`` never waits for a reader: what is kept is bounded by number and by bytes, and a reader that
was too slow is told which numbers it missed.  Entries hold what is large (epochs) as parcels, which are
memory files: however many read one, there is one copy of it.

A watcher in this process is a thread with a reader::

    reader = feed.reader(from_start=True)      # what is kept first: a late joiner sees the present
    while not reader.is_at_end:
        news = reader.read(timeout_s)          # an Entry, Missed(first, last), or None: nothing in time

One in another process has a ``Forwarder``: a thread that reads for it and writes to its socket, so that a
process that does not read holds up that thread, and nothing else.  A server for the control API, a page or
metrics is such a process: it is handed parcels as descriptors, and needs no privilege to open them.
"""
