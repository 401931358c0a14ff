"""Training spread over satellites: the ring, what a step computes, what physics allows it.  Pure."""
