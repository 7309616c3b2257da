"""Least squares against closed formulas, NumPy and (where it is installed) statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import stdtrit

from gpugap.stats.curves import CURVES, Curve, can_fit, fit, polynomial, record_setters
from gpugap.stats.predictive import Predictive
from gpugap.stats.regression import lag_one, least_squares, powers

RANDOM = np.random.default_rng(20261124)
X = np.sort(RANDOM.uniform(2010, 2025, 24))
Y = np.exp(0.3 * (X - 2010) + 0.2 * RANDOM.standard_normal((3, 24)))
NEW = np.array([2026.0, 2028.5])


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_coefficients_are_numpys(degree):
    fitted = fit(polynomial(degree, log=True), X, Y, positive=True)
    expected = np.polynomial.polynomial.polyfit(X - fitted.x_origin, np.log(Y).T, degree).T
    assert np.allclose(fitted.linear.coefficients, expected, rtol=1e-8)


def test_a_line_by_the_textbook():
    """Interval of a new observation on a line, by the formula of the textbooks with sums written out."""
    y = Y[0]
    predicted = fit(polynomial(1, log=False), X, Y[:1], positive=False).predict(NEW)
    center, square = X.mean(), ((X - X.mean()) ** 2).sum()
    slope = ((X - center) * y).sum() / square
    line = y.mean() + slope * (X - center)
    sigma = np.sqrt(((y - line) ** 2).sum() / (len(X) - 2))
    half = stdtrit(len(X) - 2, 0.95) * sigma * np.sqrt(1 + 1 / len(X) + (NEW - center) ** 2 / square)
    low, high = predicted.interval(0.9)
    assert np.allclose(low[0], y.mean() + slope * (NEW - center) - half)
    assert np.allclose(high[0], y.mean() + slope * (NEW - center) + half)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_fits_equal_statsmodels(degree, log):
    """Coefficients, standard errors, prediction intervals, AIC: to 1e-8 of their size."""
    api = pytest.importorskip("statsmodels.api")
    fitted = fit(polynomial(degree, log), X, Y[:1], positive=True)
    observed = np.log(Y[0]) if log else Y[0]
    theirs = api.OLS(observed, powers(X - fitted.x_origin, degree)).fit()
    linear = fitted.linear
    assert np.allclose(linear.coefficients[0], theirs.params, rtol=1e-8)
    assert np.allclose(linear.sigma[0, 0] * np.sqrt(np.diag(linear.covariance[0])), theirs.bse, rtol=1e-8)
    frame = theirs.get_prediction(powers(NEW - fitted.x_origin, degree)).conf_int(obs=True, alpha=0.1)
    predicted = fitted.predict(NEW)
    half = stdtrit(predicted.df, 0.95) * predicted.scale
    assert np.allclose(np.stack([predicted.location - half, predicted.location + half], axis=2)[0], frame, rtol=1e-8)
    k = degree + 2
    jacobian = 2 * np.log(Y[0]).sum() if log else 0.0
    correction = 2 + 2 * k * (k + 1) / (len(X) - k - 1)  # statsmodels does not count the standard deviation
    assert fitted.aicc(Y[:1])[0] == pytest.approx(theirs.aic + correction + jacobian, rel=1e-8)


def test_many_series_are_fitted_as_each_alone():
    for curve in CURVES:
        together = fit(curve, X, Y, positive=True).predict(NEW)
        for row in range(len(Y)):
            alone = fit(curve, X, Y[row : row + 1], positive=True).predict(NEW)
            assert np.allclose(together.location[row], alone.location[0])
            assert np.allclose(together.scale[row], alone.scale[0])


def test_left_out_observations_do_not_count():
    used = np.zeros(Y.shape, dtype=bool)
    used[:, ::2] = True
    some = least_squares(powers(X - 2017, 1), np.log(Y), used)
    alone = least_squares(powers(X[::2] - 2017, 1), np.log(Y[:, ::2]))
    assert np.allclose(some.coefficients, alone.coefficients)
    assert np.allclose(some.sigma, alone.sigma)
    assert (some.df == 10).all()
    assert (some.modified_residuals[~used] == 0).all()


def test_too_little_to_fit():
    with pytest.raises(ValueError, match="fewer observations"):
        least_squares(powers(np.arange(3.0), 2), np.ones((1, 3)))
    with pytest.raises(ValueError, match="do not determine"):
        least_squares(powers(np.array([1.0, 1, 2, 2, 1]), 2), np.ones((1, 5)))
    assert not can_fit(polynomial(3, log=True), np.arange(5.0))
    assert not can_fit(polynomial(1, log=True), np.zeros(9))


def test_record_setters():
    values = np.array([[3.0, 1, 4, 1, 5, 5, 9, 2]])
    assert record_setters(np.arange(8.0), values).tolist() == [[True, False, True, False, True, False, True, False]]
    backwards = record_setters(np.arange(8.0)[::-1], values)
    assert backwards.tolist() == [[False, False, False, False, False, False, True, True]]


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.id)
def test_positive_quantities_are_predicted_positive(curve: Curve):
    """A hump that a cubic follows far below zero: medians and both ends stay above it, and in order."""
    x = np.arange(2000.0, 2016.0)
    y = np.array([[1, 2, 4, 7, 9, 8, 9, 7, 6, 10, 11, 7, 5, 3, 2, 1.0]])
    predicted = fit(curve, x, y, positive=True).predict(np.array([2017.0, 2025.0, 2060.0]))
    low, high = predicted.interval(0.9)
    middle = predicted.quantile(0.5)
    assert (low > 0).all()
    assert np.isfinite(high).all()
    assert (low <= middle).all()
    assert (middle <= high).all()


def test_a_conditioned_distribution_is_one():
    """Quantiles invert the distribution function, and the density of the logarithm integrates to 1."""
    one = Predictive(np.array([[0.5]]), np.array([[1.0]]), np.array([[7.0]]), log=False, positive=True)
    for share in (0.01, 0.05, 0.5, 0.95, 0.999):
        assert one.below(one.quantile(share))[0, 0] == pytest.approx(share, abs=1e-9)
    logs = np.linspace(-25, 9, 20001)
    density = np.exp(one.log_score(np.exp(logs)[None]))[0]
    assert np.trapezoid(density, logs) == pytest.approx(1, abs=1e-3)


def test_log_scores_do_not_depend_on_the_unit():
    """Raw and log models are compared on one scale, whatever the unit."""
    for curve in (polynomial(2, log=True), polynomial(2, log=False)):
        one = fit(curve, X, Y, positive=True).predict(NEW).log_score(np.full((3, 2), 90.0))
        other = fit(curve, X, 1e9 * Y, positive=True).predict(NEW).log_score(np.full((3, 2), 90e9))
        assert np.allclose(one, other)


def test_a_perfect_line_has_an_interval():
    predicted = fit(polynomial(1, log=True), X, np.exp(0.1 * (X - 2010))[None], positive=True).predict(NEW)
    low, high = predicted.interval(0.9)
    assert (low <= predicted.quantile(0.5)).all()
    assert (high / low < 1 + 1e-6).all()


def test_lag_one():
    assert lag_one(np.array([1.0, -1, 1, -1, 1, -1])) < -0.7
    assert lag_one(np.array([-2.0, -1, 0, 1, 2, 3])) > 0.4
    assert lag_one(np.array([1.0, 2])) is None
    assert lag_one(np.zeros(9)) is None
