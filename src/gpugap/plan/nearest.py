"""The nearest region with a GPU, of those offers that say where they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gpugap.catalog import Offer
from gpugap.catalog.economies import Economy, Region, distance_km, economies, regions
from gpugap.catalog.grid import country
from gpugap.core.estimate import Estimate

Spot = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Site:
    """A region with offers of the GPU.

    Attributes:
        region: of the catalog.
        where: latitude and longitude.
        exact: whether a place is known; else it is the country's capital.
    """

    region: Region
    where: Spot
    exact: bool

    @property
    def label(self) -> str:
        """``AWS eu-west-1, Dublin``."""
        place = self.region.place or country(self.region.iso3).name
        name = f"{self.region.provider} {self.region.region}"
        return name if place in name else f"{name}, {place}"


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest region with a GPU.

    Attributes:
        label: provider, region and place; empty where no offer says where it is.
        iso3: its country.
        distance: great circle from the capital, unit ``m``; unknown where no offer says where it is.
        inside: whether it lies in the country itself.
    """

    label: str
    iso3: str
    distance: Estimate
    inside: bool

    def to_dict(self) -> dict[str, Any]:
        """``nearest`` in ``gpugap.access/1``."""
        return {
            "region": self.label,
            "country": self.iso3,
            "distance_m": self.distance.to_dict(),
            "inside": self.inside,
        }


def sites(offers: Iterable[Offer]) -> tuple[Site, ...]:
    """The regions that offers name and the catalog can place, each once."""
    found: dict[tuple[str, str], Site] = {}
    for offer in offers:
        region = regions().get((offer.provider, offer.region))
        if region is None or (offer.provider, offer.region) in found:
            continue
        capital = economies().get(region.iso3)
        if region.latitude is not None and region.longitude is not None:
            found[offer.provider, offer.region] = Site(region, (region.latitude, region.longitude), True)
        elif capital is not None:
            found[offer.provider, offer.region] = Site(region, (capital.latitude, capital.longitude), False)
    return tuple(found.values())


def nearest(home: Economy, known: Sequence[Site]) -> Nearest:
    """The nearest of the sites to a country's capital; one inside the country comes first.

    Args:
        home: the country.
        known: sites of a GPU.
    """
    here = (home.latitude, home.longitude)
    if not known:
        told = "no offer of this GPU says where it is"
        return Nearest("", "", Estimate(None, None, None, None, "m", "published", told, None), False)
    best = min(known, key=lambda one: (one.region.iso3 != home.iso3, distance_km(here, one.where), one.label))
    inside = best.region.iso3 == home.iso3
    start = f"from {home.capital or 'the middle of the country'}"
    end = "" if best.exact else ", to the capital there, as the place is not told"
    method = f"great circle {start}{end}; place: {best.region.source}, {best.region.dated()}"
    distance = Estimate(1000 * distance_km(here, best.where), None, None, None, "m", "published", method, None)
    return Nearest(best.label, best.region.iso3, distance, inside)
