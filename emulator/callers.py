"""Who called this process, where that was by sudo: to whom its files are to belong."""

from __future__ import annotations

import os
import re

from .errors import InputError
from .shown import shown

_LARGEST_ID = 2**32 - 2  # the next one stands for none
_NUMBER = re.compile(r"[0-9]{1,10}")


def who_called() -> tuple[int, int] | None:
    """User and group of who called sudo; None where nobody did.  InputError where they are no numbers.

    Believed by root alone: anybody can set the environment of what he starts himself.
    """
    if os.geteuid() != 0 or "SUDO_UID" not in os.environ:
        return None
    uid = _id("SUDO_UID")
    return uid, _id("SUDO_GID") if "SUDO_GID" in os.environ else uid


def _id(name: str) -> int:
    text = os.environ[name]
    if _NUMBER.fullmatch(text) is None or int(text) > _LARGEST_ID:
        raise InputError(
            f"{name} is {shown(text)} in the environment, which is no user's number as sudo sets it: unset it"
        )
    return int(text)
