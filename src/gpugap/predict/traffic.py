"""Time of moving bytes: device memory, and the last cache for what fits into it."""

from __future__ import annotations

import numpy as np

from gpugap.predict.chip import Chip
from gpugap.predict.constants import Constants
from gpugap.predict.kernels import KINDS, Floats, Kernels


def memory_seconds(kernels: Kernels, chip: Chip, constants: Constants, *, channels_last: bool = False) -> Floats:
    """Time that each kernel's bytes take.

    Args:
        kernels: of a trace.
        chip: the GPU.
        constants: fitted.
        channels_last: images lie channels-last, as matrix units want them.
    """
    moved = kernels.moved_bytes * _factors(kernels, constants)
    if not channels_last:
        _, matrix = kernels.rates(chip)
        window = kernels.is_form("dense", "grouped", "pointwise") & matrix
        moved = moved * np.where(window, 1 + constants.layout, 1.0)
    speed = chip.bandwidth_byte_per_s * constants.bandwidth
    speed *= constants.held_back_memory if chip.held_back_memory else 1.0
    return moved / (speed * (1 + (constants.l2_speed - 1) * resident_share(kernels, chip, constants)))


def resident_share(kernels: Kernels, chip: Chip, constants: Constants) -> Floats:
    """Share of a kernel's bytes that the last cache still holds: all of few, ever less of many."""
    held = constants.l2_share * chip.l2_bytes
    return np.asarray(held**2 / (held**2 + np.maximum(kernels.moved_bytes, 1.0) ** 2))


def _factors(kernels: Kernels, constants: Constants) -> Floats:
    forward = np.array([constants.factor_of_kind(kind, backward=False) for kind in KINDS])
    backward = np.array([constants.factor_of_kind(kind, backward=True) for kind in KINDS])
    return np.where(kernels.backward, backward[kernels.kind], forward[kernels.kind])
