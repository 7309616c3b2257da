"""What a step is computed in on a GPU, and what follows where the GPU lacks it."""

from __future__ import annotations

import numpy as np

from gpugap.catalog.accelerators import Gpu
from gpugap.core.errors import Unsupported
from gpugap.core.oplist import OpList
from gpugap.predict.latency.chip import BF16, FP16, FP32, FP64, RATES, TF32, Chip
from gpugap.predict.latency.kernels import RATE_OF, Kernels
from gpugap.predict.prediction import Worked

_HALF = ("fp16", "bf16", "amp")
_WORKED: dict[int, Worked] = {FP16: "half", BF16: "half", TF32: "tf32", FP64: "double"}
_LIKE: dict[Worked, Worked] = {"tf32": "half", "double": "single"}
"""No time in these precisions was measured: the first runs on matrix units as half does, the second on none."""


def rate_of(kernels: Kernels) -> int:
    """Position in `RATES` of what most of the arithmetic runs in."""
    times = np.bincount(kernels.place, minlength=len(kernels.distinct))[kernels.op]
    return int(np.argmax(np.bincount(kernels.rate, kernels.flops * times, len(RATES))))


def worked_in(ops: OpList, kernels: Kernels) -> Worked:
    """What most of a step's arithmetic is done in; where that is single precision or none, what the step was set to.

    Args:
        ops: the step.
        kernels: of it on the GPU.
    """
    usual: Worked = "half" if ops.precision in _HALF else "single"
    return _WORKED.get(rate_of(kernels), usual)


def worked_as(dtype: str) -> Worked:
    """What a single call on numbers of a type is done in."""
    return _WORKED.get(RATE_OF.get(dtype, FP32), "single")


def checked_like(worked: Worked) -> Worked:
    """The precision whose left-out measurements stand for it: its own, or the most alike."""
    return _LIKE.get(worked, worked)


def in_tf32(precision: str, chip: Chip) -> bool:
    """Whether products set to TF32 run so: where the GPU lacks it, PyTorch computes them in single precision."""
    return precision == "tf32" and chip.matrix[TF32]


def check_double(gpu: Gpu, kernels: Kernels) -> None:
    """Refuses arithmetic in double precision on a GPU that has none; a scalar of a gradient scaler is none.

    Raises:
        Unsupported: its rate is not known.
    """
    if gpu.fp64_tflops is None and bool(np.any(kernels.flops[kernels.rate == FP64] > 0)):
        raise Unsupported(
            f"time in fp64 on {gpu.name} cannot be predicted: its fp64_tflops is not known", "choose another precision"
        )


def precision_told(ops: OpList, kernels: Kernels, chip: Chip) -> dict[str, str]:
    """What is assumed of the precision, by topic: units that are missing, and PyTorch's own default of TF32."""
    told = {}
    place = RATES.index(ops.precision) if ops.precision in RATES else FP32
    if place in (FP16, BF16, TF32) and chip.rates_flop_per_s[place] == chip.rates_flop_per_s[FP32]:
        told["precision"] = f"{ops.precision} products as fast as fp32's: no faster units for them"
    convolves = bool(np.any(kernels.is_form("dense", "pointwise", "grouped")))
    if ops.precision == "fp32" and chip.matrix[TF32] and convolves:
        told["TF32"] = "off; PyTorch itself has it on in convolutions: --precision tf32 has it on everywhere"
    return told
