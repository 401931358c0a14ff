"""The scenario of a run, from its record: so a caller makes the same geometry of it."""

from __future__ import annotations

import json
from pathlib import Path

from orbitmesh.control.v1 import control_pb2 as pb

from ...errors import FailureError


def scenario_kept(record: Path) -> pb.ScenarioResponse:
    """``record``: the run's folder.  FailureError where it cannot be read."""
    from ...record.files import RUN  # on demand: few callers ask, and it has all that records are read by
    from ...record.scenario_kept import is_kept

    try:
        run = json.loads((record / RUN).read_bytes())
        content, told = run["content"], run["scenario"]
        names = [each.name for each in record.iterdir() if is_kept(each.name)]
        elements = {name: (record / name).read_bytes() for name in names}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FailureError(f"the record of this run does not say its scenario: {error!r}") from None
    return pb.ScenarioResponse(
        content_as_json=json.dumps(content), hash_as_json=json.dumps(told), elements=elements
    )
