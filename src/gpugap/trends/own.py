"""A user's own series: a CSV file with the columns ``date``, ``value`` and, if wanted, ``group``.

Every group is a series of its own. Dates are ``2026``, ``2026-03`` or ``2026-03-18``; a year means its 31 December, a
month its last day.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gpugap.catalog.facts import Fact, Finite
from gpugap.catalog.tables import from_file
from gpugap.core.errors import BadTable
from gpugap.trends.dates import last_day
from gpugap.trends.series import Point, Series, make_series, published

_REMEDY = "columns are date,value and optionally group; dates 2026, 2026-03 or 2026-03-18"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row(Fact):
    """A line of the file; ``date`` is the point's own."""

    value: Finite
    group: str = ""


def is_file(name: str) -> bool:
    """Whether a name on the command line means a file, not a series."""
    return name.lower().endswith(".csv") or "/" in name or "\\" in name


def own_series(path: Path) -> tuple[Series, ...]:
    """The series of a file, one a group, in order of appearance.

    Raises:
        BadTable: the file cannot be read; says line and column.
    """
    try:
        rows = from_file(_Row, path, {"source": path.name, "confidence": "medium"})
    except BadTable as error:
        raise BadTable(error.message, _REMEDY) from error
    if not rows:
        raise BadTable(f"{path} holds no points", _REMEDY)
    groups: dict[str, list[Point]] = {}
    for row in rows:
        point = Point(last_day(row.date, f"{path.name}: date"), published(row.value, "1", f"{path.name}"), "")
        groups.setdefault(row.group, []).append(point)
    return tuple(
        make_series(group or path.stem, f"{group or path.stem} of {path.name}", "1", points, path.name)
        for group, points in groups.items()
    )
