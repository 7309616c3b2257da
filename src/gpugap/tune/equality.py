"""Whether a tuned step still computes what the baseline does, within a tolerance that its precision explains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gpugap.measure.outcome import OUTPUT, RESULT, SEPARATOR
from gpugap.stats.agreement import Agreement, agree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

OUTPUT_LIMITS = {"fp64": 1e-9, "fp32": 1e-4, "tf32": 5e-3, "bf16": 3e-2, "fp16": 5e-3}
"""Relative error of outputs (Euclidean norms), by precision of the tuned step.

Single precision agrees to the house's 1e-4 in any order of sums. Factors rounded to 8 bits (bf16) carry relative errors
of up to 2^-9 each, to 11 bits (TF32, fp16) 2^-12; over a dozen layers with normalization the four networks show
3e-3 in bf16, and the limits leave ten times that.
"""

RESULT_LIMITS = {"fp64": 1e-9, "fp32": 1e-3, "tf32": 5e-3, "bf16": 1e-2, "fp16": 5e-3}
"""Relative error of the losses up to any step, taken as one vector, that is allowed in any case."""

ROUNDING = {"fp64": 2.0**-53, "fp32": 2.0**-24, "tf32": 2.0**-12, "bf16": 2.0**-9, "fp16": 2.0**-12}
"""Largest relative error of rounding a number, by precision."""

PATIENCE = 5.0
"""Where training is chaotic, losses may differ by so many times what rounding errors on the parameters alone do to the
baseline's, or so many times the fixed limit.

Training is chaotic: an adaptive optimizer divides a gradient by its size, so that rounding may turn a small one round.
ResNet-18's losses move by 12 % within 8 steps when nothing but the order of single-precision sums is another. So the
baseline is run once more from parameters that carry rounding errors of the tuned step's precision, and what that does
up to each step is the measure: small in the first steps, so that a wrong gradient or a missing update shows there.
Rounding every operator's result, as autocast does, moves the first losses of VGG-16 3.5 times as much.
"""

UNCHANGED = 1e-5
"""Relative difference between two runs of one setting, above which a step's results are its own chance."""


@dataclass(frozen=True, slots=True)
class Equality:
    """Two settings' results side by side.

    Attributes:
        outputs: of the untrained models, and all of them in inference; None where the step shows none.
        results: losses of steps in a row, up to the step where they are worst beside their limit; None in inference,
            and where the step returns no numbers.
        repeat: relative difference between two runs of the baseline; None where nothing was compared.
        rounding: relative difference that rounding errors on the parameters make to the baseline's results; None where
            it was not asked for.
        why: what kept it from being told; empty where it was.
    """

    outputs: Agreement | None = None
    results: Agreement | None = None
    repeat: float | None = None
    why: str = ""
    rounding: float | None = None

    @property
    def passed(self) -> bool | None:
        """Whether all that was compared is within its limit; None where nothing was."""
        known = [one.passed for one in (self.outputs, self.results) if one is not None]
        return all(known) if known and not self.why else None

    def to_dict(self) -> dict[str, Any]:
        """For the JSON output."""
        parts = {name: getattr(self, name) for name in ("outputs", "results")}
        found = {name: _plain(one) if one else None for name, one in parts.items()}
        told = {"repeat": self.repeat, "rounding": self.rounding, "passed": self.passed, "why": self.why or None}
        return {**found, **told}

    @property
    def chaotic(self) -> bool:
        """Whether results alone are beyond their fixed limit, so that the baseline's own sensitivity decides."""
        known = self.outputs is None or self.outputs.passed
        return known and self.results is not None and not self.results.passed and np.isfinite(self.results.error)

    def beside(self, found: Arrays, reference: Arrays, perturbed: Arrays) -> Equality:
        """The same, with results judged by what rounding errors do to the baseline.

        Args:
            found: of the tuned step.
            reference: of the baseline.
            perturbed: of the baseline from parameters that carry rounding errors.
        """
        if self.results is None:
            return self
        moved = _errors(perturbed, reference)
        if not all(np.isfinite(error) for errors in moved.values() for error in errors):
            return self
        limits = {name: [PATIENCE * max(self.results.limit, one) for one in errors] for name, errors in moved.items()}
        shaken = max(errors[-1] for errors in moved.values())
        return replace(self, results=_worst(_errors(found, reference), limits), rounding=shaken)


def _plain(one: Agreement) -> dict[str, Any]:
    error = one.error if np.isfinite(one.error) else None
    return {**asdict(one), "error": error, "passed": one.passed}


def repeated(first: Arrays, second: Arrays) -> float | None:
    """Relative difference between two runs of one setting; None where they hold no numbers."""
    if not first:
        return None
    return agree(second, first, UNCHANGED).error


def compare_results(
    found: Arrays, reference: Arrays, precision: str, repeat: float | None, *, mode: str = "train"
) -> Equality:
    """Outputs and results of a tuned step against the baseline's.

    Args:
        found: of the tuned step, as `gpugap.measure.outcome` leaves them.
        reference: of the baseline.
        precision: of the tuned step.
        repeat: what `repeated` says of the baseline.
        mode: in ``inference`` what a step returns are outputs.
    """
    if not reference:
        return Equality(why="the step returns no numbers: return the loss or the outputs to have them compared")
    if mode == "inference":
        return Equality(outputs=agree(found, reference, OUTPUT_LIMITS[precision]), repeat=repeat)
    outputs, mine = _of(reference, OUTPUT), _of(found, OUTPUT)
    errors = _errors(found, reference)
    limits = {name: [RESULT_LIMITS[precision]] * len(known) for name, known in errors.items()}
    return Equality(
        agree(mine, outputs, OUTPUT_LIMITS[precision]) if outputs else None,
        _worst(errors, limits) if errors else None,
        repeat,
    )


def _of(arrays: Arrays, group: str) -> dict[str, NDArray[Any]]:
    return {name: value for name, value in arrays.items() if name.startswith(group + SEPARATOR)}


def _series(arrays: Arrays) -> dict[str, list[NDArray[Any]]]:
    """Results step by step, for each thing a step returns."""
    series: dict[str, list[NDArray[Any]]] = {}
    for name, value in _of(arrays, RESULT).items():
        series.setdefault(name.rpartition(SEPARATOR)[2], []).append(np.ravel(value))
    return series


def _errors(found: Arrays, reference: Arrays) -> dict[str, list[float]]:
    """Relative errors of results up to each step, for each thing a step returns."""
    mine, known = _series(found), _series(reference)
    return {
        number: [_error(mine.get(number, [])[:count], values[:count]) for count in range(1, len(values) + 1)]
        for number, values in known.items()
    }


def _error(found: list[NDArray[Any]], reference: list[NDArray[Any]]) -> float:
    joined = {"all": np.concatenate(found)} if found else {}
    return agree(joined, {"all": np.concatenate(reference)}, 1.0).error


def _worst(errors: Mapping[str, list[float]], limits: Mapping[str, list[float]]) -> Agreement:
    """The error that is largest beside its limit."""
    every = [
        (error / limit, error, limit, f"results {number} up to step {step}")
        for number, known in errors.items()
        for step, (error, limit) in enumerate(zip(known, limits[number], strict=True))
    ]
    _, error, limit, name = max(every)
    return Agreement(name, error, limit, len(errors))
