"""Energy and carbon of a run: power times time, and grams by country and year. Never 0 for unknown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date as day

from gpugap.catalog import Country
from gpugap.core.estimate import Estimate
from gpugap.stats.propagation import assumed, ends, product, scaled

J_PER_KWH = 3.6e6
_EDGES = (0.05, 0.95)


def energy(power: Estimate, time: Estimate) -> Estimate:
    """Joules of a power in watts over a time in seconds; unknown where one of them is."""
    return product([power, time], "J", f"power times time; power: {power.method}")


def carbon(used: Estimate, intensity: Estimate) -> Estimate:
    """Grams of CO2 equivalent of an energy in joules."""
    return product([used, intensity], "gCO2e", f"energy times {intensity.method}", scale=1 / J_PER_KWH)


def electricity_cost(used: Estimate, price: Estimate) -> Estimate:
    """US dollars of an energy in joules."""
    return product([used, price], "USD", f"energy times {price.method}", scale=1 / J_PER_KWH)


def intensity_of(
    country: Country, countries: Sequence[Country], year: int | None = None, today: day | None = None
) -> Estimate:
    """A country's carbon intensity in gCO2e/kWh, for a run today or in a year.

    The interval is what the years since the row may have changed, from all countries' history; regions within a country
    and hours of a day differ more, and are not in it.

    Args:
        country: where it runs.
        countries: all of them.
        year: of the run; today's where None.
        today: the present day.

    Raises:
        Unsupported: no carbon intensity is known for the country.
    """
    wanted = year or (today or day.today()).year
    known = [row for row in country.carbon if row.year <= wanted]
    row = known[-1] if known else country.carbon_row()
    low, high = drift(countries, max(1, abs(wanted - row.year)))
    told = f"{country.name} {row.year}, {row.source}, {row.dated(today)}; 90 % of countries' changes in the years since"
    value = row.gco2e_per_kwh
    return Estimate(value, value * low, value * high, 0.9, "gCO2e/kWh", "published", told, None)


def drift(countries: Sequence[Country], years: int) -> tuple[float, float]:
    """Factors by which countries' carbon intensity changed within so many years: 5 and 95 %, 1 held inside."""
    changes: list[float] = []
    for one in countries:
        by_year = {row.year: row.gco2e_per_kwh for row in one.carbon}
        changes += [math.log(by_year[year + years] / at) for year, at in by_year.items() if year + years in by_year]
    if not changes:
        return 0.5, 2.0
    changes.sort()
    low, high = (changes[round(edge * (len(changes) - 1))] for edge in _EDGES)
    return math.exp(min(low, 0.0)), math.exp(max(high, 0.0))


def somewhere(places: Iterable[Estimate]) -> Estimate:
    """The intensity of a data center nobody names: the median of some countries', from the least to the most.

    Args:
        places: of the countries that have regions in the price list.
    """
    known = sorted(ends(one) for one in places if one.value)
    if not known:
        return Estimate(None, None, None, None, "gCO2e/kWh", "predicted", "no country is named and none is known", None)
    value = known[len(known) // 2][0]
    told = f"the provider names no region: the median of {len(known)} countries with regions, from least to most"
    return assumed(value, min(one[1] for one in known), max(one[2] for one in known), "gCO2e/kWh", told)


def kwh(used: Estimate) -> Estimate:
    """The same energy in kilowatt-hours, for reading."""
    return scaled(used, 1 / J_PER_KWH, "kWh", used.method)
