"""Numbers as they stand on the page: rounded, with their unit, never 0 for unknown."""

from __future__ import annotations

from collections.abc import Iterable

from gpugap.core.estimate import Estimate
from gpugap.core.units import UNKNOWN, significant, time_scale

NONE = "none"
_NOISE = 1e-7
"""Relative half widths below this are rounding errors, not spread."""
_BYTES = ((3, " GiB"), (2, " MiB"), (1, " KiB"))
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 3) -> str:
    """A number to significant digits; powers of ten beyond a million and below a ten-thousandth."""
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return significant(value, digits)
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa}·10{str(int(exponent)).translate(_SUPERSCRIPT)}"


def grouped(count: int) -> str:
    """A count with a narrow space between thousands: ``12 345``."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def counted(count: int, thing: str, things: str | None = None) -> str:
    """``1 process``, ``3 processes``."""
    return f"{grouped(count)} {thing if count == 1 else things or thing + 's'}"


def span(counts: Iterable[int]) -> str:
    """Fewest to most: ``5``, or ``3 to 5``; `none` without any."""
    found = list(counts)
    if not found:
        return NONE
    low, high = min(found), max(found)
    return grouped(low) if low == high else f"{grouped(low)} to {grouped(high)}"


def level(estimate: Estimate) -> str:
    """The level of an interval: ``95 %``; says so where a source states none."""
    return "no stated level" if estimate.level is None else f"{100 * estimate.level:g} %"


def shown(estimate: Estimate) -> str:
    """The estimate without its interval, with its unit; `unknown` where it has neither value nor ends."""
    if estimate.value is None:
        return ends(estimate) or UNKNOWN
    scale, unit = _scale(estimate)
    return _written(estimate, estimate.value / scale) + unit


def ends(estimate: Estimate) -> str:
    """The ends of the interval in the estimate's unit: ``1.40–3.34×``; empty without an interval."""
    if estimate.low is None or estimate.high is None:
        return ""
    scale, unit = _scale(estimate)
    return f"{_written(estimate, estimate.low / scale)}–{_written(estimate, estimate.high / scale)}{unit}"


def full(estimate: Estimate) -> str:
    """Value and interval in one text: ``2.15× (1.40–3.34)``; a bare range stands without parentheses."""
    if estimate.value is None:
        return shown(estimate)
    _, unit = _scale(estimate)
    interval = ends(estimate).removesuffix(unit)
    return f"{shown(estimate)} ({interval})" if interval else shown(estimate)


def time(value_s: float, like_s: float | None = None, digits: int = 3) -> str:
    """A time for reading, in the unit that suits `like_s` (itself unless given)."""
    scale, unit = time_scale(value_s if like_s is None else like_s)
    return f"{number(value_s / scale, digits)} {unit}"


def tick(value: float) -> str:
    """A number on an axis, without trailing zeros: ``0.5``, ``20``, ``10⁻⁹``."""
    mantissa, times, power = number(value).partition("·")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return power if times and mantissa == "1" else f"{mantissa}{times}{power}"


def time_tick(value_s: float) -> str:
    """A time on an axis: ``20 ms``."""
    scale, unit = time_scale(value_s)
    return f"{tick(value_s / scale)} {unit}"


def _written(estimate: Estimate, value: float) -> str:
    """A published number keeps the digits of its source."""
    return f"{value:g}" if estimate.kind == "published" else number(value, _digits(estimate))


def _scale(estimate: Estimate) -> tuple[float, str]:
    reference = estimate.value if estimate.value is not None else estimate.high or 1.0
    if estimate.unit == "s":
        scale, unit = time_scale(reference)
        return scale, f" {unit}"
    if estimate.unit == "B":
        return next(((1024.0**power, unit) for power, unit in _BYTES if reference >= 1024**power), (1.0, " B"))
    return 1.0, {"1": "×", "1/s": " /s", "J": " J"}.get(estimate.unit, f" {estimate.unit}")


def _digits(estimate: Estimate) -> int:
    """Three significant digits, or as many more (up to six) as tell the ends of the interval apart."""
    low, high, width = estimate.low, estimate.high, estimate.relative_half_width
    if low is None or high is None or width is None or width < _NOISE:
        return 3
    return next((digits for digits in range(3, 6) if number(low, digits) != number(high, digits)), 6)
