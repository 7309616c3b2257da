"""What is shown where no series is named: the memory lines, the gap as a series, when networks fit, the claim."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from gpugap.catalog.demand import ladder
from gpugap.core.units import amount
from gpugap.trends.claim import Claim, through
from gpugap.trends.gap import Behind, Fits, behind, fits
from gpugap.trends.listing import DEFAULT, named_series
from gpugap.trends.projection import Trend, Wish, project

FRONTIER, CONSUMER, OWNED = DEFAULT[:3]
CLASSES = {
    FRONTIER: "largest data-center accelerator",
    CONSUMER: "largest consumer card",
    OWNED: "median computer with Steam",
}
"""Lines that stand for a class of card, in words."""
GAPS = ("gap-datacenter-consumer", "gap-datacenter-owned", "gap-need-owned", "years-behind-consumer")


@dataclass(frozen=True, slots=True)
class Overview:
    """Trends of several series, and what they say together.

    Attributes:
        trends: of the default series.
        gaps: of the gap series.
        fits: when each network of the ladder fits each class of card.
        behind: the owner of a 24 GB card; None where the frontier has no such memory yet.
        claim: the answer to "through 2025"; None where what is used ends before.
    """

    trends: tuple[Trend, ...]
    gaps: tuple[Trend, ...]
    fits: tuple[Fits, ...]
    behind: Behind | None
    claim: Claim | None

    @property
    def sentences(self) -> list[str]:
        """What there is to know, a sentence each."""
        found = [sentence(trend) for trend in (*self.trends, *self.gaps)]
        found += [behind_sentence(self.behind)] if self.behind else []
        return found + ([self.claim.sentence] if self.claim else [])

    def to_dict(self) -> dict[str, Any]:
        """The ``result`` of ``gpugap.trends/1`` without a series."""
        return {
            "trends": [trend.to_dict() for trend in self.trends],
            "gaps": [trend.to_dict() for trend in self.gaps],
            "fits": [one.to_dict() for one in self.fits],
            "behind": self.behind.to_dict() if self.behind else None,
            "claim": self.claim.to_dict() if self.claim else None,
            "sentences": self.sentences,
        }


def overview(wish: Wish, today: date | None = None) -> Overview:
    """The default series with the same wish.

    Raises:
        BadSeries: nothing can be fitted to one of them.
        BadValue: as `project`.
    """
    trends = {id: project(named_series(id), wish, today) for id in DEFAULT}
    gaps = tuple(project(named_series(id), wish, today) for id in GAPS)
    seen = {
        line: named_series(line.removesuffix("-record")) if line.endswith("-record") else named_series(line)
        for line in CLASSES
    }
    if wish.as_of:
        seen = {line: series.until(wish.as_of) for line, series in seen.items()}
    fitting = tuple(fits(rung, trends[line], seen[line]) for rung in ladder() for line in CLASSES)
    record = trends[FRONTIER]
    owner = behind(seen[FRONTIER], record, wish.as_of or record.used.points[-1].date)
    claim = through(named_series(FRONTIER)) if wish.as_of is None else None
    return Overview(tuple(trends.values()), gaps, fitting, owner, claim)


def sentence(trend: Trend) -> str:
    """What a trend says, in one sentence; with a look back from the past, how that did."""
    last, end = trend.used.points[-1], trend.projection[-1]
    unit = trend.series.unit
    why = "as asked" if trend.ranking.asked else f"which {trend.ranking.reason}"
    text = (
        f"{trend.series.title[:1].upper()}{trend.series.title[1:]}: {amount(last.value, unit)} on {last.date}, "
        f"{_told(end.estimate.value, unit)} ({_told(end.estimate.low, unit)} to {_told(end.estimate.high, unit)}) on "
        f"{end.date} by {trend.chosen.curve.title}, {why}"
    )
    grows = trend.growth_per_year
    if grows is not None and grows.value is not None:
        text += f"; it grew {grows.value:.2f}× a year ({grows.low or 0.0:.2f} to {grows.high or 0.0:.2f}, log-linear)"
    if end.cubic is not None:
        text += f"; a raw cubic would have said {_told(end.cubic.value, unit)}"
    if trend.scored:
        held = sum(one.covered for one in trend.scored)
        text += f"; of {len(trend.scored)} later points the interval held {held}"
    return f"{text}."


def behind_sentence(one: Behind) -> str:
    """How far the owner of a card is behind."""
    by_curve = one.by_curve
    fitted = ""
    if by_curve.value is not None and by_curve.low is not None and by_curve.high is not None:
        fitted = f"; by the fitted line {by_curve.value:.1f} ({by_curve.low:.1f} to {by_curve.high:.1f})"
    return (
        f"The owner of a {amount(one.memory.value or 0.0, 'B')} card is {one.years.value or 0.0:.1f} years behind "
        f"the frontier on {one.on}: {one.frontier.label} had as much on {one.frontier.date}{fitted}."
    )


def _told(value: float | None, unit: str) -> str:
    return "unknown" if value is None else amount(value, unit)
