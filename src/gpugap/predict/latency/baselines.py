"""Baselines that need a data sheet alone; the model must beat each of them."""

from __future__ import annotations

import numpy as np

from gpugap.predict.latency.chip import Chip
from gpugap.predict.latency.kernels import Floats, Kernels
from gpugap.predict.prediction import Method


def sheet_seconds(kernels: Kernels, chip: Chip, method: Method) -> tuple[Floats, Floats]:
    """Seconds of arithmetic and of bytes at the rates of the data sheet, of each kernel.

    Args:
        kernels: of a trace.
        chip: the GPU.
        method: ``roofline`` takes the larger of both, ``flops`` arithmetic alone, ``bandwidth`` bytes alone.
    """
    peak, _ = kernels.rates(chip)
    compute, memory = kernels.flops / peak, kernels.moved_bytes / chip.bandwidth_byte_per_s
    none = np.zeros_like(compute)
    return (none if method == "bandwidth" else compute), (none if method == "flops" else memory)
