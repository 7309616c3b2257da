"""Dates as people write them, and as decimal years, in which curves are fitted. A year alone means its 31 December."""

from __future__ import annotations

import calendar
from datetime import date, timedelta

from gpugap.catalog.facts import days_of
from gpugap.core.errors import BadValue


def last_day(text: str, what: str) -> date:
    """The last day of ``2026``, ``2026-03`` or ``2026-03-18``.

    Args:
        text: as typed.
        what: is dated so, for the message.

    Raises:
        BadValue: not a date.
    """
    try:
        return days_of(text.strip())[1]
    except ValueError as error:
        raise BadValue(f"{what} {text!r} is not a date", "write it as 2026, 2026-03 or 2026-03-18") from error


def decimal_year(day: date) -> float:
    """The year and the share of it that is over when the day begins."""
    first = date(day.year, 1, 1)
    days = 366 if calendar.isleap(day.year) else 365
    return day.year + (day - first).days / days


def day_of(year: float) -> date:
    """The day of a decimal year.

    Raises:
        ValueError: before year 1 or after 9999.
    """
    whole = int(year // 1)
    days = 366 if calendar.isleap(whole) else 365
    return date(whole, 1, 1) + timedelta(days=min(days - 1, round((year - whole) * days)))


def year_end(year: int) -> date:
    """31 December."""
    return date(year, 12, 31)
