"""A number from running: a fresh process a replicate, fenced windows, raw samples; returns records, never writes."""
