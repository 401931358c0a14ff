"""What is too large to be written through a socket: pickled once, its arrays in memory that processes share.

An epoch of a million satellites is some 300 MB.  It is packed by the process
that computes it, opened by the one that puts it in force, and handed on, as it
came, to the one that records it: one copy of it for all three.  Who packs one
after the other keeps the memory files, and writes those again that nobody has
any more (see memory_files.py).
"""

from __future__ import annotations

import mmap
import os
import pickle
from dataclasses import dataclass
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

from ..memory_files import MemoryFiles

_ALIGN_BYTES = 64
#: arrays of less than this altogether go with the pickle
_LARGE_BYTES = 1 << 20


@dataclass(eq=False)
class Parcel:
    """A pickle, and where its arrays are: (begin, length) of each in a memory file.

    ``fd`` is ours, and can only be read.  The file is not written again while anyone has a duplicate of it,
    in whatever process, or arrays that were opened; it is not to be opened anew by its path.
    """

    pickled: bytes
    places: tuple[tuple[int, int], ...]
    fd: int | None

    @classmethod
    def pack(cls, value: Any, files: MemoryFiles | None = None) -> Parcel:
        """``files``: where one is taken from, and comes back to; by default a file of its own."""
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        raw = [buffer.raw() for buffer in buffers]
        if sum(len(each) for each in raw) < _LARGE_BYTES:
            return cls(pickle.dumps(value, protocol=5), (), None)
        places, end = [], 0
        for each in raw:
            places.append((end, len(each)))
            end += -(-len(each) // _ALIGN_BYTES) * _ALIGN_BYTES
        if files is None:
            with MemoryFiles() as own:
                fd = _written(own, end, places, raw)
        else:
            fd = _written(files, end, places, raw)
        return cls(pickled, tuple(places), fd)

    def open(self) -> Any:
        """What was packed; its arrays can only be read, and live on when the parcel is closed."""
        if self.fd is None:
            return pickle.loads(self.pickled)
        memory = memoryview(mmap.mmap(self.fd, 0, prot=mmap.PROT_READ))
        return pickle.loads(
            self.pickled, buffers=[memory[begin : begin + length] for begin, length in self.places]
        )

    @property
    def size_bytes(self) -> int:
        return len(self.pickled) + sum(length for _, length in self.places)

    def close(self) -> None:
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


def _written(
    files: MemoryFiles, size_bytes: int, places: list[tuple[int, int]], raw: list[memoryview]
) -> int:
    """A descriptor of the file, to read."""
    file = files.take(size_bytes)
    for (begin, length), each in zip(places, raw, strict=True):
        file.memory[begin : begin + length] = each
    return file.reader()


def send(control: Connection, verb: str, parcel: Parcel, *more: Any) -> None:
    """To a process of ours, which takes it with ``receive``; the parcel stays the sender's to close."""
    control.send((verb, Parcel(parcel.pickled, parcel.places, None), *more))
    if parcel.places:
        assert parcel.fd is not None
        reduction.send_handle(control, parcel.fd, 0)


def receive(control: Connection) -> tuple[Any, ...]:
    """A message, with a parcel that is the receiver's to close where there is one."""
    message: tuple[Any, ...] = control.recv()
    if len(message) > 1 and isinstance(message[1], Parcel) and message[1].places:
        message[1].fd = reduction.recv_handle(control)
    return message
