"""What fits the artefact of the latency model; needs the extra ``[calibrate]`` and the tables of measurements."""
