"""The whole catalog as one value: the packaged tables, with a user's own rows over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date as day
from pathlib import Path
from typing import Any

from gpugap.catalog import accelerators, grid, prices, processors
from gpugap.catalog.accelerators import Gpu
from gpugap.catalog.facts import AnyFact, Fact
from gpugap.catalog.grid import CarbonIntensity, Country, CountryName, ElectricityPrice
from gpugap.catalog.prices import Offer
from gpugap.catalog.processors import Cpu
from gpugap.catalog.tables import Spelled, row
from gpugap.catalog.tiers import FreeTier, free_tiers
from gpugap.core.errors import BadTable, UnknownName

TABLES = {
    "gpus": "accelerators",
    "cpus": "processors",
    "offers": "price_list",
    "free-tiers": "free_tiers",
    "countries": "country_names",
    "carbon-intensity": "carbon",
    "electricity-prices": "electricity",
}
"""Names of the tables on the command line, and where `Catalog` holds them."""
_SEARCHED = ("gpus", "cpus", "offers", "free-tiers", "countries")

_OWN = ("gpu", "cpu", "offer", "carbon_intensity", "electricity_price")
_VERBS = ("list", "show", "search", "check", "export", "update")


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every table; `load` makes one.

    Attributes:
        accelerators: GPUs and their like.
        processors: CPUs and slices of them.
        price_list: offers of clouds, or the user's.
        free_tiers: notebooks for nothing, or nearly so.
        country_names: codes and names.
        carbon: carbon intensity by country and year.
        electricity: prices by country and customer.
    """

    accelerators: tuple[Gpu, ...]
    processors: tuple[Cpu, ...]
    price_list: tuple[Offer, ...]
    free_tiers: tuple[FreeTier, ...]
    country_names: tuple[CountryName, ...]
    carbon: tuple[CarbonIntensity, ...]
    electricity: tuple[ElectricityPrice, ...]

    def gpu(self, name: str) -> Gpu:
        """As `catalog.gpu`."""
        return accelerators.gpu(name, self.accelerators)

    def gpus(
        self, min_memory: int | str = 0, vendor: str | None = None, category: str | None = None
    ) -> tuple[Gpu, ...]:
        """As `catalog.gpus`."""
        return accelerators.gpus(min_memory, vendor, category, self.accelerators)

    def cpu(self, name: str) -> Cpu:
        """As `catalog.cpu`."""
        return processors.cpu(name, self.processors)

    def cpus(self, vendor: str | None = None, category: str | None = None) -> tuple[Cpu, ...]:
        """As `catalog.cpus`."""
        return processors.cpus(vendor, category, self.processors)

    def offers(
        self, gpu: str | None = None, region: str | None = None, provider: str | None = None
    ) -> tuple[Offer, ...]:
        """As `catalog.offers`."""
        return prices.offers(gpu, region, provider, self.price_list, self.accelerators)

    def country(self, name: str) -> Country:
        """As `catalog.country`."""
        return grid.country(name, self.countries())

    def table(self, name: str) -> Sequence[Fact]:
        """The rows of a table; see `TABLES`.

        Raises:
            UnknownName: no such table.
        """
        if name not in TABLES:
            raise UnknownName("table", name, TABLES)
        rows: Sequence[Fact] = getattr(self, TABLES[name])
        return rows

    def search(self, text: str) -> list[tuple[str, Fact]]:
        """Rows that hold all words of a text, in whatever column, each with the name of its table."""
        wanted = text.lower().split()
        found: list[tuple[str, Fact]] = []
        for table in _SEARCHED:
            for one in self.table(table):
                held = " ".join(str(value) for value in asdict(one).values() if value is not None).lower()
                if all(word in held for word in wanted):
                    found.append((table, one))
        return found

    def countries(self) -> tuple[Country, ...]:
        """All countries with their carbon intensities and prices."""
        return grid.joined(self.country_names, self.carbon, self.electricity)


def load(own: Mapping[str, Any] | None = None, price_file: Path | None = None, today: day | None = None) -> Catalog:
    """The packaged tables with a user's rows over them.

    Args:
        own: the table ``[catalog]`` of ``gpugap.toml``: lists ``gpu``, ``cpu``, ``offer``, ``carbon_intensity`` and
            ``electricity_price`` of rows by column, and ``prices``, the path of a price list.
        price_file: a price list, in place of the packaged offers and of ``prices``.
        today: date of rows that tell none.

    Raises:
        BadTable: a row or a list is malformed; says which, and which column.
    """
    own = own or {}
    _check_names(own)
    stamp = (today or day.today()).isoformat()
    gpus = _over(Gpu, accelerators.all_gpus(), own.get("gpu", ()), "gpu", stamp=stamp)
    spelled = {"gpu": lambda name: accelerators.gpu(name, gpus).key}
    listed = price_file or (Path(own["prices"]).expanduser() if "prices" in own else None)
    offers = prices.all_offers() if listed is None else prices.price_list(listed, gpus)
    place: Spelled = {"iso3": lambda name: grid.country(name).iso3}
    return Catalog(
        gpus,
        _over(Cpu, processors.all_cpus(), own.get("cpu", ()), "cpu", stamp=stamp),
        _over(Offer, offers, own.get("offer", ()), "offer", stamp=stamp, spelled=spelled),
        free_tiers(),
        grid.country_names(),
        _over(
            CarbonIntensity,
            grid.carbon_rows(),
            own.get("carbon_intensity", ()),
            "carbon_intensity",
            stamp=stamp,
            spelled=place,
        ),
        _over(
            ElectricityPrice,
            grid.price_rows(),
            own.get("electricity_price", ()),
            "electricity_price",
            stamp=stamp,
            spelled=place,
        ),
    )


def _check_names(own: Mapping[str, Any]) -> None:
    for name, value in own.items():
        listed = isinstance(value, list) and all(isinstance(entry, dict) for entry in value)
        if name == "prices" and not isinstance(value, str):
            raise BadTable("gpugap.toml, [catalog] prices is no path", 'write prices = "my-prices.csv"')
        if name in _OWN and not listed:
            raise BadTable(f"gpugap.toml, catalog.{name} is no list of tables", f"write [[catalog.{name}]]")
        if name not in (*_OWN, *_VERBS, "prices"):
            raise BadTable(f"gpugap.toml, [catalog] has no {name!r}", f"known: {', '.join((*_OWN, 'prices'))}")


def _over(
    kind: type[AnyFact],
    rows: Sequence[AnyFact],
    own: Sequence[Mapping[str, Any]],
    table: str,
    *,
    stamp: str,
    spelled: Spelled | None = None,
) -> tuple[AnyFact, ...]:
    """Rows with the user's: one of a known ``key`` changes that row, any other is added behind."""
    found = list(rows)
    for number, entry in enumerate(own, start=1):
        place = f"gpugap.toml, catalog.{table} number {number}"
        base: dict[str, Any] = {"source": "gpugap.toml", "date": stamp, "confidence": "high"}
        if kind is Offer:
            base["provider"] = "mine"
        index = next((i for i, one in enumerate(found) if entry.get("key", "") == getattr(one, "key", None)), None)
        if index is not None:
            base = {one.name: getattr(found[index], one.name) for one in fields(kind)} | base | {"disagrees": ""}
        made = row(kind, base | {name: str(value) for name, value in entry.items()}, place, spelled)
        if index is None:
            found.append(made)
        else:
            found[index] = made
    return tuple(found)
