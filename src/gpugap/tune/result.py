"""`Tuned`: what tuning has come to."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gpugap.core.cell import Cell
from gpugap.core.estimate import Estimate, unknown
from gpugap.core.setting import Setting
from gpugap.core.table import html_table, text_table
from gpugap.core.units import UNKNOWN, duration, seconds, significant
from gpugap.core.verdict import Comparison
from gpugap.stats.compare import compare_unpaired
from gpugap.tune.batches import Batches
from gpugap.tune.equality import Equality
from gpugap.tune.proof import Proof
from gpugap.tune.recipe import Recipe
from gpugap.tune.search import Round
from gpugap.tune.space import BASE, Arm, LeftOut

LADDER_HEADER = ("choice", "gain", "95 % interval", "verdict", "kind")


@dataclass(frozen=True, slots=True)
class Effort:
    """What it took.

    Attributes:
        budget_s: that was allowed.
        spent_s: that was taken.
        processes: fresh processes that ran.
        rounds: of the search.
        complete: whether the search ended by itself.
    """

    budget_s: float
    spent_s: float
    processes: int
    rounds: tuple[Round, ...]
    complete: bool


@dataclass(frozen=True)
class Tuned:
    """A step tuned on this machine.

    Attributes:
        cell: of the baseline.
        machine: digest of the hardware.
        setting: that won.
        execution: mode of the framework that won.
        proof: what fresh processes say of it; None where nothing worked beside the baseline.
        equality: whether it computes the same.
        memory: peak memory of a process of the winner over that of the baseline.
        recipe: lines that put it in force.
        batches: the best batch, told apart; None where it was not looked for.
        left_out: what was not tried, or failed, with reasons.
        effort: what it took.
        profile: file in which it is kept for other verbs; None where it is not.
    """

    cell: Cell
    machine: str
    setting: Setting
    execution: str
    proof: Proof | None
    equality: Equality
    memory: Estimate
    recipe: Recipe
    batches: Batches | None
    left_out: tuple[LeftOut, ...]
    effort: Effort
    profile: str | None = None

    @property
    def verdict(self) -> str:
        """``faster``, ``slower``, ``equivalent`` or ``inconclusive``: what the winner is beside the baseline."""
        return self.proof.gain.verdict if self.proof else "inconclusive"

    @property
    def gain(self) -> Estimate:
        """Step time of the baseline over that of the winner."""
        return self.proof.gain.speedup if self.proof else unknown("1", "no setting that computes the same was proved")

    @property
    def adopted(self) -> bool:
        """Whether it is faster and was not found to compute something else."""
        return self.verdict == "faster" and self.equality.passed is not False

    def to_dict(self) -> dict[str, Any]:
        """The result of ``gpugap.tune/1``."""
        proof, batches = self.proof, self.batches
        return {
            "cell": self.cell.to_dict(),
            "machine": self.machine,
            "verdict": self.verdict,
            "adopted": self.adopted,
            "setting": asdict(self.setting),
            "execution": self.execution,
            "baseline_step_time_s": self._time(BASE),
            "tuned_step_time_s": self._time(proof.winner) if proof else None,
            "gain": _told(proof.gain) if proof else None,
            "gain_same_allocator": _told(proof.apart) if proof and proof.apart else None,
            "ladder": [{"choice": one.name, "dimension": one.dimension, **_told(one.gain)} for one in self.rungs],
            "equality": self.equality.to_dict(),
            "memory": self.memory.to_dict(),
            "batch": None if batches is None else _batches(batches),
            "recipe": self.recipe.to_dict(),
            "left_out": [one.to_dict() for one in self.left_out],
            "effort": asdict(self.effort) | {"blocks": proof.blocks if proof else 0},
            "profile": self.profile,
        }

    @property
    def rungs(self) -> Sequence[Any]:
        """The ladder; empty where there was no time for it."""
        return self.proof.rungs if self.proof else ()

    def _time(self, arm: Arm) -> dict[str, Any] | None:
        return self.proof.times[arm].to_dict() if self.proof else None

    def __repr__(self) -> str:
        return text_table(LADDER_HEADER, ladder_rows(self))

    def _repr_html_(self) -> str:
        return html_table(LADDER_HEADER, (tuple(map(html.escape, row)) for row in ladder_rows(self)))


def _told(comparison: Comparison) -> dict[str, Any]:
    return comparison.to_dict()


def _batches(found: Batches) -> dict[str, Any]:
    return {
        "best": found.best,
        "gain": _told(found.gain.gain) if found.gain else None,
        "unproved": found.unproved,
        "tried": list(found.tried),
        "left_out": [one.to_dict() for one in found.left_out],
    }


def memory_ratio(peaks: Mapping[Arm, Sequence[int]], winner: Arm) -> Estimate:
    """Peak memory of the winner's processes over that of the baseline's, with Welch's interval on logarithms."""
    mine, base = (list(peaks.get(arm, ())) for arm in (winner, BASE))
    if not mine or not base:
        return unknown("1", "no peak of memory was read")
    return compare_unpaired(mine, base).speedup


def ladder_rows(tuned: Tuned) -> list[tuple[str, ...]]:
    """A row of `LADDER_HEADER` for the baseline, every rung, and the whole."""
    proof = tuned.proof
    if proof is None:
        return []
    base = seconds(proof.times[BASE].value)
    rows: list[tuple[str, ...]] = [(f"as it comes: {base} a step", "", "", "", "MEASURED")]
    rows += [(f"+ {one.name}", *_numbers(one.gain)) for one in proof.rungs]
    if proof.apart is not None:
        rows.append(("together, same allocator", *_numbers(proof.apart)))
    after = seconds(proof.times[proof.winner].value)
    name = "together" if proof.rungs else proof.winner.label
    return [*rows, (f"{name}: {after} a step", *_numbers(proof.gain))]


def _numbers(comparison: Comparison) -> tuple[str, str, str, str]:
    gain = comparison.speedup
    value = UNKNOWN if gain.value is None else f"{significant(gain.value)}×"
    known = gain.low is not None and gain.high is not None
    ends = f"{significant(gain.low or 0)} – {significant(gain.high or 0)}" if known else UNKNOWN
    return value, ends, comparison.verdict, gain.kind.upper()


def told(tuned: Tuned) -> Iterator[str]:
    """What there is to say beside the ladder, a line each."""
    yield _verdict(tuned)
    yield f"Same results: {_equality(tuned.equality)}"
    if tuned.memory.value is not None:
        yield f"Peak memory of a process: {significant(tuned.memory.value)}× that of the baseline"
    if tuned.batches is not None and tuned.batches.gain is not None:
        value, ends, verdict, _ = _numbers(tuned.batches.gain.gain)
        size = tuned.batches.gain.winner.batch
        yield f"Batch {size}, told apart: {value} ({ends}) of the time a sample at batch {tuned.cell.batch}, {verdict}"
    elif tuned.batches is not None and tuned.batches.unproved is not None:
        yield f"Batch: {tuned.batches.unproved} seemed faster a sample; a longer --budget would prove it"
    elif tuned.batches is not None and (others := [size for size in tuned.batches.tried if size != tuned.cell.batch]):
        yield f"Batch: none of {', '.join(map(str, others))} was faster a sample"
    elif tuned.adopted:
        yield "Batch: no other was tried, a longer --budget would"
    for one in tuned.left_out:
        yield f"Left out: {one.name}: {one.why}"
    if tuned.adopted:
        yield ""
        yield from ("To paste:", *tuned.recipe.environment, *tuned.recipe.code)
    if tuned.profile:
        yield f"Kept for study, compare, predict and plan on this machine: {tuned.profile}"


def _verdict(tuned: Tuned) -> str:
    effort, proof = tuned.effort, tuned.proof
    took = f"{effort.processes} processes, {duration(effort.spent_s)}"
    if proof is None:
        return f"Nothing to change: no setting that ran computes what the baseline does ({took})"
    if proof.broken:
        return f"{proof.winner.label}: inconclusive: a process failed in the proof, as told below ({took})"
    why = {
        "faster": "faster",
        "slower": "the baseline is faster: nothing to change",
        "equivalent": "no difference worth a change",
        "inconclusive": "inconclusive: this machine is too noisy, or the budget too small, to tell",
    }[tuned.verdict]
    return f"{proof.winner.label}: {why} ({proof.blocks} interleaved blocks of fresh processes; {took})"


def _equality(equality: Equality) -> str:
    if equality.why:
        return f"not known, {equality.why}"
    parts = {"outputs": equality.outputs, "results of steps in a row": equality.results}
    said = [f"{name} differ by {one.error:.1e}, allowed {one.limit:.2g}" for name, one in parts.items() if one]
    if equality.rounding is not None:
        said.append(f"rounding errors alone move the baseline's by {equality.rounding:.1e}")
    return f"{'yes' if equality.passed else 'NO'}, {', '.join(said)}"
