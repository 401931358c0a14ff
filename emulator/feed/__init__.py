"""What happens in a run, for whoever watches: epochs, events, digests, numbered, each read at its own pace.

``Feed.put`` never waits for a reader: what is kept is bounded by number and by bytes, and a reader that
was too slow is told which numbers it missed.  Entries hold what is large (epochs) as parcels, which are
memory files: however many read one, there is one copy of it.

A watcher in this process is a thread with a reader::

    reader = feed.reader(present=True)         # the present first: the latest of each kind that stands
    while not reader.is_at_end:
        news = reader.read(timeout_s)          # an Entry, Missed(first, last), or None: nothing in time

One in another process asks at the run's control socket (control/watching.py) for what has come since a
number, as often as it likes.  It is given the present where it has none, entries as JSON, and epochs as
descriptors of their memory files where it wants them: it maps the copy that all share.  Nothing is kept for
it here but what is kept for all, so it may be slow, stop, or go and resume by number.  A page, metrics, or a
server of an API is such a process.

The recorder, which must not miss an epoch while it can help it, is sent each by a ``Forwarder``: a thread
that reads for it and writes to its socket, so that a recorder that does not read holds up nothing else.

Kinds of entries: ``epoch`` (came into force; with its parcel), ``status`` (the run each second, as
``orbitmesh status`` has it), ``digest`` (the recorder's, each second), ``event``.  The first three stand.
Events are ``laser lost`` and ``laser gained`` (pairs of nodes), ``handover`` (of gateways: satellites left
and joined, and why those were left), ``eclipse``, ``sunlight`` and ``held back`` (of satellites with a
process: what computing is held back by, None: nothing any more), ``refused`` and ``served again``
(gateways' classes, by the policy that places requests), ``late tick``, ``node died``, ``light breached``
and ``fault`` (the recorder's).
"""
