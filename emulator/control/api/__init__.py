"""The control API of a run: gRPC, for programs in any language, here or elsewhere (proto/orbitmesh/control).

The run holds the sockets on which it is called; nothing else of it costs a run that nobody calls.  With the
first call it starts what is here (run/api_process.py), which is two processes::

    run ──► starter       starts programs in nodes: forks, and has no gRPC
              └─► server  serves gRPC: forks nothing, has no privileges, asks the run at its door

Each ends with the other, and when nobody has called for a while; the sockets, with those who wait there, stay
with the run, which starts both again with the next call.  What was put in force is the run's, and stays.

A door of descriptors (control/server.py) is what this stands on: namespaces and files cannot pass through
gRPC, so what needs them (a terminal of one's own in ``exec``) goes through the door, and what does not may
come from anywhere.
"""
