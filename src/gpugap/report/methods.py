"""How it was measured, and the rules of reporting, written from the records."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from gpugap.explain.cells import CONVERGED, CellSummary
from gpugap.report import figures
from gpugap.report.contents import Contents
from gpugap.report.markup import Content, Group, Html, joined, paragraph, table, tag
from gpugap.stats.intervals import LEVEL
from gpugap.stats.warmup import MIN_STEPS

Rule = tuple[str, str, str]
"""The rule, whether the page meets it, and what the page does for it."""


def methods(contents: Contents) -> Html:
    """The methods paragraph, then the rules of reporting one by one."""
    if not contents.records:
        return paragraph("Nothing was measured.")
    measuring = [_processes(contents), _steps(contents), _blocks(contents), _clocks(contents)]
    texts = [" ".join(sentence for sentence in measuring if sentence), _tests(contents)]
    return joined([*map(paragraph, texts), _checklist(contents)], Html("\n"))


def _processes(contents: Contents) -> str:
    counts = [len(cell.records) for cell in contents.cells]
    sessions = len({record.session for record in contents.records})
    looks = sum(len(cell.details) for cell in contents.cells)
    inside = f" {figures.counted(looks, 'further process', 'further processes')} looked inside steps." if looks else ""
    return (
        f"{figures.counted(len(contents.cells), 'cell was', 'cells were')} measured in "
        f"{figures.counted(sessions, 'session')}, each in {_span(counts)} fresh process{'es' * (max(counts) > 1)} "
        f"({figures.grouped(sum(counts))} in all).{inside} {figures.grouped(len(contents.failures))} failed. "
        f"The process is the unit of replication: n counts processes, never steps."
    )


def _steps(contents: Contents) -> str:
    good = contents.settled
    if not good:
        return ""
    windows = sorted({record.window_steps for record in good})
    behind = f"windows, each the mean of {_span(windows)} steps"
    steady = "steady steps" if windows == [1] else f"steady {behind}"
    searched = [record for record in good if record.steadiness in ("steady", "never-steady")]
    restless = sum(record.steadiness == "never-steady" for record in searched)
    return (
        f"After the first step, each process ran {_span([r.warmup_steps for r in good])} warm-up steps, kept in the "
        f"records and left out of every number, then {_span([len(r.steady_step_time_s) for r in good])} {steady}. "
        f"The end of warm-up was looked for in {len(searched)} of {figures.counted(len(good), 'process', 'processes')} "
        f"by a permutation test for a changepoint, never before the declared end; fewer than {MIN_STEPS} steps do not "
        f"allow it. {restless} never became steady."
    )


def _blocks(contents: Contents) -> str:
    known = sum(record.block is not None for record in contents.records)
    paired = sum(pair.comparison.paired for pair in contents.pairs)
    if known == len(contents.records):
        order = "Cells ran in interleaved blocks, each holding every cell of its session once."
    elif known:
        order = "Some records name the block they were interleaved in; the others do not say in which order they ran."
    else:
        order = "The records do not say in which order processes ran."
    return f"{order} {paired} of {figures.counted(len(contents.pairs), 'comparison')} could be paired by block."


def _clocks(contents: Contents) -> str:
    foreign = sum(record.gpugap is None for record in contents.records)
    kinds = {record.cell.device.split(":")[0] for record in contents.records if record.gpugap is not None}
    parts = []
    if "cpu" in kinds:
        parts.append("CPU steps were timed on the host's monotonic clock, a step being over when its call returns")
    if "cuda" in kinds:
        parts.append("CUDA steps by events in the stream, the host waiting only where a window starts and ends")
    if kinds - {"cpu", "cuda"}:
        parts.append("steps on other devices by windows between two waits for the device")
    told = f"{'; '.join(parts)}." if parts else ""
    if foreign:
        others = figures.counted(foreign, "record was", "records were")
        told += f" How {others} timed is unknown: gpugap did not write them."
    return told.strip()


def _tests(contents: Contents) -> str:
    used = sorted({pair.comparison.speedup.method for pair in contents.pairs})
    times = sorted({cell.step_time.method for cell in contents.cells if cell.step_time.low is not None})
    margins = sorted({pair.comparison.margin for pair in contents.pairs})
    text = f"Intervals of step times: {'; '.join(times)}, level {100 * LEVEL:g} %." if times else ""
    if used:
        within = " or ".join(f"{100 * margin:g} %" for margin in margins)
        text += (
            f" Comparisons: {'; '.join(used)}. B is faster or slower than A when the interval excludes 1, equivalent "
            f"when it lies within {within} of 1, and the verdict is inconclusive otherwise. "
            f"Verdicts hold for all comparisons together (Holm); each interval is that of its comparison alone."
        )
    settled = sum(cell.converged for cell in contents.cells)
    cells = figures.counted(len(contents.cells), "cell")
    return f"{text} {settled} of {cells} converged to ±{100 * CONVERGED:g} %.".strip()


def _span(counts: Iterable[int]) -> str:
    """``5``, or ``3 to 5``."""
    found = list(counts)
    low, high = min(found), max(found)
    return str(low) if low == high else f"{low} to {high}"


def _checklist(contents: Contents) -> Html:
    rows: list[list[Content]] = [
        [rule, tag("span", met, css=f"met {met.replace(' ', '-')}"), does] for rule, met, does in _rules(contents)
    ]
    caption = "Rules of reporting after Hoefler & Belli, Scientific Benchmarking of Parallel Computing Systems, SC'15."
    return table(caption, ["Rule", "Met", "What this page does"], [Group("", rows)])


def _rules(contents: Contents) -> list[Rule]:
    cells = [cell for cell in contents.cells if cell.step_time.value is not None]
    bounded = sum(cell.step_time.low is not None for cell in cells)
    unknown = sum(record.environment is None or not record.settings for record in contents.records)
    foreign = sum(record.gpugap is None for record in contents.records)
    total = len(contents.records)
    return [
        (
            "State the base case and its absolute performance",
            "met",
            "Every speedup names its base A; the step time of every cell, bases included, stands under Step times.",
        ),
        (
            "Arithmetic mean for costs, harmonic for rates; geometric only where costs are not available",
            "partly",
            f"Steps of a process: arithmetic mean. Throughput: batch over that time, the harmonic mean of rates. "
            f"Across processes the center is the geometric mean, as intervals stand on logarithms{_mean_gap(cells)}. "
            f"No mean over workloads is formed.",
        ),
        (
            "Intervals, unless the number is deterministic",
            "met" if bounded == len(cells) else "partly",
            f"{bounded} of {figures.counted(len(cells), 'step time')} have an interval; one process alone gives none.",
        ),
        (
            "Assume no normal distribution",
            "partly",
            "Nothing is assumed of steps, drawn as they are. Student's t assumes that logarithms of process means "
            "are close to normal, which few processes cannot show.",
        ),
        (
            "Document all factors",
            "met" if not unknown else "partly",
            f"{total - unknown} of {figures.counted(total, 'record')} hold environment and settings.",
        ),
        (
            "Say how time was synchronized and summarized",
            "met" if not foreign else "partly",
            "In the paragraph above"
            + (f"; {figures.counted(foreign, 'record')} of other writers do not say." if foreign else "."),
        ),
        (
            "Show the bound next to the number",
            "not met",
            "These records hold no operator counts, so no roofline is drawn.",
        ),
        ("Join points only where interpolation is valid", "met", "No points are joined."),
    ]


def _mean_gap(cells: Iterable[CellSummary]) -> str:
    """How far the geometric means of this page are from the arithmetic ones, at most."""
    gaps = []
    for cell in cells:
        means = list(cell.process_means_s().values())
        if len(means) > 1 and cell.step_time.value:
            gaps.append(fmean(means) / cell.step_time.value - 1)
    return f" (here at most {figures.number(100 * max(gaps), 2)} % below the arithmetic one)" if gaps else ""
