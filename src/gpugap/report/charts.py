"""The plots of speedups and of step times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gpugap.core.estimate import Estimate
from gpugap.report import figures, names
from gpugap.report.contents import Contents, work_of
from gpugap.report.drawing import LEFT, RIGHT, WIDTH, Axis, axis_around, draw, headings
from gpugap.report.marks import LARGE, SMALL, Marks, Style
from gpugap.report.markup import Html
from gpugap.report.sheets import laid_out, sheets

_HEADING, _ROW = 36, 46
_OPEN = ("inconclusive", "pipeline check")
_DASHED: Style = {"stroke": "var(--predicted)", "stroke_width": 1.6, "stroke_dasharray": "4 3"}
_CAP: Style = {"stroke": "var(--predicted)", "stroke_width": 1.6}
HOLLOW: Style = {"fill": "var(--bg)", "stroke": "var(--predicted)", "stroke_width": 1.8}
"""A predicted number is never solid."""
_DOT: Style = {"stroke": "var(--bg)", "stroke_width": 1.2}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a plot.

    Attributes:
        group: heading it stands under.
        label: what is drawn.
        details: the remaining factors, smaller.
        estimate: the number; its kind decides the mark.
        note: verdict or status of a measured number, source of a published one, domain of a predicted one.
        settled: whether a measured number supports a verdict, or has converged.
    """

    group: str
    label: str
    details: str
    estimate: Estimate
    note: str = ""
    settled: bool = True


def speedup_chart(contents: Contents) -> list[Html]:
    """Measured and published speedups by network and mode; nothing when there are none."""
    lines = list(_speedup_lines(contents))
    if not lines:
        return []
    values = [1.0, *(end for line in lines for end in extent(line.estimate))]
    title = "speedup: mean step time of the base over that of the other side (logarithmic axis)"
    axis = axis_around(title, values, lambda value: f"{figures.tick(value)}×")
    return rows_chart(lines, axis, "speedups", "Speedups")


def time_chart(contents: Contents) -> list[Html]:
    """The mean steady step time of each cell; nothing when no cell has one."""
    lines = list(_time_lines(contents))
    if not lines:
        return []
    values = [end for line in lines for end in extent(line.estimate)]
    axis = axis_around("mean steady step time (logarithmic axis)", values, figures.time_tick)
    return rows_chart(lines, axis, "times", "Step times")


def _about(lines: Sequence[Line]) -> str:
    return "; ".join(
        f"{line.group}, {line.label}: {figures.full(line.estimate)}, {line.estimate.kind}" for line in lines
    )


def _speedup_lines(contents: Contents) -> Iterator[Line]:
    pairs = [pair for pair in contents.pairs if pair.comparison.speedup.value is not None]
    for work in dict.fromkeys(work_of(summary.cell) for summary in contents.cells):
        check, network, mode = work
        mine = [pair for pair in pairs if work_of(pair.b.cell) == work]
        group = names.speedups_heading(mine, (network, mode), check=check)
        for pair in mine:
            verdict = "pipeline check" if check else pair.comparison.verdict
            known = [*names.shared_scale(mine), *[names.how(pair.b, contents)] * names.several(contents)]
            details = names.without(names.pair_details(pair, contents), known)
            under = " · ".join(filter(None, [f"over {names.side(pair.a, contents)}", details]))
            label = names.told(pair.b, contents)
            yield Line(group, label, under, pair.comparison.speedup, verdict, verdict not in _OPEN)
        for row in contents.published:
            if (row.workload, row.mode) == (network, mode) and not check:
                under = f"over {row.baseline} · batch not stated · {row.date}"
                yield Line(group, row.device, under, row.speedup, row.source)


def _time_lines(contents: Contents) -> Iterator[Line]:
    for summary in contents.main:
        if summary.step_time.value is not None:
            label, details = names.side(summary, contents), names.details(summary, contents)
            note = summary.status if summary.step_time.low is not None else "one process"
            yield Line(names.heading(summary.cell), label, details, summary.step_time, note, summary.converged)


def extent(estimate: Estimate) -> list[float]:
    """What the axis must hold of a number."""
    return [end for end in (estimate.low, estimate.value, estimate.high) if end is not None]


def rows_chart(lines: Sequence[Line], axis: Axis, name: str, title: str, *, base: float | None = None) -> list[Html]:
    """One row a line under the headings of their groups, on one axis; a stem from 1 where numbers are ratios.

    Args:
        lines: at least one; those of a group next to each other.
        axis: holds them all.
        name: unique on the page.
        title: what the plot shows, for those who cannot see it.
        base: where a dashed line stands; at 1 where numbers are ratios.
    """
    drawn = []
    for place, groups in enumerate(sheets(lines, lambda line: line.group, _HEADING, _ROW)):
        about = f"{title}. {_about([line for _, members in groups for line in members])}"
        drawn.append(_sheet(groups, axis, (f"{name}{place}", about), base))
    return drawn


def _sheet(
    groups: Sequence[tuple[str, Sequence[Line]]], axis: Axis, named: tuple[str, str], base: float | None
) -> Html:
    placed, heads, height = laid_out(groups, _HEADING, _ROW)
    ratios = placed[0][1].estimate.unit == "1"
    base = 1.0 if ratios else base
    marks = [
        *labels(placed),
        *([] if base is None else _base(height, base)),
        *headings(heads, (axis.low, axis.high), -LEFT),
        _sources(placed, axis),
        *_measured([(y, line) for y, line in placed if line.estimate.kind == "measured"], ratios),
        *_published([(y, line.estimate) for y, line in placed if line.estimate.kind == "published"]),
        *_predicted([(y, line.estimate) for y, line in placed if line.estimate.kind == "predicted"]),
    ]
    return draw(marks, axis, height, *named)


def labels(placed: Sequence[tuple[float, Line]]) -> list[Marks]:
    """Names left and numbers right of the plot, two lines a row."""
    left, right = 18 - LEFT, WIDTH + 16
    columns: list[tuple[int, float, list[str], Style]] = [
        (left, -7.0, [line.label for _, line in placed], LARGE),
        (left, 9.0, [line.details for _, line in placed], SMALL),
        (right, -7.0, [figures.full(line.estimate) for _, line in placed], LARGE),
        (right, 9.0, [_remark(line) for _, line in placed], SMALL),
    ]
    marks = []
    for at, shift, texts, style in columns:
        rows = [{"y": y + shift, "text": text} for (y, _), text in zip(placed, texts, strict=True)]
        marks.append(Marks("text", rows, style, at=at, limit=LEFT - 28 if at < 0 else RIGHT - 16))
    return marks


def _sources(placed: Sequence[tuple[float, Line]], axis: Axis) -> Marks:
    """The source under each published mark, right of the base where there is room."""
    rows = [{"y": y + 15, "text": line.note} for y, line in placed if line.estimate.kind == "published"]
    base = axis.pixel(1.0)
    at = 8 + (base if base < WIDTH / 3 else 0)
    return Marks("text", rows, {"font_size": 10, "fill": "var(--published)"}, at=at, limit=WIDTH)


def _remark(line: Line) -> str:
    kind = line.estimate.kind
    return f"{kind}, {line.note}" if line.note and kind != "published" else kind


def _base(height: float, at: float) -> list[Marks]:
    rule = [{"x": at, "y": 0, "y2": height}]
    return [Marks("rule", rule, {"stroke": "var(--fg)", "stroke_width": 1.2, "stroke_dasharray": "4 3"})]


def _measured(placed: Sequence[tuple[float, Line]], ratios: bool) -> Iterator[Marks]:
    """Solid points with whiskers; gray where nothing is settled."""
    for settled, color in ((True, "var(--measured)"), (False, "var(--open)")):
        mine = [(y, line.estimate) for y, line in placed if line.settled is settled]
        stems = [{"x": min(1.0, e.value), "x2": max(1.0, e.value), "y": y} for y, e in mine if ratios and e.value]
        ends = [(y, e.low, e.high) for y, e in mine if e.low is not None]
        bars = [{"x": low, "x2": high, "y": y} for y, low, high in ends]
        caps = [{"x": end, "y": y - 4, "y2": y + 4} for y, *both in ends for end in both]
        points = [{"x": e.value, "y": y} for y, e in mine]
        yield Marks("rule", stems, {"stroke": color, "stroke_width": 6, "stroke_opacity": 0.2})
        yield Marks("rule", bars, {"stroke": color, "stroke_width": 2})
        yield Marks("rule", caps, {"stroke": color, "stroke_width": 2})
        yield Marks("circle", points, {**_DOT, "fill": color}, radius=4.9)


def _published(placed: Sequence[tuple[float, Estimate]]) -> Iterator[Marks]:
    """Hatched: a bar from end to end of a range, a diamond for a single number."""
    style: Style = {"fill": "url(#hatch)", "stroke": "var(--published)", "stroke_width": 1.2}
    ranges = [{"x": e.low, "x2": e.high, "y": y - 13, "y2": y + 3} for y, e in placed if e.low is not None]
    single = [{"x": e.value, "y": y - 5} for y, e in placed if e.value is not None]
    yield Marks("rect", ranges, style)
    yield Marks("diamond", single, style, radius=7)


def _predicted(placed: Sequence[tuple[float, Estimate]]) -> Iterator[Marks]:
    """Hollow circles with dashed whiskers."""
    yield from predicted_whiskers([(y, e.low, e.high) for y, e in placed if e.low is not None and e.high is not None])
    yield Marks("circle", [{"x": e.value, "y": y} for y, e in placed if e.value is not None], HOLLOW, radius=4.6)


def predicted_whiskers(spans: Sequence[tuple[float, float, float]]) -> Iterator[Marks]:
    """Dashed whiskers with caps, from heights and ends."""
    yield Marks("rule", [{"x": low, "x2": high, "y": y} for y, low, high in spans], _DASHED)
    yield Marks("rule", [{"x": end, "y": y - 4, "y2": y + 4} for y, *both in spans for end in both], _CAP)
