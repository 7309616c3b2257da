"""The twelve rules of reporting, each with what this page does for it, judged from the records.

Rules in our words, after Hoefler & Belli, Scientific Benchmarking of Parallel Computing Systems, SC'15.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from gpugap.core.record import Record
from gpugap.explain.cells import CellSummary
from gpugap.report import figures, names
from gpugap.report.contents import Contents, is_pipeline_check
from gpugap.report.markup import Content, Group, Html, table, tag
from gpugap.report.strips import dots_a_cell
from gpugap.report.traces import MOST_LINES, points_a_cell, traced
from gpugap.workloads import all_workloads

Judged = tuple[str, str]
"""Whether the page meets a rule (``met``, ``partly``, ``not met``), and what it does for it."""


def checklist(contents: Contents) -> Html:
    """The rules as a table."""
    rows: list[list[Content]] = [
        [f"{place}. {rule}", tag("span", met, css=f"met {met.replace(' ', '-')}"), does]
        for place, (rule, (met, does)) in enumerate(_rules(contents), start=1)
    ]
    caption = "Rules of reporting after Hoefler & Belli, Scientific Benchmarking of Parallel Computing Systems, SC'15."
    return table(caption, ["Rule", "Met", "What this page does"], [Group("", rows)])


def _rules(contents: Contents) -> Iterator[tuple[str, Judged]]:
    cells = [cell for cell in contents.cells if cell.step_time.value is not None]
    yield "Of every speedup, say what the base is and how fast it is in absolute terms", _base(contents)
    yield "Say why only a part of a benchmark or of the machine was used", _subsets(contents, cells)
    yield "Sum up costs by the arithmetic mean, rates by the harmonic", _means(cells)
    yield "Sum up costs, not ratios; the geometric mean only where nothing but ratios is known", _ratios(contents)
    yield "Give confidence intervals of what is not deterministic", _intervals(cells)
    yield "Assume no normal distribution without looking", _normality(cells)
    yield "Compare in a statistically sound way", _comparisons(contents)
    yield "Ask whether a mean is what matters, or a percentile", _center(cells)
    yield "Document every factor, its levels and the whole setup", _factors(contents.records)
    yield "Say how time was measured, synchronized and summarized", _timing(contents)
    yield "Show upper bounds of performance", ("not met", "These records hold no peak of the hardware: no roofline.")
    yield "Plot what is needed; join points only where a trend is shown", _plots(cells)


def _graded(good: int, total: int) -> str:
    if good == total:
        return "met"
    return "partly" if good else "not met"


def _base(contents: Contents) -> Judged:
    pairs = [pair for pair in contents.pairs if pair.comparison.speedup.value is not None]
    if not pairs:
        return "met", "No speedup is stated; step times are absolute."
    devices = {id(pair.b) for pair in pairs if pair.b.cell.device != "cpu"}
    tuned = {id(pair.b) for pair in pairs if pair.a.cell.tuning not in (None, "default")}
    naive = {id(pair.b) for pair in pairs if pair.a.cell.tuning in (None, "default")}
    both = len(devices & tuned & naive)
    told = "Every speedup names its base A, whose step time stands under Step times."
    if not devices:
        return "met", f"{told} The only base is the CPU as it comes."
    return _graded(both, len(devices)), (
        f"{told} {both} of {figures.counted(len(devices), 'cell')} on other devices "
        f"{'stands' if both == 1 else 'stand'} against the CPU as it comes and the tuned CPU both."
    )


def _subsets(contents: Contents, cells: Sequence[CellSummary]) -> Judged:
    known = list(all_workloads())
    measured = {cell.cell.workload for cell in cells if not is_pipeline_check(cell.cell)} & set(known)
    cpus = [cell for cell in cells if cell.cell.device == "cpu" and not is_pipeline_check(cell.cell)]
    idle = sum(_idle_cores(cell, contents) for cell in cpus)
    met = "met" if len(measured) == len(known) and not idle else "partly"
    return met, (
        f"Built-in workloads measured: {len(measured)} of {len(known)}; records do not say why these. "
        f"{idle} of {figures.counted(len(cpus), 'CPU cell')} used fewer threads than cores, or do not say: the "
        f"framework's own choice where the CPU runs {names.DEFAULT}."
    )


def _idle_cores(cell: CellSummary, contents: Contents) -> bool:
    threads = names.settings_of(cell).get("threads")
    cores = next(contents.machine(cell).values("cpu", "usable_cores"), None)
    return not (isinstance(threads, int) and isinstance(cores, int) and threads >= cores)


def _means(cells: Sequence[CellSummary]) -> Judged:
    return "partly" if any(cell.step_time.n != 1 for cell in cells) else "met", (
        f"Steps of a process: arithmetic mean. Throughput: batch over that time, the harmonic mean of rates. Across "
        f"processes the center is the geometric mean, as intervals stand on logarithms{_mean_gap(cells)}."
    )


def _mean_gap(cells: Sequence[CellSummary]) -> str:
    """How far the geometric means of this page are from the arithmetic ones, at most."""
    gaps = []
    for cell in cells:
        means = list(cell.process_means_s().values())
        if len(means) > 1 and cell.step_time.value:
            gaps.append(max(0.0, fmean(means) / cell.step_time.value - 1))
    return f" (here at most {figures.number(100 * max(gaps), 2)} % below the arithmetic one)" if gaps else ""


def _ratios(contents: Contents) -> Judged:
    count = figures.counted(len(contents.pairs), "speedup")
    return "met", (
        f"Each of {count} stands on the step times of its two sides, paired where blocks allow; no mean over "
        f"workloads, modes or devices is formed. Published ratios are shown as published, never averaged."
    )


def _intervals(cells: Sequence[CellSummary]) -> Judged:
    bounded = sum(cell.step_time.low is not None for cell in cells)
    return _graded(bounded, len(cells)), (
        f"{bounded} of {figures.counted(len(cells), 'step time')} have an interval; one process alone gives none."
    )


def _normality(cells: Sequence[CellSummary]) -> Judged:
    most = max((cell.step_time.n or 0 for cell in cells), default=0)
    return "partly", (
        f"Nothing is assumed of steps, drawn as they are; warm-up is found by permutations. Student's t assumes that "
        f"logarithms of process means are close to normal, which {figures.counted(most, 'process', 'processes')} at "
        f"most cannot show."
    )


def _comparisons(contents: Contents) -> Judged:
    pairs = contents.answering
    if not pairs:
        return "met", "Nothing is compared."
    tested = sum(pair.comparison.p_value is not None for pair in pairs)
    return _graded(tested, len(pairs)), (
        f"{tested} of {figures.counted(len(pairs), 'comparison')} could be tested, with processes as replicates and "
        f"verdicts that hold for all together; what could not is called inconclusive."
    )


def _center(cells: Sequence[CellSummary]) -> Judged:
    several = sum(any(len(steps) > 1 for steps in cell.steady_steps_s()) for cell in cells)
    return _graded(several, len(cells)), (
        f"The mean is what a long run pays for. Of {several} of {figures.counted(len(cells), 'cell')} several steps "
        f"a process are known; their extremes, median, p5 and p95 stand under Step by step."
    )


def _factors(records: Sequence[Record]) -> Judged:
    told = sum(record.environment is not None and bool(record.settings) for record in records)
    return _graded(told, len(records)), (
        f"{figures.grouped(told)} of {figures.counted(len(records), 'record')} hold environment and settings, shown "
        f"under Environment and Was it fair?"
    )


def _timing(contents: Contents) -> Judged:
    ours = sum(record.gpugap is not None for record in contents.records)
    others = len(contents.records) - ours
    tested = sum(any("clock_self_test" in look.details for look in cell.details) for cell in contents.cells)
    cells = figures.counted(len(contents.cells), "cell")
    foreign = f" {figures.counted(others, 'record')} of other writers do not say." if others else ""
    text = f"In the paragraphs above; the clock was tested on work of known length in {tested} of {cells}.{foreign}"
    return _graded(ours, len(contents.records)), text


def _plots(cells: Sequence[CellSummary]) -> Judged:
    counts = [[len(record.step_time_s) for record in cell.records] for cell in traced(cells)]
    steps, most = points_a_cell(len(cells)), min(points_a_cell(len(cells)), dots_a_cell(len(cells)))
    if not counts:
        return "met", "Every steady step is a dot. No points are joined."
    whole = sum(len(lanes) <= MOST_LINES and sum(lanes) <= min(steps, most) for lanes in counts)
    text = (
        "Every steady step is a dot, of very many a part. Only steps of one process, and looks at one training, are "
        "joined, in the order they ran, to show the trend; nothing is read off between them."
    )
    if whole == len(counts):
        return "met", text
    left_out = figures.counted(len(counts) - whole, "cell")
    return "partly", f"{text} Of {left_out}, lines pass over steps or processes that are not drawn."
