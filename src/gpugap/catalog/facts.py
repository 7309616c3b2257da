"""What every row of the catalog carries: where it stands, how old it is, how far it can be trusted."""

from __future__ import annotations

import calendar
import functools
import re
from dataclasses import asdict, dataclass
from datetime import date as day
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from gpugap.core.estimate import Estimate

STALE_AFTER_DAYS = 180
"""Older rows are marked stale wherever they are used."""

Confidence = Literal["high", "medium", "low"]
"""``high``: published and contradicted by nothing known, or the other source is known to be wrong; ``medium``: one
source, computed, or it varies between machines; ``low``: recalled, announced, partial, or sources disagree."""

Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
AtLeast0 = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]

_DATE = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", re.ASCII)


@functools.lru_cache(maxsize=1024)
def days_of(text: str) -> tuple[day, day]:
    """The first and the last day of ``2026``, ``2026-03`` or ``2026-03-18``.

    Raises:
        ValueError: no such day.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a date such as 2026-03-18, 2026-03 or 2026")
    year, month, number = found.groups()
    first = day(int(year), int(month or 1), int(number or 1))
    last_month = int(month or 12)
    last = int(number or calendar.monthrange(first.year, last_month)[1])
    return first, first.replace(month=last_month, day=last)


def first_day(text: str) -> day:
    """The first day of ``2026``, ``2026-03`` or ``2026-03-18``.

    Raises:
        ValueError: no such day.
    """
    return days_of(text)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A row of the catalog.

    Attributes:
        source: where it stands.
        date: day, month or year in which the source said so; its first day counts.
        confidence: see `Confidence`.
        disagrees: what another source says instead; empty where none does.
        notes: what else must be known to use the row.

    Raises:
        ValueError: the date is none.
    """

    source: str
    date: str
    confidence: Confidence
    disagrees: str = ""
    notes: str = ""

    def __post_init__(self) -> None:
        try:
            first_day(self.date)
        except ValueError as error:
            raise ValueError(f"date: {error}") from error

    def age_days(self, today: day | None = None) -> int:
        """Days since the source said so."""
        return ((today or day.today()) - first_day(self.date)).days

    def is_stale(self, today: day | None = None) -> bool:
        """Whether the row is older than `STALE_AFTER_DAYS`."""
        return self.age_days(today) > STALE_AFTER_DAYS

    def dated(self, today: day | None = None) -> str:
        """The date for reading: ``2025-11-16 (stale)``."""
        return f"{self.date} (stale)" if self.is_stale(today) else self.date

    def cited(self) -> str:
        """The source for reading: the first one, and how many more there are."""
        first, *more = self.source.split("; ")
        return f"{first} + {len(more)} more" if more else first

    def to_dict(self, today: day | None = None) -> dict[str, Any]:
        """The row by column, and whether it is stale."""
        return {**asdict(self), "stale": self.is_stale(today)}

    def estimate(self, value: float | None, unit: str, today: day | None = None) -> Estimate:
        """A number of this row as a published estimate, whose method is source and date."""
        return Estimate(value, None, None, None, unit, "published", f"{self.source}, {self.dated(today)}", None)


AnyFact = TypeVar("AnyFact", bound=Fact)
