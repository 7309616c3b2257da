"""Time to accuracy: the runs that trained to a target, those that were given up before marked as what they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from gpugap.core.estimate import Estimate
from gpugap.core.units import UNKNOWN
from gpugap.explain.cells import CellSummary
from gpugap.explain.inside import time_to_accuracy
from gpugap.report import figures, names
from gpugap.report.contents import Contents
from gpugap.report.drawing import LEFT, RIGHT, WIDTH, Axis, axis_around, draw, headings
from gpugap.report.marks import LARGE, SMALL, Marks, Row, Style
from gpugap.report.markup import (
    Content,
    Group,
    Html,
    figure,
    interval,
    joined,
    kind_badge,
    table,
    tag,
    two_lines,
)
from gpugap.report.sheets import laid_out, sheets
from gpugap.report.strips import kept_places
from gpugap.report.tables import shared_level

MOST_ON_PAGE, FEWEST = 4_000, 12
"""Looks that are drawn of all runs, and what a run keeps where there are many."""

_HEADING, _TALL, _GAP, _SCALE = 36, 78, 26, 34
_ARROW = 13
"""Pixels that a censored run points to the right."""
_BLUE, _GRAY = "var(--measured)", "var(--open)"
_TICK: Style = {"font_size": 9.5, "fill": "var(--muted)", "text_anchor": "end"}
_LINES = (
    "One lane a cell, one thin line a run: accuracy on held-out images at every look, over the time trained so far. "
    "Dashed: the target. Blue with a solid dot: a run that got there. Gray with a hollow dot and an arrow: censored, "
    "given up before it got there. On the target: the time to it, whiskers to the ends of its interval."
)


@dataclass(frozen=True, slots=True)
class _Lane:
    """One cell's place in the plot.

    Attributes:
        summary: the cell.
        top: of its lane, in pixels.
        time: to the target.
    """

    summary: CellSummary
    top: float
    time: Estimate

    def y(self, accuracy: float) -> float:
        """Where an accuracy lies."""
        return self.top + _TALL * (1 - accuracy)


def trained(contents: Contents) -> list[CellSummary]:
    """The cells that trained to a target accuracy."""
    return [cell for cell in contents.cells if cell.training]


def runs(summary: CellSummary) -> list[Mapping[str, Any]]:
    """What each training run that did not fail has come to."""
    return [record.accuracy for record in summary.training if record.status == "ok"]


def training(contents: Contents) -> Html:
    """The plot of every run and the table of times; nothing where no cell trained to a target."""
    cells = trained(contents)
    if not cells:
        return Html("")
    below = _table(cells, contents)
    looks = [look[1] for cell in cells for run in runs(cell) for look in _looks(run)]
    return figure(_chart(cells, contents, looks), below, _LINES) if looks else below


def _looks(run: Mapping[str, Any]) -> list[tuple[float, float, float]]:
    """Steps, seconds and accuracy of the looks that a logarithmic axis can hold: all but the untrained one."""
    return [(steps, time_s, accuracy) for steps, time_s, accuracy in run.get("curve", ()) if time_s > 0]


def _chart(cells: Sequence[CellSummary], contents: Contents, looks: Sequence[float]) -> list[Html]:
    times = [time_to_accuracy(cell) for cell in cells]
    ends = [end for time in times for end in (time.low, time.value, time.high) if end]
    axis = axis_around("time trained (logarithmic axis)", [*looks, *ends], figures.time_tick)
    most = max(FEWEST, MOST_ON_PAGE // sum(len(runs(cell)) for cell in cells))
    drawn = []
    for place, groups in enumerate(sheets(cells, lambda cell: names.heading(cell.cell), _HEADING, _TALL + _GAP)):
        placed, heads, height = laid_out(groups, _HEADING, _TALL + _GAP)
        lanes = [_Lane(one, middle - (_TALL + _GAP) / 2, time_to_accuracy(one)) for middle, one in placed]
        marks = [
            *headings(heads, (axis.low, axis.high), -LEFT),
            *_labels(lanes, contents),
            *(part for lane in lanes for part in (*_frame(lane, axis), *_time(lane), *_runs(lane, axis, most))),
        ]
        told = "; ".join(f"{names.heading(one.summary.cell)}, {_told(one, contents)}" for one in lanes)
        about = f"Accuracy against time trained. {told}"
        drawn.append(draw(marks, axis, height - _GAP + 6, f"accuracy{place}", about))
    return drawn


def _labels(lanes: Sequence[_Lane], contents: Contents) -> Iterator[Marks]:
    left, right = 18 - LEFT, WIDTH + 16
    columns: list[tuple[int, float, list[str], Style]] = [
        (left, -7.0, [names.side(lane.summary, contents) for lane in lanes], LARGE),
        (left, 9.0, [names.details(lane.summary, contents) for lane in lanes], SMALL),
        (right, -7.0, [_full(lane) for lane in lanes], LARGE),
        (right, 9.0, [f"measured, {_counts(lane.summary)}" for lane in lanes], SMALL),
    ]
    for at, shift, texts, style in columns:
        rows: list[Row] = [
            {"y": lane.top + _TALL / 2 + shift, "text": text} for lane, text in zip(lanes, texts, strict=True)
        ]
        yield Marks("text", rows, style, at=at, limit=LEFT - 28 - _SCALE if at < 0 else RIGHT - 16)


def _frame(lane: _Lane, axis: Axis) -> Iterator[Marks]:
    """Lines at none, half and all of the images, and at the target."""
    levels, whole = (0.0, 0.5, 1.0), {"x": axis.low, "x2": axis.high}
    rules: list[Row] = [{**whole, "y": lane.y(level)} for level in levels]
    yield Marks("rule", rules, {"stroke": "var(--line)"})
    labels: list[Row] = [{"y": lane.y(level), "text": f"{100 * level:g} %"} for level in levels]
    yield Marks("text", labels, _TICK, at=-7)
    aims: list[Row] = [{**whole, "y": lane.y(target)} for target in targets_of(lane.summary)]
    yield Marks("rule", aims, {"stroke": "var(--fg)", "stroke_dasharray": "4 3"})


def _runs(lane: _Lane, axis: Axis, most: int) -> Iterator[Marks]:
    lines: dict[bool, list[Row]] = {True: [], False: []}
    ends: dict[bool, list[Row]] = {True: [], False: []}
    for series, run in enumerate(runs(lane.summary)):
        looks = _looks(run)
        kept = kept_places([accuracy for _, _, accuracy in looks], most) if looks else []
        for place in sorted({*kept, len(looks) - 1} if looks else ()):
            _, time_s, accuracy = looks[place]
            point = {"x": time_s, "y": lane.y(accuracy)}
            lines[run["reached"]].append({**point, "series": f"{lane.top:g}-{series}"})
        ends[run["reached"]] += [point] if looks else []
    for reached, color in ((True, _BLUE), (False, _GRAY)):
        look: Style = {"stroke": color, "stroke_width": 1, "stroke_opacity": 0.65, "stroke_linejoin": "round"}
        yield Marks("line", lines[reached], look)
    gone = [(row["x"], axis.moved(row["x"], _ARROW), row["y"]) for row in ends[False]]
    yield Marks("rule", [{"x": at, "x2": tip, "y": y} for at, tip, y in gone], {"stroke": _GRAY, "stroke_width": 1.6})
    heads: list[Row] = [
        {"x": axis.moved(tip, back), "y": y + up, "series": f"{lane.top:g}-{place}"}
        for place, (_, tip, y) in enumerate(gone)
        for back, up in ((-4, -3), (0, 0), (-4, 3))
    ]
    yield Marks("line", heads, {"stroke": _GRAY, "stroke_width": 1.6, "stroke_linejoin": "round"})
    yield Marks("circle", ends[False], {"fill": "var(--bg)", "stroke": _GRAY, "stroke_width": 1.4}, radius=3)
    yield Marks("circle", ends[True], {"fill": _BLUE, "stroke": "var(--bg)", "stroke_width": 0.8}, radius=3)


def _time(lane: _Lane) -> Iterator[Marks]:
    """The time to the target on its line, where there is one target."""
    targets, time = targets_of(lane.summary), lane.time
    if time.value is None or len(targets) != 1:
        return
    y = lane.y(targets[0])
    look: Style = {"stroke": _BLUE, "stroke_width": 2}
    if time.low is not None and time.high is not None:
        yield Marks("rule", [{"x": time.low, "x2": time.high, "y": y}], look)
        yield Marks("rule", [{"x": end, "y": y - 4, "y2": y + 4} for end in (time.low, time.high)], look)
    dot: Style = {"fill": _BLUE, "stroke": "var(--bg)", "stroke_width": 1.2}
    yield Marks("circle", [{"x": time.value, "y": y}], dot, radius=4.9)


def targets_of(summary: CellSummary) -> list[float]:
    """The accuracies its runs trained to, as shares."""
    return sorted({float(run["target"]) for run in runs(summary)})


def _counts(summary: CellSummary) -> str:
    """``5 of 5 got there``, ``2 of 5 censored``."""
    found = runs(summary)
    censored = sum(not run["reached"] for run in found)
    told = f"{censored} of {len(found)} censored" if censored else f"{len(found)} of {len(found)} got there"
    return told if found else "every run failed"


def _told(lane: _Lane, contents: Contents) -> str:
    return f"{names.side(lane.summary, contents)}: {_full(lane)}, {lane.time.kind}, {_counts(lane.summary)}"


def value_of(summary: CellSummary) -> str:
    """The time to the target without its interval, or that it was not reached."""
    time, found = time_to_accuracy(summary), runs(summary)
    if time.value is not None or not found:
        return figures.shown(time)
    return "not reached by half" if any(run["reached"] for run in found) else "not reached"


def _full(lane: _Lane) -> str:
    return value_of(lane.summary) if lane.time.value is None else figures.full(lane.time)


def _table(cells: Sequence[CellSummary], contents: Contents) -> Html:
    level = shared_level(time_to_accuracy(cell) for cell in cells)
    heads = ["Cell", "Target", "Time to it", f"{level} interval", "Steps to it", "Got there", "Censored"]
    groups = []
    for heading, members in groupby(cells, key=lambda cell: names.heading(cell.cell)):
        groups.append(Group(heading, [_row(cell, contents) for cell in members]))
    caption = joined(
        [
            kind_badge("measured"),
            ". Time of training until held-out images are classified as well as the target says: drawing and copying "
            "of batches inside, looks at the held-out images not. Censored: given up before it got there, and counted "
            "as at least that long; the time is then the Kaplan-Meier median, otherwise the mean over runs. n: "
            "training runs; none is a replicate of the step time.",
        ]
    )
    return table(caption, [*heads, "Method", "n", "Kind"], groups, "tnnnnnntnt")


def _method(summary: CellSummary) -> Content:
    found = runs(summary)
    if not found:
        return tag("span", "none", css="none")
    censored = any(not run["reached"] for run in found)
    return two_lines("median", "Kaplan-Meier") if censored else two_lines("mean", "Student's t on logarithms")


def _row(summary: CellSummary, contents: Contents) -> list[Content]:
    time, found = time_to_accuracy(summary), runs(summary)
    reached, censored = ([run for run in found if run["reached"] is there] for there in (True, False))
    value = value_of(summary)
    longest = max((run["time_s"] for run in censored), default=0.0)
    given_up = tag("span", figures.grouped(len(censored)), css="verdict inconclusive")
    return [
        two_lines(names.side(summary, contents), names.details(summary, contents)),
        " or ".join(f"{100 * target:g} %" for target in targets_of(summary)) or tag("span", UNKNOWN, css="none"),
        value if time.value is not None else tag("span", value, css="none"),
        interval(time),
        figures.span(run["steps"] for run in reached),
        figures.grouped(len(reached)),
        two_lines(given_up, f"after {figures.time(longest)} at most") if censored else "0",
        _method(summary),
        figures.grouped(len(found)),
        kind_badge(time.kind),
    ]
