"""Predictions held against measured tables: rows read, turned into what is predicted, scored."""
