"""Execution modes: how a framework turns a step into kernels."""

from __future__ import annotations

EXECUTIONS: dict[str, tuple[str, ...]] = {
    "torch": ("eager", "compile"),
    "tensorflow": ("function", "unfused", "eager", "xla"),
    "jax": ("jit", "op-by-op"),
    "null": ("eager",),
}
"""The modes of each framework; the first is the one it is used in by default.

``eager`` and ``op-by-op`` launch one kernel an operation from Python. ``function`` is a graph of such kernels, some of
which TensorFlow's graph optimizer fuses; ``unfused`` is the same graph with nothing fused, an experiment that tells
fusion from dispatch. ``compile`` (Inductor), ``xla`` and ``jit`` (XLA) generate fused kernels.
"""

TITLES = {"torch": "PyTorch", "tensorflow": "TensorFlow", "jax": "JAX"}
"""Names of frameworks for people."""

AS_THEY_COME = tuple((name, EXECUTIONS[name][0]) for name in ("torch", "tensorflow"))
"""The published comparison: PyTorch and TensorFlow, each in its first mode."""

IN_USE = (*AS_THEY_COME, ("torch", "compile"), ("jax", "jit"))
"""The modes people run models in for speed."""

UNFUSED = ("eager", "op-by-op", "unfused")
"""Modes in which every operation is a kernel of its own."""


COMPILING = ("compile", "function", "unfused", "xla", "jit")
"""Modes that trace or compile the step before they run it."""


def is_fused(execution: str | None) -> bool:
    """Whether the mode lets the framework fuse operations into one kernel; a record that does not say counts as not."""
    return execution is not None and execution not in UNFUSED
