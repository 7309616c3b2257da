"""The Python interface: ``gpugap.trends``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

from gpugap.core.errors import BadSeries, UnknownName
from gpugap.trends.dates import last_day
from gpugap.trends.listing import DEFAULT, named_series
from gpugap.trends.own import is_file, own_series
from gpugap.trends.projection import Trend, Wish, project
from gpugap.trends.series import Point, Series, make_series, published

Day = str | int | date


def trends(
    series: str | Path | Iterable[tuple[Day, float]] = DEFAULT[0],
    *,
    until: Day | None = None,
    degree: int | None = None,
    log: bool = False,
    as_of: Day | None = None,
    far: bool = False,
    group: str | None = None,
) -> Trend:
    """Fits, backtests and projects a dated series.

    Args:
        series: a name that ``gpugap trends --list`` shows, a CSV file with the columns ``date``, ``value`` and perhaps
            ``group``, or pairs of date and value.
        until: last day of the projection; a year means its 31 December. 2030 where None, or as far as the data reach.
        degree: of a polynomial, 1 to 3; the model that wins the backtest where None.
        log: of logarithms.
        as_of: only points up to that day are used, for the choice of the model too; later ones are scored.
        far: past 1.5 times the observed span too.
        group: of the file.

    Returns:
        The trend; its numbers are estimates, ``published`` for facts and ``predicted`` for projections.

    Raises:
        UnknownName: no such series or group.
        BadSeries: nothing can be fitted.
        BadTable: the file is malformed.
        BadValue: a date or degree out of range.
    """
    wish = Wish(until=day_of_text(until, "until"), degree=degree, log=log, as_of=day_of_text(as_of, "as_of"), far=far)
    if not isinstance(series, str | Path):
        return project(_from_pairs(series), wish)
    if isinstance(series, str) and not is_file(series):
        return project(named_series(series), wish)
    found = {one.id: one for one in own_series(Path(series))}
    if group is not None and group not in found:
        raise UnknownName("group", group, found)
    if group is None and len(found) > 1:
        raise BadSeries(f"{series} holds {len(found)} groups: {', '.join(found)}", "say which with group=")
    return project(found[group] if group is not None else next(iter(found.values())), wish)


def day_of_text(day: Day | None, what: str) -> date | None:
    """A day as given on the command line or in Python.

    Raises:
        BadValue: not a date.
    """
    return day if day is None or isinstance(day, date) else last_day(str(day), what)


def _from_pairs(pairs: Iterable[tuple[Day, float]]) -> Series:
    points = []
    for day, value in pairs:
        at = day if isinstance(day, date) else last_day(str(day), "date")
        points.append(Point(at, published(float(value), "1", "given in Python"), ""))
    return make_series("own", "own series", "1", points, "given in Python")
