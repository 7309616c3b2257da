"""What a run is to somebody: hours of income, share of a grant, days of a free notebook, grams, the nearest GPU.

All of it follows from how long the run takes, which is an argument: stated, measured or predicted elsewhere.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date as day
from typing import Any

from gpugap.catalog import Country, FreeTier, Offer
from gpugap.catalog.economies import INCOME_SOURCE, INCOMES, Economy, Income, economies
from gpugap.core.errors import BadValue
from gpugap.core.estimate import Estimate
from gpugap.plan.footprint import carbon, energy, intensity_of
from gpugap.plan.job import Job
from gpugap.plan.nearest import Nearest, Site, nearest, sites
from gpugap.plan.renting import price_today
from gpugap.plan.tiers import OnTier, on_tier
from gpugap.stats.propagation import product, scaled

WORK_HOURS_PER_YEAR = 2080.0
"""52 weeks of 40 hours, a convention; most people work other hours."""
UNKNOWNS = (
    "taxes, bank fees, export rules and whether a provider takes a card from the country",
    "incomes of students and researchers there, and how unequal they are: GDP a head is a mean; give --income",
    "the grid of the region that would be rented: grams are as if the run stood in the country",
)
"""What no table here tells, and a reader must add."""


@dataclass(frozen=True, slots=True)
class InCountry:
    """The run in one country.

    Attributes:
        country: its electricity.
        economy: its product and people; None where not known.
        year_share: cost over a year's GDP a head.
        work_time: seconds of work at GDP a head, `WORK_HOURS_PER_YEAR` a year.
        emissions: gCO2e, were it run there.
        nearest: region with the GPU; None where the country's place is not known.
    """

    country: Country
    economy: Economy | None
    year_share: Estimate
    work_time: Estimate
    emissions: Estimate
    nearest: Nearest | None

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``countries`` in ``gpugap.access/1``."""
        return {
            "iso3": self.country.iso3,
            "name": self.country.name,
            "income": self.economy.income if self.economy else None,
            "gdp_per_head_usd": self.economy.gdp_per_head().to_dict() if self.economy else None,
            "year_share": self.year_share.to_dict(),
            "work_time_s": self.work_time.to_dict(),
            "emissions_gco2e": self.emissions.to_dict(),
            "nearest": self.nearest.to_dict() if self.nearest else None,
        }


@dataclass(frozen=True, slots=True)
class IncomeGroup:
    """Countries of one income group.

    Attributes:
        income: the group.
        countries: how many are known.
        work_time: of the median country, from the least to the most; seconds.
        with_region: how many have the GPU in a known region of their own.
    """

    income: Income
    countries: int
    work_time: Estimate
    with_region: int

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``income_groups`` in ``gpugap.access/1``."""
        return {
            "income": self.income,
            "countries": self.countries,
            "work_time_s": self.work_time.to_dict(),
            "with_region": self.with_region,
        }


@dataclass(frozen=True, slots=True)
class Terms:
    """A run in other terms than seconds.

    Attributes:
        job: the run.
        price: of one GPU, ``USD/h``.
        cost: of the run, ``USD``.
        energy: joules at the meter.
        countries: all that are known.
        groups: by income.
        tiers: free notebooks.
        grant_share: cost over a stated grant; None without one.
        own_work_time: seconds of work at a stated income; None without one.
        regions: of the GPU that offers name, and offers that name none.
    """

    job: Job
    price: Estimate
    cost: Estimate
    energy: Estimate
    countries: tuple[InCountry, ...]
    groups: tuple[IncomeGroup, ...]
    tiers: tuple[OnTier, ...]
    grant_share: Estimate | None
    own_work_time: Estimate | None
    regions: tuple[int, int]

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``runs`` in ``gpugap.access/1``."""
        return {
            "run": self.job.to_dict(),
            "price_usd_per_gpu_h": self.price.to_dict(),
            "cost_usd": self.cost.to_dict(),
            "energy_j": self.energy.to_dict(),
            "countries": [one.to_dict() for one in self.countries],
            "income_groups": [one.to_dict() for one in self.groups],
            "free_tiers": [one.to_dict() for one in self.tiers],
            "grant_share": self.grant_share.to_dict() if self.grant_share else None,
            "own_work_time_s": self.own_work_time.to_dict() if self.own_work_time else None,
            "regions_with_gpu": self.regions[0],
            "offers_without_region": self.regions[1],
        }


@dataclass(frozen=True, slots=True)
class Means:
    """What the reader has, and what is known of the world.

    Attributes:
        offers: of clouds.
        countries: with their electricity.
        tiers: free notebooks.
        price_usd_per_gpu_h: what the reader pays; None for what the offers ask.
        grant_usd: to be spent; None without one.
        income_usd_per_year: of the reader; None where not told.
        today: on which age is judged.
    """

    offers: tuple[Offer, ...]
    countries: tuple[Country, ...]
    tiers: tuple[FreeTier, ...]
    price_usd_per_gpu_h: float | None = None
    grant_usd: float | None = None
    income_usd_per_year: float | None = None
    today: day | None = None

    def __post_init__(self) -> None:
        told = (
            ("price", self.price_usd_per_gpu_h),
            ("grant", self.grant_usd),
            ("income", self.income_usd_per_year),
        )
        for name, value in told:
            if value is not None and not 0 < value < 1e15:
                raise BadValue(f"{name} {value:g}", "give an amount above 0")


def terms(work: Job, means: Means) -> Terms:
    """A run in other terms.

    Args:
        work: the run.
        means: what the reader has, and what is known of the world.
    """
    own = [one for one in means.offers if one.gpu == work.gpu.key]
    price = price_of(own, work.gpu.key, means)
    told = f"{work.count} GPU for {work.time.method}; {price.method}"
    cost = product([work.time, price], "USD", told, scale=work.count / 3600)
    used = energy(work.power, work.time)
    known = sites(own)
    places = tuple(_in(one, cost, used, means, nearest_of=known) for one in means.countries)
    return Terms(
        job=work,
        price=price,
        cost=cost,
        energy=used,
        countries=places,
        groups=tuple(_group(income, places) for income in INCOMES),
        tiers=tuple(on_tier(work, tier) for tier in means.tiers if _is_free(tier)),
        grant_share=_over(cost, means.grant_usd, "1", "the grant, as stated"),
        own_work_time=_worked(cost, means.income_usd_per_year, "the income, as stated"),
        regions=(len(known), sum(not one.region for one in own)),
    )


def _is_free(tier: FreeTier) -> bool:
    return tier.trains and bool(tier.gpu) and tier.usd_per_month == 0


def price_of(offers: Sequence[Offer], key: str, means: Means) -> Estimate:
    """What an hour of one GPU costs on demand, ``USD/h``: the reader's price, or what the offers span.

    Args:
        offers: of any GPU.
        key: of the GPU.
        means: with the reader's own price, and the present day.
    """
    if means.price_usd_per_gpu_h is not None:
        own = means.price_usd_per_gpu_h
        return Estimate(own, None, None, None, "USD/h", "published", "the price, as stated", None)
    known = price_today(offers, key, means.today)
    return known if known.value is not None else replace(known, method=f"{known.method}; state a price")


def _in(place: Country, cost: Estimate, used: Estimate, means: Means, *, nearest_of: Sequence[Site]) -> InCountry:
    economy = economies().get(place.iso3)
    head = economy.gdp_per_head_usd if economy else None
    told = f"GDP a head {economy.gdp_year}, {economy.source}" if economy else f"no GDP of {place.name} is known"
    return InCountry(
        country=place,
        economy=economy,
        year_share=_over(cost, head, "1", told) or _unknown("1", told),
        work_time=_worked(cost, head, told) or _unknown("s", told),
        emissions=_emitted(place, used, means),
        nearest=nearest(economy, nearest_of) if economy else None,
    )


def _emitted(place: Country, used: Estimate, means: Means) -> Estimate:
    if not place.carbon:
        return _unknown("gCO2e", f"no carbon intensity of {place.name} is known")
    return carbon(used, intensity_of(place, means.countries, today=means.today))


def _over(cost: Estimate, amount: float | None, unit: str, told: str) -> Estimate | None:
    return None if amount is None else scaled(cost, 1 / amount, unit, f"{cost.method}; over {told}")


def _worked(cost: Estimate, income_usd_per_year: float | None, told: str) -> Estimate | None:
    """Seconds of work that earn the cost."""
    if income_usd_per_year is None:
        return None
    hour = income_usd_per_year / WORK_HOURS_PER_YEAR
    return scaled(cost, 3600 / hour, "s", f"{cost.method}; {told}, {WORK_HOURS_PER_YEAR:g} hours a year")


def _unknown(unit: str, told: str) -> Estimate:
    return Estimate(None, None, None, None, unit, "published", told, None)


def _group(income: Income, places: Iterable[InCountry]) -> IncomeGroup:
    inside = [one for one in places if one.economy and one.economy.income == income]
    known = sorted(one.work_time.value for one in inside if one.work_time.value is not None)
    told = f"median country of {len(known)}, least to most; {INCOME_SOURCE}"
    time = _unknown("s", inside[0].work_time.method if inside else "no country is known")
    if known:
        kind = inside[0].work_time.kind
        time = Estimate(statistics.median(known), known[0], known[-1], None, "s", kind, told, len(known))
    return IncomeGroup(income, len(inside), time, sum(bool(one.nearest and one.nearest.inside) for one in inside))
