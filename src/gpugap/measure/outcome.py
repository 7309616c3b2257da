"""Outcome: what a step computes under one setting, to be laid beside the same of another setting.

A child leaves the models' outputs before any update, and the results of some steps in a row: losses in training,
outputs in inference. Dropout is off, generators are seeded, and both settings start from the same weights.
"""

from __future__ import annotations

import random
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from gpugap.core.setting import BEFORE_CAPTURE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpugap.core.step import Step
    from gpugap.frameworks.protocol import Framework
    from gpugap.measure.job import Job

OUTPUT, RESULT = "output", "result"
SEPARATOR = "|"


def outcome(job: Job, framework: Framework, step: Step) -> dict[str, NDArray[Any]]:
    """Arrays by ``output|number`` and ``result|step|number``.

    Outputs are those of a training step's first model in inference; a step with its own ``run`` has none, and neither
    has a bare callable. Results that are no arrays or numbers are left out.

    Args:
        job: gives cell, setting, seed and number of steps.
        framework: runs it; has been set by `Framework.apply`.
        step: freshly built.
    """
    framework.drop_nothing(step)
    if job.perturbation:
        framework.perturb(step, job.perturbation, job.seed)
    found: dict[str, NDArray[Any]] = {}
    if step.mode == "train" and step.run is None:
        looking = replace(step, mode="inference")
        result = framework.body(looking, replace(job.cell, mode="inference"), replace(job.setting, cuda_graph=False))()
        found |= {f"{OUTPUT}{SEPARATOR}{number}": value for number, value in enumerate(numbers(framework, result))}
    body = framework.body(step, job.cell, job.setting)
    if job.cell.device.startswith("cuda") and not job.setting.cuda_graph:
        for _ in range(BEFORE_CAPTURE):  # as many updates as a graph has behind it
            body()
    for place in range(job.steps):
        for number, value in enumerate(numbers(framework, body())):
            found[SEPARATOR.join((RESULT, str(place), str(number)))] = value
    return found


def seed_python(seed: int) -> None:
    """Seeds the generators of Python and NumPy, from which a user's factory may draw; frameworks seed their own."""
    random.seed(seed)
    np.random.seed(seed)


def numbers(framework: Framework, result: Any) -> list[NDArray[Any]]:
    """What a step returned, as arrays; empty for what is neither a number nor a tensor nor made of them."""
    if result is None or isinstance(result, str | bytes):
        return []
    if isinstance(result, Real):
        return [np.array(float(result))]
    if isinstance(result, np.ndarray):
        return [result.copy()]
    try:
        return [np.array(array, dtype=np.float64) for array in framework.arrays_of(result)]
    except (TypeError, AttributeError, ValueError):
        return []
