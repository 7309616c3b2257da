"""Pairs of cells: which to compare, by how much they differ, and in which factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gpugap.core.cell import Cell, differing
from gpugap.core.estimate import Estimate
from gpugap.core.setting import USUAL_TUNINGS
from gpugap.core.verdict import Comparison
from gpugap.explain.cells import CellSummary, environment_of
from gpugap.explain.parity import Proof, agreed_with
from gpugap.stats.bootstrap import bootstrap_ratio
from gpugap.stats.compare import MARGIN, compare_paired, compare_unpaired, control_family
from gpugap.stats.intervals import LEVEL

_MACHINE_FACTS = (
    "machine",
    "os",
    "python",
    "container",
    "allocator",
    "environment_variables",
    "git_commit",
    "memory_bytes",
)
_CPU_FACTS = ("model", "usable_cores", "cgroup_limit_cores", "governor", "turbo", "smt", "native_bf16")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two cells compared.

    Attributes:
        a: the base.
        b: what is compared with it.
        comparison: speedup of B over A, with its verdict.
        differs: every known factor in which they differ: ``factor``, ``a``, ``b``.
        verified: whether both have shown that they compute the same; None within one framework and mode.
    """

    a: CellSummary
    b: CellSummary
    comparison: Comparison
    differs: tuple[dict[str, Any], ...]
    verified: bool | None = None

    @property
    def other_work(self) -> tuple[str, ...]:
        """In which of workload, mode and batch the sides differ: their steps are then not the same work.

        A user's own steps may have names of their own for the same.
        """
        a, b = self.a.cell, self.b.cell
        own = a.data == b.data == "own"
        names = ("mode", "batch") if own else ("workload", "mode", "batch")
        return tuple(name for name in names if getattr(a, name) != getattr(b, name))

    def proved(self, known: frozenset[Proof]) -> Pair:
        """The pair with what parity checks have shown of it: both sides agree with one and the same reference.

        What ``gpugap tune`` found has been held against its baseline there, whatever its mode.
        """
        a, b = self.a.cell, self.b.cell
        if a.framework == b.framework and (a.execution == b.execution or "tuned" in (a.tuning, b.tuning)):
            return replace(self, verified=None)
        of_a, of_b = (agreed_with(side.cell, environment_of(side), known) for side in (self.a, self.b))
        return replace(self, verified=bool(of_a & of_b))

    def to_dict(self) -> dict[str, Any]:
        """A pair of ``gpugap.compare/1``."""
        different, check = differing(self.a.cell, self.b.cell), self.cross_check()
        shared = {k: v for k, v in self.a.cell.to_dict().items() if k not in different}
        sides = {
            side: {"cell": s.cell.to_dict(), "step_time_s": s.step_time.to_dict(), "status": s.status}
            for side, s in (("a", self.a), ("b", self.b))
        }
        return {
            "cell": shared,
            **sides,
            **self.comparison.to_dict(),
            "cross_check": check.to_dict() if check else None,
            "verified": self.verified,
            "differs": list(self.differs),
        }

    def cross_check(self) -> Estimate | None:
        """Ends of a hierarchical bootstrap interval of the speedup; None with fewer than 20 processes on a side."""
        ends = bootstrap_ratio(self.a.steady_steps_s(), self.b.steady_steps_s(), LEVEL)
        if ends is None:
            return None
        processes = min(self.comparison.n_processes)
        return Estimate(
            None, *ends, level=LEVEL, unit="1", kind="measured", method="hierarchical bootstrap", n=processes
        )


def compare_cells(a: CellSummary, b: CellSummary, margin: float = MARGIN) -> Pair:
    """Compares two cells, paired by block where they were interleaved.

    Records count as interleaved when they share session and block. With at least two shared blocks the test is the
    paired one; processes of blocks that only one side finished are then left out.
    """
    blocks_a, blocks_b = a.block_means_s(), b.block_means_s()
    if len(blocks_a.keys() & blocks_b.keys()) >= 2:
        comparison = compare_paired(blocks_a, blocks_b, margin=margin)
    else:
        means_a, means_b = (list(side.process_means_s().values()) for side in (a, b))
        comparison = compare_unpaired(means_a, means_b, margin=margin)
    return Pair(a, b, comparison, tuple(_differences(a, b)))


def match(side_a: Sequence[CellSummary], side_b: Sequence[CellSummary]) -> list[tuple[CellSummary, CellSummary]]:
    """Which cells of A to compare with which of B.

    Equal cells belong together. A cell without an equal is compared with those cells of the other side that share its
    workload and mode and differ in the fewest factors, tuning not counted: a GPU meets the default and the tuned CPU.
    A side of one cell is compared with every cell of the other.
    """
    if len(side_a) == 1 or len(side_b) == 1:
        return [(a, b) for a in side_a for b in side_b]
    pairs = [(a, b) for a in side_a for b in side_b if a.cell.key == b.cell.key]
    taken = {a.cell.key for a, _ in pairs}
    for a in side_a:
        if a.cell.key not in taken:
            pairs += [(a, b) for b in _nearest(a, side_b)]
    known = {(a.cell.key, b.cell.key) for a, b in pairs}
    for b in side_b:
        if b.cell.key not in taken:
            pairs += [(a, b) for a in _nearest(b, side_a) if (a.cell.key, b.cell.key) not in known]
    return pairs


def _nearest(one: CellSummary, others: Sequence[CellSummary]) -> list[CellSummary]:
    def distance(other: CellSummary) -> int:
        tunings = {one.cell.tuning, other.cell.tuning}
        factors = set(differing(one.cell, other.cell)) - {"tuning"}
        if tunings & {"tuned-basic", "tuned-each", "tuned"}:
            factors.discard("precision")  # a part of these tunings
        if "tuned" in tunings:
            factors -= {"execution", "profile"}  # likewise
        return len(factors)

    same = [o for o in others if (o.cell.workload, o.cell.mode) == (one.cell.workload, one.cell.mode)]
    least = min(map(distance, same), default=0)
    return [other for other in same if distance(other) == least]


def _differences(a: CellSummary, b: CellSummary) -> list[dict[str, Any]]:
    found = [{"factor": name, "a": x, "b": y} for name, (x, y) in differing(a.cell, b.cell).items()]
    known = {entry["factor"] for entry in found}
    left, right = _facts(a), _facts(b)
    for name in left:
        if name in right and name not in known and left[name] != right[name]:
            found.append({"factor": name, "a": left[name], "b": right[name]})
    return found


def _facts(summary: CellSummary) -> dict[str, Any]:
    """Everything known of the conditions a cell ran under, flat."""
    environment = environment_of(summary)
    facts = {name: environment[name] for name in _MACHINE_FACTS if name in environment}
    cpu = environment.get("cpu") or {}
    facts |= {f"cpu.{name}": cpu[name] for name in _CPU_FACTS if name in cpu}
    facts |= {f"version.{name}": version for name, version in (environment.get("versions") or {}).items()}
    facts["gpus"] = [gpu.get("name") for gpu in environment.get("gpus") or []]
    settings = next((record.settings for record in summary.records if record.status == "ok"), {})
    facts |= {f"setting.{name}": value for name, value in settings.items()}
    first = summary.records[0]
    facts |= {"gpugap": first.gpugap, "warmup_steps": first.warmup_steps, "steps": len(first.steady_step_time_s)}
    return {name: value for name, value in facts.items() if value is not None}


def baseline_pairs(summaries: Sequence[CellSummary], margin: float = MARGIN) -> list[Pair]:
    """Every cell against the CPU cells of the same work: each device against the default and the tuned CPU.

    The tuned CPU is compared with the default one; a device other than the CPU with both. Verdicts hold for all
    comparisons together.
    """
    pairs = []
    for b in summaries:
        for a in summaries:
            if _same_work(a.cell, b.cell) and _is_base(a.cell, b.cell):
                pairs.append(compare_cells(a, b, margin))
    return judged_together(pairs)


def judged_together(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs with verdicts that hold for all of them together (`gpugap.stats.compare.control_family`)."""
    controlled = control_family([pair.comparison for pair in pairs])
    return [replace(pair, comparison=comparison) for pair, comparison in zip(pairs, controlled, strict=True)]


def _same_work(a: Cell, b: Cell) -> bool:
    """Whether two cells do the same; the execution mode is a part of what tuning has found."""
    names = [
        "workload",
        "mode",
        "batch",
        "framework",
        "data",
        *(["execution"] if "tuned" not in (a.tuning, b.tuning) else []),
    ]
    extras = [{name: value for name, value in cell.extra if name != "profile"} for cell in (a, b)]
    return all(getattr(a, name) == getattr(b, name) for name in names) and extras[0] == extras[1]


def _is_base(a: Cell, b: Cell) -> bool:
    if a.device != "cpu" or a.tuning not in USUAL_TUNINGS:
        return False
    if b.device == "cpu":
        return a.tuning == "default" and b.tuning in ("tuned-basic", "tuned")
    return True
