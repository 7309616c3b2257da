"""Why the gap is what it is: cells summarized, paired, and compared."""
