"""Trends as rows of text, for terminals, notebooks and the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from gpugap.core.estimate import Estimate
from gpugap.core.units import UNKNOWN, amount, significant
from gpugap.trends.dates import day_of
from gpugap.trends.gap import Fits
from gpugap.trends.models import HorizonScore, Model
from gpugap.trends.projection import HELD, Trend

Row = tuple[str, ...]

PROJECTION_HEADER = ("date", "projected", "90 % interval", "bootstrap of the model", "raw cubic", "kind")
PROJECTION_NUMBERS = "projected,90 % interval,bootstrap of the model,raw cubic"
SCORED_HEADER = ("date", "what", "came", "projected", "90 % interval", "off by", "inside")
SCORED_NUMBERS = "came,projected,90 % interval,off by"
OVERVIEW_HEADER = ("series", "points", "last", "date", "projected", "for", "90 % interval", "model", "raw cubic")
OVERVIEW_NUMBERS = frozenset({"points", "last", "projected", "90 % interval", "raw cubic"})
OVERVIEW_SPARE = frozenset({"points", "model", "raw cubic"})
"""Columns that a narrow terminal does without."""
FITS_HEADER = ("network", "need", "least – most", "data center", "consumer", "median owner")

_CORRELATED, _COVERS, _RATIO = 0.5, 0.8, 1e6


def told(value: float | None, unit: str) -> str:
    """A number with its unit, or that it is unknown."""
    return UNKNOWN if value is None else amount(value, unit)


def interval(estimate: Estimate) -> str:
    """The ends of an interval."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{told(estimate.low, estimate.unit)} – {told(estimate.high, estimate.unit)}"


def factor(value: float | None) -> str:
    """A factor error: ``1.42×``."""
    if value is None:
        return ""
    return f"{significant(value)}×" if value < _RATIO else f"{value:.0e}×"


def model_header(horizons: Sequence[int]) -> Row:
    """Columns of the table of models."""
    ahead = tuple(f"{horizon} y" for horizon in horizons)
    return ("model", *ahead, "worst", "inside 90 %", "gain", "AICc", "weight") if ahead else ("model", "AICc", "weight")


def model_rows(trend: Trend, horizons: Sequence[int]) -> list[Row]:
    """Every model with its backtest, best first, then the yardstick."""
    found = [_model_row(model, trend, horizons) for model in trend.ranking.models]
    if trend.ranking.yardstick:
        scores = _factors(trend.ranking.yardstick, horizons)
        found.append(("as in the last two years (no model)", *scores, "", "", "", ""))
    return found


def _model_row(model: Model, trend: Trend, horizons: Sequence[int]) -> Row:
    mark = "→ " if model is trend.chosen else ""
    name = f"{mark}{model.curve.title} ({model.curve.id})" + ("" if model.supported else ", contradicted")
    name += "" if model.fitted.own[0] else ": none found" if model.curve.form == "break" else ": all are"
    aicc = "" if model.aicc is None else f"{model.aicc:.1f}"
    tail = (aicc, f"{model.weight:.2f}")
    if not horizons:
        return (name, *tail)
    covered = "" if model.coverage is None else f"{100 * model.coverage:.0f} %"
    gain = "" if model.gain is None else f"{model.gain:+.2f}".replace("-", "−")
    return (name, *_factors(model.horizons, horizons), covered, gain, *tail)


def _factors(scores: Sequence[HorizonScore], horizons: Sequence[int]) -> Row:
    """Median factor errors by horizon, and the worst of all."""
    known = {one.horizon: one for one in scores}
    worst = [one.worst for one in scores if one.worst is not None]
    by_horizon = [factor(known[horizon].factor_error) if horizon in known else "" for horizon in horizons]
    return (*by_horizon, factor(max(worst)) if worst else "")


def projection_rows(trend: Trend) -> list[Row]:
    """The projection by year."""
    return [
        (
            one.date.isoformat(),
            told(one.estimate.value, one.estimate.unit),
            interval(one.estimate),
            interval(one.bootstrap),
            "" if one.cubic is None else told(one.cubic.value, one.cubic.unit),
            one.estimate.kind.upper(),
        )
        for one in trend.projection
    ]


def scored_rows(trend: Trend) -> list[Row]:
    """What was projected for each later point, and what came."""
    unit = trend.series.unit
    return [
        (
            one.point.date.isoformat(),
            one.point.label,
            told(one.point.value, unit),
            told(one.predicted.value, unit),
            interval(one.predicted),
            factor(one.factor_error),
            "yes" if one.covered else "no",
        )
        for one in trend.scored
    ]


def overview_rows(trends: Iterable[Trend]) -> list[Row]:
    """One row a series."""
    found: list[Row] = []
    for trend in trends:
        last, end, unit = trend.used.points[-1], trend.projection[-1], trend.series.unit
        cubic = "" if end.cubic is None else told(end.cubic.value, unit)
        count = str(len(trend.used.points))
        head = (trend.series.id, count, told(last.value, unit), last.date.isoformat())
        middle = (told(end.estimate.value, unit), end.date.isoformat(), interval(end.estimate))
        found.append((*head, *middle, trend.chosen.curve.id, cubic))
    return found


def fits_rows(fitting: Sequence[Fits]) -> list[Row]:
    """One row a network: from when it fits each class of card."""
    rows = []
    for network, parts in groupby(fitting, key=lambda one: one.network):
        mine = list(parts)
        need = mine[0].need
        rows.append((network, told(need.value, "B"), interval(need), *(since(one) for one in mine)))
    return rows


def since(one: Fits) -> str:
    """From when a network fits: a year that is known, one that is predicted with its interval, or that it does not."""
    starts = one.starts
    last = f"{_year(one.latest)}" if one.latest is not None else "later"
    within = f"({_year(one.earliest)}–{last})"
    if starts.kind == "published" and one.stops is not None:
        return f"until {_year(one.stops.value)}"
    if starts.kind == "published":
        year = _year(starts.value)
        return f"since {year}" if (year, year) == (_year(one.earliest), last) else f"since {year} {within}"
    first = "" if one.earliest is None else f"not before {_year(one.earliest)}"
    if starts.value is None:
        return first or "not in reach"
    return f"≈ {_year(starts.value)} {within}"


def _year(year: float | None) -> str:
    return "" if year is None else str(day_of(year).year)


def cautions(trend: Trend) -> list[str]:
    """What a reader must know to trust a projection less."""
    found = []
    correlation, coverage = trend.lag_one, trend.chosen.coverage
    if correlation is not None and correlation > _CORRELATED:
        found.append(f"{trend.series.id}: neighboring residuals are correlated ({correlation:.2f}); points count less")
    if coverage is not None and coverage < _COVERS:
        held = f"{100 * coverage:.0f} %"
        text = f"{trend.series.id}: in the backtest the model's own 90 % intervals held {held}; they were widened"
        found.append(text)
    if not trend.chosen.supported:
        found.append(
            f"{trend.series.id}: the points contradict {trend.chosen.curve.title}: its AICc is 10 above the best"
        )
    end = trend.projection[-1]
    if end.estimate.method.endswith(HELD) and (end.bootstrap.value or 0.0) > (end.estimate.value or 0.0):
        alone = told(end.bootstrap.value, trend.series.unit)
        text = f"{trend.series.id}: {trend.chosen.curve.title} alone would say {alone} for {end.date}; {HELD}"
        found.append(text)
    if trend.wish.far:
        found.append(f"{trend.series.id}: --far projects past what the span of the points supports")
    return found
