"""Free notebooks: a run cut into sessions that their limits allow, day by day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gpugap.catalog import FreeTier

DAY_S = 86400.0
UNTOLD_SESSION_H = 6.0
"""Where a service tells no session limit."""
UNTOLD_DAY_H = (2.0, 4.0, 12.0)
"""Hours a day that a service without a published quota lets one compute: low, likely, high; users' reports."""
WEEK_DAYS, MONTH_DAYS = 7, 31
"""After so many days, counted from the run's begin, a quota is there again; of months the longest."""
MOST_DAYS = 3650


@dataclass(frozen=True, slots=True)
class Session:
    """One sitting.

    Attributes:
        day: 0 is the first.
        busy_s: until the session is left or the quota is used up, start included.
        work_s: that bring the run forward.
    """

    day: int
    busy_s: float
    work_s: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"day": self.day, "busy_s": self.busy_s, "work_s": self.work_s}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a service allows, in seconds.

    Attributes:
        session_s: after so long a session ends.
        day_s: of a day.
        week_s: of seven days that begin with the run; None without such a quota.
        month_s: of a month that begins with the run; likewise.
    """

    session_s: float
    day_s: float
    week_s: float | None
    month_s: float | None = None


def limits_of(tier: FreeTier, end: int = 1) -> Limits:
    """The limits of a service; where it publishes no quota, what users report.

    Args:
        tier: of the catalog.
        end: 0 for the low, 1 for the likely, 2 for the high end of what is not published.
    """
    session = 3600 * (tier.session_h or UNTOLD_SESSION_H)
    week, month = (None if hours is None else 3600 * hours for hours in (tier.gpu_h_per_week, tier.gpu_h_per_month))
    told = any(quota is not None for quota in (tier.gpu_h_per_day, week, month))
    day = 3600 * tier.gpu_h_per_day if tier.gpu_h_per_day else DAY_S if told else 3600 * UNTOLD_DAY_H[end]
    return Limits(session, min(day, DAY_S), week, month)


def sessions(work_s: float, limits: Limits, start_s: float, save_s: float) -> list[Session] | None:
    """The run cut into sessions, each with a start at its begin and a checkpoint at its end.

    Args:
        work_s: of the run.
        limits: of the service.
        start_s: until a session's first step.
        save_s: of its checkpoint.

    Returns:
        The sessions in order; None where none brings the run forward, or it takes more than ten years.
    """
    found: list[Session] = []
    left = work_s
    quotas = [(days, quota) for days, quota in ((WEEK_DAYS, limits.week_s), (MONTH_DAYS, limits.month_s)) if quota]
    remaining: dict[int, float] = {}
    for day in range(MOST_DAYS):
        remaining |= {days: quota for days, quota in quotas if day % days == 0}
        for busy in _sittings(limits, min(remaining.values(), default=limits.day_s)):
            work = min(left, busy - start_s - save_s)
            if work <= 0:
                continue
            used = work + start_s + save_s
            found.append(Session(day, used, work))
            left -= work
            remaining = {days: quota - used for days, quota in remaining.items()}
            if left <= 1e-6:
                return found
        if day == WEEK_DAYS and not found:
            return None
    return None


def _sittings(limits: Limits, quota_left: float) -> Iterator[float]:
    """The longest sittings that a day still holds."""
    day_left = min(limits.day_s, quota_left)
    while day_left > 1.0:
        sitting = min(day_left, limits.session_s)
        yield sitting
        day_left -= sitting


def elapsed_s(found: list[Session]) -> float:
    """From the first session's begin to the last one's end, sessions of one day one after the other."""
    last = found[-1].day
    return last * DAY_S + sum(one.busy_s for one in found if one.day == last)
