"""Reads for a watcher in another process: a thread that may wait for it as long as it likes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..priority import go_before_nodes
from .feed import Entry, Missed, Reader


class Forwarder:
    """``send`` each entry, until the feed has ended or ``send`` raises OSError: the watcher has gone.

    ``on_failure`` is told of whatever else it raises.
    """

    def __init__(
        self,
        reader: Reader,
        send: Callable[[Entry | Missed], None],
        name: str,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._reader, self._send, self._on_failure = reader, send, on_failure
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Once the feed is closed: whether all of it has been sent, or nobody is there to have it."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        go_before_nodes()
        try:
            while not self._reader.is_at_end:
                news = self._reader.read()
                if news is None:
                    continue
                try:
                    self._send(news)
                finally:
                    if isinstance(news, Entry) and news.parcel is not None:
                        news.parcel.close()
        except OSError:
            return  # it has gone: whoever watches it says so, and why
        except BaseException as error:
            self._on_failure(error)
