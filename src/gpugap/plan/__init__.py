"""Decisions: what closing the gap costs, and for whom."""
