"""The numbers for papers and spreadsheets: Markdown, LaTeX and CSV. No rounding in CSV; kinds and units everywhere."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gpugap.catalog.published import published_speedups
from gpugap.core.units import UNKNOWN, significant, time_scale
from gpugap.explain.cells import summarize
from gpugap.explain.pairs import baseline_pairs

if TYPE_CHECKING:
    from gpugap.core.estimate import Estimate
    from gpugap.core.record import Record

FORMATS = ("md", "tex", "csv")
_CSV_HEADER = (
    "quantity",
    "work",
    "base",
    "other",
    "value",
    "low",
    "high",
    "level",
    "unit",
    "kind",
    "n",
    "verdict",
    "method",
)
_LATEX = str.maketrans(
    {"\\": r"\textbackslash{}", "%": r"\%", "_": r"\_", "&": r"\&", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "×": r"$\times$", "–": "--", "µ": r"\textmu{}"}
)

Row = tuple[str, ...]


def render(records: Sequence[Record], form: str) -> str:
    """Step times, speedups and published speedups as text.

    Args:
        records: as the page takes them.
        form: ``md``, ``tex`` or ``csv``.
    """
    if form == "csv":
        return _csv(records)
    tables = ((_TIME_HEADER, _times(records)), (_SPEEDUP_HEADER, _speedups(records)))
    write = _markdown if form == "md" else _latex
    return "\n\n".join(write(header, rows) for header, rows in tables if rows) + "\n"


_TIME_HEADER = ("Cell", "Step time", "95 % interval", "Samples/s", "Processes", "Kind")
_SPEEDUP_HEADER = ("Work", "A (base)", "B", "Speedup", "95 % interval", "Verdict", "Kind")


def _times(records: Sequence[Record]) -> list[Row]:
    rows: list[Row] = []
    for summary in summarize(records):
        time, rate = summary.step_time, summary.throughput
        value, ends = _time_text(time)
        throughput = UNKNOWN if rate.value is None else significant(rate.value)
        rows.append((summary.cell.label, value, ends, throughput, str(time.n), time.kind))
    return rows


def _speedups(records: Sequence[Record]) -> list[Row]:
    rows: list[Row] = []
    for pair in baseline_pairs(summarize(records)):
        speedup = pair.comparison.speedup
        rows.append((*pair.labels(), *_ratio_text(speedup), pair.comparison.verdict, speedup.kind))
    if rows:
        for row in published_speedups():
            work = f"{row.workload}/{row.mode}"
            rows.append((work, row.baseline, row.device, *_ratio_text(row.speedup), "-", f"published: {row.source}"))
    return rows


def _time_text(time: Estimate) -> tuple[str, str]:
    if time.value is None:
        return UNKNOWN, UNKNOWN
    scale, unit = time_scale(time.value)
    ends = [UNKNOWN if end is None else significant(end / scale) for end in (time.low, time.high)]
    return (
        f"{significant(time.value / scale)} {unit}",
        f"{ends[0]}–{ends[1]} {unit}" if time.low is not None else UNKNOWN,
    )


def _ratio_text(ratio: Estimate) -> tuple[str, str]:
    if ratio.low is None or ratio.high is None:
        return (UNKNOWN if ratio.value is None else f"{significant(ratio.value)}×"), UNKNOWN
    ends = f"{significant(ratio.low)}–{significant(ratio.high)}"
    return (f"{ends}×", "range") if ratio.value is None else (f"{significant(ratio.value)}×", ends)


def _markdown(header: Row, rows: list[Row]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _latex(header: Row, rows: list[Row]) -> str:
    lines = [r"\begin{tabular}{" + "l" * len(header) + "}", r"\hline"]
    for number, line in enumerate((header, *rows)):
        lines.append(" & ".join(cell.translate(_LATEX) for cell in line) + r" \\")
        if not number:
            lines.append(r"\hline")
    return "\n".join([*lines, r"\hline", r"\end{tabular}"])


def _csv(records: Sequence[Record]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_CSV_HEADER)
    summaries = summarize(records)
    for summary in summaries:
        for quantity, estimate in (("step_time", summary.step_time), ("throughput", summary.throughput)):
            writer.writerow(
                (quantity, summary.cell.label, "", "", *_numbers(estimate), summary.status, estimate.method)
            )
    pairs = baseline_pairs(summaries)
    for pair in pairs:
        speedup = pair.comparison.speedup
        writer.writerow(("speedup", *pair.labels(), *_numbers(speedup), pair.comparison.verdict, speedup.method))
    for row in published_speedups() if pairs else ():
        work = f"{row.workload}/{row.mode}"
        writer.writerow(("speedup", work, row.baseline, row.device, *_numbers(row.speedup), "", row.source))
    return stream.getvalue()


def _numbers(estimate: Estimate) -> tuple[str, ...]:
    known = (estimate.value, estimate.low, estimate.high, estimate.level)
    numbers = ("" if number is None else repr(number) for number in known)
    return (*numbers, estimate.unit, estimate.kind, "" if estimate.n is None else str(estimate.n))
