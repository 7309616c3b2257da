"""GPU memory then, now and next: series, their models, projections that are scored, and the gap over time."""
