"""Curves through dated values: polynomials, a line with one tested break, the line of those that set a record.

All are fitted by least squares, to raw values or to natural logarithms. `fit` takes many series of equal dates at once,
which is what makes backtests, bootstrap and the simulations of their error rates quick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gpugap.stats.breaks import PARAMETERS, find_break
from gpugap.stats.predictive import Predictive
from gpugap.stats.regression import LinearFit, aicc, determined, least_squares, powers

Array = NDArray[np.float64]
Form = Literal["polynomial", "break", "record"]

SPARE = 2
"""Observations a fit needs beyond its parameters."""


@dataclass(frozen=True, slots=True)
class Curve:
    """What is fitted.

    Attributes:
        id: its name, such as ``log-1``.
        title: in words.
        degree: of the polynomial; 1 for the other forms.
        log: whether natural logarithms are fitted.
        form: ``break`` is a line whose slope changes once, or not at all where the test finds no change; ``record`` is
            a line through the values above all earlier ones.
    """

    id: str
    title: str
    degree: int
    log: bool
    form: Form = "polynomial"

    @property
    def parameters(self) -> int:
        """Of the curve, the standard deviation of the errors not counted."""
        return PARAMETERS if self.form == "break" else self.degree + 1


def polynomial(degree: int, log: bool) -> Curve:
    """A polynomial of raw values or of logarithms."""
    names = {1: "linear", 2: "quadratic", 3: "cubic"}
    name = names.get(degree, f"degree {degree}")
    return Curve(f"{'log' if log else 'raw'}-{degree}", f"{'log-' if log else 'raw '}{name}", degree, log)


CURVES: tuple[Curve, ...] = (
    polynomial(1, log=True),
    polynomial(1, log=False),
    polynomial(2, log=True),
    polynomial(2, log=False),
    polynomial(3, log=True),
    polynomial(3, log=False),
    Curve("break", "log-linear with one tested break", 1, log=True, form="break"),
    Curve("record", "log-linear through record setters", 1, log=True, form="record"),
)
"""Simple ones first: of two that do equally well the first is taken."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A curve fitted to series.

    Attributes:
        curve: what was fitted.
        x_origin: what is subtracted from times before powers are taken.
        x: times of the observations.
        linear: the least-squares fit.
        positive: whether the quantity cannot be 0 or less.
        place: of the break in each series; NaN where there is none.
        p_value: of no break; NaN for other forms.
    """

    curve: Curve
    x_origin: float
    x: Array
    linear: LinearFit
    positive: bool
    place: Array
    p_value: Array

    def predict(self, x: Array) -> Predictive:
        """The predictive distribution of a new observation at each time, one row a series."""
        location, scale = self.linear.at(self._rows(x))
        return Predictive(location, scale, self.linear.df, self.curve.log, self.positive)

    def center(self, x: Array) -> Array:
        """The curve itself, which of raw values can be 0 or less; one row a series."""
        location, _ = self.linear.at(self._rows(x))
        return np.exp(location) if self.curve.log else location

    @property
    def own(self) -> NDArray[np.bool_]:
        """Whether it is a model of its own for each series: a line without break, or all of records, is just a line."""
        if self.curve.form == "record":
            return np.asarray(~self.linear.used.all(axis=1))
        return np.isfinite(self.place) if self.curve.form == "break" else np.ones(len(self.place), dtype=bool)

    def aicc(self, values: Array) -> Array:
        """Corrected Akaike criterion of each series; record setters are held against all values, as the others are."""
        jacobian = np.log(values).sum(axis=1) if self.curve.log else 0.0
        parameters = np.where(np.isfinite(self.place), PARAMETERS, self.curve.degree + 1)
        return aicc((self.linear.residuals**2).sum(axis=1), len(self.x), parameters, jacobian)

    def _rows(self, x: Array) -> Array:
        plain = powers(x - self.x_origin, self.curve.degree)
        return plain if self.curve.form != "break" else _bent(plain, x, self.place, self.linear.coefficients[:, 2])


def can_fit(curve: Curve, x: Array) -> bool:
    """Whether there are enough observations at different times."""
    if len(x) < curve.parameters + SPARE or len(np.unique(x)) <= curve.degree + 1:
        return False
    return determined(powers(x - x.mean(), curve.degree))


def fit(curve: Curve, x: Array, values: Array, positive: bool) -> Fitted:
    """Fits a curve to each series.

    Args:
        curve: what is fitted.
        x: decimal years of the observations.
        values: (series, observations); above 0 where the curve stands on logarithms.
        positive: whether the quantity cannot be 0 or less.

    Raises:
        ValueError: too few observations, or of too few dates.
    """
    observed = np.log(values) if curve.log else values
    origin = float(x.mean())
    none = np.full(len(values), np.nan)
    plain = powers(x - origin, curve.degree)
    if curve.form == "break":
        linear, place, p_value = _with_break(x, observed, plain)
        return Fitted(curve, origin, x, linear, positive, place, p_value)
    used = record_setters(x, values) if curve.form == "record" else None
    return Fitted(curve, origin, x, least_squares(plain, observed, used), positive, none, none)


def record_setters(x: Array, values: Array) -> NDArray[np.bool_]:
    """Which values lie above all earlier ones; the first one does."""
    order = np.argsort(x, kind="stable")
    sorted_values = values[:, order]
    before = np.maximum.accumulate(sorted_values, axis=1)
    found = np.ones(values.shape, dtype=bool)
    found[:, 1:] = sorted_values[:, 1:] > before[:, :-1]
    marks = np.empty_like(found)
    marks[:, order] = found
    return marks


def residual_bootstrap(
    fitted: Fitted, x: Array, level: float, draws: int = 1000, seed: int = 0
) -> tuple[Sequence[float], Sequence[float]]:
    """Ends of prediction intervals of the first series by resampling residuals, the break looked for anew each time.

    The error of a prediction is studentized by each draw's own standard error (Davison & Hinkley 1997, algorithm 6.4
    with section 5.2.1). A positive quantity's draws below 0 are left out.

    Args:
        fitted: one series.
        x: times of the new observations.
        level: of the interval.
        draws: replicates.
        seed: of the draws.
    """
    used = fitted.linear.used[0]
    line, errors = fitted.linear.fitted[0, used], fitted.linear.modified_residuals[0, used]
    random = np.random.default_rng([seed, len(line)])
    values = line + random.choice(errors, (draws, len(line)))
    curve = polynomial(1, log=fitted.curve.log) if fitted.curve.form == "record" else fitted.curve
    again = fit(curve, fitted.x[used], np.exp(values) if curve.log else values, fitted.positive).predict(x)
    own = fitted.predict(x)
    z = (own.location + random.choice(errors, again.location.shape) - again.location) / again.scale
    drawn = own.location + own.scale * z
    if own.log:
        drawn = np.exp(np.clip(drawn, -600, 600))
    elif own.positive:
        drawn = np.where(drawn > 0, drawn, np.nan)
        drawn[:, np.isnan(drawn).all(axis=0)] = 1e-300
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low.tolist(), high.tolist()


def _with_break(x: Array, observed: Array, plain: Array) -> tuple[LinearFit, Array, Array]:
    """The line, or where the test finds one the line with a break; both with four coefficients, the rest 0.

    The covariance is that of a nonlinear fit in which the place is a parameter too: its column is the derivative of the
    curve by the place (Seber & Wild 1989, section 2.1; Muggeo 2003 for breaks).
    """
    line = least_squares(plain, observed)
    found = find_break(x, observed)
    place = np.where(found.found, found.place, np.nan)
    fields = {
        name: np.array(getattr(line, name)) for name in ("sigma", "df", "fitted", "residuals", "leverage", "used")
    }
    fields["coefficients"] = np.pad(line.coefficients, ((0, 0), (0, 2)))
    fields["covariance"] = np.pad(line.covariance, ((0, 0), (0, 2), (0, 2)))
    if found.found.any():
        which = found.found
        bend = _bent(plain, x, place[which], np.ones(which.sum()))[:, :, :3]
        bent = least_squares(bend, observed[which], spent=1)
        slopes = _bent(plain, x, place[which], bent.coefficients[:, 2])
        tangent = least_squares(slopes, observed[which])
        for name in ("sigma", "df", "fitted", "residuals"):
            fields[name][which] = getattr(bent, name)
        fields["leverage"][which], fields["covariance"][which] = tangent.leverage, tangent.covariance
        fields["coefficients"][which] = np.pad(bent.coefficients, ((0, 0), (0, 1)))
    return LinearFit(**fields), place, found.p_value


def _bent(plain: Array, x: Array, place: Array, slope: Array) -> Array:
    """Columns of a line, of its change of slope, and of the derivative by the place; 0 where there is no break."""
    after = np.nan_to_num(np.maximum(x - place[:, None], 0.0))
    moved = -slope[:, None] * (x > place[:, None])
    line = np.broadcast_to(plain, (len(place), *plain.shape))
    return np.concatenate([line, after[:, :, None], moved[:, :, None]], axis=2)
