"""What a mesh does not let a caller of Mininet change, and how it says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from ...errors import InputError


class UnknownNode(InputError, KeyError):
    """Programs written for Mininet catch a KeyError."""

    __str__ = Exception.__str__  # a KeyError's would quote the sentence


def not_yours(what: str) -> InputError:
    return InputError(f"the {what} of a mesh come from its scenario: change the scenario, not the net")


def refusing(what: str) -> Callable[..., NoReturn]:
    """A method, of whatever arguments, that refuses to change ``what``."""

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise not_yours(what)

    return refuse
