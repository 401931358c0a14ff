"""An epoch that a feed brings, with what was found after it was packed."""

from __future__ import annotations

from dataclasses import replace

from ..epoch import Epoch
from .feed import Entry


def opened(entry: Entry) -> Epoch:
    """With routes that were found after it was packed; its parcel is closed."""
    assert entry.parcel is not None
    epoch: Epoch = entry.parcel.open()
    entry.parcel.close()
    more = entry.value.get("more")
    return epoch if more is None else replace(epoch, routes=epoch.routes.joined(more))
