"""Looking inside a step: its phases as functions of their own, and its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from gpugap.frameworks.tensorflow.start import keras

if TYPE_CHECKING:
    from gpugap.core.step import Step
    from gpugap.frameworks.tensorflow.step import Body


@contextmanager
def in_phases(body: Body, mark: Callable[[str], None]) -> Iterator[None]:
    """Runs a training step in three functions an update, and calls `mark` with the name of each that has just ended.

    Args:
        body: of a step that has updates; it takes one step before anything is marked, in which these are compiled.
        mark: called with ``forward``, ``backward`` or ``optimizer``.
    """
    assert body.training is not None
    heard = False

    def note(name: str) -> None:
        if heard:
            mark(name)

    run = body.training.joined([update.in_phases(body.compiled, note) for update in body.training.updates])
    run()
    heard, whole, body.run = True, body.run, run
    try:
        yield
    finally:
        body.run = whole


def denormal_share(step: Step) -> float | None:
    """Share of denormal values among the floating-point parameters of a step's models; None without any."""
    total, small = 0, 0
    for model in step.model_list:
        for variable in model.trainable_variables if isinstance(model, keras.Layer) else ():
            values = np.abs(variable.numpy())
            if values.dtype in (np.float32, np.float64):
                total += values.size
                small += int(((values != 0) & (values < np.finfo(values.dtype).tiny)).sum())
    return small / total if total else None
