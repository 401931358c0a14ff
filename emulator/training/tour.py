"""In which order the members of a formation pass chunks on: each, if it can be, to a neighbour.  Pure.

A short closed tour over the lattice, found by 2-opt and by moving runs of one to three (G. A. Croes,
Operations Research 6(6), 1958; I. Or, 1976) from rows taken to and fro.  Not always the
shortest there is.
"""

from __future__ import annotations

from collections.abc import Sequence

Point = tuple[int, int]


def short_tour(points: Sequence[Point]) -> list[int]:
    """Rows of the points, in the order of a closed tour; the same for the same points."""
    if len(points) < 4:
        return list(range(len(points)))
    along = {q: k for k, q in enumerate(sorted({q for _, q in points}))}

    def to_and_fro(row: int) -> tuple[int, int]:
        p, q = points[row]
        return along[q], -p if along[q] % 2 else p

    order = sorted(range(len(points)), key=to_and_fro)
    while _uncross(order, points) or _move(order, points):
        pass
    first = order.index(0)
    return order[first:] + order[:first]


def _far(a: Point, b: Point) -> int:
    """Squares, so that one long step costs more than several short ones."""
    return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2


def _uncross(order: list[int], points: Sequence[Point]) -> bool:
    """Turn round the parts whose turning shortens the tour; was there one?"""
    n, found = len(order), False
    for i in range(n - 1):
        for j in range(i + 2, n - (i == 0)):
            a, b, c, d = (points[order[k % n]] for k in (i, i + 1, j, j + 1))
            if _far(a, c) + _far(b, d) < _far(a, b) + _far(c, d):
                order[i + 1 : j + 1] = order[i + 1 : j + 1][::-1]
                found = True
    return found


def _move(order: list[int], points: Sequence[Point]) -> bool:
    """Move one run to where the tour is shorter; was there one?"""
    n = len(order)
    for length in (1, 2, 3):
        for i in range(n):
            run = [order[(i + k) % n] for k in range(length)]
            rest = [order[(i + length + k) % n] for k in range(n - length)]
            if len(rest) < 2:
                continue
            before, after, first, last = (points[row] for row in (rest[-1], rest[0], run[0], run[-1]))
            gain = _far(before, first) + _far(last, after) - _far(before, after)
            for m in range(len(rest) - 1):
                a, b = points[rest[m]], points[rest[m + 1]]
                for one, other, way in ((first, last, run), (last, first, run[::-1])):
                    if _far(a, one) + _far(other, b) - _far(a, b) < gain:
                        order[:] = rest[: m + 1] + way + rest[m + 1 :]
                        return True
    return False
