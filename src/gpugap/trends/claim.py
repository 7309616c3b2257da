"""The claim "through 2025": what polynomials said of 2025 from each earlier year, and what came.

A 2026 study (arXiv:2603.20920) fits GPU memory by polynomial regression and projects through 2025. Its data and degree
are not published with its abstract; what can be asked is how such a regression does: degrees 1 to 3 on raw values, from
what was known at the end of each of some years, against the model that a backtest with the same knowledge picks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from gpugap.core.errors import BadSeries
from gpugap.core.units import amount, significant
from gpugap.stats.curves import polynomial
from gpugap.trends.dates import year_end
from gpugap.trends.models import Ranking, rank
from gpugap.trends.projection import Scored, Wish, estimate_for
from gpugap.trends.series import Point, Series

YEAR = 2025
AS_OF = tuple(range(2019, YEAR))
TOLD = 2022
"""The year whose projection the sentence tells."""
DEGREES = (1, 2, 3)
BACKTESTED = "backtest"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one model said of the year, from the end of an earlier one.

    Attributes:
        as_of: that year.
        model: its id.
        by: ``raw-1`` to ``raw-3``, or ``backtest`` for the model a backtest picked then.
        scored: prediction and what came.
    """

    as_of: int
    model: str
    by: str
    scored: Scored

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``answers`` in ``gpugap.trends/1``."""
        return {"as_of": self.as_of, "by": self.by, "model": self.model, **self.scored.to_dict()}


@dataclass(frozen=True, slots=True)
class Claim:
    """All answers for one series.

    Attributes:
        series: what is projected.
        year: for the end of which.
        came: what came.
        answers: by year of asking, then by model.
    """

    series: Series
    year: int
    came: Point
    answers: tuple[Answer, ...]

    def of(self, by: str) -> list[Answer]:
        """The answers of one kind of model, oldest first."""
        return [one for one in self.answers if one.by == by]

    @property
    def sentence(self) -> str:
        """The answer in a sentence with numbers."""
        told = [one for one in self.answers if one.as_of == TOLD] or list(self.answers[-len(DEGREES) - 1 :])
        raw = [one for one in told if one.by != BACKTESTED]
        best = next(one for one in told if one.by == BACKTESTED)
        unit = self.series.unit
        said = _words([amount(one.scored.predicted.value or 0.0, unit) for one in raw])
        within = best.scored.predicted
        ends = f"{amount(within.low or 0.0, unit)} to {amount(within.high or 0.0, unit)}"
        return (
            f"Projected from the end of {told[0].as_of}, polynomials of degree {_words([one.by[-1] for one in raw])} "
            f"through raw values put {self.series.title}, at {said} for the end of {self.year}, and the model that "
            f"won the backtest then ({best.model}) at {amount(within.value or 0.0, unit)} ({ends}); "
            f"{amount(self.came.value, unit)} came: {_words([_times(one) for one in [*raw, best]])} times as much. "
            f"From the ends of {self.answers[0].as_of} to {self.answers[-1].as_of}, {self._record()}."
        )

    def _record(self) -> str:
        """Median and worst factor error of each kind, and how often its interval held what came."""
        parts = []
        for by in (*(f"raw-{degree}" for degree in DEGREES), BACKTESTED):
            mine = self.of(by)
            errors = [one.scored.factor_error or 1.0 for one in mine]
            name = polynomial(int(by[-1]), log=False).title if by != BACKTESTED else "the backtest's choice"
            held = sum(one.scored.covered for one in mine)
            parts.append(
                f"{name} was off by {significant(median(errors))}× in the median and {significant(max(errors))}× at "
                f"worst, its 90 % interval held in {held} of {len(mine)}"
            )
        return "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """``claim`` in ``gpugap.trends/1``."""
        return {
            "series": self.series.id,
            "year": self.year,
            "came": self.came.to_dict(),
            "sentence": self.sentence,
            "answers": [one.to_dict() for one in self.answers],
        }


def through(series: Series, year: int = YEAR, as_of: Sequence[int] = AS_OF) -> Claim | None:
    """What was projected for the end of a year from the ends of earlier ones, and what came.

    Args:
        series: with a point at the end of each year.
        year: projected for.
        as_of: projected from.

    Returns:
        None where the series has no point for the year, or nothing can be fitted to what was before.
    """
    came = next((point for point in series.points if point.date == year_end(year)), None)
    if came is None:
        return None
    answers: list[Answer] = []
    for past in as_of:
        used = series.until(year_end(past))
        try:
            ranking = rank(used)
        except BadSeries:
            continue
        answers += [_answer(ranking, used, came, by, past) for by in _kinds(ranking)]
    return Claim(series, year, came, tuple(answers)) if answers else None


def _kinds(ranking: Ranking) -> list[str]:
    return [by for by in (f"raw-{degree}" for degree in DEGREES) if ranking.of(by)] + [BACKTESTED]


def _answer(ranking: Ranking, used: Series, came: Point, by: str, past: int) -> Answer:
    model = ranking.of(by)
    told = replace(ranking, chosen=model, asked=True) if model else ranking
    predicted = estimate_for(told, used, came.date, Wish(as_of=year_end(past)))
    return Answer(past, told.chosen.curve.id, by, Scored(came, predicted))


def _times(one: Answer) -> str:
    return significant(one.scored.point.value / (one.scored.predicted.value or 1.0), 2)


def _words(parts: Sequence[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
