"""Checks every row of the catalog for physical sense, dates, duplicates, neighbors and joins."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date as day

from gpugap.catalog.book import Catalog
from gpugap.catalog.compute import KnownCompute, coverage, known_compute, owned_memory
from gpugap.catalog.economies import Region, economies, recipes, regions
from gpugap.catalog.facts import Fact, first_day
from gpugap.catalog.names import words
from gpugap.catalog.physics import cpu_faults, gpu_faults
from gpugap.catalog.prices import Offer, all_offers

NEIGHBOR_FACTOR = 3.0
"""A price per GPU farther from the median of its GPU must say so in its notes."""
LARGE_MACHINE_FACTOR = 2.5
"""Within one provider, list and GPU a larger machine costs about as much per GPU as a smaller one; with many more vCPUs
up to this factor more or less, else its notes say so."""
_FAR = "times the median price"
_FIRST_YEAR = 2005


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that cannot be true.

    Attributes:
        table: its table.
        row: its name.
        problem: what is wrong with it.
    """

    table: str
    row: str
    problem: str

    def to_dict(self) -> dict[str, str]:
        """The fault as JSON."""
        return {"table": self.table, "row": self.row, "problem": self.problem}


def check(catalog: Catalog, today: day | None = None) -> list[Fault]:
    """Everything that is wrong with a catalog; nothing is wrong with the packaged one.

    Args:
        catalog: to check.
        today: no row can be younger.
    """
    today = today or day.today()
    faults = list(_accelerators(catalog, today))
    faults += _processors(catalog, today)
    faults += _offers(catalog, today)
    faults += _tiers(catalog, today)
    faults += _electricity(catalog, today)
    faults += _divide(catalog, today)
    return faults


def _accelerators(catalog: Catalog, today: day) -> Iterator[Fault]:
    rows = catalog.accelerators
    yield from _facts("accelerators", [(one.key, one) for one in rows], today)
    yield from _twice("accelerators", ((one.key, one.key) for one in rows))
    for one in rows:
        for problem in (*gpu_faults(one), *_released(one.release_date, today, "announced" in one.name)):
            yield Fault("accelerators", one.key, problem)
    owners: dict[str, set[str]] = {}
    for one in rows:
        for name in (one.key, *one.names):
            owners.setdefault("".join(words(name)), set()).add(one.key)
    for name, keys in owners.items():
        if len(keys) > 1 or not name:
            yield Fault("accelerators", min(keys), f"the name {name!r} finds {', '.join(sorted(keys))}")


def _processors(catalog: Catalog, today: day) -> Iterator[Fault]:
    rows = catalog.processors
    keys = {one.key for one in rows}
    yield from _facts("cpus", [(one.key, one) for one in rows], today)
    yield from _twice("cpus", ((one.key, one.key) for one in rows))
    for one in rows:
        for problem in (*cpu_faults(one), *_released(one.release_date, today)):
            yield Fault("cpus", one.key, problem)
        if one.chip and one.chip not in keys:
            yield Fault("cpus", one.key, f"its chip {one.chip!r} is not in the table")


def _offers(catalog: Catalog, today: day) -> Iterator[Fault]:
    rows = catalog.price_list
    keys = {one.key for one in catalog.accelerators}
    yield from _facts("offers", [(one.key, one) for one in rows], today)
    yield from _twice("offers", ((one.key, (one.key, one.vcpus, one.ram_gib, one.source, one.date)) for one in rows))
    yield from _neighbors(rows)
    for one in rows:
        if one.gpu and one.gpu not in keys:
            yield Fault("offers", one.key, f"its GPU {one.gpu!r} is not in the catalog")
        if one.usd_per_h and one.spot_usd_per_h and one.spot_usd_per_h > one.usd_per_h:
            yield Fault("offers", one.key, "spot is dearer than on demand")
        for price in (one.usd_per_gpu_h, one.spot_usd_per_gpu_h):
            if price is not None and not 0.01 <= price <= 40:
                yield Fault("offers", one.key, f"{price:g} USD per GPU and hour")
        if one.vcpus is not None and one.vcpus > 1024:
            yield Fault("offers", one.key, f"{one.vcpus} vCPUs in one machine")
        if one.ram_gib is not None and one.ram_gib > 8192:
            yield Fault("offers", one.key, f"{one.ram_gib:g} GiB in one machine")


def _neighbors(rows: Iterable[Offer]) -> Iterator[Fault]:
    """Prices per GPU far from others of the same GPU, or of the same provider's list, whose notes say nothing."""
    rows = [one for one in rows if one.usd_per_gpu_h is not None]
    groups: dict[Hashable, list[Offer]] = {}
    for one in rows:
        groups.setdefault(("all providers", one.gpu), []).append(one)
        groups.setdefault((one.provider, one.gpu, one.region, one.source), []).append(one)
    for key, group in groups.items():
        middle = statistics.median(one.usd_per_gpu_h or 0.0 for one in group)
        whole = isinstance(key, tuple) and key[0] == "all providers"
        factor = NEIGHBOR_FACTOR if whole else LARGE_MACHINE_FACTOR
        for one in group if len(group) >= 3 else []:
            times = (one.usd_per_gpu_h or 0.0) / middle
            if not 1 / factor <= times <= factor and _FAR not in one.notes:
                told = f"{times:.2g} times the median price of {len(group)} offers of this GPU; its notes do not say so"
                yield Fault("offers", one.key, told)


def _tiers(catalog: Catalog, today: day) -> Iterator[Fault]:
    rows = catalog.free_tiers
    keys = {one.key for one in catalog.accelerators}
    yield from _facts("free_tiers", [(one.key, one) for one in rows], today)
    yield from _twice("free_tiers", ((one.key, one.key) for one in rows))
    for one in rows:
        if one.gpu and one.gpu not in keys:
            yield Fault("free_tiers", one.key, f"its GPU {one.gpu!r} is not in the catalog")
        for column, hours, most in (
            ("session_h", one.session_h, 48),
            ("gpu_h_per_day", one.gpu_h_per_day, 24),
            ("gpu_h_per_week", one.gpu_h_per_week, 168),
            ("gpu_h_per_month", one.gpu_h_per_month, 744),
        ):
            if hours is not None and hours > most:
                yield Fault("free_tiers", one.key, f"{column} {hours:g} is above {most}")
        if not one.limits:
            yield Fault("free_tiers", one.key, "no limits are told")


def _electricity(catalog: Catalog, today: day) -> Iterator[Fault]:
    codes = Counter(code for one in catalog.country_names for code in (one.iso3, one.iso2))
    carbon = [(f"{one.iso3} {one.year}", one) for one in catalog.carbon]
    prices = [(f"{one.iso3} {one.customer}", one) for one in catalog.electricity]
    yield from (Fault("countries", code, "stands twice") for code, times in codes.items() if times > 1)
    yield from _facts("countries", [(one.iso3, one) for one in catalog.country_names], today)
    yield from _facts("carbon_intensity", carbon, today)
    yield from _facts("electricity_prices", prices, today)
    yield from _twice("carbon_intensity", ((name, (one.iso3, one.year, one.source)) for name, one in carbon))
    yield from _twice("electricity_prices", ((name, (one.iso3, one.customer, one.source)) for name, one in prices))
    known = {one.iso3 for one in catalog.country_names}
    used = {one.iso3 for _, one in carbon} | {one.iso3 for _, one in prices}
    yield from (Fault("countries", code, "nothing is known of it") for code in sorted(known - used))
    for name, one in carbon:
        if one.iso3 not in known:
            yield Fault("carbon_intensity", name, "no such country")
        if not 0 <= one.gco2e_per_kwh <= 1400 or not 1990 <= one.year <= today.year:
            yield Fault("carbon_intensity", name, f"{one.gco2e_per_kwh:g} gCO2e/kWh in {one.year}")
    for name, price in prices:
        if price.iso3 not in known:
            yield Fault("electricity_prices", name, "no such country")
        if not 0.003 <= price.usd_per_kwh <= 0.8:
            yield Fault("electricity_prices", name, f"{price.usd_per_kwh:g} USD/kWh")


def _divide(catalog: Catalog, today: day) -> Iterator[Fault]:
    """The tables behind ``gpugap access``: economies, regions, recipes, holders of compute, memory that is owned."""
    countries = {one.iso3 for one in catalog.country_names}
    economic = [(code, one) for code, one in economies().items()]
    places = [(" ".join(key), one) for key, one in regions().items()]
    holders = [(one.name, one) for one in known_compute()]
    owned = [(f"{one.at} {one.memory_gb:g} GB", one) for one in owned_memory()]
    tables: dict[str, list[tuple[str, Fact]]] = {
        "economies": [*economic],
        "regions": [*places],
        "recipes": [*recipes().items()],
        "known_compute": [*holders],
        "owned_memory": [*owned],
        "coverage": [(one.told, one) for one in coverage()],
    }
    for table, rows in tables.items():
        yield from _facts(table, rows, today)
    yield from _twice("owned_memory", ((name, name) for name, _ in owned))
    for name, economy in economic:
        if name not in countries:
            yield Fault("economies", name, "no such country")
        if not 50 <= economy.gdp_per_head_usd <= 300_000:
            yield Fault("economies", name, f"{economy.gdp_per_head_usd:g} USD a head and year")
    located: list[tuple[str, Region | KnownCompute]] = [*places, *holders]
    for name, place in located:
        if place.iso3 and place.iso3 not in countries:
            yield Fault("regions" if isinstance(place, Region) else "known_compute", name, f"no country {place.iso3}")
    for offer in all_offers():
        if offer.region and (offer.provider, offer.region) not in regions():
            yield Fault("regions", f"{offer.provider} {offer.region}", "an offer names it, and it is not placed")
    for month in sorted({one.at for one in owned_memory()}):
        share = sum(one.share for one in owned_memory() if one.at == month)
        if not 0.85 <= share <= 1.001:
            yield Fault("owned_memory", month, f"its shares sum to {share:.3f}")


def _facts(table: str, rows: Iterable[tuple[str, Fact]], today: day) -> Iterator[Fault]:
    """What every row owes: a source, a date that has been, and a reason for high confidence against another source."""
    for name, one in rows:
        if not one.source.strip():
            yield Fault(table, name, "no source")
        if not day(_FIRST_YEAR, 1, 1) <= first_day(one.date) <= today:
            yield Fault(table, name, f"its date {one.date} lies before {_FIRST_YEAR} or after today")
        if one.disagrees and one.confidence == "high" and not one.notes:
            yield Fault(table, name, "high confidence although a source disagrees, and no note says why")


def _released(text: str, today: day, announced: bool = False) -> Iterator[str]:
    try:
        released = first_day(text)
    except ValueError as error:
        yield f"release_date: {error}"
        return
    if released.year < _FIRST_YEAR or (released > today and not announced):
        yield f"release_date {text} lies before {_FIRST_YEAR} or after today"


def _twice(table: str, names: Iterable[tuple[str, Hashable]]) -> Iterator[Fault]:
    seen: set[Hashable] = set()
    for name, identity in names:
        if identity in seen:
            yield Fault(table, name, "stands twice")
        seen.add(identity)
