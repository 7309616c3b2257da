"""Estimates of sums, products and maxima: how intervals and kinds go through arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gpugap.core.estimate import Estimate, Kind

_STRENGTH: tuple[Kind, ...] = ("predicted", "measured", "published")
"""A result is what its weakest term is; published facts (a price, a carbon intensity) leave measured ones measured."""


def assumed(value: float, low: float, high: float, unit: str, method: str) -> Estimate:
    """A number that nobody measured here: a predicted estimate without a level; `method` says where it stands."""
    return Estimate(value, low, high, None, unit, "predicted", method, None)


def product(
    terms: Sequence[Estimate], unit: str, method: str, *, scale: float = 1.0, powers: Sequence[int] | None = None
) -> Estimate:
    """The product of positive estimates times a number.

    Deviations of the logarithms, each side on its own, add as root sum of squares: exact for independent log-normal
    terms, whose interval ends are at the same level. A term without an interval is taken as exact.

    Args:
        terms: values above 0, or unknown; one unknown term makes the product unknown.
        unit: of the product.
        method: how it came about.
        scale: above 0.
        powers: of each term, 1 or -1; all 1 where None.
    """
    if any(term.value is None for term in terms):
        return _unknown(terms, unit, method)
    down = up = 0.0
    made = scale
    for term, power in zip(terms, powers or [1] * len(terms), strict=True):
        value, low, high = ends(term)
        made = made * value if power > 0 else made / value
        below, above = math.log(value / low), math.log(high / value)
        down, up = down + (below if power > 0 else above) ** 2, up + (above if power > 0 else below) ** 2
    interval = (made * math.exp(-math.sqrt(down)), made * math.exp(math.sqrt(up)))
    return _made(terms, made, interval, unit, method)


def total(terms: Sequence[Estimate], unit: str, method: str) -> Estimate:
    """The sum of independent estimates; deviations add as root sum of squares, each side on its own."""
    if any(term.value is None for term in terms):
        return _unknown(terms, unit, method)
    found = [ends(term) for term in terms]
    value = sum(middle for middle, _, _ in found)
    down = math.hypot(*(middle - low for middle, low, _ in found))
    up = math.hypot(*(high - middle for middle, _, high in found))
    return _made(terms, value, (value - down, value + up), unit, method)


def greater(a: Estimate, b: Estimate, method: str) -> Estimate:
    """The greater of two estimates, end by end."""
    if a.value is None or b.value is None:
        return _unknown((a, b), a.unit, method)
    value, low, high = (max(pair) for pair in zip(ends(a), ends(b), strict=True))
    return _made((a, b), value, (low, high), a.unit, method)


def scaled(term: Estimate, factor: float, unit: str, method: str) -> Estimate:
    """The estimate times an exact number above 0, in another unit; 0 stays 0."""
    if term.value is None:
        return _unknown((term,), unit, method)
    low = None if term.low is None else term.low * factor
    high = None if term.high is None else term.high * factor
    return Estimate(term.value * factor, low, high, term.level, unit, term.kind, method, term.n)


def ends(term: Estimate) -> tuple[float, float, float]:
    """Value, low and high of a known estimate; the value itself where it has no interval."""
    assert term.value is not None
    return term.value, *term.ends


def weakest(terms: Sequence[Estimate]) -> Kind:
    """The kind of what is computed from these."""
    kinds = {term.kind for term in terms}
    return next(kind for kind in _STRENGTH if kind in kinds)


def _level(terms: Sequence[Estimate]) -> float | None:
    """The level all intervals share; None where one states none or another."""
    levels = {term.level for term in terms if term.low is not None and term.low != term.high}
    return levels.pop() if len(levels) == 1 else None


def _made(terms: Sequence[Estimate], value: float, interval: tuple[float, float], unit: str, method: str) -> Estimate:
    low, high = min(interval[0], value), max(interval[1], value)
    exact = all(term.low is None for term in terms)
    level = _level(terms)
    kind = weakest(terms)
    return Estimate(value, None if exact else low, None if exact else high, level, unit, kind, method, None)


def _unknown(terms: Sequence[Estimate], unit: str, method: str) -> Estimate:
    why = next(term.method for term in terms if term.value is None)
    return Estimate(None, None, None, None, unit, weakest(terms), f"unknown: {why} ({method})", None)
