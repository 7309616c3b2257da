"""`Series`: dated numbers with their sources, checked before anything is fitted to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpugap.core.errors import BadSeries
from gpugap.core.estimate import Estimate
from gpugap.trends.dates import decimal_year, year_end

MIN_POINTS, MAX_POINTS = 5, 5000
_LARGEST, _SMALLEST = 1e100, 1e-100
_FIRST_YEAR, _LAST_YEAR = 1500, 2150


@dataclass(frozen=True, slots=True)
class Point:
    """One dated number.

    Attributes:
        date: it holds for.
        estimate: the number; its method is the source.
        label: what it is the number of, such as a device.
    """

    date: date
    estimate: Estimate
    label: str

    @property
    def value(self) -> float:
        """The number itself."""
        if self.estimate.value is None:
            raise ValueError("a point has a value")
        return self.estimate.value

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``points`` in ``gpugap.trends/1``."""
        return {"date": self.date.isoformat(), "label": self.label, "value": self.estimate.to_dict()}


@dataclass(frozen=True, slots=True)
class Series:
    """Dated numbers of one quantity, oldest first.

    Attributes:
        id: its name on the command line.
        title: in words.
        unit: of the numbers.
        points: oldest first.
        source: where they come from, in a line.
        never_falls: whether later numbers cannot be smaller, as of a record.
        ceiling: the record line that no point exceeds; None where there is none.
    """

    id: str
    title: str
    unit: str
    points: tuple[Point, ...]
    source: str
    never_falls: bool = False
    ceiling: Series | None = None

    @property
    def x(self) -> NDArray[np.float64]:
        """Decimal years."""
        return np.array([decimal_year(point.date) for point in self.points])

    @property
    def values(self) -> NDArray[np.float64]:
        """The numbers."""
        return np.array([point.value for point in self.points])

    @property
    def positive(self) -> bool:
        """Whether all numbers are above 0: then the quantity is taken to be so by nature."""
        return all(point.value > 0 for point in self.points)

    def until(self, last: date) -> Series:
        """The points up to a day."""
        kept = tuple(point for point in self.points if point.date <= last)
        return replace(self, points=kept, ceiling=self.ceiling.until(last) if self.ceiling else None)

    def after(self, last: date) -> tuple[Point, ...]:
        """The points after a day."""
        return tuple(point for point in self.points if point.date > last)


def make_series(id: str, title: str, unit: str, points: Iterable[Point], source: str) -> Series:
    """A series, oldest point first."""
    ordered = sorted(points, key=lambda point: (point.date, point.label))
    return Series(id, title, unit, tuple(ordered), source)


def check(series: Series, log: bool = False) -> None:
    """Whether something can be fitted.

    Raises:
        BadSeries: too few or too many points, one date twice without labels to tell why, all of one date, dates that
            nobody observes, or values a logarithm does not take.
    """
    count = len(series.points)
    if count < MIN_POINTS:
        last = f" up to {series.points[-1].date}" if count else ""
        message = f"{series.id} has {count} points{last}; a fit needs {MIN_POINTS}"
        raise BadSeries(message, "use a longer series or a later --as-of")
    if count > MAX_POINTS:
        raise BadSeries(
            f"{series.id} has {count} points; at most {MAX_POINTS} are fitted", "thin it out, to one a month"
        )
    for far in (series.points[0].date, series.points[-1].date):
        if not _FIRST_YEAR <= far.year <= _LAST_YEAR:
            raise BadSeries(f"{series.id} has the date {far}", f"give dates from {_FIRST_YEAR} to {_LAST_YEAR}")
    seen: set[tuple[date, str]] = set()
    for point in series.points:
        if (point.date, point.label) in seen:
            named = f" of {point.label}" if point.label else ""
            raise BadSeries(f"{series.id} has the date {point.date} twice{named}", "keep one value a date")
        seen.add((point.date, point.label))
    if len({point.date for point in series.points}) < MIN_POINTS - 1:
        raise BadSeries(f"{series.id} has fewer than {MIN_POINTS - 1} different dates", "use a longer series")
    odd = next((p for p in series.points if p.value and not _SMALLEST <= abs(p.value) <= _LARGEST), None)
    if odd is not None:
        raise BadSeries(f"{series.id} has {odd.value:g} on {odd.date}", "use a unit in which values are not so extreme")
    if log and not series.positive:
        bad = next(point for point in series.points if point.value <= 0)
        message = f"{series.id} has {bad.value:g} on {bad.date}; a fit of logarithms needs values above 0"
        raise BadSeries(message, "leave out --log, or the value")


def record_line(series: Series, id: str, title: str) -> Series:
    """The largest value so far at the end of each year, from the year of the first point to that of the last."""

    def pick(points: Sequence[Point], year: int) -> Point | None:
        best = max((point for point in points if point.date.year <= year), key=lambda point: point.value)
        note = f"{best.label}, {best.date}" if best.label else str(best.date)
        return replace(best, date=year_end(year), label=note)

    return replace(_yearly(series, id, title, pick), never_falls=True)


def median_line(series: Series, id: str, title: str) -> Series:
    """The median of the points of each year that has three or more, at its end."""

    def pick(points: Sequence[Point], year: int) -> Point | None:
        mine = [point for point in points if point.date.year == year]
        if len(mine) < 3:
            return None
        method = f"median of {len(mine)} values of {year}: {series.source}"
        middle = median(point.value for point in mine)
        return Point(year_end(year), published(middle, series.unit, method, len(mine)), f"median of {len(mine)}")

    return _yearly(series, id, title, pick)


def _yearly(series: Series, id: str, title: str, pick: Callable[[Sequence[Point], int], Point | None]) -> Series:
    if not series.points:
        return Series(id, title, series.unit, (), series.source)
    years = range(series.points[0].date.year, series.points[-1].date.year + 1)
    found = [pick(series.points, year) for year in years]
    return make_series(id, title, series.unit, [point for point in found if point is not None], series.source)


def ratio(over: Series, under: Series, id: str, title: str) -> Series:
    """One series over another on the dates both have."""
    base = {point.date: point for point in under.points}
    points = []
    for point in over.points:
        other = base.get(point.date)
        if other is not None:
            method = f"{point.label or over.id} over {other.label or under.id}; {point.estimate.method}"
            points.append(
                Point(point.date, published(point.value / other.value, "1", method), f"{point.label} / {other.label}")
            )
    source = over.source if over.source == under.source else f"{over.source}; {under.source}"
    return make_series(id, title, "1", points, source)


def published(value: float, unit: str, method: str, n: int | None = None) -> Estimate:
    """A number that stands in a source, or follows from such numbers alone."""
    return Estimate(value, None, None, None, unit, "published", method, n)
