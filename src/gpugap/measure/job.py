"""`Job`: one process of one cell, as the parent hands it to the child."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gpugap.core.cell import Cell
from gpugap.core.setting import Setting
from gpugap.measure.target import Target

LOOK_STEPS = 5
"""Steps each look inside takes at most."""


@dataclass(frozen=True, slots=True)
class Job:
    """What one child process has to do.

    Attributes:
        cell: the factors.
        target: the workload or the user's file.
        setting: what the framework is asked for.
        session: id of the session.
        process: number within the session.
        block: number of the interleaved block.
        warmup_steps: steps before the steady window.
        steps: steps of the steady window.
        seed: of data and initialization; the same for all cells, so that they compute the same.
        data: where batches come from.
        purpose: ``timing``, ``details`` for a look inside, ``accuracy`` for training to a target, ``parity`` for
            computing what is held against a reference framework, or ``outcome`` for what is held against another
            setting of the same step.
        target_accuracy: share of held-out images to be classified rightly, for ``accuracy``.
        timeout_s: after this the process is ended.
        arrays: file a ``parity`` or ``outcome`` process leaves its arrays in.
        perturbation: relative size of noise that an ``outcome`` process puts on its parameters before it starts.
    """

    cell: Cell
    target: Target
    setting: Setting
    session: str
    process: int
    block: int
    warmup_steps: int
    steps: int
    seed: int
    data: str
    timeout_s: float
    purpose: str = "timing"
    target_accuracy: float | None = None
    arrays: Path | None = None
    perturbation: float = 0.0

    @property
    def step_count(self) -> int:
        """Steps the process runs at most, those of the look inside included; less where a training run gets there."""
        if self.purpose == "accuracy":
            return self.steps
        looks = 1 + 2 * min(LOOK_STEPS, self.steps)  # memory, phases, input pipeline
        return 1 + self.warmup_steps + (looks if self.purpose == "details" else self.steps)

    def to_json(self) -> str:
        """One line for the child's standard input."""
        plain = asdict(self) | {"cell": self.cell.to_dict()}
        return json.dumps(plain, default=str)

    @classmethod
    def from_json(cls, line: str) -> Job:
        """The inverse of `to_json`."""
        content: dict[str, Any] = json.loads(line)
        target = content["target"]
        path = Path(target["path"]) if target["path"] else None
        rebuilt = {
            "cell": Cell.from_dict(content["cell"]),
            "target": Target(**(target | {"path": path})),
            "setting": Setting.from_dict(content["setting"]),
            "arrays": Path(content["arrays"]) if content["arrays"] else None,
        }
        return cls(**(content | rebuilt))
