"""Bars from one factor to the next: what a ratio is made of, on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gpugap.report import figures
from gpugap.report.charts import Line, labels, predicted_whiskers
from gpugap.report.drawing import LEFT, Axis, axis_around, draw, headings
from gpugap.report.marks import Marks, Row, Style
from gpugap.report.markup import Html
from gpugap.report.sheets import laid_out, sheets

_HEADING, _ROW, _HALF = 36, 46, 9
_DASHED: Style = {"stroke": "var(--fg)", "stroke_width": 1.2, "stroke_dasharray": "4 3"}
_PREDICTED: Style = {
    "fill": "var(--predicted)",
    "fill_opacity": 0.1,
    "stroke": "var(--predicted)",
    "stroke_width": 1.2,
    "stroke_dasharray": "4 3",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of the waterfall.

    Attributes:
        line: labels and the factor.
        begin: where the bar starts.
    """

    line: Line
    begin: float

    @property
    def end(self) -> float:
        """Where it ends."""
        return self.begin * (self.line.estimate.value or 1.0)

    @property
    def extent(self) -> list[float]:
        """What the axis must hold of it."""
        estimate = self.line.estimate
        return [self.begin, self.end, *(self.begin * end for end in (estimate.low, estimate.high) if end is not None)]


def bars_chart(bars: Sequence[Bar], title: str, name: str, about: str) -> list[Html]:
    """One row a bar under the headings of their groups, each beginning where the one before it ends.

    Args:
        bars: at least one; those of a group next to each other.
        title: of the axis.
        name: unique on the page.
        about: what the plot shows, for those who cannot see it.
    """
    values = [1.0, *(end for bar in bars for end in bar.extent)]
    axis = axis_around(title, values, lambda value: f"{figures.tick(value)}×")
    return [
        _sheet(groups, axis, f"{name}{place}", about)
        for place, groups in enumerate(sheets(bars, lambda bar: bar.line.group, _HEADING, _ROW))
    ]


def _sheet(groups: Sequence[tuple[str, Sequence[Bar]]], axis: Axis, name: str, about: str) -> Html:
    placed, heads, height = laid_out(groups, _HEADING, _ROW)
    marks = [
        *labels([(y, bar.line) for y, bar in placed]),
        Marks("rule", [{"x": 1.0, "y": 0, "y2": height}], _DASHED),
        *headings(heads, (axis.low, axis.high), -LEFT),
        *_links(placed),
        *_measured([(y, bar) for y, bar in placed if bar.line.estimate.kind == "measured"]),
        *_hatched([(y, bar) for y, bar in placed if bar.line.estimate.kind == "published"]),
        *_dashed([(y, bar) for y, bar in placed if bar.line.estimate.kind == "predicted"]),
    ]
    told = "; ".join(
        f"{bar.line.group}, {bar.line.label}: {figures.full(bar.line.estimate)}, {bar.line.estimate.kind}"
        for _, bar in placed
    )
    return draw(marks, axis, height, name, f"{about}. {told}")


def _links(placed: Sequence[tuple[float, Bar]]) -> Iterator[Marks]:
    """From the end of each change down to the beginning of the next."""
    rows = [
        {"x": bar.end, "y": y + _HALF, "y2": below - _HALF}
        for (y, bar), (below, following) in pairwise(placed)
        if bar.line.group == following.line.group and bar.end == following.begin
    ]
    yield Marks("rule", rows, {"stroke": "var(--muted)", "stroke_width": 1})


def _measured(placed: Sequence[tuple[float, Bar]]) -> Iterator[Marks]:
    for settled, color in ((True, "var(--measured)"), (False, "var(--open)")):
        mine = [(y, bar) for y, bar in placed if bar.line.settled is settled]
        bars = [{**_ends(bar), "y": y - _HALF, "y2": y + _HALF} for y, bar in mine]
        spans = [(y, bar.begin * low, bar.begin * high) for y, bar in mine for low, high in _interval(bar)]
        yield Marks("rect", bars, {"fill": color, "fill_opacity": 0.25})
        yield Marks(
            "rule", [{"x": low, "x2": high, "y": y} for y, low, high in spans], {"stroke": color, "stroke_width": 2}
        )
        caps = [{"x": end, "y": y - 4, "y2": y + 4} for y, *both in spans for end in both]
        yield Marks("rule", caps, {"stroke": color, "stroke_width": 2})
        dot: Style = {"fill": color, "stroke": "var(--bg)", "stroke_width": 1.2}
        yield Marks("circle", [{"x": bar.end, "y": y} for y, bar in mine], dot, radius=4.9)


def _hatched(placed: Sequence[tuple[float, Bar]]) -> Iterator[Marks]:
    rows = [{**_ends(bar), "y": y - _HALF, "y2": y + _HALF} for y, bar in placed]
    yield Marks("rect", rows, {"fill": "url(#hatch)", "stroke": "var(--published)", "stroke_width": 1.2})


def _dashed(placed: Sequence[tuple[float, Bar]]) -> Iterator[Marks]:
    """Predicted: a dashed outline; whiskers only where the bar has an interval of its own."""
    yield Marks("rect", [{**_ends(bar), "y": y - _HALF, "y2": y + _HALF} for y, bar in placed], _PREDICTED)
    spans = [(y, bar.begin * low, bar.begin * high) for y, bar in placed for low, high in _interval(bar)]
    yield from predicted_whiskers(spans)


def _ends(bar: Bar) -> Row:
    return {"x": min(bar.begin, bar.end), "x2": max(bar.begin, bar.end)}


def _interval(bar: Bar) -> Iterator[tuple[float, float]]:
    low, high = bar.line.estimate.low, bar.line.estimate.high
    if low is not None and high is not None:
        yield low, high
