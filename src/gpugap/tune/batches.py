"""The best batch, told apart from the gain: time a sample at other sizes, as far as memory goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from gpugap.tune.proof import WINDOW_S, Proof, least_s, prove
from gpugap.tune.space import Arm, LeftOut
from gpugap.tune.trials import Trials

FACTORS = (0.25, 0.5, 2.0, 4.0)
"""Other batches, relative to the one the gain is told for."""

ROOM = 0.8
"""Share of free memory that a batch may be expected to take."""

WORTH = 1.01
"""A batch that gains less a sample in the first block is not proved."""


@dataclass(frozen=True, slots=True)
class Batches:
    """What other batches bring.

    Attributes:
        best: samples a step of the fastest batch a sample; the baseline's where none is faster.
        gain: seconds a sample at the baseline's batch over those at the best, both tuned; None where none was faster.
        tried: batches that ran.
        left_out: batches that did not, with reasons.
        unproved: a batch that seemed faster in its only block, and that no time was left to prove; None where none did.
    """

    best: int
    gain: Proof | None
    tried: tuple[int, ...]
    left_out: tuple[LeftOut, ...]
    unproved: int | None = None


def candidates(batch: int, peak_bytes: float, free_bytes: float) -> tuple[list[int], list[LeftOut]]:
    """Batches to try, and those too large for memory.

    Args:
        batch: the baseline's.
        peak_bytes: that a process of the winner took at that batch; taken to grow no faster than the batch does.
        free_bytes: of the machine or device.
    """
    sizes = sorted({max(1, round(batch * factor)) for factor in FACTORS} - {batch})
    fits = [size for size in sizes if peak_bytes * max(1.0, size / batch) <= ROOM * free_bytes]
    return fits, [LeftOut(f"batch {size}", "may not fit in memory") for size in sizes if size not in fits]


def best_batch(winner: Arm, trials: Trials, free_bytes: float) -> Batches | None:
    """Tries other batches in one block and proves the best on new processes; None where no time is left for that.

    Args:
        winner: the tuned arm, at the baseline's batch.
        trials: runs arms; has run the winner.
        free_bytes: of the machine or device.
    """
    base = trials.subject.cell.batch
    peak = fmean(trials.memory_bytes[winner]) if trials.memory_bytes.get(winner) else 0.0
    sizes, left_out = candidates(base, peak, free_bytes)
    arms = [replace(winner, batch=size) for size in sizes]
    guess_s = sum(_guess_s(trials, winner, size / base) for size in sizes)
    if not arms or guess_s + least_s((winner, winner), trials) > trials.left_s():
        return None
    times = trials.block([winner, *arms], WINDOW_S)
    failed = [LeftOut(f"batch {arm.batch}", trials.failures[arm]["message"]) for arm in arms if arm in trials.failures]
    best = _best(winner, arms, times)
    tried = tuple(arm.batch or base for arm in (winner, *arms) if arm in times)
    notes = (*left_out, *failed)
    if best is None or least_s((winner, best), trials) > trials.left_s():
        return Batches(base, None, tried, notes, best.batch if best else None)
    proof = prove((winner, best), trials, base)
    faster = proof.gain.verdict == "faster"
    return Batches((best.batch or base) if faster else base, proof, tried, notes)


def _guess_s(trials: Trials, winner: Arm, factor: float) -> float:
    """Seconds of one process at another batch: no fewer than two steps of that length."""
    return trials.cost_s(winner, WINDOW_S) * max(1.0, factor)


def _best(winner: Arm, arms: Sequence[Arm], times: dict[Arm, float]) -> Arm | None:
    ran = [arm for arm in arms if arm in times]
    if winner not in times or not ran:
        return None
    best = min(ran, key=lambda arm: times[arm])
    return best if times[winner] / times[best] >= WORTH else None
