"""Where the pattern +grid cannot be closed: what is missing, by shell and plane.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..orbit import ShellLayout

_RING = 3  # satellites of a plane from which on the first and the last are joined as well
_NAMED = 3  # planes of a shell that are named one by one


def gaps(shells: Sequence[ShellLayout]) -> list[str]:
    """What keeps satellites from two neighbours in their plane and one in each plane beside it.

    The seam of a star, and a shell of one plane, are as they should be.
    """
    return [sentence for shell in shells for sentence in _gaps(shell)]


def _gaps(shell: ShellLayout) -> list[str]:
    if shell.lattice is not None:  # its edge is no gap
        return []
    found, n = [], shell.n_planes
    names = [f"plane {shell.first_plane + p}" for p in range(n)]
    short = [f"{names[p]} ({shell.slots[p]})" for p in range(n) if shell.slots[p] < _RING]
    if short:
        found.append(f"shell {shell.name!r}: too few satellites for a ring in {_list(short)}")
    uneven = []
    for p in range(n - 1 if shell.star or n <= 2 else n):
        q = (p + 1) % n
        if shell.slots[p] != shell.slots[q]:
            uneven.append(f"{names[p]} ({shell.slots[p]}) and {names[q]} ({shell.slots[q]})")
    if uneven:
        found.append(
            f"shell {shell.name!r}: planes of unequal sizes side by side, where some satellites have no "
            f"neighbour across: {_list(uneven)}"
        )
    return found


def _list(what: Sequence[str]) -> str:
    more = len(what) - _NAMED
    return ", ".join(what[:_NAMED]) + (f" and {more} more" if more > 0 else "")
