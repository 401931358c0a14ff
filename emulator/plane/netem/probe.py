"""Whether this kernel has what a netem link needs: tried, in a namespace that nobody else sees."""

from __future__ import annotations

import errno
import os

import numpy as np

from ..kernel.namespaces import unshare_net
from . import messages
from .sockets import Sockets

_NO_NETEM = (
    "this kernel has no sch_netem: load it (modprobe sch_netem; on Ubuntu it is in linux-modules-extra), "
    "use the Vagrant box, or run with --links engine"
)


def try_a_link() -> str | None:
    """A link in a namespace that goes with this thread; what does not work, or None."""
    netns_fd = unshare_net()
    sockets = Sockets()
    try:
        slots = sockets.take([netns_fd])
        pair = messages.veth_pair(
            0,
            "probe0",
            netns_fd,
            "probe1",
            messages.mac_address(0),
            messages.TX_QUEUE_PACKETS[0],
            acknowledge=True,
        )
        refused = sockets[0].send(pair, 0)
        if refused:
            return f"this kernel makes no veth pair ({refused[0]}): load it (modprobe veth)"
        ifindex = np.array([sockets[0].ifindex("probe0")], np.int32)
        one = np.ones(1, np.uint32)
        netem = messages.netem_messages(
            ifindex,
            one.astype(np.int64),
            one.astype(np.uint64),
            one,
            one,
            new=True,
        )
        refusals = sockets.send(slots, netem)
        sockets.send(slots, messages.removal_messages(ifindex))
        if refusals:
            number = refusals[0].why.errno
            return _NO_NETEM if number == errno.ENOENT else f"netem was refused ({refusals[0].why})"
        return None
    finally:
        sockets.close()
        os.close(netns_fd)
