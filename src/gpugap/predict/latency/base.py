"""The analytical time of every kernel: the larger of its arithmetic and its bytes, and what a launch takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpugap.predict.latency.chip import Chip
from gpugap.predict.latency.constants import Constants
from gpugap.predict.latency.kernels import Floats, Kernels
from gpugap.predict.latency.tiles import compute_seconds
from gpugap.predict.latency.traffic import memory_seconds


@dataclass(frozen=True, slots=True)
class Base:
    """Seconds of each kernel.

    Attributes:
        compute_s: its arithmetic alone.
        memory_s: its bytes alone.
        launch_s: what starting it takes.
        total_s: all together.
    """

    compute_s: Floats
    memory_s: Floats
    launch_s: Floats
    total_s: Floats


def base_of(kernels: Kernels, chip: Chip, constants: Constants, *, channels_last: bool = False) -> Base:
    """The analytical time of kernels.

    Args:
        kernels: of a trace.
        chip: the GPU.
        constants: fitted.
        channels_last: images lie channels-last.
    """
    compute = compute_seconds(kernels, chip, constants, channels_last=channels_last)
    memory = memory_seconds(kernels, chip, constants, channels_last=channels_last)
    launch = kernels.launches * constants.kernel_s
    work = np.where(kernels.launches > 0, either(compute, memory, sharpness(kernels, chip, constants)), 0.0)
    return Base(compute, memory, launch, work + launch)


def sharpness(kernels: Kernels, chip: Chip, constants: Constants) -> Floats:
    """How sharply the larger of arithmetic and memory time takes over, of each kernel."""
    _, matrix = kernels.rates(chip)
    return np.where(matrix, constants.matrix.sharpness, constants.vector.sharpness)


def either(one: Floats, other: Floats, sharpness: float | Floats) -> Floats:
    """The larger of two, a little more where they are close: the p-norm."""
    larger = np.maximum(np.maximum(one, other), 1e-30)
    return np.asarray(larger * ((one / larger) ** sharpness + (other / larger) ** sharpness) ** (1 / sharpness))
