"""The words everyone speaks; imports nothing outside the standard library."""
