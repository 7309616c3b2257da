"""Fits the constants of the analytical base to measured operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import minimize

from fitting.tables import Measured, chosen
from gpugap.predict.latency.base import base_of
from gpugap.predict.latency.constants import Constants
from gpugap.predict.latency.kernels import Floats

_SMALL = 0.05
"""Errors below this share count by their square."""
Setter = Callable[[Constants, float], Constants]


def engine(side: str, name: str) -> Setter:
    """Sets one number of an engine."""

    def setter(constants: Constants, value: float) -> Constants:
        changed: Any = replace(getattr(constants, side), **{name: value})
        return replace(constants, **{side: changed})

    return setter


def plain(name: str) -> Setter:
    """Sets one number."""

    def setter(constants: Constants, value: float) -> Constants:
        changes: Any = {name: value}
        return replace(constants, **changes)

    return setter


def factor(mapping: str, key: str) -> Setter:
    """Sets one entry of a mapping."""

    def setter(constants: Constants, value: float) -> Constants:
        changes: Any = {mapping: {**getattr(constants, mapping), key: value}}
        return replace(constants, **changes)

    return setter


def getter(constants: Constants, name: str) -> float:
    """The number of a name such as ``vector.narrow``, ``form_factor/depthwise`` or ``bandwidth``."""
    if "/" in name:
        mapping, key = name.split("/")
        return float(getattr(constants, mapping).get(key, 1.0))
    if "." in name:
        side, key = name.split(".")
        return float(getattr(getattr(constants, side), key))
    return float(getattr(constants, name))


def setter_of(name: str) -> Setter:
    """Sets the number of a name."""
    if "/" in name:
        return factor(*name.split("/"))
    return engine(*name.split(".")) if "." in name else plain(name)


def with_numbers(constants: Constants, names: Sequence[str], values: Sequence[float]) -> Constants:
    """Constants with some numbers changed."""
    for name, value in zip(names, values, strict=True):
        constants = setter_of(name)(constants, float(value))
    return constants


def fit_constants(
    start: Constants, measured: Sequence[Measured], bounds: Mapping[str, tuple[float, float]], *, steps: int = 4
) -> Constants:
    """The least mean error of the log of measured over base, in the logs of the numbers; every GPU counts the same.

    Args:
        start: constants to begin with.
        measured: calls that show their kernels, by GPU.
        bounds: of every number that is fitted.
        steps: of the solver.
    """
    names = list(bounds)
    low, high = (np.log([bounds[name][side] for name in names]) for side in (0, 1))
    begin = np.clip(np.log([getter(start, name) for name in names]), low + 1e-6, high - 1e-6)

    def loss(values: Floats) -> float:
        constants = with_numbers(start, names, np.exp(np.clip(values, low, high)))
        parts = [np.average(_robust(log_errors(one, constants)), weights=one.weights) for one in measured]
        return float(np.mean(parts)) + 1e-3 * float(np.square(values - begin).sum())

    found = minimize(
        loss, begin, method="Powell", bounds=list(zip(low, high, strict=True)), options={"maxiter": steps, "ftol": 1e-4}
    )
    return with_numbers(start, names, np.exp(found.x))


def _robust(errors: Floats) -> Floats:
    """Square of small errors, size of large ones."""
    return np.asarray(np.sqrt(errors**2 + _SMALL**2) - _SMALL)


def log_errors(measured: Measured, constants: Constants) -> Floats:
    """Log of measured over base."""
    return np.asarray(np.log(measured.kernel_s / base_of(measured.kernels, measured.chip, constants).total_s))


def thinned(measured: Measured, most: int, seed: int = 0, *, shown: Any = None) -> Measured:
    """A sample of the calls that show their kernels: those longer than the floor, where nothing else tells."""
    rows = np.flatnonzero(measured.shows_kernel if shown is None else shown)
    if len(rows) > most:
        rows = np.random.default_rng(seed).choice(rows, most, replace=False)
    return chosen(measured, rows)
