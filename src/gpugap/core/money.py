"""Money on the command line: US dollars, and other currencies at a rate the reader states."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from gpugap.core.errors import BadValue, UnknownName

_MONEY = re.compile(
    r"([A-Za-z]{3}|US\$|[$€£¥₹])?\s*((?:\d{1,3}(?:,\d{3})+|\d[\d_]*)(?:\.\d+)?)\s*([A-Za-z]{3}|[$€£¥₹])?", re.ASCII
)
_RATE = re.compile(r"([A-Za-z]{3})=(\d+(?:\.\d+)?)", re.ASCII)
_MOST = 1e15


def parse_money(text: str, name: str, rates: Mapping[str, float] | None = None) -> float:
    """US dollars of ``5000``, ``$5000``, ``5000 USD`` or, where the rate is known, ``5000 EUR``.

    Args:
        text: an amount; thousands may be parted by commas or underscores. A comma elsewhere is refused, as some write
            twelve and a half as 12,50.
        name: of the option, for the message.
        rates: US dollars a unit of other currencies, by ISO 4217 code; None where no rate can be stated.

    Raises:
        BadValue: no amount, or one that is not above 0.
        UnknownName: a currency without a rate.
    """
    found = _MONEY.fullmatch(text.strip())
    if found is None or (found[1] and found[3]):
        raise BadValue(f"{name} {text!r} is not an amount of money", "write 5000, 5000USD or 5000EUR")
    amount = float(found[2].replace(",", "").replace("_", ""))
    currency = (found[1] or found[3] or "USD").upper()
    known = {"USD": 1.0, "$": 1.0, "US$": 1.0, **(rates or {})}
    if currency not in known:
        error = UnknownName("currency", currency, known)
        stated = f"state its rate: --rate {currency}=US dollars a unit" if rates is not None else "convert it to USD"
        error.remedy = f"{stated}; exchange rates are not in the catalog"
        raise error
    dollars = amount * known[currency]
    if not 0 < dollars < _MOST:
        raise BadValue(f"{name} {text!r} is not above 0, or absurd", "give an amount above 0")
    return dollars


def parse_rates(texts: list[str]) -> dict[str, float]:
    """Rates of ``EUR=1.08``, US dollars a unit, by ISO 4217 code.

    Raises:
        BadValue: another form, or a rate that is not above 0.
    """
    rates: dict[str, float] = {}
    for text in texts:
        found = _RATE.fullmatch(text.strip())
        value = float(found[2]) if found else 0.0
        if found is None or not value > 0 or not math.isfinite(value):
            raise BadValue(f"{text!r} is not an exchange rate", "write EUR=1.08: US dollars a unit")
        rates[found[1].upper()] = value
    return rates
