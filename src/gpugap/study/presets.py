"""What ``gpugap study`` runs."""

from __future__ import annotations

from dataclasses import dataclass

from gpugap.measure.plan import Effort


@dataclass(frozen=True, slots=True)
class Preset:
    """A named study.

    Attributes:
        name: for ``--preset``.
        about: one line for ``--help``.
        cells: workload, mode and batch of each group of cells; run on every device present.
        effort: processes and steps a cell.
        budget_s: no process is started that would not end within this time; None for no bound.
    """

    name: str
    about: str
    cells: tuple[tuple[str, str, int], ...]
    effort: Effort
    budget_s: float | None


_NETWORKS = ("conv6@32", "resnet18@32")

PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "quick",
            "Conv-6 and ResNet-18 at 32×32, 5 processes a cell, at most 14 minutes",
            tuple((name, mode, batch) for name in _NETWORKS for mode, batch in (("train", 128), ("inference", 32))),
            Effort(processes=5, warmup_steps=2, steps=8, timeout_s=300),
            14 * 60,
        ),
        Preset(
            "standard",
            "the same networks, 10 processes of 30 steps a cell, and ResNet-18 at 224×224; an hour or two",
            (
                *((name, mode, batch) for name in _NETWORKS for mode, batch in (("train", 128), ("inference", 32))),
                ("resnet18@224", "train", 32),
                ("resnet18@224", "inference", 32),
            ),
            Effort(processes=10, warmup_steps=5, steps=30, timeout_s=1800),
            None,
        ),
    )
}
