"""All series by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from gpugap.catalog.demand import dated_values
from gpugap.core.errors import UnknownName
from gpugap.trends.dates import last_day
from gpugap.trends.gap import behind_series, gap_series, need_series
from gpugap.trends.hardware import hardware_ids, hardware_series
from gpugap.trends.ladder import TITLE, ladder_series
from gpugap.trends.series import Point, Series, make_series, published, record_line

DEFAULT = ("datacenter-memory-record", "consumer-memory-record", "owned-memory-median", "model-parameters-record")
"""What is shown where no series is named."""

_DEMAND: Mapping[str, str] = {
    "owned-memory-median": "video memory of the median computer with Steam",
    "owned-memory-p90": "video memory that one computer with Steam in ten exceeds or has",
    "model-parameters-record": "parameters of the largest notable model, sparse ones included",
    "model-parameters-median": "parameters of notable models, median of each year",
    "training-compute-record": "training compute of the largest notable model",
    "training-compute-median": "training compute of notable models, median of each year",
}
_OTHERS: Mapping[str, str] = {
    "ladder-memory": TITLE,
    "gap-datacenter-consumer": "largest data-center memory over largest consumer memory",
    "gap-datacenter-owned": "largest data-center memory over what the median computer with Steam has",
    "gap-need-owned": "memory of a training step of one sample over what the median computer with Steam has",
    "years-behind-consumer": "years since the data center had the memory of the largest consumer card",
}


def listed() -> Iterator[tuple[str, str]]:
    """Id and title of every series."""
    yield from hardware_ids()
    yield from _DEMAND.items()
    yield from _OTHERS.items()


@cache
def named_series(id: str) -> Series:
    """The series of that name.

    Raises:
        UnknownName: there is none.
    """
    known = dict(listed())
    if id not in known:
        raise UnknownName("series", id, known)
    if id in _DEMAND:
        return _demand(id, known[id])
    if id in _OTHERS:
        return _other(id, known[id])
    found = hardware_series(id)
    if found is None:
        raise UnknownName("series", id, known)
    return found


def _demand(id: str, title: str) -> Series:
    rows = [row for row in dated_values() if row.series == id]
    points = [
        Point(last_day(row.at, row.label), published(row.value, row.unit, f"{row.source}, seen {row.date}"), row.label)
        for row in rows
    ]
    series = make_series(id, title, rows[0].unit, points, rows[0].source)
    return record_line(series, id, title) if id.endswith("-record") else series


def _other(id: str, title: str) -> Series:
    if id == "ladder-memory":
        return ladder_series()
    frontier, consumer = named_series("datacenter-memory-record"), named_series("consumer-memory-record")
    owned = named_series("owned-memory-median")
    if id == "gap-datacenter-consumer":
        return gap_series(frontier, consumer, id, title)
    if id == "gap-datacenter-owned":
        return gap_series(frontier, owned, id, title)
    if id == "gap-need-owned":
        return need_series(ladder_series(), owned, id, title)
    return behind_series(named_series("datacenter-memory"), consumer, id, title)
