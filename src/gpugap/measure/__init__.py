"""A number from running: a fresh process a replicate, fenced windows, raw samples. Returns records, never writes them."""
