"""Persistence and exchange of records: a database, and JSON Lines."""
