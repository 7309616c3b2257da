"""GPU memory then, now and next: fans, backtests, residuals, when networks fit, and the data with their sources."""

from __future__ import annotations

from collections.abc import Sequence

from gpugap.core.units import amount
from gpugap.report.fan import fan_chart, residual_chart
from gpugap.report.markup import Content, Group, Html, figure, items, joined, kind_badge, paragraph, table, tag
from gpugap.trends import rows
from gpugap.trends.overview import CLASSES, Overview
from gpugap.trends.projection import Trend

DRAWN = 3
"""So many series, the memory lines, have plots of their own; the others stand in a table."""
_FAN = (
    ": hatched points with their sources below. ",
    ": line and band, the projection dashed, with its 90 % prediction interval: the wider of the winner's own, widened "
    "by what its backtest needed, and that of all models together. Dotted: a cubic through raw values, left to itself.",
)
_BACKTEST = (
    "Every model at the turn of each year, fitted to the past and held against the next years. Years ahead: median "
    "over origins of predicted over observed or its inverse. Inside: how often the model's own 90 % intervals held. "
    "Gain: mean log score less that of the log-linear model; the largest wins. Contradicted: AICc more than 10 above "
    "the best, which may not win. Weight: share in the interval of all models."
)
_FITS = (
    "What a training step of one sample with Adam takes, traced, least to most. Since: a device of the class, or the "
    "survey, had as much then. ≈: projected. In parentheses: the years by the ends of the intervals, where they differ."
)


def trends(found: Overview) -> Html:
    """The section."""
    drawn = found.trends[:DRAWN]
    sentences = found.sentences
    told = [joined([kind_badge("predicted"), " ", text]) for text in sentences[:DRAWN]]
    others = sentences[len(found.trends) + len(found.gaps) :]
    parts = [items([*others, *told], "others"), paragraph(_how(), "note")]
    for place, trend in enumerate(drawn):
        parts += _one(trend, place)
    parts += [
        tag("h3", "When a network fits"),
        _fits(found),
        tag("h3", "The gap, and what models need"),
        _overview((*found.trends[DRAWN:], *found.gaps)),
        tag("h3", "The points and their sources"),
        _data(drawn),
    ]
    return joined(parts, Html("\n"))


def _how() -> str:
    return (
        "Nothing here is measured on this machine. Points are published facts; projections are predicted by the model "
        "that wins a rolling-origin backtest of the series."
    )


def _one(trend: Trend, place: int) -> list[Html]:
    note = joined([kind_badge("published"), _FAN[0], kind_badge("predicted"), _FAN[1]]) if place == 0 else Html("")
    title = f"{trend.series.title[:1].upper()}{trend.series.title[1:]}"
    tests = sorted({one.horizon for model in trend.ranking.models for one in model.horizons})
    header = rows.model_header(tests)
    caption = (
        _BACKTEST if place == 0 else f"Models of the series and their backtest; the arrow: {trend.ranking.reason}."
    )
    backtest = table(caption, header, [Group("", rows.model_rows(trend, tests))], "t" + "n" * (len(header) - 1))
    cautions = items([joined([tag("b", "Read with care: "), text]) for text in rows.cautions(trend)], "basis")
    return [
        tag("h3", title),
        cautions,
        figure([fan_chart(trend, f"fan{place}")], _projection(trend), note),
        figure([residual_chart(trend, f"residuals{place}")], backtest, _correlation(trend)),
    ]


def _projection(trend: Trend) -> Html:
    kinds = [kind_badge(one.estimate.kind) for one in trend.projection]
    lines: list[list[Content]] = [
        [*row[:-1], kind] for row, kind in zip(rows.projection_rows(trend), kinds, strict=True)
    ]
    caption = (
        f"By {trend.chosen.curve.title}, which {trend.ranking.reason}; {len(trend.used.points)} points to "
        f"{trend.used.points[-1].date}."
    )
    heads = [head[:1].upper() + head[1:] for head in rows.PROJECTION_HEADER]
    return table(caption, heads, [Group("", lines)], "tnnnnt")


def _correlation(trend: Trend) -> str:
    lag = trend.lag_one
    return "" if lag is None else f"Residuals; correlation of neighbors {lag:.2f}, of independent ones about 0."


def _fits(found: Overview) -> Html:
    heads = ["Network", "Need", "Least to most", *(CLASSES[line][:1].upper() + CLASSES[line][1:] for line in CLASSES)]
    return table(_FITS, heads, [Group("", rows.fits_rows(found.fits))], "tnnttt")


def _overview(trends_: Sequence[Trend]) -> Html:
    heads = [head[:1].upper() + head[1:] for head in rows.OVERVIEW_HEADER]
    caption = "Each series with its last point and where the model that its backtest picks projects it, 90 % interval."
    return table(caption, heads, [Group("", rows.overview_rows(trends_))], "tnntntntn")


def _data(trends_: Sequence[Trend]) -> Html:
    groups = [
        Group(
            trend.series.title,
            [
                [
                    point.date.isoformat(),
                    amount(point.value, trend.series.unit),
                    point.label,
                    kind_badge(point.estimate.kind),
                    point.estimate.method,
                ]
                for point in trend.series.points
            ],
        )
        for trend in trends_
    ]
    return table("Every point of the plots above.", ["Date", "Value", "What", "Kind", "Source"], groups, "tnttt")
