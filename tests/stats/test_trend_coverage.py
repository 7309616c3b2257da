"""What the intervals of projections promise, on made series with known truth.

Error budget: seed fixed, errors normal on logarithms (standard deviation 0.3), half-yearly over 16 years; coverage is
that of new observations 1, 3 and 5 years ahead. Single models: 4,000 series a truth, so that a share of 90 % has a
standard error of 0.5 percentage points and the limits of 87 and 93 % lie six of them away. After selection: 1,000
series a truth, standard error 1.0, a one-sided limit of 85 %.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest

from gpugap.stats.averaging import akaike_weights, mixture_quantile, supported
from gpugap.stats.backtest import cells, gains, score, widening, winners
from gpugap.stats.breaks import find_break
from gpugap.stats.curves import CURVES, fit, polynomial, residual_bootstrap

SEED, SERIES, MANY, SD = 20261124, 1000, 4000, 0.3
X = np.arange(2000, 2016, 0.5) + 0.2
NEW = X[-1] + np.array([1.0, 3.0, 5.0])
BREAK = 2008.0
TRUTHS = {
    "log-1": lambda x: 1 + 0.3 * (x - 2000),
    "log-2": lambda x: 1 + 0.3 * (x - 2000) - 0.01 * (x - 2000) ** 2,
    "log-3": lambda x: 1 + 0.1 * (x - 2008) + 0.004 * (x - 2008) ** 3,
    "break": lambda x: 1 + 0.5 * (x - 2000) - 0.4 * np.maximum(x - BREAK, 0),
}
CURVE = {curve.id: curve for curve in CURVES}


@functools.cache
def made(truth: str, count: int = SERIES) -> tuple[np.ndarray, np.ndarray]:
    """Observations, and what came after them."""
    random = np.random.default_rng([SEED, list(TRUTHS).index(truth)])
    mean = TRUTHS[truth]
    past = mean(X) + SD * random.standard_normal((count, len(X)))
    return np.exp(past), np.exp(mean(NEW) + SD * random.standard_normal((count, len(NEW))))


def covered(low, high, came):
    return ((low <= came) & (came <= high)).mean(axis=0)


@pytest.mark.parametrize("truth", TRUTHS)
def test_well_specified_models_cover_what_they_say(truth):
    past, came = made(truth, MANY)
    share = covered(*fit(CURVE[truth], X, past, positive=True).predict(NEW).interval(0.9), came)
    assert share.min() >= 0.87
    assert share.max() <= 0.93


def test_raw_polynomials_cover_where_errors_are_raw():
    random = np.random.default_rng([SEED, 9])
    mean = 20 + 2 * (X - 2000)
    past = mean + 2 * random.standard_normal((MANY, len(X)))
    came = 20 + 2 * (NEW - 2000) + 2 * random.standard_normal((MANY, len(NEW)))
    for degree in (1, 2, 3):
        share = covered(*fit(polynomial(degree, log=False), X, past, positive=True).predict(NEW).interval(0.9), came)
        assert share.min() >= 0.87
        assert share.max() <= 0.93


def test_the_bootstrap_covers_too():
    """1,000 series of 200 draws each."""
    past, came = made("log-1")
    held = np.zeros(len(NEW))
    for series, new in zip(past, came, strict=True):
        low, high = residual_bootstrap(fit(CURVE["log-1"], X, series[None], positive=True), NEW, 0.9, draws=200)
        held += (low <= new) & (new <= high)
    assert held.min() / SERIES >= 0.87
    assert held.max() / SERIES <= 0.93


@pytest.mark.parametrize("truth", TRUTHS)
def test_after_selection_intervals_still_cover(truth):
    """The whole procedure: backtest of eight models, winner among the supported, the wider of two intervals."""
    past, came = made(truth)
    tests = cells(X)
    fits, scores, criteria = [], [], []
    for curve in CURVES[:7]:  # record setters are too few in some series
        fits.append(fit(curve, X, past, positive=True))
        scores.append(score(curve, X, past, tests, positive=True))
        criteria.append(fits[-1].aicc(past))
    aicc = np.stack(criteria, axis=1)
    best = winners(np.where(supported(aicc), gains(scores, tests), -np.inf))
    weights = akaike_weights(np.where(np.stack([one.own for one in fits], axis=1), aicc, np.inf))
    models = [one.predict(NEW) for one in fits]
    columns = [weights[:, place : place + 1] for place in range(len(models))]
    low, high = (mixture_quantile(models, columns, share) for share in (0.05, 0.95))
    rows = np.arange(SERIES)
    stretched = [
        model.stretched(widening(one, tests)[:, [0, 2, 4]]).interval(0.9)
        for model, one in zip(models, scores, strict=True)
    ]
    own_low, own_high = (np.stack([ends[side] for ends in stretched])[best, rows] for side in (0, 1))
    share = covered(np.minimum(low, own_low), np.maximum(high, own_high), came)
    assert share.min() >= 0.85


def test_a_selected_model_alone_would_cover_too_little():
    """Why the interval is that of all models: the winner's own misses far more often than it says."""
    past, came = made("break")
    tests = cells(X)
    past, came = past[:200], came[:200]
    scores = [score(curve, X, past, tests, positive=True) for curve in CURVES[:7]]
    best = winners(gains(scores, tests))
    ends = [fit(curve, X, past, positive=True).predict(NEW).interval(0.9) for curve in CURVES[:7]]
    low, high = (np.stack([one[side] for one in ends])[best, np.arange(200)] for side in (0, 1))
    assert covered(low, high, came)[2] < 0.7


def test_breaks_are_found_within_a_year():
    """Slope from 0.5 to 0.1 a year, errors of 0.3: found in all but 1 %, placed within a year in all but a tenth."""
    past, _ = made("break")
    found = find_break(X, np.log(past))
    assert found.found.mean() >= 0.99
    far = np.abs(found.place - BREAK)
    assert (far <= 1).mean() >= 0.85
    assert np.median(far) <= 0.5
    quiet = TRUTHS["break"](X) + 0.15 * np.random.default_rng(SEED).standard_normal((SERIES, len(X)))
    assert (np.abs(find_break(X, quiet).place - BREAK) <= 1).mean() >= 0.99


def test_breaks_are_rarely_seen_where_there_are_none():
    """Nominal 5 %, standard error 0.7 %: at most 7 %, also for few and unevenly placed observations."""
    for x in (X, X[:10], np.sort(np.random.default_rng(3).uniform(2000, 2010, 15))):
        noise = np.random.default_rng([SEED, len(x)]).standard_normal((SERIES, len(x)))
        found = find_break(x, 3 + 0.2 * (x - 2000) + noise).found.mean()
        assert 0.03 <= found <= 0.07


def test_too_few_observations_have_no_break():
    found = find_break(np.arange(5.0), np.ones((2, 5)))
    assert not found.found.any()
    assert (found.p_value == 1).all()


def test_the_backtest_looks_at_nothing_later():
    """A curve's score at an origin does not change when everything after the cell does."""
    past = np.exp(TRUTHS["log-2"](X))[None] * np.exp(0.1 * np.random.default_rng(1).standard_normal((1, len(X))))
    tests = cells(X)
    place, test = next((place, test) for place, test in enumerate(tests) if test.origin == 2008 and test.horizon == 2)
    other = past.copy()
    other[:, test.origin + 2 <= X] *= 50
    for curve in CURVES:
        one = score(curve, X, past, tests, positive=True).log_score[0, place]
        two = score(curve, X, other, tests, positive=True).log_score[0, place]
        assert one == two or (np.isnan(one) and np.isnan(two))
    assert (X[test.known] < 2008).all()
    assert ((X[test.targets] >= 2009) & (X[test.targets] < 2010)).all()


def test_short_series_have_no_backtest():
    assert cells(np.arange(2015.0, 2022.0)) == []
    assert cells(np.linspace(2020, 2021.5, 30)) == []
