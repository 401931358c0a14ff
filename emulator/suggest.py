"""What somebody meant who wrote a name that is none."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice

_MOST_COMPARED, _MOST_COMPARED_CHARACTERS = 20_000, 80  # of names, for one that is meant: a second of work


def suggest(wrong: str, known: Iterable[str], what: str) -> str:
    """'did you mean …?' where something is near; else what there is, if that is short."""
    known, wrong = list(islice(known, _MOST_COMPARED)), wrong[:_MOST_COMPARED_CHARACTERS]
    near = nearest(wrong, known)
    if near is not None:
        return f"did you mean {near!r}?"
    if not known:
        return f"there are no {what}"
    listed = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
    return f"{what}: {listed}"


def nearest(wrong: str, known: Iterable[str]) -> str | None:
    """The known word that a wrong one seems to be."""
    return next(
        iter(
            difflib.get_close_matches(
                wrong[:_MOST_COMPARED_CHARACTERS], list(islice(known, _MOST_COMPARED)), n=1
            )
        ),
        None,
    )
