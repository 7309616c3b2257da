"""Electricity by country and year: carbon intensity and price."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date as day
from typing import Annotated, Literal

from pydantic import Field

from gpugap.catalog.facts import Above0, Fact
from gpugap.catalog.tables import packaged
from gpugap.core.errors import UnknownName, Unsupported
from gpugap.core.estimate import Estimate

Customer = Literal["industrial", "household"]
CUSTOMERS: tuple[Customer, ...] = ("industrial", "household")
Iso3 = Annotated[str, Field(pattern="^[A-Z]{3}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountryName(Fact):
    """A country's names.

    Attributes:
        iso3: ISO 3166-1 alpha-3 code.
        iso2: ISO 3166-1 alpha-2 code.
        name: in English.
    """

    iso3: Iso3
    iso2: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonIntensity(Fact):
    """Life-cycle emissions of a country's electricity.

    Attributes:
        iso3: country.
        year: of generation.
        gco2e_per_kwh: grams of CO2 equivalent a kilowatt-hour; never 0, as dams and panels are built too.
    """

    iso3: Iso3
    year: int
    gco2e_per_kwh: Above0


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectricityPrice(Fact):
    """What a kilowatt-hour costs.

    Attributes:
        iso3: country.
        customer: ``industrial`` is a large consumer without refundable taxes.
        usd_per_kwh: US dollars.
    """

    iso3: Iso3
    customer: Customer
    usd_per_kwh: Above0


@dataclass(frozen=True, slots=True)
class Country:
    """A country's electricity.

    Attributes:
        iso3: ISO 3166-1 alpha-3 code.
        iso2: ISO 3166-1 alpha-2 code.
        name: in English.
        carbon: by year, oldest first.
        prices: those known.
    """

    iso3: str
    iso2: str
    name: str
    carbon: tuple[CarbonIntensity, ...]
    prices: tuple[ElectricityPrice, ...]

    def carbon_row(self, year: int | None = None) -> CarbonIntensity:
        """The row of a year; the latest where None.

        Raises:
            Unsupported: no such year is known.
        """
        found = [row for row in self.carbon if year in (None, row.year)]
        if not found:
            years = f"{self.carbon[0].year} to {self.carbon[-1].year}" if self.carbon else "none"
            what = f"carbon intensity of {self.name} in {year}" if year else f"carbon intensity of {self.name}"
            raise Unsupported(f"no {what} is known", f"years known: {years}")
        return found[-1]

    def price_row(self, customer: Customer) -> ElectricityPrice | None:
        """The row of a customer's price; None where none is known."""
        return next((row for row in self.prices if row.customer == customer), None)

    def carbon_intensity(self, year: int | None = None, today: day | None = None) -> Estimate:
        """Life-cycle emissions, unit ``gCO2e/kWh``, of a year; of the latest where None.

        Raises:
            Unsupported: no such year is known.
        """
        row = self.carbon_row(year)
        return row.estimate(row.gco2e_per_kwh, "gCO2e/kWh", today)

    def electricity_price(self, customer: Customer = "household", today: day | None = None) -> Estimate:
        """Price, unit ``USD/kWh``; its value is None where none is known, which is so for most households.

        Raises:
            UnknownName: no such customer.
        """
        if customer not in CUSTOMERS:
            raise UnknownName("customer", customer, CUSTOMERS)
        row = self.price_row(customer)
        if row is None:
            told = f"no {customer} price is known for {self.name}; state yours"
            return Estimate(None, None, None, None, "USD/kWh", "published", told, None)
        return row.estimate(row.usd_per_kwh, "USD/kWh", today)


@functools.cache
def all_countries() -> tuple[Country, ...]:
    """The countries of ``countries.csv`` with their rows in ``carbon_intensity.csv`` and ``electricity_prices.csv``."""
    return joined(country_names(), carbon_rows(), price_rows())


@functools.cache
def country_names() -> tuple[CountryName, ...]:
    """The rows of ``countries.csv``."""
    return packaged(CountryName, "countries.csv")


@functools.cache
def carbon_rows() -> tuple[CarbonIntensity, ...]:
    """The rows of ``carbon_intensity.csv``."""
    return packaged(CarbonIntensity, "carbon_intensity.csv")


@functools.cache
def price_rows() -> tuple[ElectricityPrice, ...]:
    """The rows of ``electricity_prices.csv``."""
    return packaged(ElectricityPrice, "electricity_prices.csv")


def joined(
    names: Sequence[CountryName], carbon: Sequence[CarbonIntensity], prices: Sequence[ElectricityPrice]
) -> tuple[Country, ...]:
    """Countries with what is known of each; a later price of one customer takes the place of an earlier one."""
    by_code: dict[str, list[CarbonIntensity]] = {}
    for row in sorted(carbon, key=lambda row: row.year):
        by_code.setdefault(row.iso3, []).append(row)
    paid: dict[str, dict[str, ElectricityPrice]] = {}
    for price in prices:
        paid.setdefault(price.iso3, {})[price.customer] = price
    return tuple(
        Country(
            one.iso3,
            one.iso2,
            one.name,
            tuple(by_code.get(one.iso3, ())),
            tuple(paid.get(one.iso3, {}).values()),
        )
        for one in names
    )


def country(name: str, rows: Sequence[Country] | None = None) -> Country:
    """The country of an ISO code or an English name: ``KE``, ``KEN``, ``Kenya``.

    Raises:
        UnknownName: no such country; says the nearest names.
    """
    known = all_countries() if rows is None else rows
    wanted = name.strip().lower()
    for one in known:
        if wanted in (one.iso2.lower(), one.iso3.lower(), one.name.lower()):
            return one
    raise UnknownName("country", name, [one.name.lower() for one in known])
