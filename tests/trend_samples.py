"""Series made up for the tests of trends: by a formula, so that every machine writes the same numbers."""

from __future__ import annotations

from datetime import date

from gpugap.trends.dates import year_end
from gpugap.trends.series import Point, Series, make_series, published

WOBBLE = (0.9, 1.05, 1.2, 0.95, 0.85, 1.1, 1.0)


def made(growth: float = 1.3, first: int = 2008, last: int = 2024, unit: str = "B", **fields) -> Series:
    """A value at the end of each year, growing by a factor, times a wobble."""
    points = [
        Point(
            year_end(year),
            published(2**30 * growth ** (year - first) * WOBBLE[year % 7], unit, f"table {year}"),
            f"device {year}",
        )
        for year in range(first, last + 1)
    ]
    known = {"id": "made", "title": "memory made up", "source": "a formula"} | fields
    return make_series(known["id"], known["title"], unit, points, known["source"])


def flat(*values: float, first: int = 2010) -> Series:
    """Plain values, a year apart, without labels."""
    points = [Point(date(first + place, 6, 30), published(value, "1", "x"), "") for place, value in enumerate(values)]
    return make_series("flat", "plain values", "1", points, "x")
