"""Whether a tuned step still computes what the baseline does, within a tolerance that its precision explains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gpugap.measure.outcome import OUTPUT, RESULT, SEPARATOR
from gpugap.stats.agreement import Agreement, agree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

OUTPUT_LIMITS = {"fp64": 1e-9, "fp32": 1e-4, "tf32": 1e-2, "bf16": 1e-1, "fp16": 1e-2}
"""Relative error of outputs (Euclidean norms), by precision of the tuned step.

Single precision agrees to the house's 1e-4 in any order of sums. Factors rounded to 8 bits (bf16) carry relative errors
of up to 2^-9 each, to 11 bits (TF32, fp16) 2^-12; over some dozens of layers with normalization they grow by an order
of magnitude, and by another for a margin.
"""

RESULT_LIMITS = {"fp64": 1e-6, "fp32": 2e-2, "tf32": 5e-2, "bf16": 1e-1, "fp16": 5e-2}
"""Relative error of the losses of some steps in a row, taken as one vector.

An update feeds on rounding: adaptive optimizers divide by the size of a gradient, so that even a tiny one moves its
weight by the learning rate, whatever its sign. The limits of single precision are wider than those of outputs for that.
"""

UNCHANGED = 1e-5
"""Relative difference between two runs of one setting, above which a step's results are its own chance."""


@dataclass(frozen=True, slots=True)
class Equality:
    """Two settings' results side by side.

    Attributes:
        outputs: of the untrained models; None where the step shows none.
        results: losses of steps in a row, or outputs in inference; None where the step returns no numbers.
        repeat: relative difference between two runs of the baseline; None where nothing was compared.
        why: what kept it from being told; empty where it was.
    """

    outputs: Agreement | None = None
    results: Agreement | None = None
    repeat: float | None = None
    why: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether all that was compared is within its limit; None where nothing was."""
        known = [one.passed for one in (self.outputs, self.results) if one is not None]
        return all(known) if known and not self.why else None

    def to_dict(self) -> dict[str, Any]:
        """For the JSON output."""
        parts = {name: getattr(self, name) for name in ("outputs", "results")}
        found = {name: _plain(one) if one else None for name, one in parts.items()}
        return {**found, "repeat": self.repeat, "passed": self.passed, "why": self.why or None}


def _plain(one: Agreement) -> dict[str, Any]:
    error = one.error if np.isfinite(one.error) else None
    return {**asdict(one), "error": error, "passed": one.passed}


def repeated(first: Arrays, second: Arrays) -> float | None:
    """Relative difference between two runs of one setting; None where they hold no numbers."""
    if not first:
        return None
    return agree(second, first, UNCHANGED).error


def compare_results(found: Arrays, reference: Arrays, precision: str, repeat: float | None) -> Equality:
    """Outputs and results of a tuned step against the baseline's.

    Args:
        found: of the tuned step, as `gpugap.measure.outcome` leaves them.
        reference: of the baseline.
        precision: of the tuned step.
        repeat: what `repeated` says of the baseline.
    """
    if not reference:
        return Equality(why="the step returns no numbers: return the loss or the outputs to have them compared")
    outputs, mine = _of(reference, OUTPUT), _of(found, OUTPUT)
    results, own = _vector(reference), _vector(found)
    return Equality(
        agree(mine, outputs, OUTPUT_LIMITS[precision]) if outputs else None,
        agree(own, results, RESULT_LIMITS[precision]) if results else None,
        repeat,
    )


def _of(arrays: Arrays, group: str) -> dict[str, NDArray[Any]]:
    return {name: value for name, value in arrays.items() if name.startswith(group + SEPARATOR)}


def _vector(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Results of all steps, one array for each thing a step returns."""
    series: dict[str, list[NDArray[Any]]] = {}
    for name, value in _of(arrays, RESULT).items():
        series.setdefault(name.rpartition(SEPARATOR)[2], []).append(np.ravel(value))
    return {f"results {number}": np.concatenate(values) for number, values in series.items()}
