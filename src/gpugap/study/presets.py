"""What ``gpugap study`` runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpugap.core.execution import EXECUTIONS
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
        comparison: cells that every framework runs where more than one is chosen.
        executions: modes they run in, by framework.
    """

    name: str
    about: str
    cells: tuple[tuple[str, dict[str, Any]], ...]
    effort: Effort
    budget_s: float | None
    comparison: tuple[tuple[str, dict[str, Any]], ...]
    executions: Mapping[str, tuple[str, ...]]

    def budget_for(self, frameworks: int) -> float | None:
        """The time for that many frameworks: comparing several takes as long as the study itself."""
        return self.budget_s if self.budget_s is None or frameworks == 1 else 2 * self.budget_s


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


def _inference(names: Sequence[str], batches: Sequence[int]) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Inference of workloads at some batch sizes: what the published difference of frameworks is about."""
    return tuple(
        (name, {"mode": "inference", "batch": batch, "precision": "fp32"}) for name in names for batch in batches
    )


_FEW_MODES = {
    "torch": ("eager", "compile"),
    "tensorflow": ("eager", "unfused", "function"),
    "jax": ("op-by-op", "jit"),
    "null": ("eager",),
}
"""One mode without and one with fusion; of TensorFlow also the graph without it, which tells the two apart."""

PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "quick",
            "the four networks, 5 processes of 8 steps a cell, at most 14 minutes; what does not fit is named",
            _small((1, 4)),
            Effort(processes=5, warmup_steps=2, steps=8, timeout_s=300, details=1),
            14 * 60,
            _inference(("conv6@32", "resnet18@32"), (1, 32)),
            _FEW_MODES,
        ),
        Preset(
            "paper",
            "the four networks, 10 processes of 30 steps a cell; an hour or two on a small CPU",
            _small((3, 20)),
            Effort(processes=10, warmup_steps=5, steps=30, timeout_s=1800, details=3),
            None,
            _inference(_CLASSIFIERS, (1, 32)),
            _FEW_MODES,
        ),
        Preset(
            "full",
            "the four networks and the 224×224 forms, 20 processes of 50 steps a cell; a night on a small CPU",
            (*_small((3, 20)), *(group for name in _LARGE for group in _both(name, (32, 32)))),
            Effort(processes=20, warmup_steps=5, steps=50, timeout_s=3600, details=5),
            None,
            (*_inference(_CLASSIFIERS, (1, 32)), *_small((3, 20))),
            EXECUTIONS,
        ),
    )
}
