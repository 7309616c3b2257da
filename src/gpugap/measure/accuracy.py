"""Training until held-out images are classified well enough; a run that never gets there is kept as censored."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gpugap.core.errors import BadValue
from gpugap.measure.loop import run_window
from gpugap.workloads import workload
from gpugap.workloads.data import open_data, parse_source

if TYPE_CHECKING:
    from gpugap.core.step import Step
    from gpugap.frameworks.protocol import Framework
    from gpugap.measure.job import Job

HELD_OUT = 1000
"""Images on which accuracy is told; its standard error is then at most 1.6 percentage points."""

BETWEEN = 20
"""Steps between two looks at the held-out images."""


def check_learnable(name: str, own: bool, mode: str, data: str) -> None:
    """Refuses time to accuracy where there is none.

    Args:
        name: of the workload.
        own: whether the step is the user's, who brings one batch.
        mode: ``train`` or ``inference``.
        data: where batches come from.

    Raises:
        BadValue: random labels, no classes, no training, or a step with its own batch.
    """
    remedy = "use conv6, vgg16 or resnet18 with --data cifar10:PATH or folder:PATH"
    if own or not workload(name).classes:
        raise BadValue(f"{name} has no classes to be accurate on", remedy)
    if mode != "train":
        raise BadValue("time to accuracy needs training", "use --mode train")
    if parse_source(data)[1] is None:
        raise BadValue("synthetic labels are random: there is nothing to learn", remedy)


def train_to_accuracy(job: Job, framework: Framework, step: Step, body: Callable[[], Any]) -> dict[str, Any]:
    """Trains on fresh batches until the target is met or the steps are used up.

    Args:
        job: gives target, number of steps, data and batch size.
        framework: runs the step.
        step: built, untrained.
        body: runs the step once.

    Returns:
        ``target``, ``reached``, ``steps``, ``time_s`` (drawing and copying inside, looks at held-out images not) and
        ``curve``: steps, seconds and accuracy at every look.
    """
    spec = workload(job.cell.workload)
    seed = job.seed + job.process
    draw = open_data(job.data, spec, seed, "train")
    held_out = open_data(job.data, spec, seed, "held-out")(HELD_OUT)
    clock = framework.clock(job.cell.device)
    target = job.target_accuracy or 1.0

    def train_once() -> Any:
        framework.feed(step, draw(job.cell.batch))
        return body()

    time_s, steps, curve = 0.0, 0, [(0, 0.0, framework.accuracy(step, held_out))]
    while curve[-1][2] < target and steps < job.steps:
        count = min(BETWEEN, job.steps - steps)
        times, _ = run_window(train_once, clock, count)
        time_s += sum(times) / len(times) * count
        steps += count
        curve.append((steps, time_s, framework.accuracy(step, held_out)))
    reached = curve[-1][2] >= target
    return {"target": target, "reached": reached, "steps": steps, "time_s": time_s, "curve": curve}
