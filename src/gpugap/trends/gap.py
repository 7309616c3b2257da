"""The gap over time: ratios of series, when a network fits a class of card, how many years an owner is behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from gpugap.catalog.demand import Rung
from gpugap.core.estimate import Estimate
from gpugap.stats.backtest import LEVEL
from gpugap.trends.dates import decimal_year
from gpugap.trends.ladder import Need, training_bytes
from gpugap.trends.projection import Trend
from gpugap.trends.series import Point, Series, make_series, published, ratio

CARD_BYTES = 24 * 2**30
"""The card of whose owner is asked how far behind the frontier they are."""


def gap_series(over: Series, under: Series, id: str, title: str) -> Series:
    """One line over another, on the dates both have."""
    return ratio(over, under, id, title)


def need_series(need: Series, owned: Series, id: str, title: str) -> Series:
    """What each network needs over what was owned when it appeared; those older than the survey are left out."""
    points = []
    for point in need.points:
        before = [one for one in owned.points if one.date <= point.date]
        if before:
            method = f"{point.estimate.method}; over {owned.title}, {before[-1].date}"
            low, high = (end / before[-1].value for end in point.estimate.ends)
            value = Estimate(point.value / before[-1].value, low, high, None, "1", "predicted", method, None)
            points.append(Point(point.date, value, point.label))
    return make_series(id, title, "1", points, f"{need.source}; {owned.source}")


def behind_series(frontier: Series, line: Series, id: str, title: str) -> Series:
    """At each point of a line: how many years ago the frontier first had that much."""
    points = []
    for point in line.points:
        first = first_with(frontier, point.value)
        if first is not None and first.date < point.date:
            years = decimal_year(point.date) - decimal_year(first.date)
            label = f"{first.label} had it on {first.date}"
            points.append(Point(point.date, published(years, "year", f"{point.label}; {label}"), label))
    return make_series(id, title, "year", points, frontier.source)


def first_with(series: Series, value: float) -> Point | None:
    """The first point that is not below a value."""
    return next((point for point in series.points if point.value >= value), None)


@dataclass(frozen=True, slots=True)
class Fits:
    """When a network fits a class of card, in the best case: one sample a step, nothing but it on the card.

    Attributes:
        network: of the ladder.
        need: memory of a training step, with interval.
        line: id of the series that stands for the class.
        starts: decimal year from which its likely need fits: published where a device has had as much, else predicted;
            no value where it is not reached by the end of the projection.
        earliest: decimal year before which it does not fit, by the least need and the upper end of the projection; None
            where it never does.
        latest: decimal year from which it fits by the most need and the lower end of the projection; None where that
            lies past the projection.
        stops: decimal year from which it no longer fits, where the line has fallen below the need; None elsewhere.
    """

    network: str
    need: Estimate
    line: str
    starts: Estimate
    earliest: float | None
    latest: float | None
    stops: Estimate | None

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``fits`` in ``gpugap.trends/1``."""
        return {
            "network": self.network,
            "need": self.need.to_dict(),
            "line": self.line,
            "starts": self.starts.to_dict(),
            "earliest": self.earliest,
            "latest": self.latest,
            "stops": self.stops.to_dict() if self.stops else None,
        }


def fits(rung: Rung, trend: Trend, observed: Series, needed: Need = training_bytes) -> Fits:
    """When a network of the ladder starts, and stops, to fit a class of card.

    Args:
        rung: the network.
        trend: of the line that stands for the class.
        observed: where what has happened is looked up: the line, or for a record line its devices.
        needed: the memory of a training step of a network, in bytes.
    """
    need = needed(rung)
    starts, earliest, latest = crossing(trend, need)
    first = first_with(observed, need.value or 0.0)
    before, after = (first_with(observed, end) for end in need.ends)
    earliest = decimal_year(before.date) if before else earliest
    latest = decimal_year(after.date) if after else latest
    if first is None:
        return Fits(rung.name, need, trend.series.id, starts, earliest, latest, None)
    starts = published(decimal_year(first.date), "year", first.label or observed.source)
    stops = _stop(trend.used, first, need.value or 0.0)
    return Fits(rung.name, need, trend.series.id, starts, earliest, latest, stops)


def _stop(series: Series, first: Point, least: float) -> Estimate | None:
    """When the line fell below the need for good."""
    below = [point for point in series.points if point.date > first.date and point.value < least]
    if not below or series.points[-1].value >= least:
        return None
    since = max((p.date for p in series.points if p.value >= least), default=first.date)
    fell = next(point for point in below if point.date > since)
    return published(decimal_year(fell.date), "year", fell.label)


def crossing(trend: Trend, need: Estimate) -> tuple[Estimate, float | None, float | None]:
    """When the projection passes a need: decimal year, and the years at which the ends of the intervals do.

    Args:
        trend: of what there is.
        need: of what is needed; its low end is held against the projection's high end, and the other way around.

    Returns:
        The year (no interval where an end lies past the projection), the earliest, the latest.
    """
    last = float(trend.used.x[-1])
    ahead = [(x, estimate) for x, estimate in trend.fan if x > last]
    pairs = (("value", need.value or 0.0), ("high", need.ends[0]), ("low", need.ends[1]))
    middle, early, late = (
        next((x for x, one in ahead if (getattr(one, end) or 0.0) >= bound), None) for end, bound in pairs
    )
    method = (
        f"{trend.chosen.curve.title} of {trend.series.id}; ends from those of the {LEVEL:.0%} interval and of the need"
    )
    closed = middle is not None and early is not None and late is not None
    if middle is None:
        method = f"not by {trend.fan[-1][0]:.0f}, where the projection of {trend.series.id} ends"
    low, high, level = (early, late, LEVEL) if closed else (None, None, None)
    starts = Estimate(middle, low, high, level, "year", "predicted", method, len(trend.used.points))
    return starts, early, late


@dataclass(frozen=True, slots=True)
class Behind:
    """How far the owner of a card is behind the frontier.

    Attributes:
        memory: of the card.
        frontier: the first data-center device with as much.
        years: since then.
        by_curve: the same from the fitted line in place of one device, with interval; no value where it has none.
        on: the day.
    """

    memory: Estimate
    frontier: Point
    years: Estimate
    by_curve: Estimate
    on: date

    def to_dict(self) -> dict[str, Any]:
        """``behind`` in ``gpugap.trends/1``."""
        return {
            "memory": self.memory.to_dict(),
            "frontier": self.frontier.to_dict(),
            "years": self.years.to_dict(),
            "by_curve": self.by_curve.to_dict(),
            "on": self.on.isoformat(),
        }


def behind(devices: Series, record: Trend, on: date, memory_bytes: float = CARD_BYTES) -> Behind | None:
    """Years behind the frontier for the owner of a card.

    Args:
        devices: every data-center device.
        record: the trend of their record line.
        on: the day of asking.
        memory_bytes: of the card.

    Returns:
        None where the frontier has no such memory yet.
    """
    first = first_with(devices, memory_bytes)
    if first is None:
        return None
    now = decimal_year(on)
    years = published(now - decimal_year(first.date), "year", f"{first.label}, {first.date}")
    card = published(memory_bytes, "B", "the card that is asked about")
    return Behind(card, first, years, _by_curve(record.fan, memory_bytes, now, record.chosen.curve.title), on)


def _by_curve(fan: Sequence[tuple[float, Estimate]], value: float, now: float, title: str) -> Estimate:
    """Years since the fitted line passed a value, and since the ends of its interval did."""
    middle, early, late = (
        next((x for x, one in fan if (getattr(one, end) or 0.0) >= value), None) for end in ("value", "high", "low")
    )
    method = f"years since the {title} line passed it; interval where its ends did"
    if middle is None or early is None or late is None or early <= fan[0][0]:
        return Estimate(
            now - middle if middle is not None else None, None, None, None, "year", "predicted", method, None
        )
    return Estimate(now - middle, now - late, now - early, LEVEL, "year", "predicted", method, None)
