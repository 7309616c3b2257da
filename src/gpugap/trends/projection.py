"""`Trend`: a series, its models, what the chosen one projects, and how a projection of the past did."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from gpugap.core.errors import BadValue
from gpugap.core.estimate import Estimate
from gpugap.core.table import html_table, text_table
from gpugap.stats.averaging import mixture_quantile
from gpugap.stats.backtest import LEVEL
from gpugap.stats.curves import residual_bootstrap
from gpugap.stats.regression import lag_one
from gpugap.trends.dates import day_of, decimal_year, year_end
from gpugap.trends.models import Model, Ranking, rank
from gpugap.trends.series import Point, Series

Array = NDArray[np.float64]

REACH = 1.5
"""No projection past so many times the observed span, counted from its start."""
DEFAULT_UNTIL = year_end(2030)
_LATEST_YEAR = 2200
_NEXT_YEARS = 5
"""Projected where the points themselves reach 2030."""
_FAN_STEP_YEARS = 0.25
HELD = "held below what is projected for the record line, which no point exceeds"
_LEAST_WEIGHT = 1e-4
"""Models of less weight do not move an interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked of a series.

    Attributes:
        until: last day of the projection; 2030 where None, or as far as the series reaches.
        degree: of the polynomial; the winner of the backtest where None.
        log: of logarithms.
        as_of: only points up to that day are used, and later ones are scored.
        far: past 1.5 times the observed span too.
    """

    until: date | None = None
    degree: int | None = None
    log: bool = False
    as_of: date | None = None
    far: bool = False


@dataclass(frozen=True, slots=True)
class Projected:
    """What is projected for a day.

    Attributes:
        date: the day.
        estimate: of a new observation on it.
        bootstrap: the chosen model alone, its interval by resampling residuals.
        cubic: where a cubic through raw values, left to itself, would be; negative is possible. None without one.
    """

    date: date
    estimate: Estimate
    bootstrap: Estimate
    cubic: Estimate | None

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``projection`` in ``gpugap.trends/1``."""
        cubic = self.cubic.to_dict() if self.cubic else None
        bootstrap = self.bootstrap.to_dict()
        return {
            "date": self.date.isoformat(),
            "estimate": self.estimate.to_dict(),
            "bootstrap": bootstrap,
            "raw_cubic": cubic,
        }


@dataclass(frozen=True, slots=True)
class Scored:
    """What was projected for a point, and what came.

    Attributes:
        point: what came.
        predicted: for its day.
    """

    point: Point
    predicted: Estimate

    @property
    def factor_error(self) -> float | None:
        """Predicted over observed or its inverse, whichever is above 1; None for a quantity that is not positive."""
        value = self.predicted.value
        if value is None or value <= 0 or self.point.value <= 0:
            return None
        return math.exp(min(600.0, abs(math.log(value / self.point.value))))

    @property
    def covered(self) -> bool:
        """Whether what came lies in the interval."""
        low, high = self.predicted.low, self.predicted.high
        return low is not None and high is not None and low <= self.point.value <= high

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``scored`` in ``gpugap.trends/1``."""
        return {
            "date": self.point.date.isoformat(),
            "label": self.point.label,
            "observed": self.point.estimate.to_dict(),
            "predicted": self.predicted.to_dict(),
            "factor_error": self.factor_error,
            "covered": self.covered,
        }


@dataclass(frozen=True, slots=True, repr=False)
class Trend:
    """A series and what is made of it.

    Attributes:
        series: whole.
        used: the points up to `as_of`.
        wish: what was asked.
        ranking: of the models.
        projection: by year.
        scored: points after `as_of`.
        fan: the projection's curve in steps of a quarter: decimal year and estimate.
        growth_per_year: factor by which the quantity grows in a year, log-linear; None for one that is not positive.
    """

    series: Series
    used: Series
    wish: Wish
    ranking: Ranking
    projection: tuple[Projected, ...]
    scored: tuple[Scored, ...]
    fan: tuple[tuple[float, Estimate], ...]
    growth_per_year: Estimate | None

    @property
    def chosen(self) -> Model:
        """The model that projects."""
        return self.ranking.chosen

    @property
    def residuals(self) -> list[tuple[Point, float]]:
        """Observed less fitted of the chosen model, of logarithms where it stands on them, point by point."""
        linear = self.chosen.fitted.linear
        pairs = zip(self.used.points, linear.residuals[0].tolist(), linear.used[0].tolist(), strict=True)
        return [(point, residual) for point, residual, used in pairs if used]

    @property
    def lag_one(self) -> float | None:
        """Correlation of neighboring residuals; far from 0 the points are not independent."""
        return lag_one(np.array([residual for _, residual in self.residuals]))

    def at(self, day: date) -> Estimate:
        """What is projected for any day."""
        return estimate_for(self.ranking, self.used, day, self.wish)

    def __repr__(self) -> str:
        from gpugap.trends.rows import PROJECTION_HEADER, projection_rows

        return text_table(PROJECTION_HEADER, projection_rows(self))

    def _repr_html_(self) -> str:
        from gpugap.trends.rows import PROJECTION_HEADER, projection_rows

        return html_table(PROJECTION_HEADER, (tuple(map(html.escape, row)) for row in projection_rows(self)))

    def to_dict(self) -> dict[str, Any]:
        """The ``result`` of ``gpugap.trends/1`` for one series."""
        return {
            "series": self.series.id,
            "title": self.series.title,
            "unit": self.series.unit,
            "source": self.series.source,
            "as_of": self.wish.as_of.isoformat() if self.wish.as_of else None,
            "n_used": len(self.used.points),
            "last_date": self.used.points[-1].date.isoformat(),
            "models": [model.to_dict() for model in self.ranking.models],
            "chosen": self.chosen.curve.id,
            "reason": self.ranking.reason,
            "yardstick": [one.to_dict() for one in self.ranking.yardstick],
            "growth_per_year": self.growth_per_year.to_dict() if self.growth_per_year else None,
            "residual_lag_one": self.lag_one,
            "projection": [one.to_dict() for one in self.projection],
            "scored": [one.to_dict() for one in self.scored],
            "points": [point.to_dict() for point in self.series.points],
        }


def project(series: Series, wish: Wish, today: date | None = None) -> Trend:
    """Ranks the models of a series, projects with the chosen one, and scores it on what came later.

    Args:
        series: whole.
        wish: what is asked.
        today: against which ``as_of`` is held.

    Raises:
        BadSeries: nothing can be fitted.
        BadValue: a day in the future to look back from, a projection into the past or too far, no such degree.
    """
    now = today or date.today()
    if wish.as_of is not None and wish.as_of > now:
        raise BadValue(f"--as-of {wish.as_of} lies in the future", f"give a day up to {now}")
    used = series.until(wish.as_of) if wish.as_of else series
    ranking = rank(used, wish.degree, wish.log)
    until = _until(series, used, wish)
    origin = _origin(used, wish)
    days = _days(used, wish, until)
    later = [point for point in series.after(wish.as_of) if point.date <= until] if wish.as_of else []
    came = _estimates(ranking, used, np.array([decimal_year(point.date) for point in later]), origin)
    steps = np.append(np.arange(used.x[0], decimal_year(until), _FAN_STEP_YEARS), decimal_year(until))
    fan = tuple(zip(steps.tolist(), _estimates(ranking, used, steps, origin), strict=True))
    scored = tuple(Scored(point, one) for point, one in zip(later, came, strict=True))
    projection = tuple(_projected(ranking, used, days, origin))
    return Trend(series, used, wish, ranking, projection, scored, fan, _growth(ranking, used))


def estimate_for(ranking: Ranking, used: Series, day: date, wish: Wish) -> Estimate:
    """What the chosen model of a ranking projects for any day."""
    return _estimates(ranking, used, np.array([decimal_year(day)]), _origin(used, wish))[0]


def _origin(used: Series, wish: Wish) -> float:
    return decimal_year(wish.as_of) if wish.as_of else float(used.x[-1])


def _until(series: Series, used: Series, wish: Wish) -> date:
    """The last day of the projection."""
    first, last = used.x[0], used.x[-1]
    reach = day_of(min(first + REACH * (last - first), _LATEST_YEAR))
    start = max(used.points[-1].date, wish.as_of or used.points[-1].date)
    if wish.until is None:
        aim = series.points[-1].date if wish.as_of else DEFAULT_UNTIL
        if aim <= start:
            aim = DEFAULT_UNTIL if start < DEFAULT_UNTIL else year_end(start.year + _NEXT_YEARS)
        return aim if wish.far or aim <= reach else max(reach, day_of(last + 0.1))
    if wish.until <= start:
        raise BadValue(
            f"--until {wish.until} is not after {start}", "give a later day; --as-of looks back from the past"
        )
    if wish.until > reach and not wish.far:
        message = f"--until {wish.until} is past {reach}, {REACH:g} times the span of {used.id}"
        raise BadValue(message, "use --far to project so far all the same")
    if wish.until.year > _LATEST_YEAR:
        raise BadValue(f"--until {wish.until} is too far", f"give a year up to {_LATEST_YEAR}")
    return wish.until


def _days(used: Series, wish: Wish, until: date) -> list[date]:
    """The ends of the years to come, and the last day."""
    start = max(used.points[-1].date, wish.as_of or used.points[-1].date)
    days = [year_end(year) for year in range(start.year, until.year + 1) if start < year_end(year) <= until]
    return days if until in days else [*days, until]


def _projected(ranking: Ranking, used: Series, days: Sequence[date], origin: float) -> list[Projected]:
    x = np.array([decimal_year(day) for day in days])
    model, cubic = ranking.chosen, ranking.of("raw-3")
    lows, highs = residual_bootstrap(model.fitted, x, LEVEL)
    method = f"{model.curve.title}; residual bootstrap of that model alone"
    middle = model.fitted.predict(x).point(LEVEL)[0].tolist()
    bootstrap = [
        _estimate(value, (low, high), used, method) for value, low, high in zip(middle, lows, highs, strict=True)
    ]
    far = cubic.fitted.center(x)[0].tolist() if cubic else [None] * len(days)
    left = "a cubic through raw values, left to itself"
    cubics = [
        None if value is None else Estimate(value, None, None, None, used.unit, "predicted", left, len(used.points))
        for value in far
    ]
    estimates = _estimates(ranking, used, x, origin)
    return [Projected(*parts) for parts in zip(days, estimates, bootstrap, cubics, strict=True)]


def _estimates(ranking: Ranking, used: Series, x: Array, origin: float) -> list[Estimate]:
    """What the chosen model says, with the wider of two intervals.

    One is its own, widened by its backtest; the other, where nobody asked for that model, that of all models together.
    """
    if not len(x):
        return []
    model = ranking.chosen
    stretch = model.stretch(x - origin)
    own = model.fitted.predict(x).stretched(stretch)
    low, high = own.interval(LEVEL)
    parts = [model.curve.title]
    if stretch.max() > 1:
        parts.append("interval widened by its backtest")
    if not ranking.asked:
        heavy = [one for one in ranking.models if one.weight >= _LEAST_WEIGHT]
        models, weights = [one.fitted.predict(x) for one in heavy], [np.array(one.weight) for one in heavy]
        total = sum(one.weight for one in heavy)
        ends = [
            mixture_quantile(models, [weight / total for weight in weights], share)
            for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
        ]
        low, high = np.minimum(low, ends[0]), np.maximum(high, ends[1])
        parts.append("and by all models together")
    least = np.where(x >= used.x[-1], used.values[-1], -np.inf) if used.never_falls else -np.inf
    middle, low, high = (np.maximum(one[0], least) for one in (own.point(LEVEL), low, high))
    method = "; ".join([*parts, "a record never falls"] if used.never_falls else parts)
    rows = zip(middle.tolist(), low.tolist(), high.tolist(), strict=True)
    found = [_estimate(value, (first, last), used, method) for value, first, last in rows]
    if ranking.ceiling is None or used.ceiling is None:
        return found
    tops = _estimates(ranking.ceiling, used.ceiling, x, origin)
    return [_held(one, top) if at > used.x[-1] else one for at, one, top in zip(x, found, tops, strict=True)]


def _held(one: Estimate, top: Estimate) -> Estimate:
    """An estimate no part of which lies above that of the record line.

    Where nothing exceeds a record, no quantile does exceed that of the record (first-order stochastic dominance).
    """
    if one.value is None or top.value is None:
        return one
    value, (low, high), (bottom, most) = min(one.value, top.value), one.ends, top.ends
    if (value, min(low, bottom), min(high, most)) == (one.value, low, high):
        return one
    ends = min(low, bottom, value), max(min(high, most), value)
    return replace(one, value=value, low=ends[0], high=ends[1], method=f"{one.method}; {HELD}")


def _estimate(value: float, ends: tuple[float, float], used: Series, method: str) -> Estimate:
    low, high = min(ends[0], value), max(ends[1], value)
    return Estimate(value, low, high, LEVEL, used.unit, "predicted", method, len(used.points))


def _growth(ranking: Ranking, used: Series) -> Estimate | None:
    model = ranking.of("log-1")
    if model is None:
        return None
    linear = model.fitted.linear
    slope = float(linear.coefficients[0, 1])
    error = float(linear.sigma[0, 0] * np.sqrt(linear.covariance[0, 1, 1]))
    half = error * float(stdtrit(linear.df[0, 0], (1 + LEVEL) / 2))
    ends = [math.exp(float(np.clip(end, -600, 600))) for end in (slope, slope - half, slope + half)]
    method = "slope of the log-linear fit, errors taken to be independent"
    return Estimate(ends[0], ends[1], ends[2], LEVEL, "1", "predicted", method, len(used.points))
