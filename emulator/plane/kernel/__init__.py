"""What touches the kernel: namespaces, netlink, names, programs inside nodes, privileges."""
