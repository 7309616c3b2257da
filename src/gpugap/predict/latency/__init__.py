"""The latency model: kernels of a trace, an analytical base, bounded trees, intervals, and the fitted artefact."""
