"""Dated facts with their sources; a row a fact."""
