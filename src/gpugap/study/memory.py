"""The memory of a study's networks on GPUs that most readers know, for its page."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gpugap.core.cell import Cell
from gpugap.core.errors import GpugapError
from gpugap.predict.fit import Fit
from gpugap.study.fit import fit

GPUS = ("t4", "rtx-3090", "a100-40gb")
"""What free notebooks, desks and rented machines have."""
LIMIT_S = 30.0
"""No trace begins later than this after the first, so that a study ends when it said it would."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What was predicted for a page.

    Attributes:
        fits: one for each work and GPU.
        left_out: works that were not traced, each with the reason.
    """

    fits: tuple[Fit, ...]
    left_out: tuple[str, ...]


def foresee(cells: Iterable[Cell], gpus: Sequence[str] = GPUS, limit_s: float = LIMIT_S) -> Foreseen:
    """Whether the built-in works among some cells fit, as they come: training before inference.

    Args:
        cells: of a study; those of PyTorch count.
        gpus: names from the catalog.
        limit_s: seconds after which no trace begins.
    """
    works = {cell.work for cell in cells if cell.framework == "torch" and ".py:" not in cell.workload}
    begin = time.monotonic()
    fits: list[Fit] = []
    left_out: list[str] = []
    for workload, mode, batch in sorted(works, key=lambda work: (work[1] != "train", work)):
        if time.monotonic() - begin > limit_s:
            left_out.append(f"{workload} {mode}: no time was left")
            continue
        try:
            fits += fit(workload, gpus, batch=batch, mode=mode, with_savings=False)
        except GpugapError as error:
            left_out.append(f"{workload} {mode}: {error.message}")
    return Foreseen(tuple(fits), tuple(left_out))
