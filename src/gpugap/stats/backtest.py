"""Rolling-origin backtest: what a curve fitted to the past said of what came, year by year.

At each origin (a turn of the year) curves are fitted to everything before it and held against the observations of the
next five years (Tashman 2000, Int. J. Forecasting 16, 437). A cell is an origin and a horizon: all observations more
than h - 1 and at most h years after the origin. Cells weigh the same, however many observations they hold.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpugap.stats.curves import SPARE, Curve, can_fit, fit, record_setters
from gpugap.stats.predictive import Predictive

Array = NDArray[np.float64]

HORIZONS = (1, 2, 3, 4, 5)
LEVEL = 0.90
"""Of prediction intervals."""
MIN_POINTS, MIN_SPAN_YEARS = 8, 4.0
"""An origin needs so many observations before it, over so many years."""
MIN_ORIGINS = 4
"""Fewer origins are no backtest: a winner of two rounds is luck."""
_TIE = 1e-9


@dataclass(frozen=True, slots=True)
class Cell:
    """An origin and a horizon.

    Attributes:
        origin: decimal year; everything before it is known.
        horizon: years after it.
        known: places of the observations before the origin.
        targets: places of the observations that are predicted.
    """

    origin: float
    horizon: int
    known: NDArray[np.intp]
    targets: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Scores:
    """How one curve did in every cell, one row a series; NaN where it could not be fitted.

    Attributes:
        log_score: mean over the cell's observations; higher is better.
        error: median of the absolute error: of the natural logarithm for a positive quantity, raw otherwise.
        covered: share of observations inside their prediction interval.
        stretch: factor by which the intervals would have had to be wider to cover their share of the cell.
        own: whether it was a curve of its own there: a line with a break, not one in which none was found.
    """

    log_score: Array
    error: Array
    covered: Array
    stretch: Array
    own: NDArray[np.bool_]


def cells(x: Array, horizons: Sequence[int] = HORIZONS) -> list[Cell]:
    """All cells that hold an observation, oldest origin first; none with fewer than `MIN_ORIGINS` origins.

    Args:
        x: decimal years of the observations.
        horizons: years ahead.
    """
    found = []
    for origin in np.arange(np.ceil(x.min()), np.floor(x.max()) + 1):
        known = np.flatnonzero(x < origin)
        if len(known) < MIN_POINTS or np.ptp(x[known]) < MIN_SPAN_YEARS:
            continue
        for horizon in horizons:
            targets = np.flatnonzero((x >= origin + horizon - 1) & (x < origin + horizon))
            if len(targets):
                found.append(Cell(float(origin), horizon, known, targets))
    return found if len({cell.origin for cell in found}) >= MIN_ORIGINS else []


def score(curve: Curve, x: Array, values: Array, tests: Sequence[Cell], positive: bool) -> Scores:
    """Scores of a curve in every cell.

    Args:
        curve: fitted at every origin.
        x: decimal years.
        values: (series, observations).
        tests: as `cells` lists them.
        positive: whether the quantity cannot be 0 or less.
    """
    shape = (len(values), len(tests))
    unknown = [np.full(shape, np.nan) for _ in range(4)]
    found = Scores(unknown[0], unknown[1], unknown[2], unknown[3], np.zeros(shape, dtype=bool))
    for origin in dict.fromkeys(test.origin for test in tests):
        mine = [place for place, test in enumerate(tests) if test.origin == origin]
        known = tests[mine[0]].known
        rows = _fit_rows(curve, x[known], values[:, known])
        if not len(rows):
            continue
        fitted = fit(curve, x[known], values[np.ix_(rows, known)], positive)
        for place in mine:
            targets = tests[place].targets
            came = values[np.ix_(rows, targets)]
            _fill(found, (rows, place), fitted.predict(x[targets]), came)
            found.own[rows, place] = fitted.own
    return found


def _fit_rows(curve: Curve, x: Array, values: Array) -> NDArray[np.intp]:
    """The series to which the curve can be fitted."""
    if not can_fit(curve, x):
        return np.empty(0, dtype=np.intp)
    if curve.form != "record":
        return np.arange(len(values))
    return np.flatnonzero(record_setters(x, values).sum(axis=1) >= curve.parameters + SPARE)


def _fill(found: Scores, where: tuple[NDArray[np.intp], int], predicted: Predictive, came: Array) -> None:
    low, high = predicted.interval(LEVEL)
    middle = predicted.point(LEVEL)
    error = np.log(middle) - np.log(came) if predicted.positive else middle - came
    found.log_score[where] = predicted.log_score(came).mean(axis=1)
    found.error[where] = np.median(np.abs(error), axis=1)
    found.covered[where] = ((low <= came) & (came <= high)).mean(axis=1)
    found.stretch[where] = np.quantile(predicted.stretch_needed(came, LEVEL), LEVEL, axis=1)


def gains(scores: Sequence[Scores], tests: Sequence[Cell]) -> Array:
    """Mean log score of each curve less that of the first, over the cells both could be fitted in.

    Args:
        scores: one a curve; the first is the reference.
        tests: the cells.

    Returns:
        (series, curves); minus infinity for a curve that missed more than half of the cells, or that was one of its own
        at fewer than `MIN_ORIGINS` origins: a break that only the last points show was never put to the test.
    """
    stacked = np.stack([one.log_score - scores[0].log_score for one in scores], axis=2)
    counted = np.isfinite(stacked).sum(axis=1)
    tried = np.stack([_tried(one, tests) for one in scores], axis=1)
    mean = _quiet_mean(stacked)
    return np.asarray(np.where((2 * counted >= stacked.shape[1]) & tried, mean, -np.inf))


def _tried(scores: Scores, tests: Sequence[Cell]) -> NDArray[np.bool_]:
    """Whether a curve was one of its own at enough of the origins at which it was fitted."""
    origins = [test.origin for test in tests]
    first = [origins.index(origin) for origin in dict.fromkeys(origins)]
    fitted = np.isfinite(scores.log_score[:, first]).sum(axis=1)
    return np.asarray(scores.own[:, first].sum(axis=1) >= np.minimum(fitted, MIN_ORIGINS))


def winners(gained: Array) -> NDArray[np.intp]:
    """Index of the curve with the largest gain in each series; of equals the first."""
    best = gained.max(axis=1, keepdims=True)
    return np.asarray((gained >= best - _TIE).argmax(axis=1))


def widening(scores: Scores, tests: Sequence[Cell]) -> Array:
    """Factor by which intervals must be widened to have covered their share of the backtest; 1 at least.

    That of a horizon comes from the cells of that horizon and of the two before it, and is never smaller than that of a
    shorter one: split conformal prediction with the standard error as the measure of difficulty (Lei et al. 2018, J.
    Am. Stat. Assoc. 113, section 5.2), as far as so few cells allow it.

    Returns:
        (series, horizons), in the order of `HORIZONS`.
    """
    horizon = np.array([test.horizon for test in tests])
    found = np.ones((len(scores.stretch), len(HORIZONS)))
    for place, ahead in enumerate(HORIZONS):
        near = scores.stretch[:, (horizon <= ahead) & (horizon >= ahead - 2)]
        tried = np.isfinite(near)
        for columns in np.unique(tried, axis=0):  # series tried in the same cells, together
            rows = (tried == columns).all(axis=1)
            if columns.any():
                found[rows, place] = np.maximum(1.0, np.quantile(near[np.ix_(rows, columns)], LEVEL, axis=1))
    return np.maximum.accumulate(found, axis=1)


def _quiet_mean(stacked: Array) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a curve that was never fitted has no mean
        return np.asarray(np.nanmean(stacked, axis=1))
