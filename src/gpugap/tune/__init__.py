"""How to speed up the machine one has: a search over settings, a proof on fresh processes, and lines to paste."""
