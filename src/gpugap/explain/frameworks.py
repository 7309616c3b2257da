"""Frameworks side by side: what choosing one changes, what fusion changes inside each, and how one explains the other.

Per network, batch and device, on step times of interleaved processes:

- *framework*: two frameworks in the same class of mode, both unfused or both fused;
- *fusion*: one framework, its unfused mode against a fused one;
- *whole*: the published question, TensorFlow as it comes (a graph) over PyTorch as it comes (eager);
- *allocator*, *onednn*: that one thing changed alone, in each side of the whole that it can be changed in;
- *best*: the fastest cell of each other framework over PyTorch's fastest, whatever its mode and tuning. They are chosen
  from the same data that they are compared in, so each is a little slower than it looks.

The whole is a product: (TensorFlow graph over TensorFlow eager) times (TensorFlow eager over PyTorch eager). The first
factor is what the graph brings, split again into leaving Python's dispatch (a graph in which nothing is fused) and
fusion proper; the second is everything else: kernels, allocator, dispatch of single operations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any, Literal

from gpugap.core.cell import Work
from gpugap.core.execution import AS_THEY_COME, TITLES, is_fused
from gpugap.explain.cells import CellSummary
from gpugap.explain.pairs import Pair, compare_cells, judged_together
from gpugap.explain.parity import Proof
from gpugap.stats.compare import MARGIN

if TYPE_CHECKING:
    from gpugap.core.record import Record

Kind = Literal["framework", "fusion", "whole", "allocator", "onednn", "best"]
_KINDS: tuple[Kind, ...] = ("framework", "fusion", "whole", "allocator", "onednn", "best")
_ALONE: tuple[Kind, ...] = ("allocator", "onednn")
"""Tunings that change one thing alone are kinds of effects."""

_ORDER = tuple(TITLES)
_STEPS = (("torch", "eager"), ("tensorflow", "eager"), ("tensorflow", "unfused"), ("tensorflow", "function"))
"""The way from one side of the whole to the other, one change at a time."""

FUSION_STEP = "fusion by the graph optimizer"
STEP_NAMES = {
    ("torch", "eager", "tensorflow", "eager"): "another framework, operation by operation",
    ("tensorflow", "eager", "tensorflow", "unfused"): "a graph in place of Python's dispatch",
    ("torch", "eager", "tensorflow", "unfused"): "another framework, and a graph in place of Python's dispatch",
    ("tensorflow", "unfused", "tensorflow", "function"): FUSION_STEP,
    ("tensorflow", "eager", "tensorflow", "function"): "a graph with fusion in place of Python's dispatch",
}


@dataclass(frozen=True, slots=True)
class Effect:
    """What one change does to the step time.

    Attributes:
        kind: of the change.
        pair: speedup of the side after the change over the side before it.
        break_even_steps: steps after which a mode with a longer start has paid for it; None where it never does or
            has none.
    """

    kind: Kind
    pair: Pair
    break_even_steps: float | None

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``effects`` in ``gpugap.compare/1``."""
        return {
            "kind": self.kind,
            **self.pair.to_dict(),
            "kernels": {side: kernels(cell) for side, cell in (("a", self.pair.a), ("b", self.pair.b))},
            "break_even_steps": self.break_even_steps,
        }


@dataclass(frozen=True, slots=True)
class FrameworkComparison:
    """All effects of one work on one device, in one tuning.

    Attributes:
        work: workload, mode, batch.
        device: where.
        tuning: ``default``, ``tuned-basic`` or ``tuned-each``.
        cells: the cells compared, PyTorch first; with those of ``default`` stand the ones that differ in one thing.
        effects: in the order framework, fusion, whole, allocator, oneDNN, best; the last three stand with ``default``.
        steps: the whole taken apart, one change at a time; empty where a side is missing.
    """

    work: Work
    device: str
    tuning: str
    cells: tuple[CellSummary, ...]
    effects: tuple[Effect, ...]
    steps: tuple[Pair, ...]

    def of(self, kind: Kind) -> list[Effect]:
        """The effects of one kind."""
        return [effect for effect in self.effects if effect.kind == kind]

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``frameworks`` in ``gpugap.compare/1``."""
        workload, mode, batch = self.work
        return {
            "workload": workload,
            "mode": mode,
            "batch": batch,
            "device": self.device,
            "tuning": self.tuning,
            "effects": [effect.to_dict() for effect in self.effects],
            "steps": [pair.to_dict() | {"share": share} for pair, share in zip(self.steps, self.shares(), strict=True)],
        }

    def shares(self) -> list[float | None]:
        """Share of each step in the whole, on the log scale; they sum to 1. None where the whole is no difference."""
        logs = [math.log(pair.comparison.speedup.value or 1.0) for pair in self.steps]
        total = sum(logs)
        settled = any(effect.pair.comparison.verdict in ("faster", "slower") for effect in self.of("whole"))
        return [log / total if settled and total else None for log in logs]


def compare_frameworks(
    summaries: Iterable[CellSummary], known: frozenset[Proof], margin: float = MARGIN
) -> list[FrameworkComparison]:
    """Effects of frameworks and fusion in every group of cells that differ in framework and mode alone.

    Verdicts hold for all effects of one kind together, each kind being a question of its own. A pair across frameworks
    or modes says whether both sides have shown that they compute the same.

    Args:
        summaries: of cells; those of other work than built-in networks are left out.
        known: what has passed a parity check.
        margin: relative margin of equivalence.
    """
    groups: dict[tuple[Any, ...], list[CellSummary]] = {}
    together: dict[tuple[Any, ...], list[CellSummary]] = {}
    for summary in summaries:
        cell = summary.cell
        if cell.framework in _ORDER and cell.data != "own" and summary.step_time.value is not None:
            tuning = "default" if cell.tuning in (None, *_ALONE) else cell.tuning
            groups.setdefault((cell.work, cell.device, tuning, cell.data, cell.precision), []).append(summary)
            together.setdefault((cell.work, cell.device, cell.data), []).append(summary)
    found = []
    for key, group in sorted(groups.items(), key=lambda one: one[0][2] != "default"):
        work, device, tuning, data, _ = key
        if len(group) > 1:
            best = _best(together[work, device, data]) if tuning == "default" else []
            found.append(_compared(key, group, best, margin))
    return _judged([one for one in found if one.effects], known)


def _best(cells: Sequence[CellSummary]) -> list[tuple[Kind, CellSummary, CellSummary]]:
    """PyTorch's fastest cell against every other framework's; nothing where only one setting of each was measured."""
    if not any(one.cell.tuning not in (None, "default", *_ALONE) for one in cells):
        return []
    fastest = {
        name: min(mine, key=lambda one: one.step_time.value or math.inf)
        for name in _ORDER
        if (mine := [one for one in cells if one.cell.framework == name])
    }
    first = fastest.pop("torch", None)
    return [("best", first, other) for other in fastest.values()] if first else []


def _compared(
    key: tuple[Any, ...], group: list[CellSummary], best: list[tuple[Kind, CellSummary, CellSummary]], margin: float
) -> FrameworkComparison:
    every = sorted(group, key=lambda one: (_ORDER.index(one.cell.framework), is_fused(one.cell.execution)))
    cells = [one for one in every if one.cell.tuning not in _ALONE]
    by_side = {(one.cell.framework, one.cell.execution): one for one in cells}
    pairs: list[tuple[Kind, CellSummary, CellSummary]] = []
    for a, b in combinations(cells, 2):
        same_framework = a.cell.framework == b.cell.framework
        fused_a, fused_b = is_fused(a.cell.execution), is_fused(b.cell.execution)
        if same_framework and fused_b and not fused_a:
            pairs.append(("fusion", a, b))
        elif not same_framework and fused_a == fused_b and "unfused" not in (a.cell.execution, b.cell.execution):
            pairs.append(("framework", a, b))
    work, device, tuning, *_ = key
    if tuning == "default" and all(side in by_side for side in AS_THEY_COME):
        pairs.append(("whole", by_side[AS_THEY_COME[0]], by_side[AS_THEY_COME[1]]))
    for one in every:
        base = by_side.get((one.cell.framework, one.cell.execution))
        pairs += [(kind, base, one) for kind in _ALONE if base and one.cell.tuning == kind]
    pairs += best
    effects = [
        Effect(kind, compare_cells(a, b, margin), break_even_steps(a, b))
        for kind, a, b in sorted(pairs, key=lambda one: _KINDS.index(one[0]))
    ]
    way = [by_side[side] for side in _STEPS if side in by_side]
    whole = any(effect.kind == "whole" for effect in effects)
    steps = [compare_cells(a, b, margin) for a, b in pairwise(way)] if whole and len(way) > 2 else []
    return FrameworkComparison(work, device, tuning, tuple(every), tuple(effects), tuple(steps))


def _judged(found: Sequence[FrameworkComparison], known: frozenset[Proof]) -> list[FrameworkComparison]:
    """The comparisons with verdicts that hold together, and with what has been proved."""
    judged = {
        kind: iter(judged_together([effect.pair.proved(known) for one in found for effect in one.of(kind)]))
        for kind in _KINDS
    }
    result = []
    for one in found:
        effects = tuple(replace(effect, pair=next(judged[effect.kind])) for effect in one.effects)
        steps = tuple(pair.proved(known) for pair in one.steps)
        result.append(FrameworkComparison(one.work, one.device, one.tuning, one.cells, effects, steps))
    return result


def start_s(summary: CellSummary) -> float | None:
    """Mean seconds until the first step is over, import left out: building, tracing, compiling, running it once.

    Of processes that compiled themselves; None where none did.
    """
    names = ("build_s", "first_step_s")
    starts = [
        sum(record.phases.get(name) or 0.0 for name in names)
        for record in summary.records
        if record.status == "ok" and all(record.phases.get(name) is not None for name in names) and not _cached(record)
    ]
    return sum(starts) / len(starts) if starts else None


def _cached(record: Record) -> bool:
    """Whether a process took compiled graphs from Inductor's cache on disk instead of compiling them."""
    return bool((record.settings.get("inductor_cache") or {}).get("hit"))


def break_even_steps(a: CellSummary, b: CellSummary) -> float | None:
    """Steps after which B, whose start takes longer and whose steps take less, has overtaken A.

    Args:
        a: the mode before the change.
        b: the mode after it.

    Returns:
        (start of B - start of A) / (step of A - step of B); None where one of them is not positive or not known.
    """
    starts, steps = (start_s(a), start_s(b)), (a.step_time.value, b.step_time.value)
    if None in starts or None in steps:
        return None
    later_s, saved_s = (starts[1] or 0.0) - (starts[0] or 0.0), (steps[0] or 0.0) - (steps[1] or 0.0)
    return later_s / saved_s if later_s > 0 and saved_s > 0 else None


def kernels(summary: CellSummary) -> dict[str, Any] | None:
    """Kernels a step launches, as a process that looked inside has counted them; None where none has."""
    looks = (record.details.get("kernels") for record in summary.details if record.status == "ok")
    return next((dict(look) for look in looks if look), None)


def sentences(one: FrameworkComparison) -> list[str]:
    """How much of the difference between TensorFlow and PyTorch is fusion and how much something else, in the first.

    The others tell what single changes do, and the best of each framework. None where the whole was not measured.
    """
    whole = next(iter(one.of("whole")), None)
    return [_taken_apart(one, whole), *_alone(one)] if whole else []


def _taken_apart(one: FrameworkComparison, whole: Effect) -> str:
    """The whole, the changes it is a product of, and fusion's share; changes may cancel out in a whole that is none."""
    speedup, verdict = whole.pair.comparison.speedup, whole.pair.comparison.verdict
    changes = "; ".join(f"{name} {_change(pair)}" for pair in one.steps if (name := step_name(pair)) is not None)
    apart = f": {changes}." if changes else "."
    if verdict not in ("faster", "slower") or speedup.value is None:
        said = "as fast as" if verdict == "equivalent" else "not shown to be faster or slower than"
        weighed = (
            " when all comparisons are weighed together" if whole.pair.comparison.reason == "many-comparisons" else ""
        )
        return f"TensorFlow as it comes is {said} PyTorch as it comes{weighed}{apart}"
    how = "less" if verdict == "faster" else "more"
    percent = f"{100 * abs(1 - 1 / speedup.value):.0f} %"
    return f"TensorFlow as it comes takes {percent} {how} time than PyTorch as it comes{apart}{_fusion(one)}"


def _fusion(one: FrameworkComparison) -> str:
    """How much of the whole is fusion, where it was measured alone."""
    for pair, share in zip(one.steps, one.shares(), strict=True):
        if share is not None and step_name(pair) == FUSION_STEP:
            against = ", one below 0 works against it" if not 0 <= share <= 1 else ""
            parts = f"{100 * share:.0f} % is fusion and {100 * (1 - share):.0f} % something else"
            return f" Of that difference {parts} (shares on a logarithmic scale{against})."
    return ""


def _alone(one: FrameworkComparison) -> Iterator[str]:
    """What single changes do, beside the whole."""
    named: dict[Kind, str] = {"allocator": "Another allocator", "onednn": "oneDNN"}
    for kind, what in named.items():
        found = one.of(kind)
        changes = [f"{TITLES[effect.pair.b.cell.framework]} by {_change(effect.pair)}" for effect in found]
        if changes:
            how = _switched(found[0].pair.b) if kind == "onednn" else ""
            yield f"{what}{how} alone changes {' and '.join(changes)}."
    for effect in one.of("best"):
        a, b = (
            f"{TITLES[side.cell.framework]} ({side.cell.execution}, {side.cell.tuning})"
            for side in (effect.pair.a, effect.pair.b)
        )
        yield f"The fastest {b} against the fastest {a}: {_change(effect.pair)}."


def _switched(summary: CellSummary) -> str:
    """Which way oneDNN was switched, as read back."""
    known = next((record.settings.get("onednn") for record in summary.records if record.status == "ok"), None)
    return " switched" if known is None else " switched on" if known else " switched off"


def step_name(pair: Pair) -> str | None:
    """What changes from one side of a step to the other, in words."""
    a, b = pair.a.cell, pair.b.cell
    return STEP_NAMES.get((a.framework, a.execution or "", b.framework, b.execution or ""))


def _change(pair: Pair) -> str:
    """The change of time with its interval; what was not shown to be the same work is marked."""
    speedup = pair.comparison.speedup
    if speedup.value is None:
        return "unknown"
    mark = ", unverified" if pair.verified is False else ""
    percent = 100 * (1 / speedup.value - 1)
    ends = ""
    if speedup.low is not None and speedup.high is not None:
        ends = f" ({100 * (1 / speedup.high - 1):+.0f} to {100 * (1 / speedup.low - 1):+.0f})"
    return f"{percent:+.0f} %{ends}{mark}"
