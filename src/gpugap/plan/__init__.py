"""Decisions: what a run takes and costs, where to run it, and the files that start it there. Nothing is timed here."""
