"""The inside of a cell: where its time goes, the step with its input pipeline, memory and energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from gpugap.core.estimate import Estimate
from gpugap.explain.cells import CellSummary
from gpugap.explain.inside import NO_PHASE, PHASES, energy_per_step, memory, phases, pipeline_step_time
from gpugap.report import figures, names
from gpugap.report.breakdown import DEVICE_ONLY, STACK, WITH_PIPELINE, breakdown_chart
from gpugap.report.contents import Contents, replicates
from gpugap.report.markup import Content, Group, Html, figure, joined, kind_badge, paragraph, table, tag, two_lines
from gpugap.stats.intervals import LEVEL

_MEMORY = {"peak_rss": "Process memory", "peak_allocated": "Allocated on device", "peak_reserved": "Reserved on device"}
_STARTUP = 3
"""The first phases are those of a process; the others are those of a step."""

Columns = Mapping[str, Estimate]


def inside_tables(contents: Contents) -> Html:
    """The phases of a step with their plot, then start-up and resources; under each why a number is missing."""
    kept = (
        f". Import, build and first step: of the timing processes, below a number its {100 * LEVEL:g} % interval, "
        "where several processes give one. Memory and energy: of processes that looked inside, peaks in binary units, "
        "below a number its range over processes, for energy with the sensor's error. n: timing processes + those that "
        "looked inside."
    )
    parts = [
        tag("h3", "Inside a step"),
        _inside_step(contents),
        tag("h3", "Start-up, memory and energy"),
        _table(_around(contents.cells), joined([kind_badge("measured"), kept]), contents),
    ]
    return joined(parts, Html("\n"))


def _inside_step(contents: Contents) -> Html:
    if not any(summary.details for summary in contents.main):
        return paragraph("No process looked inside a step.", "note")
    timed = (
        ". Phases are of processes that only look inside: their marks cost time, so they are no replicates of the step "
        f"time and need not add up to it. Below a number: its {100 * LEVEL:g} % interval, where several processes give "
        "one. n: timing processes + those that looked inside."
    )
    two = (
        f"Two step times, never to be confused. {DEVICE_ONLY.capitalize()}: the batch stays on the device; this is "
        f"the step time of every other number on this page. {WITH_PIPELINE.capitalize()}: each batch is drawn, copied "
        "and computed in turn, nothing prefetched. Bars: shares of the known phases in their sum; gray is on the way "
        "to the device, blue is computed there."
    )
    below = _table(_phases(contents.main), joined([kind_badge("measured"), timed]), contents)
    plot = breakdown_chart(contents)
    return figure(plot, below, two) if plot else below


def _phases(cells: Sequence[CellSummary]) -> list[tuple[CellSummary, Columns]]:
    return [(summary, _inside(summary)) for summary in cells]


def _around(cells: Sequence[CellSummary]) -> list[tuple[CellSummary, Columns]]:
    return [(summary, _outside(summary)) for summary in cells]


def _inside(summary: CellSummary) -> Columns:
    found = phases(summary)
    steps = {DEVICE_ONLY: summary.step_time, WITH_PIPELINE: pipeline_step_time(summary)}
    columns = {name.capitalize(): found[name] for name in STACK}
    return columns | {f"Step {name}": estimate for name, estimate in steps.items()}


def _outside(summary: CellSummary) -> Columns:
    found = phases(summary)
    kept = {_MEMORY.get(name, name): estimate for name, estimate in memory(summary).items()}
    start = {name.capitalize(): found[name] for name in PHASES[:_STARTUP]}
    return start | kept | {"Energy a step": energy_per_step(summary)}


def _counts(summary: CellSummary) -> str:
    """How many processes timed steps, and how many looked inside."""
    return f"{len(replicates(summary))} + {sum(record.status == 'ok' for record in summary.details)}"


def _table(cells: Sequence[tuple[CellSummary, Columns]], caption: Content, contents: Contents) -> Html:
    told = [name for name in cells[0][1] if any(found[name].value is not None for _, found in cells)]
    missing = _missing([found for _, found in cells])
    if not told:
        return joined([paragraph(caption), missing], Html("\n"))
    heads = ["Cell", *told, "n"]
    groups = []
    for heading, members in groupby(cells, key=lambda entry: names.heading(entry[0].cell)):
        rows = [
            [*_row(summary, [found[name] for name in told], contents), _counts(summary)] for summary, found in members
        ]
        groups.append(Group(heading, rows))
    drawn = table(caption, heads, groups, "t" + "n" * (len(heads) - 1))
    return joined([drawn, missing], Html("\n"))


def _row(summary: CellSummary, found: Sequence[Estimate], contents: Contents) -> list[Content]:
    head = two_lines(names.side(summary, contents), names.details(summary, contents))
    return [head, *map(_value, found)]


def _value(estimate: Estimate) -> Content:
    if estimate.value is None:
        return tag("span", "none" if estimate.method.endswith(NO_PHASE) else "not measured", css="none")
    return two_lines(figures.shown(estimate), figures.ends(estimate))


def _missing(cells: Sequence[Columns]) -> Html:
    """Why numbers are missing, each reason said once with the columns it holds for."""
    reasons: dict[str, dict[str, None]] = {}
    for found in cells:
        for name, estimate in found.items():
            if estimate.value is None:
                reasons.setdefault(estimate.method.removeprefix("not measured: "), {})[name.lower()] = None
    texts = [f"{reason} ({', '.join(columns)})" for reason, columns in reasons.items()]
    return paragraph(f"Not measured: {'; '.join(texts)}.", "note") if texts else Html("")
