"""Predictive distributions of a new observation: quantiles, log score, positivity.

A regression with normal errors predicts a new observation by a shifted and scaled Student's t (Seber & Lee 2003,
Linear Regression Analysis, section 5.3.1). On logarithms that is positive by itself; on raw values of a quantity that
is positive by nature it is conditioned on being so, which moves mass off the impossible side and changes nothing where
there was none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, stdtr, stdtrit

Array = NDArray[np.float64]

_LARGEST_LOG = 600.0
"""Medians and ends beyond e to this power are cut there, so that every number stays finite."""
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Predictive:
    """Student's t for each of some series (rows) at each of some places (columns).

    Attributes:
        location: center, of the values or of their natural logarithms.
        scale: standard error of a prediction, in the same unit.
        df: degrees of freedom, one a series (a column vector).
        log: whether it stands on logarithms.
        positive: whether the quantity cannot be 0 or less.
    """

    location: Array
    scale: Array
    df: Array
    log: bool
    positive: bool

    def quantile(self, share: float) -> Array:
        """The value below which a new observation lies with that probability, in the unit of the values."""
        if self.log:
            raw = self.location + self.scale * stdtrit(self.df, share)
            return np.asarray(np.exp(np.clip(raw, -_LARGEST_LOG, _LARGEST_LOG)))
        if not self.positive:
            return np.asarray(self.location + self.scale * stdtrit(self.df, share))
        above = (1 - share) * self._chance_positive()
        return np.asarray(np.maximum(self.location - self.scale * stdtrit(self.df, above), _TINY))

    def point(self, level: float) -> Array:
        """What is said in one number: the median; of raw values the curve, but not below the interval's lower end.

        Args:
            level: of that interval.
        """
        if self.log or not self.positive:
            return self.quantile(0.5)
        return np.asarray(np.maximum(self.location, self.quantile((1 - level) / 2)))

    def interval(self, level: float) -> tuple[Array, Array]:
        """Both ends of the central interval of that probability."""
        return self.quantile((1 - level) / 2), self.quantile((1 + level) / 2)

    def below(self, values: Array) -> Array:
        """Probability of a new observation below each value."""
        if self.log:
            return np.asarray(stdtr(self.df, (np.log(values) - self.location) / self.scale))
        above = stdtr(self.df, (self.location - values) / self.scale)
        whole = np.maximum(self._chance_positive(), _TINY) if self.positive else 1.0
        return np.asarray(np.clip(1 - above / whole, 0.0, 1.0))

    def stretched(self, factor: Array | float) -> Predictive:
        """The same with a standard error so many times as large."""
        return replace(self, scale=self.scale * factor)

    def stretch_needed(self, values: Array, level: float) -> Array:
        """By what factor the interval of that level would have had to be wider (or narrower) to end at each value."""
        at = np.log(values) if self.log else values
        return np.asarray(np.abs(at - self.location) / (self.scale * stdtrit(self.df, (1 + level) / 2)))

    def log_score(self, values: Array) -> Array:
        """Natural logarithm of the density at what came: higher is better (Gneiting & Raftery 2007, section 4.1).

        Of a positive quantity it is the density of the logarithm, so that models of raw values and of logarithms can be
        compared, and the unit does not matter.
        """
        at = np.log(values) if self.log else values
        score = _log_t((at - self.location) / self.scale, self.df) - np.log(self.scale)
        if self.positive and not self.log:
            score = score + np.log(values) - np.log(np.maximum(self._chance_positive(), _TINY))
        return np.asarray(score)

    def _chance_positive(self) -> Array:
        return np.asarray(stdtr(self.df, self.location / self.scale))


def _log_t(z: Array, df: Array) -> Array:
    """Logarithm of the density of Student's t."""
    head = gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * np.log(df * np.pi)
    return np.asarray(head - (df + 1) / 2 * np.log1p(z**2 / df))
