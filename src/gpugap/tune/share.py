"""How much of a speedup was an untuned CPU."""

from __future__ import annotations

import math

from gpugap.core.estimate import Estimate

_ASSUMED = "assumes that its CPU ran as it comes and would gain as much as this one"


def over_tuned(speedup: Estimate, gain: Estimate) -> Estimate:
    """What is left of a speedup over a CPU as it comes, once that CPU is tuned.

    Args:
        speedup: published, over a CPU as it comes; a range may have no value.
        gain: of tuning the CPU, measured.

    Returns:
        Predicted, with the interval that the ends of both give; unknown where the gain is.
    """
    value = None if speedup.value is None or gain.value is None else speedup.value / gain.value
    low = _ratio(_low(speedup), _high(gain))
    high = _ratio(_high(speedup), _low(gain))
    return _derived(value, low, high, f"speedup over the tuned CPU; {_ASSUMED}", gain.n)


def share(speedup: Estimate, gain: Estimate, *, same_cpu: bool = False) -> Estimate:
    """The part of a speedup that an untuned CPU makes, from 0 to 1.

    It is log(gain) / log(speedup), so that parts of a product add up: of 10 times, 3.16 times are one half.

    Args:
        speedup: published or predicted, over a CPU as it comes; a range may have no value.
        gain: of tuning the CPU, measured.
        same_cpu: whether the speedup is over the very CPU that was tuned, so that nothing has to be assumed.
    """
    low = _part(_high(speedup), _low(gain))
    high = _part(_low(speedup), _high(gain))
    value = _part(speedup.value, gain.value)
    told = "log of the gain over log of the speedup"
    return _derived(value, low, high, told if same_cpu else f"{told}; {_ASSUMED}", gain.n)


def _derived(value: float | None, low: float | None, high: float | None, method: str, n: int | None) -> Estimate:
    known = low is not None and high is not None
    return Estimate(value, low if known else None, high if known else None, None, "1", "predicted", method, n)


def _ratio(above: float | None, below: float | None) -> float | None:
    return None if above is None or below is None else above / below


def _part(speedup: float | None, gain: float | None) -> float | None:
    if speedup is None or gain is None or speedup <= 1:
        return None
    return min(1.0, max(0.0, math.log(gain) / math.log(speedup)))


def _low(estimate: Estimate) -> float | None:
    return estimate.value if estimate.low is None else estimate.low


def _high(estimate: Estimate) -> float | None:
    return estimate.value if estimate.high is None else estimate.high
