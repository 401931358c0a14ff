"""Drive a running mesh from a program: here, or from another machine.  Imported as ``orbitmesh.client``.

::

    from orbitmesh.client import Mesh

    with Mesh.connect() as mesh:     # the only run here; elsewhere: at="host:7400", token_file=…, ca_file=…
        mesh.fail("sat-0-0:sat-0-1", lasts_s=10)
        print(mesh.path("gw-london", "gw-tokyo").delay_ns)

``AsyncMesh`` is the same for asyncio.  Results are frozen dataclasses; errors are those of
``orbitmesh.emulator.errors``, with the sentences of the command line.  It needs gRPC, and no numpy.
"""

from ..errors import (
    FailureError,
    InputError,
    NotAllowed,
    NotReached,
    OrbitmeshError,
    RunEnded,
    TooManyAtOnce,
    UnknownName,
)
from .asynchronous import AsyncCapture, AsyncMesh, AsyncProgram
from .epochs import Epoch
from .mesh import Capture, Mesh, Program
from .results import (
    ClockState,
    Completed,
    Contact,
    Event,
    InForce,
    Intervention,
    Link,
    Missed,
    Node,
    Path,
    Status,
)

__all__ = [
    "AsyncCapture",
    "AsyncMesh",
    "AsyncProgram",
    "Capture",
    "ClockState",
    "Completed",
    "Contact",
    "Epoch",
    "Event",
    "FailureError",
    "InForce",
    "InputError",
    "Intervention",
    "Link",
    "Mesh",
    "Missed",
    "Node",
    "NotAllowed",
    "NotReached",
    "OrbitmeshError",
    "Path",
    "Program",
    "RunEnded",
    "Status",
    "TooManyAtOnce",
    "UnknownName",
]
