"""What a run leaves behind: samples beside the truth at their instant, a summary, a report."""
