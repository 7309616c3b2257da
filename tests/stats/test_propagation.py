"""Intervals and kinds through sums, products and maxima."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpugap.core.estimate import Estimate
from gpugap.stats.propagation import assumed, greater, product, scaled, total

UNKNOWN = Estimate(None, None, None, None, "s", "measured", "no sensor", 0)
positive = st.floats(1e-6, 1e6)
spreads = st.floats(1.0, 5.0)


def made(value, low=1.0, high=1.0, kind="predicted", level=0.9):
    return Estimate(value, value / low, value * high, level, "s", kind, "made", None)


@given(positive, spreads, spreads, positive, spreads, spreads)
def test_a_product_holds_its_value_and_is_at_least_as_wide_as_its_terms(a, al, ah, b, bl, bh):
    found = product([made(a, al, ah), made(b, bl, bh)], "s", "x")
    assert found.value == pytest.approx(a * b, rel=1e-9)
    assert found.high / found.value >= max(ah, bh) * (1 - 1e-9)
    assert found.low <= found.value <= found.high
    inverse = product([made(a, al, ah)], "s", "x", powers=[-1])
    assert inverse.high == pytest.approx(al / a, rel=1e-9)


def test_a_product_of_log_normal_terms_keeps_its_level():
    """90 % intervals of two independent terms give the 90 % interval of their product."""
    random = np.random.default_rng(0)
    sigmas = (0.3, 0.5)
    terms = [made(1.0, math.exp(1.645 * sigma), math.exp(1.645 * sigma)) for sigma in sigmas]
    found = product(terms, "s", "x")
    draws = np.exp(sum(random.normal(0, sigma, 200_000) for sigma in sigmas))
    share = np.mean((draws >= found.low) & (draws <= found.high))
    assert share == pytest.approx(0.9, abs=0.005)
    assert found.level == 0.9


def test_a_sum_of_normal_terms_keeps_its_level():
    random = np.random.default_rng(0)
    terms = [Estimate(10.0, 10 - 1.645 * s, 10 + 1.645 * s, 0.9, "s", "predicted", "x", None) for s in (1.0, 2.0)]
    found = total(terms, "s", "x")
    draws = 20 + random.normal(0, 1, 200_000) + random.normal(0, 2, 200_000)
    assert np.mean((draws >= found.low) & (draws <= found.high)) == pytest.approx(0.9, abs=0.005)


@pytest.mark.parametrize("combine", [lambda a, b: product([a, b], "s", "x"), lambda a, b: total([a, b], "s", "x")])
def test_unknown_stays_unknown_and_says_why(combine):
    found = combine(made(2.0), UNKNOWN)
    assert (found.value, found.low) == (None, None)
    assert "no sensor" in found.method
    assert greater(made(1.0), UNKNOWN, "x").value is None
    assert scaled(UNKNOWN, 2.0, "s", "x").value is None


def test_the_weakest_kind_wins():
    measured, predicted, published = (made(1.0, kind=kind) for kind in ("measured", "predicted", "published"))
    assert product([measured, published], "s", "x").kind == "measured"
    assert product([measured, predicted], "s", "x").kind == "predicted"
    assert total([published, published], "s", "x").kind == "published"


def test_different_levels_give_none():
    assert product([made(1.0, 2, 2, level=0.9), made(1.0, 2, 2, level=0.95)], "s", "x").level is None
    assert product([made(1.0, 2, 2, level=0.9), assumed(1.0, 0.5, 2.0, "s", "x")], "s", "x").level is None


def test_the_greater_is_taken_end_by_end():
    found = greater(made(1.0, 2, 4), made(1.5), "x")
    assert (found.value, found.low, found.high) == (1.5, 1.5, 4.0)
