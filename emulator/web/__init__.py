"""The live page's server: what happens in a run, or did in a recorded one, over one WebSocket a page.

A process of its own.  It reads the run's feed, as any watcher does, makes each message once for all who look,
and asks the run's door for what they want.  What both sides say is in proto/orbitmesh/web/v1/web.proto.
"""
