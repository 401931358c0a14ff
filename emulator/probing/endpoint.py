"""One end of a probe, inside a node: ``endpoint.py send`` or ``endpoint.py receive``; lines of JSON by pipes.

Run by its path, confined as any program of a user's; of the standard library alone.  A packet's payload is
the number of its train, its own, and when it was handed to the kernel (CLOCK_REALTIME); the kernel stamps its
arrival by the same clock.
"""

import base64
import json
import select
import socket
import struct
import sys
import time

HEAD = struct.Struct("!4sIIQ")  # what each is, the train, the packet, when it was sent
MARK = b"omtr"
_RCVBUFFORCE, _TIMESTAMPNS = 33, 35  # asm-generic/socket.h
_ROOM_BYTES = 64 << 20
_SPIN_NS = 200_000


def main() -> None:
    end = _Sender() if sys.argv[1] == "send" else _Receiver()
    _say(end.hello())
    for line in sys.stdin:
        _say(end.answer(json.loads(line)))


def _say(value: dict) -> None:  # type: ignore[type-arg]
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


class _Receiver:
    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, _ROOM_BYTES)
        except OSError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
        self._socket.bind(("0.0.0.0", 0))

    def hello(self) -> dict:  # type: ignore[type-arg]
        return {"port": self._socket.getsockname()[1]}

    def answer(self, asked: dict) -> dict:  # type: ignore[type-arg]
        """Packets of a train, each (number, sent, arrived), until all came, or none for ``idle_s``."""
        found: list = []  # type: ignore[type-arg]
        while len(found) < asked["n"] and select.select([self._socket], [], [], asked["idle_s"])[0]:
            data, more, _, _ = self._socket.recvmsg(1 << 16, 64)
            if len(data) < HEAD.size:
                continue
            mark, train, number, sent_ns = HEAD.unpack_from(data)
            if mark != MARK or train != asked["train"]:
                continue  # late ones of the train before
            for level, kind, value in more:
                if (level, kind) == (socket.SOL_SOCKET, _TIMESTAMPNS):
                    s, ns = struct.unpack("@qq", value)
                    found.append((number, sent_ns, s * 1_000_000_000 + ns))
        return {"packets": found}


class _Sender:
    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM_BYTES)

    def hello(self) -> dict:  # type: ignore[type-arg]
        return {}

    def answer(self, asked: dict) -> dict:  # type: ignore[type-arg]
        """Send a train: the packet as it was crafted, with its head at ``head_at``, a ``gap_ns`` apart."""
        packet, at, to = bytearray(base64.b64decode(asked["packet"])), asked["head_at"], (asked["to"], 0)
        refused, due_ns = 0, time.monotonic_ns()
        for number in range(asked["n"]):
            if asked["gap_ns"]:
                while (left_ns := due_ns - time.monotonic_ns()) > 0:
                    if left_ns > _SPIN_NS:
                        time.sleep((left_ns - _SPIN_NS) / 1e9)
                due_ns += asked["gap_ns"]
            HEAD.pack_into(
                packet, at, MARK, asked["train"], number, time.clock_gettime_ns(time.CLOCK_REALTIME)
            )
            try:
                self._socket.sendto(packet, to)
            except OSError:
                refused += 1
        return {"refused": refused}


if __name__ == "__main__":
    main()
