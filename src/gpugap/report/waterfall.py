"""The difference between PyTorch and TensorFlow as they come, one change at a time, and the published one beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gpugap.catalog.published import PublishedEffect, published_effects
from gpugap.core.estimate import Estimate
from gpugap.explain.frameworks import FrameworkComparison, step_name
from gpugap.explain.pairs import Pair
from gpugap.report import figures, names
from gpugap.report.bars import Bar, bars_chart
from gpugap.report.charts import Line
from gpugap.report.contents import Contents
from gpugap.report.markup import Content, Group, Html, figure, interval, joined, kind_badge, table, tag, two_lines
from gpugap.report.tables import shared_level

_NOTE = (
    ": each bar goes from where the change before it ended to where it ends itself, whiskers to the ends of the "
    "interval of that change alone; gray where that holds equal time. Changes multiply to the whole. The dashed line "
    "is the time of PyTorch as it comes. "
)
_TOLD = (
    "Change of step time: time after the change over the time before it. Share: of the change in the whole, on a "
    "logarithmic scale; shares sum to 100 %, and one against the direction of the whole is negative; none where the "
    "whole is not settled among all comparisons. n: pairs of "
    "processes, or processes a side. An interval is that of its row alone."
)


def waterfall(contents: Contents) -> Html:
    """Plot and table of every work in which both frameworks ran as they come; nothing where none did."""
    every = [one for one in contents.frameworks if one.of("whole")]
    if not every:
        return Html("")
    bars = [bar for one in every for bar in _bars(one, contents)]
    title = "step time relative to PyTorch as it comes (logarithmic axis)"
    about = "What the difference between frameworks is made of, as change of time"
    drawn = bars_chart(bars, title, "waterfall", about)
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
    ratio = as_time(pair.comparison.speedup)
    told = "unknown" if ratio.value is None else percent(ratio.value)
    note = told if pair.verified else "unverified"
    under = f"{names.setting(pair.a.cell)} → {names.setting(pair.b.cell)}"
    changed = ratio.low is not None and ratio.high is not None and not ratio.low <= 1 <= ratio.high
    return Line(group, label, under, ratio, note, changed)


def _named(pair: Pair) -> str:
    return step_name(pair) or "another mode"


def _table(every: Sequence[FrameworkComparison], contents: Contents) -> Html:
    level = shared_level(pair.comparison.speedup for one in every for pair in one.steps)
    heads = ["Change", "Change of time", "After / before", f"{level} interval", "Share"]
    heads += ["Same results", "n", "Kind"]
    groups = [Group(names.compared(one, contents), list(_rows(one))) for one in every]
    return table(_TOLD, heads, groups, "tnnnntnt")


def _rows(one: FrameworkComparison) -> Iterator[list[Content]]:
    for pair, share in zip(one.steps, one.shares(), strict=True):
        part = _none(_open(one)) if share is None else f"{100 * share:.0f} %".replace("-", "−")
        yield _row(_named(pair), pair, part)
    for effect in one.of("whole"):
        apart = "100 %" if any(one.shares()) else _none(_open(one) if one.steps else "not taken apart")
        yield _row(tag("b", "the whole"), effect.pair, apart)
    for row in _published(one):
        ratio = as_time(row.speedup)
        numbers: list[Content] = [percent(ratio.value or 1.0), figures.shown(ratio), interval(ratio), _none("none")]
        told = f"published: {row.cause} ({row.source})"
        yield [told, *numbers, _none("not measured here"), _none("not stated"), kind_badge("published")]


def _open(one: FrameworkComparison) -> str:
    """Why there are no shares: the whole is none, or it was not settled that there is one."""
    equal = any(effect.pair.comparison.verdict == "equivalent" for effect in one.of("whole"))
    return "no difference" if equal else "not settled"


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
