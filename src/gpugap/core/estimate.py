"""`Estimate`: the only form in which a number leaves gpugap."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["measured", "predicted", "published"]
KINDS: tuple[Kind, ...] = ("measured", "predicted", "published")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval, unit and origin.

    Attributes:
        value: the number in `unit`; None when unknown (never 0 or NaN).
        low: lower end of the interval; None when no interval is known.
        high: upper end of the interval; None when no interval is known.
        level: confidence level of the interval in (0, 1); None without one, or where a source states none.
        unit: SI base unit: ``"s"``, ``"B"``, ``"J"``, ``"W"``, ``"1/s"`` or ``"1"`` for ratios; of published numbers
            also ``"FLOP/s"``, ``"OP/s"``, ``"B/s"``, ``"USD"``, ``"USD/h"``, ``"USD/kWh"``, ``"gCO2e"``,
            ``"gCO2e/kWh"``, ``"m"``, ``"h"`` for hours of GPUs that are paid or asked for, and ``"H100"`` for
            equivalents of that GPU.
        kind: ``"measured"`` from running, ``"predicted"`` from a model, ``"published"`` from a source.
        method: how value and interval were obtained, or the source of a published number.
        n: independent replicates behind it (processes for a measurement); None when not applicable.

    Raises:
        ValueError: a NaN or infinity, an unknown kind, or an interval that does not hold the value.
    """

    value: float | None
    low: float | None
    high: float | None
    level: float | None
    unit: str
    kind: Kind
    method: str
    n: int | None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}, not {self.kind!r}")
        for name in ("value", "low", "high", "level"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{name} must be finite or None (unknown), not {number}")
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval has both ends or none")
        if self.low is None or self.high is None:
            return
        if self.low > self.high:
            raise ValueError(f"interval ends are swapped: {self.low} > {self.high}")
        if self.value is not None and not self.low <= self.value <= self.high:
            raise ValueError(f"{self.value} is outside its interval from {self.low} to {self.high}")

    @property
    def relative_half_width(self) -> float | None:
        """Half the interval's width over its value; None without an interval."""
        if self.value is None or self.low is None or self.high is None or self.value == 0:
            return None
        return (self.high - self.low) / (2 * abs(self.value))

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends of the interval; the value itself where there is none, 0 where nothing is known."""
        value = self.value or 0.0
        return (value, value) if self.low is None or self.high is None else (self.low, self.high)

    def to_dict(self) -> dict[str, Any]:
        """The estimate as the JSON object of `docs/schemas/estimate.schema.json`."""
        return asdict(self)


def unknown(unit: str, method: str) -> Estimate:
    """A measured quantity of which nothing is known; `method` says why."""
    return Estimate(None, None, None, None, unit, "measured", method, 0)
