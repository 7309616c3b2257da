"""How ``measure`` and ``study`` run a plan and show what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpugap.cli.output import Output
from gpugap.cli.progress import SessionProgress
from gpugap.core.errors import Interrupted, error_of
from gpugap.core.units import duration

if TYPE_CHECKING:
    from gpugap.explain.cells import CellSummary
    from gpugap.explain.pairs import Pair
    from gpugap.study.prepare import Prepared
    from gpugap.study.session import Outcome, Wish

CELL_HEADER = ("cell", "step time", "95 % interval", "samples/s", "processes", "status", "kind")
CELL_NUMBERS = "step time,95 % interval,samples/s,processes"
PAIR_HEADER = ("work", "A (base)", "B", "speedup", "95 % interval", "verdict", "reason", "n", "kind")
PAIR_NUMBERS = "speedup,95 % interval"


def run(prepared: Prepared, wish: Wish, database: str | None, output: Output) -> Outcome:
    """Runs a plan with its progress on standard error.

    Raises:
        Interrupted: Ctrl-C; says how to go on.
        GpugapError: no cell gave a number; the first failure.
    """
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
    _warn(outcome, output)
    return outcome


def _warn(outcome: Outcome, output: Output) -> None:
    from gpugap.explain.cells import summarize

    for summary in summarize(outcome.records):
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


def result_of(outcome: Outcome) -> dict[str, Any]:
    """The ``result`` of ``gpugap.measure/1`` and ``gpugap.study/1``."""
    from gpugap.explain.cells import summarize
    from gpugap.explain.pairs import baseline_pairs

    summaries = summarize(outcome.records)
    return {
        "session": outcome.session.session,
        "started_at": outcome.session.started_at,
        "command": outcome.session.command,
        "complete": outcome.complete,
        "measured_processes": outcome.measured,
        "cells": [summary.to_dict() for summary in summaries],
        "pairs": [pair.to_dict() for pair in baseline_pairs(summaries)],
    }


def show(outcome: Outcome, output: Output) -> None:
    """The tables of cells and comparisons; nothing where a JSON document follows."""
    from gpugap.explain.cells import summarize
    from gpugap.explain.pairs import baseline_pairs

    if output.as_json:
        return
    summaries = summarize(outcome.records)
    show_cells(summaries, output)
    pairs = baseline_pairs(summaries)
    if pairs:
        show_pairs(pairs, output)
    _show_training(summaries, output)


def _show_training(summaries: list[CellSummary], output: Output) -> None:
    """Times to the target accuracy, where cells trained to one."""
    from gpugap.explain.inside import time_to_accuracy
    from gpugap.study.api import estimate_text, interval_text

    rows = []
    for summary in (one for one in summaries if one.training):
        time = time_to_accuracy(summary)
        target = summary.training[0].accuracy.get("target", "unknown")
        rows.append(
            (summary.cell.label, str(target), estimate_text(time), interval_text(time), time.method, "MEASURED")
        )
    if rows:
        header = ("cell", "accuracy", "time to it", "95 % interval", "method", "kind")
        output.table(header, rows, title="Time to accuracy", numbers="accuracy,time to it,95 % interval")


def show_cells(summaries: list[CellSummary], output: Output) -> None:
    """The table of cells."""
    from gpugap.study.api import cell_row

    rows = [cell_row(summary) for summary in sorted(summaries, key=_order)]
    output.table(CELL_HEADER, rows, title="Mean steady step time", numbers=CELL_NUMBERS)
    if any(summary.status == "not converged" for summary in summaries):
        output.note("not converged: the interval is wider than ±5 %; more --processes narrow it")


def _order(summary: CellSummary) -> tuple[str, str, str, str]:
    cell = summary.cell
    return (cell.workload, cell.mode, cell.device, cell.tuning or "")


def show_pairs(pairs: list[Pair], output: Output) -> None:
    """The table of comparisons, and what differed in each."""
    from gpugap.core.units import significant

    rows = []
    for pair in sorted(pairs, key=lambda pair: _order(pair.b)):
        speedup = pair.comparison.speedup
        ends = (speedup.low, speedup.high)
        interval = "unknown" if None in ends else " - ".join(significant(end) for end in ends if end is not None)
        value = "unknown" if speedup.value is None else f"{significant(speedup.value)}×"
        how = "pairs" if pair.comparison.paired else "processes"
        counts = f"{min(pair.comparison.n_processes)} {how}"
        verdict = pair.comparison.verdict
        rows.append((*pair.labels(), value, interval, verdict, pair.comparison.reason, counts, "MEASURED"))
    output.table(PAIR_HEADER, rows, title="Speedup of B over A: time of A / time of B", numbers=PAIR_NUMBERS)
