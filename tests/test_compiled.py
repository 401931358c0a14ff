"""Arrays that are handed to C: only those whose memory is what the function was written for."""

import ctypes

import numpy as np
import pytest

from orbitmesh.emulator import compiled


def test_an_array_is_handed_over_by_its_address() -> None:
    array = np.arange(6.0)
    assert compiled.f64.from_param(array).value == array.ctypes.data
    empty = compiled.f64.from_param(np.zeros(0))
    assert isinstance(empty, ctypes.c_void_p)


@pytest.mark.parametrize(
    "wrong",
    [np.arange(6), np.arange(6.0, dtype=np.float32), np.arange(6.0)[::2], np.arange(6.0).astype(">f8"),
     np.asfortranarray(np.ones((2, 3))), [1.0, 2.0], None],
    ids=["type", "size", "strided", "byte order", "by columns", "list", "nothing"],
)  # fmt: skip
def test_another_is_refused(wrong: object) -> None:
    with pytest.raises(TypeError, match="not a C-contiguous array of float64"):
        compiled.f64.from_param(wrong)
