"""From a scenario to its epochs: orbit, links and routing put together.  Pure."""
