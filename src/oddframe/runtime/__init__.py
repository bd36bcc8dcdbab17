"""Where a detector's arithmetic runs."""
