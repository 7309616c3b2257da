"""Time of moving bytes: device memory, and in steps in half precision the last cache for what fits into it.

Tables of operators, all in single precision, show no gain from that cache: what a call reads was written long before.
"""

from __future__ import annotations

import numpy as np

from gpugap.predict.latency.chip import BF16, FP16, Chip
from gpugap.predict.latency.constants import Constants
from gpugap.predict.latency.kernels import KINDS, Bools, Floats, Kernels


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
    near = np.where(_half(kernels) | kernels.mixed, resident_share(kernels, chip, constants), 0.0)
    return moved / (speed * (1 + (constants.l2_speed - 1) * near))


def resident_share(kernels: Kernels, chip: Chip, constants: Constants) -> Floats:
    """Share of a kernel's bytes that the last cache still holds: all of few, ever less of many."""
    held = constants.l2_share * chip.l2_bytes
    return np.asarray(held**2 / (held**2 + np.maximum(kernels.moved_bytes, 1.0) ** 2))


def _factors(kernels: Kernels, constants: Constants) -> Floats:
    """Bytes moved over bytes of the trace."""

    def by_kind(mark: str) -> Floats:
        return np.array([constants.kind_factor.get(f"{mark}{kind}", 1.0) for kind in KINDS])[kernels.kind]

    found = (
        by_kind("") * np.where(_half(kernels), by_kind("half "), 1.0) * np.where(kernels.mixed, by_kind("mixed "), 1.0)
    )
    return found * np.where(kernels.backward, by_kind("backward "), 1.0)


def _half(kernels: Kernels) -> Bools:
    return np.asarray((kernels.rate == FP16) | (kernels.rate == BF16))
