"""The wired plane: a namespace for each node, a pair of interfaces for each link."""
