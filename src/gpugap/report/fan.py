"""Plots over time: a series with its projection as a fan, and its residuals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gpugap.core.estimate import Estimate
from gpugap.core.units import amount
from gpugap.report import figures
from gpugap.report.drawing import LEFT, RIGHT, WIDTH, draw_free, even_ticks, ticks
from gpugap.report.marks import LARGE, SMALL, Marks, Row, Style
from gpugap.report.markup import Html
from gpugap.trends.dates import decimal_year
from gpugap.trends.projection import Trend

_WHOLE = LEFT + WIDTH + RIGHT
_FROM, _TO, _TOP, _BELOW = 92.0, _WHOLE - 120.0, 12.0, 44.0
_FAN_HEIGHT, _RESIDUAL_HEIGHT = 330, 170
_ABOVE_MEDIAN = 8.0
"""The axis ends at so many times the largest point or projection; ends of intervals beyond it are cut."""
_GRID: Style = {"stroke": "var(--line)"}
_TICK: Style = {"fill": "var(--muted)", "font_size": 11, "text_anchor": "middle"}
_SIDE: Style = {"fill": "var(--muted)", "font_size": 11, "text_anchor": "end"}
_POINT: Style = {"fill": "url(#hatch)", "stroke": "var(--published)", "stroke_width": 1.2}
_CURVE: Style = {"stroke": "var(--predicted)", "stroke_width": 1.6}
_AHEAD: Style = {"stroke": "var(--predicted)", "stroke_width": 2, "stroke_dasharray": "6 4"}
_BAND: Style = {"fill": "var(--predicted)", "fill_opacity": 0.16}
_CUBIC: Style = {"stroke": "var(--muted)", "stroke_width": 1.4, "stroke_dasharray": "2 3"}


@dataclass(frozen=True, slots=True)
class Frame:
    """Axes of a plot over time.

    Attributes:
        first: decimal year at the left.
        last: at the right.
        low: value at the bottom.
        high: at the top.
        log: whether the values stand on a logarithmic axis.
        height: of the whole plot, in pixels.
    """

    first: float
    last: float
    low: float
    high: float
    log: bool
    height: int

    def across(self, year: float) -> float:
        """Pixels from the left."""
        return _FROM + (_TO - _FROM) * (year - self.first) / (self.last - self.first)

    def down(self, value: float) -> float:
        """Pixels from the top; a value beyond an end lies on it."""
        low, high, at = self._scaled(self.low), self._scaled(self.high), self._scaled(value)
        share = min(1.0, max(0.0, (at - low) / (high - low)))
        return _TOP + (self.height - _TOP - _BELOW) * (1 - share)

    def _scaled(self, value: float) -> float:
        return math.log(max(value, self.low)) if self.log else value

    def axes(self, label: Callable[[float], str], title: str) -> list[Marks]:
        """Grid, ticks and titles."""
        bottom = self.down(self.low)
        levels = _levels(self)
        step = 1 if self.last - self.first <= 12 else 2 if self.last - self.first <= 26 else 5
        years = [year for year in range(math.ceil(self.first), math.floor(self.last) + 1) if year % step == 0]
        across = [{"x": _FROM, "x2": _TO, "y": self.down(level)} for level in levels]
        upright = [{"x": self.across(year), "y": _TOP, "y2": bottom} for year in years]
        values = [{"y": self.down(level), "text": label(level)} for level in levels]
        dates = [{"x": self.across(year), "y": bottom + 15, "text": str(year)} for year in years]
        return [
            Marks("rule", across, _GRID),
            Marks("rule", upright, _GRID),
            Marks("text", values, _SIDE, at=_FROM - 8),
            Marks("text", dates, _TICK),
            Marks("text", [{"y": bottom + 35, "text": title}], _TICK, at=(_FROM + _TO) / 2),
        ]


def fan_chart(trend: Trend, name: str) -> Html:
    """Points, fitted curve, projection with its 90 % intervals, and where a raw cubic would be."""
    frame = _frame(trend)
    last = trend.used.x[-1]
    unit = trend.series.unit
    axis = "logarithmic axis" if frame.log else "linear axis"
    ahead = [(x, estimate) for x, estimate in trend.fan if x >= last]
    behind = [(x, estimate) for x, estimate in trend.fan if x <= last]
    points = [
        {"x": frame.across(decimal_year(point.date)), "y": frame.down(point.value)} for point in trend.series.points
    ]
    marks = [
        *frame.axes(lambda value: _tick(value, unit), f"{trend.series.title} ({axis})"),
        Marks("rect", _band(frame, ahead), _BAND),
        Marks("line", _line(frame, behind[-1:] + ahead, "ahead"), _AHEAD),
        Marks("line", _line(frame, behind, "behind"), _CURVE),
        Marks("line", _cubic(frame, trend), _CUBIC),
        Marks("circle", points, _POINT, radius=3.6),
        *_ends(frame, trend),
    ]
    return draw_free([part for part in marks if part.rows], frame.height, name, _about(trend))


def residual_chart(trend: Trend, name: str) -> Html:
    """Observed against fitted, point by point: as a factor where logarithms were fitted, else in the unit."""
    pairs = trend.residuals
    log = trend.chosen.curve.log
    most = max(abs(residual) for _, residual in pairs) or 1.0
    frame = Frame(trend.series.x[0] - 0.5, _right(trend), -1.15 * most, 1.15 * most, False, _RESIDUAL_HEIGHT)
    unit = trend.series.unit

    def label(value: float) -> str:
        return f"{math.exp(value):.2f}×" if log else amount(value, unit, 2)

    rows = [{"x": frame.across(decimal_year(point.date)), "y": frame.down(value)} for point, value in pairs]
    stems = [row | {"y2": frame.down(0.0)} for row in rows]
    title = f"observed {'over' if log else 'less'} fitted, {trend.chosen.curve.title}"
    marks = [
        *frame.axes(label, title),
        Marks("rule", [{"x": _FROM, "x2": _TO, "y": frame.down(0.0)}], {"stroke": "var(--fg)"}),
        Marks("rule", stems, {"stroke": "var(--predicted)", "stroke_opacity": 0.5}),
        Marks("circle", rows, {"fill": "var(--predicted)", "stroke": "var(--bg)"}, radius=3.4),
    ]
    told = "; ".join(f"{point.date}: {label(value)}" for point, value in pairs)
    return draw_free(marks, frame.height, name, f"Residuals of {trend.series.title}. {told}")


def _right(trend: Trend) -> float:
    return max(float(trend.series.x[-1]), trend.fan[-1][0]) + 0.4


def _frame(trend: Trend) -> Frame:
    values = [point.value for point in trend.series.points]
    medians = [estimate.value or 0.0 for _, estimate in trend.fan]
    log = trend.series.positive
    top = max([*values, *medians])
    if log:
        most = min(max(estimate.high or top for _, estimate in trend.fan), _ABOVE_MEDIAN * top)
        return Frame(trend.series.x[0] - 0.5, _right(trend), min(values) / 1.6, 1.15 * most, True, _FAN_HEIGHT)
    ends = [end for _, one in trend.fan for end in (one.low, one.high) if end is not None]
    low, high = min([*values, *ends]), max([*values, *ends])
    room = 0.05 * (high - low)
    return Frame(trend.series.x[0] - 0.5, _right(trend), low - room, high + room, False, _FAN_HEIGHT)


def _levels(frame: Frame) -> list[float]:
    """Round numbers on the axis of values."""
    if frame.log:
        base = [2.0**power for power in range(-10, 80)] if _is_bytes(frame) else None
        found = base or ticks(frame.low, frame.high, frame.height - _TOP - _BELOW, 28)
        inside = [level for level in found if frame.low <= level <= frame.high]
        return inside[:: math.ceil(len(inside) / 8)] if len(inside) > 8 else inside
    return even_ticks(frame.low, frame.high)


def _is_bytes(frame: Frame) -> bool:
    """Whether powers of two read best: memory of devices, in bytes."""
    return frame.low >= 2**20 and frame.high <= 2**50


def _tick(value: float, unit: str) -> str:
    if unit == "B":
        scale, name = next(((2.0**power, name) for power, name in _BINARY if value >= 2**power), (1.0, "B"))
        return f"{value / scale:g} {name}"
    return figures.tick(value) if unit in ("1", "year") else amount(value, unit, 2)


_BINARY = ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB"))


def _line(frame: Frame, steps: Sequence[tuple[float, Estimate]], series: str) -> list[Row]:
    rows: list[Row] = [
        {"x": frame.across(x), "y": frame.down(one.value), "series": series}
        for x, one in steps
        if one.value is not None
    ]
    return rows if len(rows) > 1 else []


def _band(frame: Frame, steps: Sequence[tuple[float, Estimate]]) -> list[Row]:
    """Slices from one step to the next, as high as the interval in their middle."""
    rows: list[Row] = []
    for (x, a), (x2, b) in pairwise(steps):
        low, high = (a.low or 0.0) + (b.low or 0.0), (a.high or 0.0) + (b.high or 0.0)
        rows.append(
            {"x": frame.across(x), "x2": frame.across(x2), "y": frame.down(high / 2), "y2": frame.down(low / 2)}
        )
    return rows


def _cubic(frame: Frame, trend: Trend) -> list[Row]:
    """The raw cubic, as long as it is on the axis."""
    rows: list[Row] = []
    for one in trend.projection:
        value = one.cubic.value if one.cubic else None
        if value is None or not frame.low <= value <= frame.high:
            break
        rows.append({"x": frame.across(decimal_year(one.date)), "y": frame.down(value), "series": "cubic"})
    return rows if len(rows) > 1 else []


def _ends(frame: Frame, trend: Trend) -> list[Marks]:
    """The last projection in numbers, right of the plot."""
    last = trend.projection[-1]
    value, low, high = (
        amount(end or 0.0, trend.series.unit) for end in (last.estimate.value, last.estimate.low, last.estimate.high)
    )
    at = frame.down(last.estimate.value or 0.0)
    texts = [(-16, last.date.isoformat(), SMALL), (0, value, LARGE), (16, f"{low} –", SMALL), (30, high, SMALL)]
    return [Marks("text", [{"y": at + y, "text": text}], style, at=_TO + 8, limit=108) for y, text, style in texts]


def _about(trend: Trend) -> str:
    unit = trend.series.unit
    points = "; ".join(f"{point.date}: {amount(point.value, unit)}" for point in trend.series.points)
    ahead = "; ".join(f"{one.date}: {figures.full(one.estimate)}" for one in trend.projection)
    return f"{trend.series.title}. Published: {points}. Predicted by {trend.chosen.curve.title}: {ahead}"
