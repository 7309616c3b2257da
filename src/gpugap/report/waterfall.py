"""The difference between PyTorch and TensorFlow as they come, one change at a time, and the published one beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gpugap.catalog.published import PublishedEffect, published_effects
from gpugap.core.estimate import Estimate
from gpugap.explain.frameworks import FrameworkComparison, step_name
from gpugap.explain.pairs import Pair
from gpugap.report import figures, names
from gpugap.report.charts import Line, labels
from gpugap.report.contents import Contents
from gpugap.report.drawing import LEFT, WIDTH, Axis, axis_around, draw
from gpugap.report.marks import HEAD, Marks, Row, Style
from gpugap.report.markup import Content, Group, Html, figure, interval, joined, kind_badge, table, tag, two_lines
from gpugap.report.sheets import sheets
from gpugap.report.tables import shared_level

_HEADING, _ROW, _HALF = 36, 46, 9
_DASHED: Style = {"stroke": "var(--fg)", "stroke_width": 1.2, "stroke_dasharray": "4 3"}
_NOTE = (
    ": each bar goes from where the change before it ended to where it ends itself, whiskers to the ends of the "
    "interval of that change alone; gray where it holds no change. Changes multiply to the whole. The dashed line is "
    "the time of PyTorch as it comes. "
)
_TOLD = (
    "Change of step time: time after the change over the time before it. Share: of the change in the whole, on a "
    "logarithmic scale; shares sum to 100 %, and one against the direction of the whole is negative. n: pairs of "
    "processes, or processes a side. An interval is that of its row alone."
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of the waterfall.

    Attributes:
        line: labels and the change of time as a ratio.
        begin: where the bar starts, relative to PyTorch as it comes.
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


def waterfall(contents: Contents) -> Html:
    """Plot and table of every work in which both frameworks ran as they come; nothing where none did."""
    every = [one for one in contents.frameworks if one.of("whole")]
    if not every:
        return Html("")
    bars = [bar for one in every for bar in _bars(one, contents)]
    values = [1.0, *(end for bar in bars for end in bar.extent)]
    title = "step time relative to PyTorch as it comes (logarithmic axis)"
    axis = axis_around(title, values, lambda value: f"{figures.tick(value)}×")
    drawn = [
        _sheet(groups, axis, f"waterfall{place}")
        for place, groups in enumerate(sheets(bars, lambda bar: bar.line.group, _HEADING, _ROW))
    ]
    note: list[Content] = [kind_badge("measured"), _NOTE]
    if any(bar.line.estimate.kind == "published" for bar in bars):
        note += [kind_badge("published"), ": hatched, from equal time to the number of the source."]
    return figure(drawn, _table(every, contents), joined(note))


def percent(ratio: float) -> str:
    """A ratio of times as a change: ``−15.0 %``."""
    change = 100 * (ratio - 1)
    return f"{change:+.{0 if abs(change) >= 100 else 1}f} %".replace("-", "−")


def proof(pair: Pair) -> Html:
    """Whether both sides have shown that they compute the same; in one framework and mode there is nothing to show."""
    if pair.verified is None:
        return tag("span", "one mode", css="none")
    if pair.verified:
        return tag("span", "verified", css="met")
    return tag("span", "unverified", css="met not-met")


def as_time(speedup: Estimate) -> Estimate:
    """Time after a change over the time before it, of a speedup."""
    value, low, high = (None if end is None else 1 / end for end in (speedup.value, speedup.high, speedup.low))
    return Estimate(value, low, high, speedup.level, "1", speedup.kind, speedup.method, speedup.n)


def _published(one: FrameworkComparison) -> Iterator[PublishedEffect]:
    """What was published of the whole in this mode."""
    for effect in published_effects():
        if (effect.a, effect.b, effect.mode) == ("torch", "tensorflow", one.work[1]):
            yield effect


def _bars(one: FrameworkComparison, contents: Contents) -> Iterator[Bar]:
    group, begin = names.compared(one, contents), 1.0
    for pair in one.steps:
        bar = Bar(_line(group, _named(pair), pair), begin)
        yield bar
        begin = bar.end
    for effect in one.of("whole"):
        yield Bar(_line(group, "the whole", effect.pair), 1.0)
    for row in _published(one):
        label = f"published: through {row.cause}"
        under = f"{names.framework(row.b)} over {names.framework(row.a)}, mode not stated"
        yield Bar(Line(group, label, under, as_time(row.speedup), row.source), 1.0)


def _line(group: str, label: str, pair: Pair) -> Line:
    comparison, ratio = pair.comparison, as_time(pair.comparison.speedup)
    told = "unknown" if ratio.value is None else percent(ratio.value)
    note = told if pair.verified else "unverified"
    under = f"{names.setting(pair.a.cell)} → {names.setting(pair.b.cell)}"
    return Line(group, label, under, ratio, note, comparison.verdict != "inconclusive")


def _named(pair: Pair) -> str:
    return step_name(pair) or "another mode"


def _sheet(groups: Sequence[tuple[str, Sequence[Bar]]], axis: Axis, name: str) -> Html:
    placed: list[tuple[float, Bar]] = []
    headings: list[Row] = []
    top = 0.0
    for group, members in groups:
        headings.append({"y": top + 20, "text": group})
        top += _HEADING
        for bar in members:
            placed.append((top + _ROW / 2, bar))
            top += _ROW
    height = math.ceil(top) + 4
    marks = [
        *labels([(y, bar.line) for y, bar in placed]),
        Marks("rule", [{"x": 1.0, "y": 0, "y2": height}], _DASHED),
        Marks("text", headings, HEAD, at=6 - LEFT, limit=LEFT + WIDTH),
        *links(placed),
        *measured_bars([(y, bar) for y, bar in placed if bar.line.estimate.kind == "measured"]),
        *_hatched([(y, bar) for y, bar in placed if bar.line.estimate.kind == "published"]),
    ]
    told = "; ".join(
        f"{bar.line.group}, {bar.line.label}: {figures.full(bar.line.estimate)} of the time, {bar.line.estimate.kind}"
        for _, bar in placed
    )
    return draw(marks, axis, height, name, f"What the difference between frameworks is made of. {told}")


def links(placed: Sequence[tuple[float, Bar]]) -> Iterator[Marks]:
    """From the end of each change down to the beginning of the next."""
    rows = [
        {"x": bar.end, "y": y + _HALF, "y2": below - _HALF}
        for (y, bar), (below, following) in pairwise(placed)
        if bar.line.group == following.line.group and bar.end == following.begin
    ]
    yield Marks("rule", rows, {"stroke": "var(--muted)", "stroke_width": 1})


def measured_bars(placed: Sequence[tuple[float, Bar]]) -> Iterator[Marks]:
    """Bars with their whiskers, by their places; gray where nothing is settled."""
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


def _ends(bar: Bar) -> Row:
    return {"x": min(bar.begin, bar.end), "x2": max(bar.begin, bar.end)}


def _interval(bar: Bar) -> Iterator[tuple[float, float]]:
    low, high = bar.line.estimate.low, bar.line.estimate.high
    if low is not None and high is not None:
        yield low, high


def _table(every: Sequence[FrameworkComparison], contents: Contents) -> Html:
    level = shared_level(pair.comparison.speedup for one in every for pair in one.steps)
    heads = ["Change", "Change of time", "After / before", f"{level} interval", "Share"]
    heads += ["Same results", "n", "Kind"]
    groups = [Group(names.compared(one, contents), list(_rows(one))) for one in every]
    return table(_TOLD, heads, groups, "tnnnntnt")


def _rows(one: FrameworkComparison) -> Iterator[list[Content]]:
    for pair, share in zip(one.steps, one.shares(), strict=True):
        part = _none("no difference") if share is None else f"{100 * share:.0f} %".replace("-", "−")
        yield _row(_named(pair), pair, part)
    for effect in one.of("whole"):
        apart = "100 %" if any(one.shares()) else _none("no difference" if one.steps else "not taken apart")
        yield _row(tag("b", "the whole"), effect.pair, apart)
    for row in _published(one):
        ratio = as_time(row.speedup)
        numbers: list[Content] = [percent(ratio.value or 1.0), figures.shown(ratio), interval(ratio), _none("none")]
        told = f"published: {row.cause} ({row.source})"
        yield [told, *numbers, _none("not measured here"), _none("not stated"), kind_badge("published")]


def _row(name: Content, pair: Pair, share: Content) -> list[Content]:
    ratio = as_time(pair.comparison.speedup)
    return [
        two_lines(name, f"{names.setting(pair.a.cell)} → {names.setting(pair.b.cell)}"),
        _none("unknown") if ratio.value is None else percent(ratio.value),
        figures.shown(ratio),
        interval(ratio),
        share,
        proof(pair),
        two_lines(str(min(pair.comparison.n_processes)), "pairs" if pair.comparison.paired else "a side"),
        kind_badge(ratio.kind),
    ]


def _none(text: str) -> Html:
    return tag("span", text, css="none")
