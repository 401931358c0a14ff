"""What connects to what, and how well: visibility, patterns, optical budget, ground.  Pure."""
