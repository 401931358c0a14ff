"""Which way packets go.  Pure."""
