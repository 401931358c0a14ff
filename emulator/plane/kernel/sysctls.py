"""The settings of a node's network namespace, written when it is made."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ...errors import HostError

Sysctls = Sequence[tuple[str, bytes]]

# In each namespace.  New ones inherit some of the host's settings, so none is taken for granted.
SYSCTLS = (
    ("ipv4/ip_forward", b"1"),
    # a reply may come back another way than the packet went
    ("ipv4/conf/all/rp_filter", b"0"),
    ("ipv4/conf/default/rp_filter", b"0"),
    # while next hops change a packet may turn back where it came from; nobody is to learn routes from that
    ("ipv4/conf/all/send_redirects", b"0"),
    ("ipv4/conf/default/send_redirects", b"0"),
    # a node's own packet may be turned back through it: without this the kernel drops it, and counts nothing
    ("ipv4/conf/all/accept_local", b"1"),
    ("ipv4/conf/default/accept_local", b"1"),
    # ways through a large constellation have more than the usual 64 hops
    ("ipv4/ip_default_ttl", b"255"),
    # traceroute asks faster than one answer a second
    ("ipv4/icmp_ratelimit", b"0"),
    # nor do its answers come out of the 1,000 a second that all namespaces of the machine share
    ("ipv4/icmp_ratemask", b"0"),
)
# nothing is sent that was not asked for (neighbour and router discovery)
WITHOUT_IPV6 = (("ipv6/conf/default/disable_ipv6", b"1"), ("ipv6/conf/all/disable_ipv6", b"1"))


def write_sysctls(sysctls: Sysctls) -> None:
    """In the calling thread's namespace."""
    for name, value in sysctls:
        try:
            fd = os.open(f"/proc/sys/net/{name}", os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            if name.startswith("ipv6/"):  # a kernel without it
                continue
            raise
        except OSError as error:
            raise HostError(
                f"/proc/sys/net/{name} cannot be written ({error.strerror}): run it outside of the container"
            ) from error
        try:
            os.write(fd, value)
        finally:
            os.close(fd)
