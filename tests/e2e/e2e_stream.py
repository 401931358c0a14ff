"""A program for a node: sends numbered datagrams to a peer, and notes which of the peer's came.

    e2e_stream.py PEER PORT COUNT INTERVAL_US

Says "bound", begins at a line on its standard input, ends when all have come
or none has for half a second, and prints one JSON object.  Both ends run it.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time

_SILENCE_S = 0.5


def main() -> None:
    peer, port, count, interval_us = sys.argv[1], *map(int, sys.argv[2:])
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.bind(("0.0.0.0", port))
    print("bound", flush=True)
    sys.stdin.readline()
    sent_mono_ns: list[int] = []

    def send() -> None:
        begun_ns = time.monotonic_ns()
        for number in range(count):
            while (left_ns := begun_ns + number * interval_us * 1000 - time.monotonic_ns()) > 0:
                time.sleep(left_ns / 1e9)
            sent_mono_ns.append(time.monotonic_ns())
            sock.sendto(number.to_bytes(8, "little"), (peer, port))

    sender = threading.Thread(target=send)
    sender.start()
    came: list[tuple[int, int]] = []
    while len(came) < count:
        sock.settimeout(None if sender.is_alive() and not came else _SILENCE_S)
        try:
            data = sock.recv(64)
        except TimeoutError:
            break
        came.append((int.from_bytes(data, "little"), time.monotonic_ns()))
    sender.join()
    print(json.dumps({"sent_mono_ns": sent_mono_ns, "came": came}))


main()
