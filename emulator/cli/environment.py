"""What libraries read of the environment, and end in a traceback or without end where it is nonsense."""

from __future__ import annotations

import os

from ..errors import InputError

_WIDTHS = ("COLUMNS", "LINES", "TERMINAL_WIDTH")  # rich and typer
_MOST = 10_000  # the help at a width of 1e8 takes minutes


def leave_out_nonsense() -> None:
    """Sizes of a terminal that are none go, as if nobody had set them."""
    for name in _WIDTHS:
        if name in os.environ and not _is_whole(os.environ[name], _MOST):
            del os.environ[name]


def check_completion(asked: str) -> None:
    """InputError where no shell asks for completions, but a variable is left that says so."""
    if asked != "complete_bash":
        return
    words, word = os.environ.get("COMP_WORDS"), os.environ.get("COMP_CWORD", "")
    if words is None or not _is_whole(word, 1_000_000):
        raise InputError(
            "bash asks for completions without COMP_WORDS and COMP_CWORD: unset _ORBITMESH_COMPLETE"
        )


def _is_whole(text: str, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9 and int(text) <= most
