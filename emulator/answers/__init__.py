"""What customers asked for, what they got, and why not: answers judged against targets.  Pure."""
