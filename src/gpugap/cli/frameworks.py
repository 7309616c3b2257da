"""``gpugap compare --frameworks``: what a framework and what fusion changes, per network, batch and device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gpugap.core.units import UNKNOWN, significant

if TYPE_CHECKING:
    from gpugap.cli.output import Output
    from gpugap.core.cell import Cell
    from gpugap.core.record import Record
    from gpugap.explain.frameworks import Effect, FrameworkComparison

_HEADER = ("network", "mode", "batch", "effect of", "A (base)", "B", "speedup", "95 % interval", "verdict on B")
HEADER = (*_HEADER, "same results", "kernels", "pays after", "n", "kind")
NUMBERS = frozenset({"batch", "speedup", "95 % interval", "kernels", "pays after"})
_PROOF = {True: "verified", False: "unverified", None: "-"}


def show_frameworks(records: Sequence[Record], margin: float, output: Output) -> None:
    """Compares the frameworks of some records and prints table, sentences and the published number.

    Raises:
        InputError: the records hold no two frameworks or modes of the same work.
    """
    from gpugap.core.errors import InputError
    from gpugap.explain.cells import summarize
    from gpugap.explain.frameworks import compare_frameworks
    from gpugap.explain.parity import proofs

    found = compare_frameworks(summarize(records), proofs(records), margin)
    if not found:
        message = "these records hold no work that ran in two frameworks or modes"
        raise InputError(message, "gpugap study --frameworks all measures some")
    if not output.as_json:
        _show(found, output)
    output.done({"frameworks": [one.to_dict() for one in found]})


def _show(found: Sequence[FrameworkComparison], output: Output) -> None:
    from gpugap.catalog.published import published_effects
    from gpugap.cli.tables import Table
    from gpugap.explain.frameworks import sentences

    rows = [_row(one, effect) for one in found for effect in one.effects]
    output.show(Table(HEADER, rows, NUMBERS, 3), "Frameworks and fusion: speedup of B over A, time of A / time of B")
    for one in found:
        for whole in one.of("whole"):
            workload, mode, batch = one.work
            head = f"{whole.pair.comparison.speedup.kind.upper()}, {_PROOF[whole.pair.verified]}"
            said = " ".join(sentences(one))
            output.line(f"{head}: {workload} {mode} b{batch} on {one.device} ({one.tuning}): {said}")
    for published in published_effects():
        change = 100 * (1 / (published.speedup.value or 1.0) - 1)
        what = (
            f"{published.b} against {published.a}, {published.mode} latency {change:+.0f} % through {published.cause}"
        )
        output.line(f"PUBLISHED: {what} ({published.source})")


def _side(cell: Cell) -> str:
    tuning = "" if cell.tuning in (None, "default") else f" {cell.tuning}"
    return f"{cell.framework} {cell.execution}{tuning}"


def _row(one: FrameworkComparison, effect: Effect) -> tuple[str, ...]:
    from gpugap.explain.frameworks import kernels

    workload, mode, batch = one.work
    pair, comparison = effect.pair, effect.pair.comparison
    speedup = comparison.speedup
    ends = [significant(end) for end in (speedup.low, speedup.high) if end is not None]
    counts = [kernels(side) or {} for side in (pair.a, pair.b)]
    shown = " → ".join(str(count.get("kernels") or UNKNOWN) for count in counts) if any(counts) else "-"
    return (
        workload,
        mode,
        str(batch),
        effect.kind,
        *(_side(side.cell) for side in (pair.a, pair.b)),
        UNKNOWN if speedup.value is None else f"{significant(speedup.value)}×",
        " - ".join(ends) or UNKNOWN,
        comparison.verdict,
        _PROOF[pair.verified],
        shown,
        "-" if effect.break_even_steps is None else f"{math.ceil(effect.break_even_steps)} steps",
        f"{min(comparison.n_processes)} {'pairs' if comparison.paired else 'processes'}",
        speedup.kind.upper(),
    )
