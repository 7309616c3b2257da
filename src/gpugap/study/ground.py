"""What the catalog knows for a plan: offers, countries, prices of electricity, and GPUs to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date as day

from gpugap.catalog import Catalog, Country, Gpu
from gpugap.catalog.economies import regions
from gpugap.core.errors import AmbiguousName, BadValue, Unsupported
from gpugap.core.estimate import Estimate
from gpugap.plan.footprint import intensity_of, somewhere
from gpugap.plan.option import NO_COUNTRY, NO_PRICE, Excluded, Ground, Wish
from gpugap.plan.owning import BOUGHT
from gpugap.plan.run import Run
from gpugap.predict.memory import capability_of
from gpugap.stats.propagation import assumed

SOLD_YEARS = 8
"""Boards announced longer ago are not proposed for buying."""
_LEAST_CAPABILITY = (6, 0)
"""Older GPUs are not served by the PyTorch releases of today."""

WORLD_USD_PER_KWH = (0.165, 0.03, 0.45)
"""Households' price of electricity, average, and from subsidized to dear countries: GlobalPetrolPrices' public page of
2025, second quarter, has 0.165 for the world, 0.084 (Asia) to 0.245 (Europe) for continents; the ends are recalled."""
WORLD_SOURCE = (
    "the world's average, GlobalPetrolPrices 2025-06, from subsidized to dear countries; --kwh-price says yours"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the reader is.

    Attributes:
        country: name or code; empty where not told.
        usd_per_kwh: price of electricity; the country's household price where None.
    """

    country: str = ""
    usd_per_kwh: float | None = None


NOWHERE = Place()


def ground_of(known: Catalog, run: Run, wish: Wish, place: Place, today: day | None = None) -> Ground:
    """What the catalog knows for a plan; the workers are missing.

    Args:
        known: the catalog.
        run: what is run.
        wish: what is wanted.
        place: where the reader is.
        today: the present day.

    Raises:
        UnknownName: no such country.
        BadValue: no price of electricity.
    """
    countries = known.countries()
    where = {key: one.iso3 for key, one in regions().items()}
    intensities = {
        one.iso3: intensity_of(one, countries, today=today)
        for one in countries
        if one.iso3 in set(where.values()) and one.carbon
    }
    home, price, code = NO_COUNTRY, household_price(None, today), ""
    if place.country:
        found = known.country(place.country)
        code, price = found.iso3, household_price(found, today)
        home = replace(NO_COUNTRY, method=f"no carbon intensity of {found.name} is known")
        if found.carbon:
            home = intensity_of(found, countries, today=today)
    if place.usd_per_kwh is not None:
        if not 0 < place.usd_per_kwh < 100:
            raise BadValue(f"electricity at USD {place.usd_per_kwh:g} a kWh", "give a price such as 0.25")
        price = Estimate(
            place.usd_per_kwh, None, None, None, "USD/kWh", "published", "price of electricity, as given", None
        )
    return Ground(
        run=run,
        workers=(),
        wish=wish,
        offers=known.price_list,
        tiers=known.free_tiers,
        regions=where,
        intensities=intensities,
        anywhere=somewhere(intensities.values()),
        home=home,
        country=code,
        electricity=price,
        today=today,
    )


def household_price(found: Country | None, today: day | None = None) -> Estimate:
    """What households pay for electricity, ``USD/kWh``; the world's average and span where no price is known.

    The prices that are known cannot stand in: the catalog's are mostly those of the cheapest countries.

    Args:
        found: the country; None where none is told.
        today: the present day.
    """
    told = found.electricity_price(today=today) if found else NO_PRICE
    if told.value is not None:
        return told
    where = f"no household price of {found.name} is known" if found else "no country is given"
    return assumed(*WORLD_USD_PER_KWH, "USD/kWh", f"{where}: {WORLD_SOURCE}")


def own_gpus(names: Sequence[str], known: Catalog) -> tuple[frozenset[str], list[Excluded]]:
    """Keys of what the reader has; of consumer boards that share a name the first one, with a remark.

    Raises:
        UnknownName: no such GPU.
        AmbiguousName: other boards that share a name.
    """
    keys: set[str] = set()
    told: list[Excluded] = []
    for name in names:
        if name.lower() == "cpu":
            keys.add("cpu")
            continue
        try:
            keys.add(known.gpu(name).key)
        except AmbiguousName as error:
            several = [one for one in known.accelerators if one.key in error.message]
            desktop = [one for one in several if one.category != "laptop"] or several
            first = min(desktop, key=lambda one: (one.released, one.key))
            if any(one.category not in ("consumer", "laptop") for one in several):
                raise
            keys.add(first.key)
            others = ", ".join(one.key for one in several if one is not first)
            told.append(Excluded(name, "name", f"taken as {first.key}, which came first; say so if it is {others}"))
    return frozenset(keys), told


def candidates(known: Catalog, gpus: Sequence[str | Gpu], own: frozenset[str], today: day | None = None) -> list[Gpu]:
    """GPUs to look at: those named, or all that can be rented, bought, had for nothing, or are there already."""
    mine = [one for one in known.accelerators if one.key in own]
    if gpus:
        named = [known.gpu(one) if isinstance(one, str) else one for one in gpus]
        return list({one.key: one for one in (*named, *mine)}.values())
    offered = {one.gpu for one in known.price_list} | {one.gpu for one in known.free_tiers}
    oldest = f"{(today or day.today()).year - SOLD_YEARS}"
    return [
        one
        for one in known.accelerators
        if one in mine or (served(one) and (one.key in offered or _for_sale(one, oldest)))
    ]


def served(one: Gpu) -> bool:
    """Whether the memory and the time of a step on it can be predicted, and PyTorch still serves it."""
    try:
        return capability_of(one.compute_capability, one.name) >= _LEAST_CAPABILITY
    except Unsupported:
        return False


def _for_sale(one: Gpu, oldest: str) -> bool:
    return one.category in BOUGHT and bool(one.launch_price_usd) and one.released >= oldest
