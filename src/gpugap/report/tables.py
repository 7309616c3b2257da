"""The tables under the plots: the same numbers, in full."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from statistics import fmean, median

import numpy as np

from gpugap.catalog.published import PublishedSpeedup
from gpugap.core.estimate import Estimate
from gpugap.core.units import UNKNOWN
from gpugap.core.verdict import Comparison
from gpugap.explain.cells import CellSummary
from gpugap.explain.pairs import Pair
from gpugap.report import figures, names
from gpugap.report.contents import Contents, is_pipeline_check, work_of
from gpugap.report.markup import (
    Content,
    Group,
    Html,
    interval,
    joined,
    kind_badge,
    sample_size,
    table,
    tag,
    two_lines,
)
from gpugap.report.strips import steady
from gpugap.stats.intervals import LEVEL

_REASONS = {
    "interval-excludes-1": "interval excludes 1",
    "interval-within-margin": "interval within margin",
    "interval-too-wide": "interval too wide",
    "many-comparisons": "not among all comparisons",
    "too-few-processes": "too few processes",
    "no-valid-samples": "no valid samples",
    "process-failed": "a process failed",
}


def speedup_table(contents: Contents) -> Html:
    """Every comparison, then every published speedup of the same networks, work by work."""
    heads = ["B", "A (base)", "Speedup of B", f"{shared_level(p.comparison.speedup for p in contents.pairs)} interval"]
    heads += ["Verdict on B, reason", "n", "Kind", "Source"]
    groups = []
    for work in dict.fromkeys(work_of(summary.cell) for summary in contents.cells):
        check, network, mode = work
        pairs = [pair for pair in contents.pairs if work_of(pair.b.cell) == work]
        rows = [_pair_row(pair, contents, names.shared_scale(pairs)) for pair in pairs]
        rows += [_published_row(row) for row in contents.published if (False, row.workload, row.mode) == work]
        if rows:
            groups.append(Group(names.speedups_heading(pairs, (network, mode), check=check), rows))
    caption = (
        "Speedup: mean step time of A over that of B; above 1, B is faster. n: processes a side, or pairs of them, "
        "which ran next to each other."
    )
    return table(caption, heads, groups, "ttnntntt")


def _published_row(row: PublishedSpeedup) -> list[Content]:
    interval_ = "a range, no level" if row.speedup.value is None else "no interval"
    return [
        two_lines(tag("span", row.device, css="ends"), "batch not stated"),
        tag("span", row.baseline, css="ends"),
        figures.shown(row.speedup),
        _none(interval_),
        two_lines(_none("none"), "not measured here"),
        sample_size(row.speedup),
        kind_badge("published"),
        f"{row.source}; {row.date}",
    ]


def _pair_row(pair: Pair, contents: Contents, known: Sequence[str]) -> list[Content]:
    comparison = pair.comparison
    check = is_pipeline_check(pair.b.cell)
    return [
        *(_side(summary, contents, known) for summary in (pair.b, pair.a)),
        figures.shown(comparison.speedup) if comparison.speedup.value is not None else _none(UNKNOWN),
        interval(comparison.speedup),
        verdict(comparison, check),
        two_lines(sample_size(comparison.speedup), "pairs" if comparison.paired else "a side"),
        kind_badge(comparison.speedup.kind),
        tag("b", names.CHECK) if check else "these records",
    ]


def verdict(comparison: Comparison, check: bool) -> Html:
    """The verdict with its reason; on busy loops none is passed."""
    if check:
        return two_lines(_none("none"), "pipeline check")
    word = tag("span", comparison.verdict, css=f"verdict {comparison.verdict}")
    return two_lines(word, _REASONS.get(comparison.reason, comparison.reason))


def _side(summary: CellSummary, contents: Contents, known: Sequence[str]) -> Html:
    details = f"{names.size(summary.cell.workload)} · {names.details(summary, contents)}".removeprefix(" · ")
    return two_lines(tag("span", names.side(summary, contents), css="ends"), names.without(details, known))


def time_table(contents: Contents) -> Html:
    """The absolute step time and throughput of every cell, failed ones included."""
    shared = shared_level(cell.step_time for cell in contents.cells)
    heads = ["Cell", "Step time", f"{shared} interval", "Samples a second", f"{shared} interval", "Status", "n", "Kind"]

    def row(summary: CellSummary) -> list[Content]:
        return [
            _cell_head(summary, contents),
            _value(summary.step_time),
            interval(summary.step_time),
            _value(summary.throughput),
            interval(summary.throughput),
            _status(summary),
            sample_size(summary.step_time),
            kind_badge(summary.step_time.kind),
        ]

    caption = "Mean steady step time over processes, and the throughput it makes. n: processes that ended well."
    caption += " Further frameworks and modes stand under Frameworks." if contents.main != contents.cells else ""
    return table(caption, heads, _by_work(contents, row), "tnnnntnt")


def distribution_table(cells: Sequence[CellSummary], contents: Contents, *, brief: bool = False) -> Html:
    """Order statistics of the steady steps of cells, all processes together; `brief` where it was explained before."""
    heads = ["Cell", "Values", "Processes", "Min", "p5", "Median", "p95", "Max", "Spread of means", "Kind"]
    rows: list[list[Content]] = []
    for summary in cells:
        lanes = steady(summary)
        times = [time_s for _, times_s in lanes for time_s in times_s]
        like = median(times)
        marks = [float(mark) for mark in np.percentile(times, [0, 5, 50, 95, 100])]
        row: list[Content] = [_cell_head(summary, contents)]
        row += [figures.grouped(len(times)), figures.grouped(len(lanes))]
        row += [figures.time(mark, like) for mark in marks]
        rows.append([*row, _spread([fmean(times_s) for _, times_s in lanes]), kind_badge("measured")])
    windows = sorted({record.window_steps for cell in cells for record, _ in steady(cell)})
    note = "Each value is one step." if windows == [1] else f"Steps behind one value: {', '.join(map(str, windows))}."
    told = "" if brief else ", descriptive only: steps of one process depend on each other"
    caption = f"Steady steps{told}. {note}"
    return table(caption, heads, [Group("", rows)], "tnnnnnnnnt")


def _spread(means_s: Sequence[float]) -> Content:
    """Slowest over fastest process mean, as a percentage above 1."""
    if len(means_s) < 2:
        return _none("one process")
    return f"{figures.number(100 * (max(means_s) / min(means_s) - 1), 2)} %"


def failure_table(contents: Contents) -> Html:
    """Every process that did not end well; nothing where there is none."""
    heads = ["Cell", "Process", "Status", "Code", "What happened", "What to do"]
    rows = []
    for record in contents.failures:
        error = record.error or {}
        texts = [error.get(name) or _none(UNKNOWN) for name in ("code", "message", "remedy")]
        rows.append([tag("code", record.cell.label), str(record.process), record.status, *texts])
    return table("Processes that gave no step time.", heads, [Group("", rows)])


def _by_work(contents: Contents, row: Callable[[CellSummary], list[Content]]) -> list[Group]:
    """A row a cell, under a heading a work."""
    found = groupby(contents.main, key=lambda summary: names.heading(summary.cell))
    return [Group(heading, [row(summary) for summary in members]) for heading, members in found]


def _cell_head(summary: CellSummary, contents: Contents) -> Html:
    return two_lines(names.side(summary, contents), names.details(summary, contents))


def _status(summary: CellSummary) -> Html:
    lone = summary.step_time.n == 1
    text = "spread between processes unknown" if lone else summary.status
    css = "faster" if summary.converged else "inconclusive" if summary.step_time.value is not None else "slower"
    parts = [tag("span", text, css=f"verdict {css}")]
    if summary.never_steady:
        parts.append(tag("small", f"{figures.counted(summary.never_steady, 'process', 'processes')} never steady"))
    if summary.failures and summary.step_time.value is not None:
        parts.append(tag("span", f" {figures.grouped(len(summary.failures))} failed", css="none"))
    return joined(parts)


def _value(estimate: Estimate) -> Content:
    return figures.shown(estimate) if estimate.value is not None else _none(UNKNOWN)


def shared_level(estimates: Iterable[Estimate]) -> str:
    """The confidence level that intervals of a column share."""
    found = sorted({figures.level(estimate) for estimate in estimates if estimate.level is not None})
    return " or ".join(found) if found else f"{100 * LEVEL:g} %"


def _none(text: str = "none") -> Html:
    return tag("span", text, css="none")
