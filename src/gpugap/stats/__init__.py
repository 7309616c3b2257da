"""The mathematics of samples and comparisons; knows nothing of records, frameworks or files."""
