"""Where calibrations are kept: for each plane, backend and waiting mode a file, with the newest.

/var/lib/orbitmesh/calibration, or what the environment's ORBITMESH_STATE names
in place of /var/lib/orbitmesh.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import HostError, InputError
from ..reading import CALIBRATION, read_text
from ..safe_files import Folder
from .document import Calibration
from .trust import checked


def folder() -> Path:
    return Path(os.environ.get("ORBITMESH_STATE") or "/var/lib/orbitmesh") / "calibration"


def path_of(plane: str, backend: str, wait: str, *, quick: bool = False) -> Path:
    what = backend if plane == "wired" else plane  # the fabric is the engine's
    return folder() / f"{what}-{wait}{'-quick' if quick else ''}.json"


def keep(calibration: Calibration, *, force: bool = False) -> Path:
    """CalibrationRefused where it speaks against itself, unless forced; HostError if not written."""
    calibration = checked(calibration, force=force)
    path = path_of(calibration.plane, calibration.backend, calibration.wait, quick=calibration.quick)
    try:
        with Folder.reach(path.parent, make=True) as where:
            if (others := where.others()) is not None:
                raise PermissionError(errno.EPERM, f"{others}, who could put another one there")
            with where.replacing(path.name) as file:  # a run that starts now finds one or the other
                file.write(calibration.to_json().encode())
    except OSError as error:
        raise HostError(
            f"cannot keep the calibration in {path}: {error.strerror}; ORBITMESH_STATE names another folder"
        ) from error
    return path


def recall(
    plane: str, backend: str, wait: str, machine: Mapping[str, Any], *, is_awake: bool
) -> Calibration | str:
    """The one for this machine, or why there is none, in words."""
    path = path_of(plane, backend, wait)
    if not path.exists():  # a quick one is better than none, and never replaces a whole one
        path = path_of(plane, backend, wait, quick=True)
    try:
        with Folder.reach(path.parent) as where:
            if (others := where.others()) is not None:
                return f"{path.parent} is not believed ({others}): sudo orbitmesh calibrate"
        calibration = Calibration.from_json(read_text(path, CALIBRATION))
    except FileNotFoundError:
        return "not calibrated: sudo orbitmesh calibrate"
    except (OSError, InputError) as error:
        return f"{path} cannot be used ({error}): sudo orbitmesh calibrate"
    if (change := calibration.differs_from(machine)) is not None:
        return f"calibrated on another machine ({change}): sudo orbitmesh calibrate"
    if calibration.is_awake != is_awake:
        then, now, option = (" not", "", "") if is_awake else ("", " not", " --no-awake")
        return (
            f"calibrated while processors were{then} kept awake, and in this run they are{now}: "
            f"sudo orbitmesh calibrate{option}"
        )
    return calibration
