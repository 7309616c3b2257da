"""What a country earns and where it lies, where clouds have their regions, and how long networks are trained."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from datetime import date as day
from typing import Annotated, Literal

from pydantic import Field

from gpugap.catalog.facts import Above0, Fact
from gpugap.catalog.grid import Iso3
from gpugap.catalog.tables import packaged
from gpugap.core.estimate import Estimate

Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Income = Literal["low", "lower-middle", "upper-middle", "high"]
INCOMES: tuple[Income, ...] = ("low", "lower-middle", "upper-middle", "high")
INCOME_LIMITS_USD = (1135.0, 4495.0, 13935.0)
"""Upper ends of the World Bank's low, lower-middle and upper-middle income, fiscal year 2026, in US dollars of national
income a head by the Atlas method (World Bank, July 2025). Here they cut GDP a head, so a country near a limit may stand
in another group than the Bank's."""
INCOME_SOURCE = "GDP a head at the limits of the World Bank, fiscal year 2026; not the Bank's own list"
EARTH_RADIUS_KM = 6371.0088
"""Mean radius, IUGG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Economy(Fact):
    """A country's product, people and capital.

    Attributes:
        iso3: country.
        gdp_usd: gross domestic product of a year at official exchange rates.
        gdp_year: that year.
        population: people.
        population_year: of the count or estimate.
        capital: its name; empty where the country's own middle stands for it.
        latitude: of the capital, in degrees north.
        longitude: in degrees east.
    """

    iso3: Iso3
    gdp_usd: Above0
    gdp_year: int
    population: Annotated[int, Field(gt=0)]
    population_year: int
    capital: str = ""
    latitude: Latitude
    longitude: Longitude

    @property
    def gdp_per_head_usd(self) -> float:
        """US dollars a year."""
        return self.gdp_usd / self.population

    @property
    def income(self) -> Income:
        """Group by `INCOME_LIMITS_USD`."""
        return INCOMES[sum(self.gdp_per_head_usd > limit for limit in INCOME_LIMITS_USD)]

    def gdp_per_head(self, today: day | None = None) -> Estimate:
        """US dollars a head and year, unit ``USD``."""
        return self.estimate(self.gdp_per_head_usd, "USD", today)


@dataclass(frozen=True, slots=True, kw_only=True)
class Region(Fact):
    """Where a provider's region lies.

    Attributes:
        provider: as the price list spells it.
        region: the provider's name.
        iso3: country.
        place: a city or state; empty where only the country is known.
        latitude: of the place, in degrees north; None where only the country is known.
        longitude: in degrees east.
    """

    provider: str
    region: str
    iso3: Iso3
    place: str = ""
    latitude: Latitude | None = None
    longitude: Longitude | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe(Fact):
    """How long a publication trains a network.

    Attributes:
        workload: family of the workload.
        epochs: passes over the samples.
        samples: shown in one pass.
        batch: samples a step on one device.
        what: the samples are.
    """

    workload: str
    epochs: Above0
    samples: Annotated[int, Field(gt=0)]
    batch: Annotated[int, Field(gt=0)]
    what: str


@functools.cache
def economies() -> dict[str, Economy]:
    """The rows of ``economies.csv`` by country."""
    return {one.iso3: one for one in packaged(Economy, "economies.csv")}


@functools.cache
def regions() -> dict[tuple[str, str], Region]:
    """The rows of ``regions.csv`` by provider and region."""
    return {(one.provider, one.region): one for one in packaged(Region, "regions.csv")}


@functools.cache
def recipes() -> dict[str, Recipe]:
    """The rows of ``recipes.csv`` by family of workload."""
    return {one.workload: one for one in packaged(Recipe, "recipes.csv")}


def distance_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Great-circle distance by the haversine formula, on a sphere.

    Args:
        a: latitude and longitude in degrees.
        b: the same.
    """
    (north_a, east_a), (north_b, east_b) = ((math.radians(x), math.radians(y)) for x, y in (a, b))
    half = math.sin((north_b - north_a) / 2) ** 2
    half += math.cos(north_a) * math.cos(north_b) * math.sin((east_b - east_a) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, half)))
