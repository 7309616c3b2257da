"""Every model of a series, fitted, backtested and ranked; which one projects."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpugap.core.errors import BadSeries, BadValue
from gpugap.stats.averaging import akaike_weights, supported
from gpugap.stats.backtest import HORIZONS, Cell, Scores, cells, gains, score, widening
from gpugap.stats.curves import CURVES, SPARE, Curve, Fitted, can_fit, fit, polynomial, record_setters
from gpugap.trends.dates import day_of
from gpugap.trends.series import Series, check

Array = NDArray[np.float64]

MAX_DEGREE = 3
_RECENT_YEARS = 2.0
"""The yardstick that no model is: the middle value of so many last years."""


@dataclass(frozen=True, slots=True)
class HorizonScore:
    """How a model did so many years ahead.

    Attributes:
        horizon: years.
        origins: from which it was tried.
        factor_error: median over origins of predicted over observed or its inverse, whichever is above 1; None for a
            quantity that is not positive.
        worst: the largest of them.
        coverage: share of observations inside the model's own 90 % intervals; None for the yardstick.
        log_score: mean logarithm of the predicted density at what came; higher is better.
    """

    horizon: int
    origins: int
    factor_error: float | None
    worst: float | None
    coverage: float | None
    log_score: float | None

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``horizons`` in ``gpugap.trends/1``."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted model with its backtest.

    Attributes:
        curve: what it is.
        fitted: to all points used.
        aicc: corrected Akaike criterion; lower is better.
        weight: Akaike weight among all models.
        supported: whether AICc lies within 10 of the best.
        horizons: scores by horizon; empty without a backtest.
        gain: mean log score less that of the simplest model, on equal terms; None without a backtest, or where it could
            not be fitted at half of the origins, or showed its form (a break) at fewer than four.
        widening: factor by which intervals are widened, by horizon.
    """

    curve: Curve
    fitted: Fitted
    aicc: float | None
    weight: float
    supported: bool
    horizons: tuple[HorizonScore, ...]
    gain: float | None
    widening: tuple[float, ...]

    def stretch(self, years_ahead: Array) -> Array:
        """The widening at each distance from the last point; that of the longest horizon beyond it."""
        place = np.clip(np.ceil(years_ahead).astype(int), 1, len(HORIZONS)) - 1
        return np.where(years_ahead <= 0, 1.0, np.array(self.widening)[place])

    @property
    def coverage(self) -> float | None:
        """Share covered over all cells of the backtest."""
        known = [(one.coverage, one.origins) for one in self.horizons if one.coverage is not None]
        return sum(share * count for share, count in known) / sum(count for _, count in known) if known else None

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``models`` in ``gpugap.trends/1``."""
        linear, place = self.fitted.linear, float(self.fitted.place[0])
        bent = math.isfinite(place)
        count = 3 if bent else self.curve.degree + 1
        return {
            "id": self.curve.id,
            "title": self.curve.title,
            "coefficients": linear.coefficients[0, :count].tolist(),
            "x_origin": self.fitted.x_origin,
            "break": {"date": day_of(place).isoformat(), "p_value": float(self.fitted.p_value[0])} if bent else None,
            "aicc": self.aicc,
            "weight": self.weight,
            "supported": self.supported,
            "backtest": None
            if not self.horizons
            else {
                "gain": self.gain,
                "coverage": self.coverage,
                "widening": list(self.widening),
                "horizons": [one.to_dict() for one in self.horizons],
            },
        }


@dataclass(frozen=True, slots=True)
class Ranking:
    """All models of a series.

    Attributes:
        models: best first.
        chosen: the one that projects.
        reason: why that one.
        asked: whether the user named it.
        yardstick: what "as in the last two years" would have scored, which no model is.
        ceiling: models of the record line that no point exceeds; None where there is none, or a model was asked for.
    """

    models: tuple[Model, ...]
    chosen: Model
    reason: str
    asked: bool
    yardstick: tuple[HorizonScore, ...]
    ceiling: Ranking | None = None

    def of(self, id: str) -> Model | None:
        """The model of that name; None where it could not be fitted."""
        return next((model for model in self.models if model.curve.id == id), None)


def rank(series: Series, degree: int | None = None, log: bool = False) -> Ranking:
    """Fits, backtests and ranks every model of a series; nothing but its points is used.

    Args:
        series: up to the day from which is projected.
        degree: of the polynomial that is asked for; the winner of the backtest where None.
        log: that polynomial of logarithms, or only models of logarithms.

    Raises:
        BadSeries: nothing can be fitted.
        BadValue: the degree is none.
    """
    if degree is not None and not 1 <= degree <= MAX_DEGREE:
        raise BadValue(f"degree is {degree}", f"give 1 to {MAX_DEGREE}")
    check(series, log)
    curves = [curve for curve in CURVES if _fits(curve, series)]
    wanted = polynomial(degree, log) if degree is not None else None
    if wanted is not None and wanted not in curves:
        message = f"{series.id} has {len(series.points)} points, too few for {wanted.title}"
        raise BadSeries(message, f"it needs {wanted.parameters + SPARE}, of different dates; use a lower --degree")
    tests = cells(series.x)
    models = _ranked(series, curves, tests)
    chosen = next((one for one in models if one.curve == wanted), None) if wanted else None
    if chosen is not None:
        reason = "asked for"
    else:
        chosen, reason = _winner([one for one in models if one.curve.log or not log])
    ceiling = _ceiling(series) if degree is None else None
    return Ranking(models, chosen, reason, degree is not None, _yardstick(series, tests), ceiling)


def _ceiling(series: Series) -> Ranking | None:
    """Of the record line; None where it has too few points yet."""
    with contextlib.suppress(BadSeries):
        return rank(series.ceiling) if series.ceiling else None
    return None


def _winner(models: Sequence[Model]) -> tuple[Model, str]:
    """The best; without a backtest the simplest of those that the data support."""
    if models[0].horizons and models[0].gain is not None:
        return models[0], "wins the backtest"
    if models[0].horizons:
        return models[0], "alone describes the points; its form showed at too few origins to be tested"
    simple = min((one for one in models if one.supported), key=lambda one: CURVES.index(one.curve), default=models[0])
    return simple, "is the simplest that describes the points; they are too few for a backtest"


def _fits(curve: Curve, series: Series) -> bool:
    if not can_fit(curve, series.x) or (curve.log and not series.positive):
        return False
    setters = record_setters(series.x, series.values[None]) if curve.form == "record" else None
    return setters is None or int(setters.sum()) >= curve.parameters + SPARE


def _ranked(series: Series, curves: Sequence[Curve], tests: Sequence[Cell]) -> tuple[Model, ...]:
    """The models, those first that the data support, then by their backtest, else by AICc."""
    x, values = series.x, series.values[None]
    fits = [fit(curve, x, values, series.positive) for curve in curves]
    criteria = np.array([float(one.aicc(values)[0]) for one in fits])
    if not np.isfinite(criteria).any():
        criteria = np.arange(len(fits), dtype=float)
    own = np.array([bool(one.own[0]) for one in fits])
    weights, held = akaike_weights(np.where(own, criteria, np.inf)), supported(criteria)
    scores = [score(curve, x, values, tests, series.positive) for curve in curves] if tests else []
    gained = gains(scores, tests)[0] if scores else np.full(len(curves), -np.inf)
    models = []
    for place, curve in enumerate(curves):
        mine = scores[place] if scores else None
        aicc = float(criteria[place]) if math.isfinite(criteria[place]) else None
        models.append(
            Model(
                curve,
                fits[place],
                aicc,
                float(weights[place]),
                bool(held[place]),
                _by_horizon(mine, tests, series.positive) if mine else (),
                round(float(gained[place]), 9) if math.isfinite(gained[place]) else None,
                tuple(widening(mine, tests)[0].tolist()) if mine else (1.0,) * len(HORIZONS),
            )
        )
    return tuple(sorted(models, key=_place))


def _place(model: Model) -> tuple[bool, float, float, int]:
    gain = -math.inf if model.gain is None else model.gain
    criterion = math.inf if model.aicc is None else model.aicc
    return not model.supported, -gain, criterion if not model.horizons else 0.0, CURVES.index(model.curve)


def _by_horizon(scores: Scores, tests: Sequence[Cell], positive: bool) -> tuple[HorizonScore, ...]:
    found = []
    for horizon in HORIZONS:
        mine = [place for place, test in enumerate(tests) if test.horizon == horizon]
        mine = [place for place in mine if np.isfinite(scores.log_score[0, place])]
        if not mine:
            continue
        errors = scores.error[0, mine]
        factors = np.exp(np.minimum(errors, 600.0)) if positive else None
        found.append(
            HorizonScore(
                horizon,
                len(mine),
                float(np.median(factors)) if factors is not None else None,
                float(factors.max()) if factors is not None else None,
                float(scores.covered[0, mine].mean()),
                float(scores.log_score[0, mine].mean()),
            )
        )
    return tuple(found)


def _yardstick(series: Series, tests: Sequence[Cell]) -> tuple[HorizonScore, ...]:
    """Factor errors of the median of the last two years before each origin."""
    if not series.positive:
        return ()
    x, logs = series.x, np.log(series.values)
    errors: dict[int, list[float]] = {}
    for test in tests:
        recent = test.known[x[test.known] >= test.origin - _RECENT_YEARS]
        middle = float(np.median(logs[recent if len(recent) else test.known[-1:]]))
        errors.setdefault(test.horizon, []).append(float(np.median(np.abs(logs[test.targets] - middle))))
    return tuple(
        HorizonScore(horizon, len(mine), math.exp(float(np.median(mine))), math.exp(max(mine)), None, None)
        for horizon, mine in sorted(errors.items())
    )
