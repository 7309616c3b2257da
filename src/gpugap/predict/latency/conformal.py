"""Intervals by split conformal prediction: how far off the model was on groups that it had not seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gpugap.predict.latency.chip import Chip
from gpugap.predict.prediction import Domain

LEVEL = 0.9


@dataclass(frozen=True, slots=True)
class Spread:
    """How far off predictions of one kind were.

    Attributes:
        factor: a prediction divided and multiplied by it holds `LEVEL` of the measured values.
        n: left-out measurements behind it.
        groups: left-out GPUs or families behind it.
    """

    factor: float
    n: int
    groups: int


def spread(log_ratios: Sequence[float], groups: int, level: float = LEVEL) -> Spread:
    """The spread of left-out measurements.

    The conformal quantile: of n absolute errors the ceil((n + 1) * level)-th smallest; the largest where there are too
    few for that (Lei et al. 2018, arXiv:1604.04173, section 2.2).

    Args:
        log_ratios: log of measured over predicted, each predicted without its group.
        groups: how many groups were left out, one at a time.
        level: of the interval.

    Raises:
        ValueError: there are none.
    """
    if not log_ratios:
        raise ValueError("no left-out measurements")
    errors = sorted(abs(value) for value in log_ratios)
    place = min(len(errors), math.ceil((len(errors) + 1) * level))
    return Spread(math.exp(errors[place - 1]), len(errors), groups)


@dataclass(frozen=True, slots=True)
class Widening:
    """Exponents by which a spread grows where it was not checked.

    Attributes:
        power_limited: of a card far below its kin's watts.
        extrapolated: of a GPU whose generation was not seen.
    """

    power_limited: float
    extrapolated: float


def spread_of(
    spreads: Mapping[str, Spread], widening: Widening, chip: Chip, case: tuple[Domain, str, str]
) -> tuple[Spread, str]:
    """The spread that holds for a prediction, and the name of the group it comes from.

    Args:
        spreads: by ``domain precision mode`` or the beginning of that.
        widening: for power-limited and extrapolated GPUs.
        chip: the GPU.
        case: domain, ``single`` or ``half``, and mode.
    """
    domain, precision, mode = case
    known = "unseen" if domain == "extrapolated" else domain
    names = (f"{known} {precision} {mode}", f"{known} {precision}", known)
    name = next(name for name in names if name in spreads)
    found, exponent = spreads[name], 1.0
    if domain != "seen" and chip.power_limited:
        exponent *= widening.power_limited
    if domain == "extrapolated":
        exponent *= widening.extrapolated
    return Spread(found.factor**exponent, found.n, found.groups), name
