"""How it was measured, written from the records."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from gpugap.core.record import Record
from gpugap.explain.cells import CONVERGED
from gpugap.measure.accuracy import BETWEEN, HELD_OUT
from gpugap.measure.guards import CLOCK_RANGE, FOREIGN_SHARE
from gpugap.report import figures
from gpugap.report.checklist import checklist
from gpugap.report.contents import Contents
from gpugap.report.markup import Html, joined, paragraph
from gpugap.stats.intervals import LEVEL
from gpugap.stats.stopping import MIN_PROCESSES
from gpugap.stats.warmup import ALPHA_FASTER, ALPHA_SLOWER, MIN_STEPS

_WIDTH_OPTION = re.compile(r"--max-width[ =]([\d.]+%?)")


def methods(contents: Contents, command: str) -> Html:
    """The methods paragraphs, then the rules of reporting one by one.

    Args:
        contents: of the page.
        command: what makes the records again; names the width to stop at, where one was asked for.
    """
    if not contents.records:
        return paragraph("Nothing was measured.")
    ran = (_processes(contents), _blocks(contents), _stopping(contents, command))
    timed = (_steps(contents), _warmup(contents), _clocks(contents))
    watched = (_looks(contents), _trainings(contents), _energy(contents), _guards(contents))
    texts = [" ".join(filter(None, sentences)) for sentences in (ran, timed, watched, (_tests(contents),))]
    return joined([*map(paragraph, filter(None, texts)), checklist(contents)], Html("\n"))


def _processes(contents: Contents) -> str:
    counts = [len(cell.records) for cell in contents.cells]
    sessions = len({record.session for record in contents.records})
    return (
        f"{figures.counted(len(contents.cells), 'cell was', 'cells were')} measured in "
        f"{figures.counted(sessions, 'session')}, each in {figures.span(counts)} fresh "
        f"process{'es' * (max(counts, default=0) != 1)} "
        f"({figures.grouped(sum(counts))} in all). {figures.grouped(len(contents.failures))} failed. "
        f"The process is the unit of replication: n counts processes, never steps."
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


def _stopping(contents: Contents, command: str) -> str:
    """The rule that ended the session, where its command names one; the records do not."""
    found = _WIDTH_OPTION.search(command)
    if found is None:
        return ""
    text = found.group(1)
    width = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    cells = [cell for cell in contents.cells if cell.step_time.value is not None]
    narrow = sum((reached := cell.step_time.relative_half_width) is not None and reached <= width for cell in cells)
    return (
        f"Processes were added until half of every interval was at most {100 * width:g} % of its step time, asked from "
        f"{MIN_PROCESSES} processes a cell on, or until as many had run as were allowed: the rule is width, never "
        f"significance. {narrow} of {figures.counted(len(cells), 'cell')} reached it."
    )


def _steps(contents: Contents) -> str:
    good = contents.settled
    if not good:
        return ""
    windows = sorted({record.window_steps for record in good})
    behind = f"windows, each the mean of {figures.span(windows)} steps"
    steady = "steady steps" if windows == [1] else f"steady {behind}"
    return (
        f"After the first step, each process ran {figures.span(r.warmup_steps for r in good)} warm-up steps, kept in "
        f"the records and left out of every number, then {figures.span(len(r.steady_step_time_s) for r in good)} "
        f"{steady}."
    )


def _warmup(contents: Contents) -> str:
    good = contents.settled
    if not good:
        return ""
    searched = [record for record in good if record.steadiness in ("steady", "never-steady")]
    restless = sum(record.steadiness == "never-steady" for record in searched)
    return (
        f"The end of warm-up was looked for in {figures.grouped(len(searched))} of "
        f"{figures.counted(len(good), 'process', 'processes')} by a permutation test for a changepoint, never before "
        f"the declared end. Of steps without a change it cuts some with probability {100 * ALPHA_SLOWER:g} % as a "
        f"slower and {100 * ALPHA_FASTER:g} % as a faster beginning. Fewer than {MIN_STEPS} steps do not allow it; "
        f"there the declared warm-up alone was cut. {figures.grouped(restless)} never became steady, and of these the "
        f"last half is used."
    )


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
    return " ".join(filter(None, (told.strip(), _self_test(contents))))


def _self_test(contents: Contents) -> str:
    readings = [reading for look in _inside(contents) if (reading := look.get("clock_self_test")) is not None]
    if not readings:
        return ""
    ends = [figures.number(reading) for reading in (min(readings), max(readings))]
    low, high = CLOCK_RANGE
    bad = sum(not low <= reading <= high for reading in readings)
    return (
        f"Clock self-test: work of known length read {' to '.join(dict.fromkeys(ends))} times that length in "
        f"{figures.counted(len(readings), 'process', 'processes')}; {low:g} to {high:g} counts as true, and "
        f"{figures.grouped(bad)} lay outside."
    )


def _looks(contents: Contents) -> str:
    looks = sum(len(cell.details) for cell in contents.cells)
    if not looks:
        return ""
    return (
        f"{figures.counted(looks, 'further process', 'further processes')} looked inside steps: memory, energy and "
        f"phases, each in a pass of its own, as looking costs time. None of these is a replicate of a step time."
    )


def _trainings(contents: Contents) -> str:
    runs = [record.accuracy for cell in contents.cells for record in cell.training if record.status == "ok"]
    if not runs:
        return ""
    censored = sum(not run["reached"] for run in runs)
    return (
        f"{figures.counted(len(runs), 'further process', 'further processes')} trained to a target accuracy, looking "
        f"at {HELD_OUT} held-out images every {BETWEEN} steps, outside the time. {figures.grouped(censored)} of them "
        f"were given up before they got there and count as censored."
    )


def _energy(contents: Contents) -> str:
    """Windows of energy counters, as the looking processes recorded them."""
    readings = [record.energy for cell in contents.cells for record in cell.details if record.energy.get("energy_j")]
    if not readings:
        return ""
    windows = [float(reading["window_s"]) for reading in readings if reading.get("window_s")]
    lengths = " to ".join(dict.fromkeys(figures.time(end) for end in (min(windows), max(windows)))) if windows else ""
    over = f", over windows of {lengths}" if lengths else ""
    sensors = ", ".join(sorted({str(reading.get("sensor") or "an unnamed sensor") for reading in readings}))
    count = figures.counted(len(readings), "process", "processes")
    return f"Energy was counted in {count} by {sensors}{over}, apart from every timed step."


def _guards(contents: Contents) -> str:
    watched = [record for record in _all(contents) if record.guards]
    if not watched:
        return ""
    tags = Counter(str(tag) for record in watched for tag in record.guards.get("tags", ()))
    counts = ", ".join(f"{name} ({figures.grouped(count)})" for name, count in sorted(tags.items()))
    return (
        f"Guards watched {figures.grouped(len(watched))} of "
        f"{figures.counted(sum(1 for _ in _all(contents)), 'process', 'processes')} for throttling, foreign load (over "
        f"{100 * FOREIGN_SHARE:g} % of the machine's cores), recompilation, denormal numbers, too many threads, and, "
        f"where processes looked inside, a starving loader and an untrue clock. Tagged: {counts or 'none'}. Tagged "
        f"processes stay in every number."
    )


def _tests(contents: Contents) -> str:
    used = sorted({pair.comparison.speedup.method for pair in contents.pairs})
    times = sorted({cell.step_time.method for cell in contents.cells if cell.step_time.low is not None})
    margins = sorted({pair.comparison.margin for pair in contents.pairs})
    text = f"Intervals of step times: {'; '.join(times)}, level {100 * LEVEL:g} %." if times else ""
    if used:
        within = " or ".join(f"{100 * margin:g} %" for margin in margins)
        text += (
            f" Comparisons: {'; '.join(used)}. B is faster or slower than A when the interval excludes 1, equivalent "
            f"when it lies within {within} of 1, and the verdict is inconclusive otherwise. {_family(contents)}"
        )
    effects = sum(len(one.effects) for one in contents.frameworks)
    if effects:
        text += (
            f" {figures.counted(effects, 'effect')} of frameworks and fusion are judged as a family of their own on "
            f"each machine, by the same rules."
        )
    settled = sum(cell.converged for cell in contents.cells)
    cells = figures.counted(len(contents.cells), "cell")
    return f"{text} {settled} of {cells} converged to ±{100 * CONVERGED:g} %.".strip()


def _family(contents: Contents) -> str:
    comparisons = [pair.comparison for pair in contents.answering if pair.comparison.p_value is not None]
    if not comparisons:
        return "None could be tested."
    taken = sum(comparison.reason == "many-comparisons" for comparison in comparisons)
    count = figures.counted(len(comparisons), "tested comparison")
    lost = f"{figures.grouped(taken)} did not stand and read inconclusive." if taken else "None was taken back."
    return (
        f"Verdicts hold for the whole study, {count} together (Holm): the chance of any false faster or slower is at "
        f"most {100 * (1 - LEVEL):g} %. {lost} Each interval is that of its comparison alone."
    )


def _inside(contents: Contents) -> Iterable[Mapping[str, Any]]:
    return [record.details for cell in contents.cells for record in cell.details]


def _all(contents: Contents) -> Iterable[Record]:
    return (record for cell in contents.cells for record in (*cell.records, *cell.details))
