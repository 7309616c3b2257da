"""What ``gpugap study`` runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpugap.measure.plan import Effort


@dataclass(frozen=True, slots=True)
class Preset:
    """A named study.

    Attributes:
        name: for ``--preset``.
        about: one line for ``--help``.
        cells: `gpugap.measure.plan.Request` of each group of cells, less device; run on every device present.
        effort: processes and steps a cell.
        budget_s: no process is started that would not end within this time; None for no bound.
    """

    name: str
    about: str
    cells: tuple[tuple[str, dict[str, Any]], ...]
    effort: Effort
    budget_s: float | None


_CLASSIFIERS = ("conv6@32", "vgg16@32", "resnet18@32")
_LARGE = ("vgg16@224", "resnet18@224")


def _both(
    name: str, batches: tuple[int, int], steps: tuple[int, int] | None = None
) -> list[tuple[str, dict[str, Any]]]:
    """Training and inference of a workload at two batch sizes."""
    modes = zip(("train", "inference"), batches, strict=True)
    return [(name, {"mode": mode, "batch": batch, "precision": "fp32", "steps": steps}) for mode, batch in modes]


def _small(steps: tuple[int, int]) -> tuple[tuple[str, dict[str, Any]], ...]:
    """The study's four networks; CycleGAN with its own number of steps, since one takes seconds on a CPU."""
    classifiers = [group for name in _CLASSIFIERS for group in _both(name, (128, 32))]
    return (*classifiers, *_both("cyclegan@256", (1, 1), steps))


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "quick",
            "the four networks, 5 processes of 8 steps a cell, at most 14 minutes; what does not fit is named",
            _small((1, 4)),
            Effort(processes=5, warmup_steps=2, steps=8, timeout_s=300, details=1),
            14 * 60,
        ),
        Preset(
            "paper",
            "the four networks, 10 processes of 30 steps a cell; an hour or two on a small CPU",
            _small((3, 20)),
            Effort(processes=10, warmup_steps=5, steps=30, timeout_s=1800, details=3),
            None,
        ),
        Preset(
            "full",
            "the four networks and the 224×224 forms, 20 processes of 50 steps a cell; a night on a small CPU",
            (*_small((3, 20)), *(group for name in _LARGE for group in _both(name, (32, 32)))),
            Effort(processes=20, warmup_steps=5, steps=50, timeout_s=3600, details=5),
            None,
        ),
    )
}
