"""What a run consists of, and how long it takes where a step takes so long."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from gpugap.core.errors import BadValue
from gpugap.core.estimate import Estimate
from gpugap.plan.interruptions import Delay, best_segment_s, delayed
from gpugap.stats.propagation import assumed, ends, greater, product, scaled, total

EVALUATION = (0.22, 0.33, 0.5)
"""Time of evaluating a sample over that of training on it: a forward pass is a third of forward and backward, whose
matrix products are twice as many; less optimizer, more input."""
WRITE_BYTE_PER_S = (5e7, 3e8, 2e9)
"""Checkpoint to disk or bucket: an object store from one stream, a network disk, a local NVMe drive."""
START_S = {"own": (5.0, 20.0, 60.0), "cloud": (60.0, 240.0, 900.0), "notebook": (60.0, 240.0, 600.0)}
"""From asking for a machine until the first step: boot, image, packages, imports; data are counted on their own."""
FETCH_BYTE_PER_S = (2e7, 1e8, 5e8)
"""Data set onto the machine: from 160 Mbit/s of a home line to 4 Gbit/s within a cloud."""
SAVED_EVERY_S = 1800.0
"""Between checkpoints where nothing interrupts."""
SPOT_MEAN = assumed(24 * 3600.0, 5 * 3600.0, 240 * 3600.0, "s", "every 5 h to 10 days, assumed")
"""Mean time between interruptions of spot machines. No provider publishes it; AWS's advisor gives classes of under 5 to
over 20 % a month by machine type, traces in papers on spot training hours to a day for GPUs. Wide for that."""
MOST_EPOCHS, MOST_SAMPLES, MOST_STEPS = 1e6, 1e13, 1e12
SLOWEST_PER_S, FASTEST_PER_S = 1e-6, 1e12
"""Samples a second of an input pipeline: one in eleven days at the least."""
_ENDLESS = 1e12
"""Times the work, and interruptions: what would never end is told as that, which no plan holds."""


@dataclass(frozen=True, slots=True)
class Run:
    """A training run, or a pass of inference over data. How many epochs an accuracy needs is the user's knowledge.

    Attributes:
        epochs: passes over the samples, at this batch size.
        samples: a pass.
        batch: samples a step, on all devices together.
        evaluated: share of the samples that is evaluated after each epoch, in addition.
        checkpoint_bytes: parameters and optimizer state; unknown value where not traced.
        data_bytes: fetched to every new machine and kept beside it.
        loader_per_s: samples a second that the input pipeline delivers; None where it keeps up.
        spot_mean_s: mean time between interruptions of spot machines.
    """

    epochs: float
    samples: int
    batch: int
    evaluated: float = 0.1
    checkpoint_bytes: Estimate | None = None
    data_bytes: float = 0.0
    loader_per_s: float | None = None
    spot_mean_s: Estimate = SPOT_MEAN

    def __post_init__(self) -> None:
        for name, value, most in (("epochs", self.epochs, MOST_EPOCHS), ("samples", self.samples, MOST_SAMPLES)):
            if not 0 < value <= most:
                raise BadValue(f"{name} {value:g}", f"give more than 0 and at most {most:g}")
        if self.batch < 1:
            raise BadValue(f"batch {self.batch}", "give at least 1 sample")
        if not 0 <= self.evaluated <= 10:
            raise BadValue(f"evaluated share {self.evaluated:g}", "give a share of the samples such as 0.1")
        if not 0 <= self.data_bytes < 1e18:
            raise BadValue(f"data of {self.data_bytes:g} bytes", "give what is fetched, such as 20GB")
        if self.epochs * math.ceil(self.samples / self.batch) > MOST_STEPS:
            steps = self.epochs * math.ceil(self.samples / self.batch)
            raise BadValue(f"a run of {steps:.3g} steps", f"give fewer epochs or samples: {MOST_STEPS:g} steps at most")
        if self.loader_per_s is not None and not SLOWEST_PER_S <= self.loader_per_s <= FASTEST_PER_S:
            rate = f"input pipeline of {self.loader_per_s:g} samples a second"
            raise BadValue(rate, f"give a rate of {SLOWEST_PER_S:g} to {FASTEST_PER_S:g}")

    @property
    def steps(self) -> int:
        """Training steps; the last of an epoch may be smaller."""
        whole, part = divmod(self.epochs, 1)
        an_epoch = math.ceil(self.samples / self.batch)
        return max(1, int(whole) * an_epoch + math.ceil(part * an_epoch))

    def pilot(self, steps: int) -> Run:
        """As many steps as a pilot takes."""
        return replace(self, epochs=1, samples=steps * self.batch, evaluated=0.0)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "epochs": self.epochs,
            "samples": self.samples,
            "batch": self.batch,
            "steps": self.steps,
            "evaluated_share": self.evaluated,
            "checkpoint_bytes": self.checkpoint_bytes.to_dict() if self.checkpoint_bytes else None,
            "data_bytes": self.data_bytes,
            "loader_samples_per_s": self.loader_per_s,
            "spot_mean_s": self.spot_mean_s.to_dict(),
        }


def work_time(run: Run, step_time: Estimate) -> Estimate:
    """Seconds of training and evaluation, without start-up, checkpoints and interruptions.

    Args:
        run: what is run.
        step_time: of one step of the whole batch.
    """
    paced, told = step_time, step_time.method
    if run.loader_per_s is not None:
        bound = run.batch / run.loader_per_s
        fed = Estimate(bound, None, None, None, "s", "published", "the input pipeline's rate, as given", None)
        paced = greater(step_time, fed, f"{told}; not below what the input pipeline delivers")
    training = scaled(paced, run.steps, "s", f"{run.steps} steps: {paced.method}")
    if run.evaluated == 0:
        return training
    low, value, high = (1 + run.evaluated * share for share in EVALUATION)
    evaluation = assumed(value, low, high, "1", f"and evaluation of {run.evaluated:g} of the samples an epoch")
    return product([training, evaluation], "s", f"{training.method}; {evaluation.method}")


def save_time(run: Run) -> Estimate:
    """Seconds of one checkpoint."""
    low, value, high = WRITE_BYTE_PER_S
    rate = assumed(value, low, high, "B/s", "written at 50 MB/s to 2 GB/s")
    if run.checkpoint_bytes is None or run.checkpoint_bytes.value is None:
        return assumed(5.0, 0.5, 60.0, "s", "size of a checkpoint not traced; half a second to a minute")
    return product(
        [run.checkpoint_bytes, rate], "s", "parameters and optimizer state over 50 MB/s to 2 GB/s", powers=[1, -1]
    )


def start_time(run: Run, place: str) -> Estimate:
    """Seconds from asking for a machine until its first step, data included.

    Args:
        run: what is run.
        place: ``own``, ``cloud`` or ``notebook``.
    """
    low, value, high = START_S[place]
    boot = assumed(value, low, high, "s", f"start of a machine, {low:g} to {high:g} s")
    if place == "own" or not run.data_bytes:
        return boot
    slow, likely, fast = FETCH_BYTE_PER_S
    fetch = assumed(
        run.data_bytes / likely, run.data_bytes / fast, run.data_bytes / slow, "s", "data at 20 to 500 MB/s"
    )
    return total([boot, fetch], "s", f"{boot.method}; {fetch.method}")


def steady_time(run: Run, step_time: Estimate, place: str) -> Estimate:
    """Seconds of the run on a machine that nobody takes away: start, training, evaluation and checkpoints."""
    work = work_time(run, step_time)
    if work.value is None:
        return work
    save, start = save_time(run), start_time(run, place)
    count = max(1, math.ceil(work.value / SAVED_EVERY_S))
    saves = scaled(save, count, "s", f"{count} checkpoints")
    return total([work, saves, start], "s", f"{work.method}; {count} checkpoints; {start.method}")


@dataclass(frozen=True, slots=True)
class Spot:
    """A run on a machine that may be taken away.

    Attributes:
        time: with everything that interruptions cost.
        segment_s: best work between two checkpoints.
        interruptions: expected.
    """

    time: Estimate
    segment_s: float
    interruptions: Estimate


def spot_time(run: Run, step_time: Estimate) -> Spot:
    """The run on a spot machine, saved as often as is best.

    The interval holds the step time's, the rate of interruptions' and, of their chance, 1.645 standard deviations.
    """
    work, save, start = work_time(run, step_time), save_time(run), start_time(run, "cloud")
    mean_value, mean_low, mean_high = ends(run.spot_mean_s)
    save_value, start_value = ends(save)[0], ends(start)[0]
    segment = best_segment_s(mean_value, save_value)
    if work.value is None:
        return Spot(work, segment, Estimate(None, None, None, None, "1", "predicted", work.method, None))
    likely = delayed(work.value, segment, save_value, start_value, mean_value)
    worst = delayed(work.value, segment, ends(save)[2], ends(start)[2], mean_low)
    calmest = delayed(work.value, segment, ends(save)[1], ends(start)[1], mean_high)
    told = f"saved every {segment / 60:.0f} min, interruptions exponential ({run.spot_mean_s.method})"
    stretch = assumed(*_stretch(work.value, likely, calmest, worst), "1", told)
    time = product([work, stretch], "s", f"{work.method}; {told}")
    time = total([time, start], "s", f"{time.method}; {start.method}")
    counts = [min(_ENDLESS, one.interruptions) for one in (likely, calmest, worst)]
    return Spot(time, segment, assumed(counts[0], min(counts), max(counts), "1", told))


def _stretch(work_s: float, likely: Delay, calmest: Delay, worst: Delay) -> tuple[float, float, float]:
    """Time over work: likely, and with the rates' ends and chance."""
    value = min(_ENDLESS, likely.time_s / work_s)
    least = 1.0 if math.isinf(calmest.time_s) else (calmest.time_s - 1.645 * calmest.spread_s) / work_s
    high = max(value, min(_ENDLESS, (worst.time_s + 1.645 * worst.spread_s) / work_s))
    return value, min(value, max(1.0, least)), high
