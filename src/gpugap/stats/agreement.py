"""Whether two computations of the same thing agree: errors relative to a reference, tensor by tensor.

Limits follow from the arithmetic: single precision keeps about 7 digits and loses some in long sums, so outputs must
agree to 1e-4; a gradient sums over a whole batch and may be a small difference of large numbers, so it is held against
its own size or, where that is tiny, against that of all gradients (a bias in front of a normalization has none).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

OUTPUT_LIMIT = {"fp32": 1e-4, "fp64": 1e-9}
"""Relative error of activations, losses and results, by precision."""

GRADIENT_LIMIT = {"fp32": 1e-3, "fp64": 1e-7}
KINKED_GRADIENT_LIMIT = {"fp32": 1e-2, "fp64": 1e-7}
"""Relative error of gradients, by precision; the latter through dozens of rectifiers one behind the other (CycleGAN).

A rectifier's slope jumps at zero, so a unit within rounding of zero passes its gradient on in one precision and stops
it in another. The squared relative error is the share of such units, about 0.4 times the relative error of the
activations, summed over the layers passed: 57 layers with errors of 4e-6 give sqrt(57 * 0.4 * 4e-6) = 1e-2. Double
precision has no such units and stays strict.
"""

CROSSED_SPREADS = 3.0
"""Standard deviations that units seen on the other side of zero may move a gradient by."""

PARAMETER_LIMIT = 1e-6
"""Relative error of parameters after some updates in double precision."""

FLOOR = 1e-3
"""Share of the size of all tensors together below which a tensor is held against that instead of its own size."""

MATH_ERRORS = {
    "fp64": (0.0, 1e-13),
    "fp32": (1e-9, 3e-6),
    "tf32": (3e-5, 3e-3),
    "bf16": (3e-4, 3e-2),
    "fp16": (3e-5, 3e-3),
}
"""Relative errors of a product of 512x512 matrices of normal numbers that speak for each math mode.

Rounding both factors to b significant bits gives about 2^-b / 2: 24 bits in single, 11 in TF32 and half, 8 in bfloat16.
"""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well one group of tensors agrees with its reference.

    Attributes:
        tensor: the first one beyond the limit in the order given; the worst one where all are within it.
        error: of that tensor, relative; infinite where it is missing, of another shape or not finite.
        limit: what the error may be.
        tensors: how many were compared.
    """

    tensor: str
    error: float
    limit: float
    tensors: int

    @property
    def passed(self) -> bool:
        """Whether every tensor is within the limit."""
        return self.error <= self.limit


def crossed(found: Arrays, reference: Arrays) -> float:
    """What units within rounding of a rectifier's kink may change gradients by, relative to their size.

    A unit that is above zero in one precision and not in the other passes its gradient on in one alone. Of a layer of N
    units above zero, each with a gradient of its own, k that differ change the sum by sqrt(k / N) in the mean square;
    layers add up in squares.

    Args:
        found: activations by layer, of any shape.
        reference: the same in double precision.
    """
    total = 0.0
    for name, wanted in reference.items():
        mine = found.get(name)
        if mine is not None and mine.shape == wanted.shape:
            total += int(np.count_nonzero((mine > 0) != (wanted > 0))) / max(1, int(np.count_nonzero(wanted > 0)))
    return CROSSED_SPREADS * math.sqrt(total)


def agree(found: Arrays, reference: Arrays, limit: float, floor: float = 0.0) -> Agreement:
    """Holds tensors against a reference.

    Args:
        found: by name.
        reference: by name, in the order in which the first disagreement is to be told.
        limit: of ``|found - reference| / max(|reference|, floor * |all references|)``, Euclidean norms.
        floor: see `FLOOR`; 0 holds every tensor against its own size.

    Raises:
        ValueError: there is nothing to compare.
    """
    if not reference:
        raise ValueError("there is no reference tensor")
    least = floor * math.sqrt(sum(float(np.vdot(value, value).real) for value in reference.values()))
    errors = {name: _error(found.get(name), value, least) for name, value in reference.items()}
    errors |= {name: math.inf for name in found if name not in reference}
    beyond = next((name for name, error in errors.items() if error > limit), None)
    worst = beyond if beyond is not None else max(errors, key=lambda name: errors[name])
    return Agreement(worst, errors[worst], limit, len(reference))


def _error(found: NDArray[Any] | None, reference: NDArray[Any], least: float) -> float:
    if found is None or found.shape != reference.shape or not np.isfinite(found).all():
        return math.inf
    distance = float(np.linalg.norm((found.astype(np.float64) - reference).ravel()))
    size = max(float(np.linalg.norm(reference.ravel())), least)
    if size == 0:
        return 0.0 if distance == 0 else math.inf
    return distance / size


def math_error(product: NDArray[Any], a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Relative error of a product of two matrices, against NumPy's in double precision."""
    return _error(product, a.astype(np.float64) @ b.astype(np.float64), 0.0)
