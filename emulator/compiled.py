"""Loops over arrays that numpy and scipy are too slow for, in C: found in ``src/`` of the package they serve.

``setup.py`` compiles them into one library on libc and libm.  A call lets go
of the interpreter's lock.  The C code trusts its caller: the Python function
in front of each gives it arrays of the right kind, shape and range.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .errors import HostError

LIBRARY = Path(__file__).parent / "orbitmesh-arrays.so"


class ArrayKind:
    """A pointer to a C-contiguous array of one type: numpy's own ndpointer takes twice as long a call."""

    def __init__(self, kind: type[np.generic]) -> None:
        self._dtype = np.dtype(kind)

    def from_param(self, array: Any) -> ctypes.c_void_p:
        """What ctypes asks for each argument.  TypeError where it is no such array."""
        if not isinstance(array, np.ndarray) or array.dtype != self._dtype or not array.flags.c_contiguous:
            raise TypeError(f"not a C-contiguous array of {self._dtype}")
        return ctypes.c_void_p(array.ctypes.data)


#: kinds of arguments; arrays are C-contiguous, those named so may be written
f64, f32 = ArrayKind(np.float64), ArrayKind(np.float32)
i64, i32, u32, u8 = ArrayKind(np.int64), ArrayKind(np.int32), ArrayKind(np.uint32), ArrayKind(np.uint8)
size, real = ctypes.c_int64, ctypes.c_double


@cache
def _library() -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(LIBRARY))
    except OSError as error:
        raise HostError(
            f"the compiled part of orbitmesh cannot be loaded ({error}): build it with ./mesh, or pip install"
        ) from error


def function(name: str, *arguments: Any, result: Any = None) -> Callable[..., Any]:
    """The C function of that name; it is looked for at its first call."""

    @cache
    def found() -> Any:
        c = getattr(_library(), name)
        c.argtypes, c.restype = arguments, result
        return c

    return lambda *values: found()(*values)
