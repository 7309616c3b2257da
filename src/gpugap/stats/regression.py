"""Ordinary least squares for many series at once: coefficients, leverages, standard errors of predictions, AICc.

Formulas: Seber & Lee 2003, Linear Regression Analysis, sections 3.1 to 3.3 and 5.3.1. Solved by QR, not by the normal
equations. Series are rows; they share their places in time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SINGULAR = 1e-10
"""Below this share of the largest, a diagonal element of R says that a column is a combination of others."""
_EXACT = 1e-12
"""Residuals are taken to be at least this share of the values: a perfect fit has an interval, however narrow."""


@dataclass(frozen=True, slots=True)
class LinearFit:
    """Fits of one design to many series.

    Attributes:
        coefficients: one row a series.
        covariance: of the coefficients, for errors of standard deviation 1.
        sigma: estimated standard deviation of the errors, one a series (a column vector).
        df: degrees of freedom, likewise.
        fitted: values of the curve, one row a series.
        residuals: observed less fitted.
        leverage: of every observation.
        used: whether an observation counted.
    """

    coefficients: Array
    covariance: Array
    sigma: Array
    df: Array
    fitted: Array
    residuals: Array
    leverage: Array
    used: NDArray[np.bool_]

    @property
    def modified_residuals(self) -> Array:
        """Residuals of equal variance, centered (Davison & Hinkley 1997, equation 6.9); 0 where not used."""
        shrink = np.sqrt(np.clip(1 - self.leverage, 1e-6, None))
        modified = np.where(self.used, self.residuals / shrink, 0.0)
        count = self.used.sum(axis=1, keepdims=True)
        return np.where(self.used, modified - modified.sum(axis=1, keepdims=True) / count, 0.0)

    def at(self, design: Array) -> tuple[Array, Array]:
        """Value of the curve, and standard error of a new observation, at other places.

        Args:
            design: rows of the new places: (places, columns), or (series, places, columns).
        """
        rows = np.broadcast_to(design, (len(self.coefficients), *design.shape[-2:]))
        location = np.einsum("spk,sk->sp", rows, self.coefficients)
        spread = np.einsum("spk,skl,spl->sp", rows, self.covariance, rows)
        return location, self.sigma * np.sqrt(1 + np.maximum(spread, 0.0))


def least_squares(design: Array, values: Array, used: NDArray[np.bool_] | None = None, spent: int = 0) -> LinearFit:
    """Fits a design to series.

    Args:
        design: (observations, columns), or (series, observations, columns).
        values: (series, observations).
        used: which observations count; all where None.
        spent: parameters estimated beyond the columns.

    Raises:
        ValueError: more parameters than observations, or columns that depend on each other.
    """
    counted = np.ones(values.shape, dtype=bool) if used is None else used
    rows = design if design.ndim == 3 else design[None]
    if used is not None:
        rows = rows * counted[:, :, None]
    df = counted.sum(axis=1, keepdims=True) - rows.shape[-1] - spent
    if df.min() < 1:
        raise ValueError("fewer observations than parameters")
    lengths = _lengths(rows)
    q, r = np.linalg.qr(rows / lengths)
    if not _regular(r):
        raise ValueError("the places in time do not determine the curve")
    inverse = np.linalg.inv(r) / np.swapaxes(lengths, 1, 2)
    weighted = np.where(counted, values, 0.0)
    q_many = np.broadcast_to(q, (len(values), *q.shape[1:]))
    coefficients = np.einsum("skl,sl->sk", np.broadcast_to(inverse, (len(values), *r.shape[1:])), _inner(q, weighted))
    full = design if design.ndim == 3 else design[None]
    fitted = np.einsum("snk,sk->sn", np.broadcast_to(full, (len(values), *full.shape[1:])), coefficients)
    residuals = values - fitted
    square = np.where(counted, residuals, 0.0) ** 2
    least = _EXACT * np.abs(weighted).max(axis=1, keepdims=True) + 1e-300
    sigma = np.maximum(np.sqrt(square.sum(axis=1, keepdims=True) / df), least)
    covariance = np.broadcast_to(inverse @ np.swapaxes(inverse, 1, 2), (len(values), *r.shape[1:]))
    leverage = np.where(counted, (q_many**2).sum(axis=2), 0.0)
    return LinearFit(coefficients, covariance, sigma, df.astype(float), fitted, residuals, leverage, counted)


def determined(design: Array) -> bool:
    """Whether a design's columns are independent, as far as the precision of numbers tells."""
    rows = design[None]
    return len(design) >= design.shape[1] and _regular(np.linalg.qr(rows / _lengths(rows))[1])


def _lengths(rows: Array) -> Array:
    """Lengths of the columns, by which they are scaled, so that the unit of time does not matter."""
    return np.asarray(np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300))


def _regular(r: Array) -> bool:
    diagonal = np.abs(np.diagonal(r, axis1=1, axis2=2))
    return bool((diagonal.min(axis=1) > _SINGULAR * diagonal.max(axis=1)).all())


def _inner(q: Array, values: Array) -> Array:
    """Columns of Q times each series; one matrix product where all series share Q."""
    if len(q) == 1:
        return np.asarray(values @ q[0])
    return np.asarray(np.einsum("snk,sn->sk", q, values))


def powers(x: Array, degree: int) -> Array:
    """Columns 1, x, x², … of a polynomial; the last axis is the power."""
    return np.asarray(x[..., None] ** np.arange(degree + 1))


def aicc(square_sum: Array, count: int, parameters: NDArray[np.int_], log_jacobian: Array | float = 0.0) -> Array:
    """Akaike's criterion corrected for small samples (Burnham & Anderson 2002, sections 2.2 and 2.4); lower is better.

    Args:
        square_sum: of the residuals.
        count: observations.
        parameters: of the curve; the standard deviation counts as one more.
        log_jacobian: sum of the logarithms of the values where the fit stands on logarithms, which makes it comparable
            with fits to raw values.

    Returns:
        Infinity with too few observations for the correction.
    """
    k = parameters + 1
    spare = count - k - 1
    deviance = count * (np.log(2 * np.pi * np.maximum(square_sum, 1e-300) / count) + 1) + 2 * log_jacobian
    found = deviance + 2 * k + 2 * k * (k + 1) / np.maximum(spare, 1)
    return np.asarray(np.where(spare > 0, found, np.inf), dtype=float)


def lag_one(residuals: Array) -> float | None:
    """Correlation of neighboring residuals; None with fewer than 4 or without spread."""
    centered = residuals - residuals.mean()
    total = float((centered**2).sum())
    if len(centered) < 4 or total <= 0:
        return None
    return float((centered[1:] * centered[:-1]).sum() / total)
