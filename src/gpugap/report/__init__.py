"""The only room that draws: one self-contained HTML page, without scripts and without the network."""
