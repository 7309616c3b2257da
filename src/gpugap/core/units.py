"""Units on screen and on the command line: SI prefixes for time and rates, binary prefixes for memory."""

from __future__ import annotations

import math
import re

from gpugap.core.errors import BadValue

UNKNOWN = "unknown"
_DURATION = re.compile(
    r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", re.ASCII
)
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt])(b|ib)?", re.ASCII)
_PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_MANY_HOURS_S = 72 * 3600
_TIME_SCALES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def significant(number: float, digits: int = 3) -> str:
    """A number rounded to significant digits, without exponents: 1234.5 -> ``1230``, 0.01234 -> ``0.0123``."""
    if number == 0 or not math.isfinite(number):
        return f"{number:g}"
    places = digits - 1 - math.floor(math.log10(abs(number)))
    rounded = round(number, places)
    return f"{rounded:.{max(places, 0)}f}"


def time_scale(time_s: float) -> tuple[float, str]:
    """Factor and unit in which a time reads as a number of at least one: 0.0123 -> (1e-3, ``ms``)."""
    return next(((scale, unit) for scale, unit in _TIME_SCALES if abs(time_s) >= scale), _TIME_SCALES[-1])


def seconds(time_s: float | None) -> str:
    """A time for reading: ``12.3 ms``, ``4.56 s``; `unknown` for None."""
    if time_s is None:
        return UNKNOWN
    scale, unit = time_scale(time_s)
    return f"{significant(time_s / scale)} {unit}"


def duration(time_s: float) -> str:
    """A span for reading: ``45 s``, ``3 min 20 s``, ``2 h 05 min``, ``4 d 03 h``."""
    whole = max(0, round(time_s))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < _MANY_HOURS_S:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"


def lasting(time_s: float) -> str:
    """A time of any length for reading: ``590 ms``, ``8.13 s``, then as `duration`; only 0 reads as 0."""
    return seconds(time_s) if 0 < time_s < 10 else duration(time_s)


def gibibytes(memory_bytes: float | None) -> str:
    """Memory for reading, in binary units: ``3.20 GiB``, ``512 MiB``; `unknown` for None."""
    if memory_bytes is None:
        return UNKNOWN
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if memory_bytes >= 1024**power:
            return f"{significant(memory_bytes / 1024**power)} {unit}"
    return f"{memory_bytes:.0f} B"


def amount(value: float, unit: str, digits: int = 3) -> str:
    """A number with its unit for reading: ``80.0 GiB``, ``3.35 TB/s``, ``USD 1600``, ``1.20e+12``.

    Args:
        value: any finite number.
        unit: ``B`` (binary prefixes), ``1`` (none), ``USD``, or one that takes decimal prefixes.
        digits: significant ones.
    """
    if unit == "B":
        return _written(value / 1024**3, digits) + " GiB" if abs(value) >= 1e14 or value < 0 else gibibytes(value)
    if unit in ("1", "", "year"):
        return _written(value, digits)
    if unit == "USD":
        return f"USD {_written(value, digits)}"
    factor, prefix = next(((f, p) for f, p in _PREFIXES if abs(value) >= f), (1.0, ""))
    return f"{_written(value / factor, digits)} {prefix}{unit}"


def _written(value: float, digits: int) -> str:
    plain = value == 0 or 1e-4 <= abs(value) < 1e6
    return significant(value, digits) if plain else f"{value:.{digits - 1}e}"


def parse_duration(text: str) -> float:
    """Seconds in ``90``, ``90s``, ``10m``, ``1h30m`` or ``3d``.

    Raises:
        BadValue: not a duration, or not longer than zero.
    """
    found = _DURATION.fullmatch(text.strip()) if not re.search(r"[dhm].*\d$", text.strip()) else None
    parts = [float(part) if part else 0.0 for part in found.groups()] if found else []
    total = sum(part * unit for part, unit in zip(parts, (86400, 3600, 60, 1), strict=False))
    if not math.isfinite(total) or total <= 0:
        raise BadValue(f"{text!r} is not a duration above zero", "write it as 90s, 10m or 1h30m")
    return total


def parse_memory(text: str) -> int:
    """Bytes in ``24GiB``, ``24GB``, ``512MiB`` or ``16g``; a letter alone is binary, as boards are sold.

    Raises:
        BadValue: not an amount of memory above zero.
    """
    found = _MEMORY.fullmatch(text.strip().lower())
    if found is None or float(found[1]) <= 0:
        raise BadValue(f"{text!r} is not an amount of memory above zero", "write it as 24GiB, 24GB or 512MiB")
    base = 1000 if found[3] == "b" else 1024
    return int(float(found[1]) * float(base ** ("kmgt".index(found[2]) + 1)))


def parse_count(text: str) -> int:
    """The whole number in ``1200000``, ``1_200_000`` or ``1.2e6``.

    Raises:
        BadValue: not a whole number.
    """
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number != int(number):
        raise BadValue(f"{text!r} is not a whole number", "write it as 50000 or 5e4")
    return int(number)


def parse_share(text: str, name: str) -> float:
    """The share in ``2%`` or ``0.02``.

    Args:
        text: as typed.
        name: of the option, for the message.

    Raises:
        BadValue: not a number, or not between 0 and 1.
    """
    try:
        share = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 < share < 1:
        raise BadValue(f"{name} {text!r}", "give a share such as 2% or 0.02")
    return share
