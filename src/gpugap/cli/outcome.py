"""How ``measure`` and ``study`` run a plan and show what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpugap.cli.output import Output
from gpugap.cli.progress import SessionProgress
from gpugap.core.errors import Interrupted, error_of
from gpugap.core.units import duration

if TYPE_CHECKING:
    from gpugap.core.cell import Cell
    from gpugap.explain.cells import CellSummary
    from gpugap.explain.pairs import Pair
    from gpugap.study.prepare import Prepared
    from gpugap.study.session import Outcome, Wish


@dataclass(frozen=True, slots=True)
class Found:
    """A session, and what its records come to.

    Attributes:
        outcome: of the session.
        summaries: of its cells.
        pairs: their comparisons.
    """

    outcome: Outcome
    summaries: Sequence[CellSummary]
    pairs: Sequence[Pair]


def run(prepared: Prepared, wish: Wish, database: str | None, output: Output) -> Found:
    """Runs a plan with its progress on standard error.

    Raises:
        Interrupted: Ctrl-C; says how to go on.
        GpugapError: no cell gave a number; the first failure.
    """
    from gpugap.explain.cells import summarize
    from gpugap.explain.pairs import baseline_pairs
    from gpugap.store.database import Store
    from gpugap.study.session import run_session

    with Store(database) as store, SessionProgress(output) as progress:
        outcome = run_session(prepared.plan, prepared.environment, store, wish, progress)
    if outcome.interrupted:
        done = len(outcome.records)
        message = f"interrupted; {done} of {outcome.session.processes} processes are stored"
        raise Interrupted(message, f"the same command goes on: {wish.command}")
    failures = [record for record in outcome.records if record.error is not None]
    if failures and not any(record.status == "ok" for record in outcome.records):
        error = failures[0].error or {}
        raise error_of(error["code"], f"{failures[0].cell.label}: {error['message']}", error.get("remedy", ""))
    summaries = summarize(outcome.records)
    _warn(outcome, summaries, output)
    return Found(outcome, summaries, baseline_pairs(summaries))


def _warn(outcome: Outcome, summaries: Sequence[CellSummary], output: Output) -> None:
    for summary in summaries:
        for failure in summary.failures[:1]:
            error = failure.error or {}
            output.warn(f"{summary.cell.label}: {error.get('message', failure.status)} - {error.get('remedy', '')}")
        if summary.never_steady:
            output.warn(f"{summary.cell.label}: {summary.never_steady} processes never became steady")
        if summary.status == "not converged":
            output.warnings.append(f"{summary.cell.label}: not converged, the interval is wider than ±5 %")
    for (name, mode, batch), missing_s in outcome.declined.items():
        if missing_s:
            output.warn(f"{name} {mode} b{batch}: {duration(missing_s)} more are needed for an interval")
    if not outcome.complete:
        further = "goes on" if outcome.measured else "with a longer --budget goes on"
        output.warn(f"the budget is spent; the same command {further}: {outcome.session.command}")


def result_of(found: Found) -> dict[str, Any]:
    """The ``result`` of ``gpugap.measure/1`` and ``gpugap.study/1``."""
    outcome = found.outcome
    return {
        "session": outcome.session.session,
        "started_at": outcome.session.started_at,
        "command": outcome.session.command,
        "complete": outcome.complete,
        "measured_processes": outcome.measured,
        "cells": [summary.to_dict() for summary in found.summaries],
        "pairs": [pair.to_dict() for pair in found.pairs],
    }


def show(found: Found, output: Output) -> None:
    """The tables of cells, comparisons and trainings; nothing where a JSON document follows."""
    if output.as_json:
        return
    show_cells(found.summaries, output)
    if found.pairs:
        show_pairs(found.pairs, output)
    _show_trainings(found.summaries, output)


def show_cells(summaries: Sequence[CellSummary], output: Output) -> None:
    """The table of cells."""
    from gpugap.cli.tables import Table
    from gpugap.explain.inside import tags
    from gpugap.study.rows import CELL_HEADER, CELL_NUMBERS, HEADS, cell_rows

    table = Table(CELL_HEADER, cell_rows(summaries), CELL_NUMBERS, len(HEADS), spare=frozenset({"samples/s"}))
    output.show(table, f"Mean steady step time ({_common([one.cell for one in summaries])}n: processes)")
    if any(summary.status == "not converged" for summary in summaries):
        output.note("not converged: the interval is wider than ±5 %; more --processes narrow it")
    disturbed = sum((Counter(tags(summary)) for summary in summaries), Counter[str]())
    if disturbed:
        told = ", ".join(f"{tag} ({count} process{'es' * (count > 1)})" for tag, count in sorted(disturbed.items()))
        output.note(f"disturbed: {told}; tagged and kept")


def show_pairs(pairs: Sequence[Pair], output: Output) -> None:
    """The table of comparisons."""
    from gpugap.cli.tables import Table
    from gpugap.study.rows import HEADS, PAIR_HEADER, PAIR_NUMBERS, PAIR_STACKS, pair_rows

    table = Table(PAIR_HEADER, pair_rows(pairs), PAIR_NUMBERS, len(HEADS), stacks=PAIR_STACKS)
    common = _common([side.cell for pair in pairs for side in (pair.a, pair.b)])
    output.show(table, f"Speedup of B over A ({common}time of A / time of B)")


def warn_of_mixtures(summaries: Sequence[CellSummary], output: Output) -> None:
    """Warns of cells whose processes did not run under the same conditions."""
    for summary in summaries:
        if summary.mixed:
            what = ", ".join(summary.mixed)
            output.warn(f"{summary.cell.label}: processes that differ in {what} are taken together")


def _show_trainings(summaries: Sequence[CellSummary], output: Output) -> None:
    """Times to the target accuracy, where cells trained to one."""
    from gpugap.cli.tables import Table
    from gpugap.study.rows import HEADS, TRAINING_HEADER, TRAINING_NUMBERS, training_rows

    rows = training_rows(summaries)
    if rows:
        table = Table(TRAINING_HEADER, rows, TRAINING_NUMBERS, len(HEADS))
        common = _common([one.cell for one in summaries if one.training])
        output.show(table, f"Time to accuracy ({common}n: training runs; censored: given up before they got there)")


def _common(cells: Sequence[Cell]) -> str:
    """What the rows of a table leave out because all cells share it: ``torch, cpu; ``."""
    from gpugap.study.rows import shared

    words = ", ".join(shared(cells))
    return f"{words}; " if words else ""
