"""Decisions: what a run takes and costs, where to run it, the files that start it there, and for whom it is in reach.

Nothing is timed here.
"""
