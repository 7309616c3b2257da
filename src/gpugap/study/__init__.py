"""The main job: which cells to run, running them resumably, and gathering what they say."""
