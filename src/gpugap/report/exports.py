"""The numbers for papers and spreadsheets: Markdown, LaTeX and CSV. No rounding in CSV; kinds and units everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gpugap.catalog.published import published_effects
from gpugap.core.estimate import Estimate
from gpugap.core.record import Record
from gpugap.core.units import UNKNOWN
from gpugap.core.version import __version__
from gpugap.explain.cells import CellSummary
from gpugap.explain.frameworks import FrameworkComparison, step_name
from gpugap.explain.inside import energy_per_step, pipeline_step_time, time_to_accuracy
from gpugap.explain.pairs import Pair
from gpugap.report import figures, names
from gpugap.report.contents import Contents, gather, is_pipeline_check
from gpugap.report.formats import Row, Sheet, comma_separated, latex, markdown
from gpugap.report.tables import shared_level
from gpugap.report.training import runs, targets_of, trained, value_of

FORMATS = ("md", "tex", "csv")

_NUMBERS = ("value", "low", "high", "level", "n")
_CSV_HEADER = (
    *("quantity", "work", "base", "other", "value", "low", "high", "level", "unit", "kind", "n"),
    *("verdict", "method", "sessions", "gpugap"),
)
_NONE = "none"


def render(records: Sequence[Record], form: str) -> str:
    """Step times, speedups, what was published of them, effects of frameworks, times to accuracy, failures, as text.

    Comparisons and verdicts are those of the page: records of two machines are never pooled, and verdicts hold for
    all comparisons together.

    Args:
        records: as the page takes them.
        form: ``md``, ``tex`` or ``csv``.
    """
    contents = gather(records)
    if form == "csv":
        return comma_separated(_CSV_HEADER, list(_csv_rows(contents)), frozenset(_NUMBERS))
    every = (_times(contents), _speedups(contents), _frameworks(contents), _trainings(contents), _failures(contents))
    sheets = [sheet for sheet in every if sheet.rows]
    return (markdown if form == "md" else latex)(sheets, _provenance(contents))


def _provenance(contents: Contents) -> str:
    """Where the numbers come from, in a line."""
    sessions = ", ".join(_sessions(contents.records)) or _NONE
    starts = sorted(record.started_at for record in contents.records if record.started_at)
    dates = f"; measured {' to '.join(dict.fromkeys((starts[0], starts[-1])))}" if starts else ""
    written = _versions(contents.records)
    return f"gpugap {__version__}, records of gpugap {written or UNKNOWN}; sessions: {sessions}{dates}"


def _sessions(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(record.session for record in records))


def _versions(records: Sequence[Record]) -> str:
    return ", ".join(sorted({record.gpugap for record in records if record.gpugap}))


def _times(contents: Contents) -> Sheet:
    level = shared_level(cell.step_time for cell in contents.cells)
    rows = []
    for cell in contents.cells:
        time, rate = cell.step_time, cell.throughput
        numbers: Row = (figures.shown(time), figures.ends(time) or _NONE, figures.shown(rate), str(time.n), cell.status)
        rows.append((names.heading(cell.cell), _side(cell, contents), *numbers, time.kind))
    header = ("Work", "Cell", "Step time", f"{level} interval", "Throughput", "n", "Status", "Kind")
    note = "Mean steady step time over processes and the samples a second it makes; n: processes that ended well"
    return Sheet("Step times", f"{note}.", "step-times", header, "llrrrrll", rows)


def _speedups(contents: Contents) -> Sheet:
    level = shared_level(pair.comparison.speedup for pair in contents.pairs)
    rows: list[Row] = []
    for pair in contents.pairs:
        speedup = pair.comparison.speedup
        sides = (_side(pair.a, contents), _side(pair.b, contents))
        numbers: Row = (figures.shown(speedup), figures.ends(speedup) or _NONE, str(speedup.n))
        rows.append((names.heading(pair.b.cell), *sides, *numbers, _verdict(pair), speedup.kind))
    for row in contents.published:
        work = f"{names.network(row.workload)}, {names.doing(row.mode)}"
        interval = "a range" if row.speedup.value is None else _NONE
        numbers = (figures.shown(row.speedup), interval, "not stated", _NONE)
        rows.append((work, row.baseline, row.device, *numbers, f"{row.speedup.kind}: {row.source}"))
    header = ("Work", "A (base)", "B", "Speedup of B", f"{level} interval", "n", "Verdict on B", "Kind")
    note = "Mean step time of A over that of B; above 1, B is faster; n: processes a side, or pairs of them"
    return Sheet("Speedups", f"{note}.", "speedups", header, "lllrrrll", rows)


def _effects(contents: Contents) -> Iterator[tuple[str, FrameworkComparison, Pair]]:
    """Every effect of frameworks and fusion by its name, and the changes that the whole is a product of."""
    for one in contents.frameworks:
        yield from ((effect.kind, one, effect.pair) for effect in one.effects)
        yield from ((f"step of the whole: {step_name(pair) or 'another mode'}", one, pair) for pair in one.steps)


def _frameworks(contents: Contents) -> Sheet:
    level = shared_level(pair.comparison.speedup for _, _, pair in _effects(contents))
    rows: list[Row] = []
    for name, one, pair in _effects(contents):
        speedup, count = pair.comparison.speedup, str(min(pair.comparison.n_processes))
        sides = (names.setting(pair.a.cell), names.setting(pair.b.cell))
        numbers: Row = (figures.shown(speedup), figures.ends(speedup) or _NONE, count)
        judged: Row = (pair.comparison.verdict, _proof(pair), speedup.kind)
        rows.append((names.compared(one, contents), name, *sides, *numbers, *judged))
    for row in published_effects() if rows else ():
        sides = (names.framework(row.a), names.framework(row.b))
        head = (f"Published, {names.doing(row.mode)}", row.cause, *sides, f"{row.speedup.value:.3g}×")
        rows.append((*head, _NONE, "not stated", _NONE, "not measured here", f"{row.speedup.kind}: {row.source}"))
    header = ("Work", "Effect", "A (base)", "B", "Speedup of B", f"{level} interval", "n", "Verdict on B")
    note = (
        "Framework: two in the same class of mode; fusion: one framework, unfused against fused; whole: TensorFlow as "
        "it comes over PyTorch as it comes, and the steps whose product it is. Unverified: not both sides have shown "
        "that they compute the same"
    )
    kinds = "llllrrrlll"
    return Sheet("Frameworks", f"{note}.", "frameworks", (*header, "Same results", "Kind"), kinds, rows)


def _proof(pair: Pair) -> str:
    return {True: "verified", False: "unverified", None: "one mode"}[pair.verified]


def _trainings(contents: Contents) -> Sheet:
    cells = trained(contents)
    level = shared_level(time_to_accuracy(cell) for cell in cells)
    rows: list[Row] = []
    for cell in cells:
        time, found = time_to_accuracy(cell), runs(cell)
        targets = " or ".join(f"{100 * target:g} %" for target in targets_of(cell)) or UNKNOWN
        numbers: Row = (targets, value_of(cell), figures.ends(time) or _NONE)
        counts: Row = (f"{sum(not run['reached'] for run in found)} of {len(found)}", str(len(found)), time.kind)
        rows.append((names.heading(cell.cell), _side(cell, contents), *numbers, *counts))
    header = ("Work", "Cell", "Accuracy", "Time to it", f"{level} interval", "Censored", "n", "Kind")
    note = (
        "Time of training until held-out images are classified as well as the target says; with censored runs, given "
        "up before they got there, the Kaplan-Meier median, otherwise the mean over runs; n: training runs"
    )
    return Sheet("Time to accuracy", f"{note}.", "time-to-accuracy", header, "llrrrrrl", rows)


def _failures(contents: Contents) -> Sheet:
    rows: list[Row] = []
    for cell in contents.cells:
        for record in cell.failures:
            error = record.error or {}
            told = (str(error.get(name) or UNKNOWN) for name in ("code", "message", "remedy"))
            head = (names.heading(cell.cell), _side(cell, contents), str(record.process), record.status)
            rows.append((*head, *told))
    header = ("Work", "Cell", "Process", "Status", "Code", "What happened", "What to do")
    return Sheet("Failures", "Processes that gave no step time.", "failures", header, "llrllll", rows)


def _side(summary: CellSummary, contents: Contents) -> str:
    return f"{names.side(summary, contents)}, {names.details(summary, contents).replace(' · ', ', ')}"


def _verdict(pair: Pair) -> str:
    return "none (pipeline check)" if is_pipeline_check(pair.b.cell) else pair.comparison.verdict


def _csv_rows(contents: Contents) -> Iterator[Row]:
    for cell in contents.cells:
        records = (*cell.records, *cell.details, *cell.training)
        named = {"step_time": cell.step_time, "throughput": cell.throughput}
        further = {
            "step_time_with_input_pipeline": pipeline_step_time(cell),
            "energy_per_step": energy_per_step(cell),
        }
        named |= {name: estimate for name, estimate in further.items() if estimate.value is not None}
        named |= {"time_to_accuracy": time_to_accuracy(cell)} if cell.training else {}
        label = _label(cell, contents)
        for quantity, estimate in named.items():
            yield (quantity, label, "", "", *_numbers(estimate), cell.status, estimate.method, *_origin(records))
        for record in cell.failures:
            error = record.error or {}
            told = f"process {record.process}: {error.get('message') or error.get('code') or UNKNOWN}"
            yield ("failure", label, "", "", *[""] * 7, record.status, told, *_origin([record]))
    for pair in contents.pairs:
        speedup, records = pair.comparison.speedup, (*pair.a.records, *pair.b.records)
        sides = (_label(pair.a, contents), _label(pair.b, contents))
        work = names.heading(pair.b.cell)
        yield ("speedup", work, *sides, *_numbers(speedup), _verdict(pair), speedup.method, *_origin(records))
    for name, one, pair in _effects(contents):
        speedup, records = pair.comparison.speedup, (*pair.a.records, *pair.b.records)
        sides, origin = (_label(pair.a, contents), _label(pair.b, contents)), _origin(records)
        judged = f"{pair.comparison.verdict}, {_proof(pair)}"
        yield (
            f"effect: {name}",
            names.compared(one, contents),
            *sides,
            *_numbers(speedup),
            judged,
            speedup.method,
            *origin,
        )
    for effect in published_effects() if contents.frameworks else ():
        head = (f"effect: {effect.cause}", effect.mode, effect.a, effect.b)
        yield (*head, *_numbers(effect.speedup), "", effect.source, "", "")
    for row in contents.published:
        work = f"{row.workload}/{row.mode}"
        yield ("speedup", work, row.baseline, row.device, *_numbers(row.speedup), "", row.source, "", "")


def _label(summary: CellSummary, contents: Contents) -> str:
    """The cell's factors, with its machine where there are several."""
    machine = contents.machine(summary).label
    return f"{summary.cell.label} ({machine})" if machine else summary.cell.label


def _numbers(estimate: Estimate) -> Row:
    known = (estimate.value, estimate.low, estimate.high, estimate.level)
    numbers = ("" if number is None else repr(number) for number in known)
    return (*numbers, estimate.unit, estimate.kind, "" if estimate.n is None else str(estimate.n))


def _origin(records: Sequence[Record]) -> Row:
    return " ".join(_sessions(records)), _versions(records)
