"""Cells, comparisons and trainings as rows of text, for terminals, prompts and notebooks."""

from __future__ import annotations

from collections.abc import Sequence

from gpugap.core.cell import MODES, Cell
from gpugap.core.estimate import Estimate
from gpugap.core.units import UNKNOWN, significant, time_scale
from gpugap.explain.cells import CellSummary
from gpugap.explain.inside import time_to_accuracy
from gpugap.explain.pairs import Pair
from gpugap.stats.intervals import LEVEL
from gpugap.workloads import all_workloads

Row = tuple[str, ...]

HEADS = ("network", "mode", "batch")
"""The first columns of every table: the work, which neighboring rows share."""

_INTERVAL = f"{100 * LEVEL:g} % interval"
CELL_HEADER = (*HEADS, "setup", "step time", _INTERVAL, "samples/s", "n", "status", "kind")
PAIR_HEADER = (*HEADS, "A (base)", "B", "speedup", _INTERVAL, "verdict on B", "reason", "n", "kind")
TRAINING_HEADER = (*HEADS, "setup", "accuracy", "time to it", _INTERVAL, "censored", "estimate", "n", "kind")
CELL_NUMBERS = frozenset({"batch", "step time", _INTERVAL, "samples/s", "n"})
PAIR_NUMBERS = frozenset({"batch", "speedup", _INTERVAL})
TRAINING_NUMBERS = frozenset({"batch", "accuracy", "time to it", _INTERVAL, "n"})
PAIR_STACKS = {"A (base)": ("→ ", "B"), "speedup": ("", _INTERVAL), "verdict on B": ("", "reason")}
"""Columns under which another one stands where there is no room beside, after a mark."""


def shared(cells: Sequence[Cell]) -> tuple[str, ...]:
    """Framework and device, each where several different cells have it in common; setups leave these out."""
    if len(set(cells)) < 2:
        return ()
    return tuple(names.pop() for names in ({c.framework for c in cells}, {c.device for c in cells}) if len(names) == 1)


def setup(cell: Cell, among: Sequence[Cell]) -> str:
    """How a cell was run: ``cuda:0 fp32 default``, or ``fp32 default`` where all run on one device.

    Args:
        cell: one of the cells.
        among: all cells of the table; data and further factors are told where they differ.
    """
    common = shared(among)
    words = [word for word in cell.words[len(HEADS) :] if word not in common]
    if cell.data and len({one.data for one in among}) > 1:
        words.append(cell.data)
    others = [dict(one.extra) for one in among]
    lone = len({known["profile"] for known in others if "profile" in known}) < 2
    told = [(name, value) for name, value in cell.extra if not (lone and name == "profile")]
    words += [f"{name}={value}" for name, value in told if len({known.get(name) for known in others}) > 1]
    return " ".join(words)


def cell_rows(summaries: Sequence[CellSummary]) -> list[Row]:
    """A row of `CELL_HEADER` a cell, by network, mode and batch; the CPU as it comes first."""
    cells = [summary.cell for summary in summaries]
    rows = []
    for summary in sorted(summaries, key=lambda summary: _order(summary.cell)):
        time, rate = summary.step_time, summary.throughput
        numbers = (estimate_text(time), interval_text(time), UNKNOWN if rate.value is None else significant(rate.value))
        told = (setup(summary.cell, cells), *numbers, str(time.n), summary.status, time.kind.upper())
        rows.append((*_heads(summary.cell, summary.cell), *told))
    return rows


def pair_rows(pairs: Sequence[Pair]) -> list[Row]:
    """A row of `PAIR_HEADER` a comparison, in the order of the cells."""
    cells = [side.cell for pair in pairs for side in (pair.a, pair.b)]
    rows = []
    for pair in sorted(pairs, key=lambda pair: (_order(pair.b.cell), _order(pair.a.cell))):
        speedup, comparison = pair.comparison.speedup, pair.comparison
        value = UNKNOWN if speedup.value is None else f"{significant(speedup.value)}×"
        how = "pairs" if comparison.paired else "processes"
        told = (comparison.verdict, comparison.reason.replace("-", " "), f"{min(comparison.n_processes)} {how}")
        numbers = (value, _ends(speedup, 1.0, ""), *told, speedup.kind.upper())
        rows.append((*_heads(pair.a.cell, pair.b.cell), *_sides(pair, cells), *numbers))
    return rows


def training_rows(summaries: Sequence[CellSummary]) -> list[Row]:
    """A row of `TRAINING_HEADER` a cell that trained to a target accuracy."""
    trained = [summary for summary in summaries if summary.training]
    cells = [summary.cell for summary in trained]
    rows = []
    for summary in sorted(trained, key=lambda summary: _order(summary.cell)):
        time, runs = time_to_accuracy(summary), [r.accuracy for r in summary.training if r.status == "ok"]
        target = next((f"{100 * run['target']:g} %" for run in runs), UNKNOWN)
        censored = sum(not run["reached"] for run in runs)
        missed = "not reached by half" if censored < len(runs) else "not reached"
        value = estimate_text(time) if time.value is not None or not runs else missed
        estimate = "Kaplan-Meier median" if censored else "mean"
        numbers = (target, value, interval_text(time), f"{censored} of {len(runs)}", estimate, str(len(runs)))
        rows.append((*_heads(summary.cell, summary.cell), setup(summary.cell, cells), *numbers, time.kind.upper()))
    return rows


def estimate_text(time: Estimate) -> str:
    """A time in seconds for reading."""
    if time.value is None:
        return UNKNOWN
    scale, unit = time_scale(time.value)
    return f"{significant(time.value / scale)} {unit}"


def interval_text(time: Estimate) -> str:
    """The interval of a time in seconds, in the unit its value is shown in."""
    if time.value is None:
        return UNKNOWN
    scale, unit = time_scale(time.value)
    return _ends(time, scale, f" {unit}")


def _ends(estimate: Estimate, scale: float, unit: str) -> str:
    if estimate.low is None or estimate.high is None:
        return UNKNOWN
    return f"{significant(estimate.low / scale)} – {significant(estimate.high / scale)}{unit}"


def _heads(a: Cell, b: Cell) -> Row:
    """The work; an arrow where two sides differ in it."""
    both = ((a.workload, b.workload), (a.mode, b.mode), (str(a.batch), str(b.batch)))
    return tuple(left if left == right else f"{left} → {right}" for left, right in both)


def _sides(pair: Pair, cells: Sequence[Cell]) -> Row:
    """Both setups; with the sessions where nothing else tells them apart."""
    texts = tuple(setup(side.cell, cells) for side in (pair.a, pair.b))
    if pair.a.cell != pair.b.cell:
        return texts
    sessions = [side.records[0].session for side in (pair.a, pair.b)]
    return tuple(f"{text}, session {session}" for text, session in zip(texts, sessions, strict=True))


def _order(cell: Cell) -> tuple[object, ...]:
    """By work in the order of the built-in workloads, then from the CPU as it comes to other devices."""
    known = list(all_workloads())
    place = known.index(cell.workload) if cell.workload in known else len(known)
    mode = MODES.index(cell.mode) if cell.mode in MODES else len(MODES)
    side = (cell.framework, cell.device != "cpu", cell.device, cell.tuning != "default", cell.tuning or "")
    return (place, cell.workload, mode, cell.batch, *side, cell.key)
