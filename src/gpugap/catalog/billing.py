"""In what steps providers bill a machine."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from gpugap.catalog.facts import Above0, AtLeast0, Fact
from gpugap.catalog.tables import packaged

UNKNOWN_INCREMENT_S = 3600.0
"""Of providers not in the table: the dear end, a started hour is paid whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing(Fact):
    """How a provider counts time.

    Attributes:
        provider: its name, as in the price list.
        increment_s: a started one is paid whole.
        minimum_s: paid at least.
    """

    provider: str
    increment_s: Above0
    minimum_s: AtLeast0 = 0.0

    @property
    def key(self) -> str:
        """The provider."""
        return self.provider


@functools.cache
def billings() -> tuple[Billing, ...]:
    """The rows of ``billing.csv`` in this package."""
    return packaged(Billing, "billing.csv")


def billing(provider: str) -> Billing | None:
    """How a provider counts; resellers (``Lambda via Prime Intellect``) count as nobody knows."""
    return next((one for one in billings() if one.provider == provider), None)


def billed_s(time_s: float, provider: str) -> float:
    """Seconds that are paid for so many used; whole hours where the provider's rule is not known."""
    rule = billing(provider)
    step = rule.increment_s if rule else UNKNOWN_INCREMENT_S
    return max(rule.minimum_s if rule else 0.0, math.ceil(time_s / step - 1e-9) * step)
