"""What clouds ask for an hour, and users' own price lists."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import date as day
from pathlib import Path

from gpugap.catalog.accelerators import Gpu, all_gpus, gpu
from gpugap.catalog.facts import Above0, Count, Fact
from gpugap.catalog.tables import from_file, packaged
from gpugap.core.errors import UnknownName
from gpugap.core.estimate import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer(Fact):
    """A machine for rent.

    Attributes:
        provider: who rents it out.
        instance: the provider's name of it; empty where it has none.
        gpu: key in the catalog; empty for machines without.
        gpu_count: devices in it.
        vcpus: hardware threads; None where the source tells none.
        ram_gib: memory; None where the source tells none.
        region: the provider's name; empty where the source tells none.
        usd_per_h: on demand, whole machine.
        spot_usd_per_h: may be taken back at any time, whole machine.

    Raises:
        ValueError: no price, or a GPU without a number of them.
    """

    provider: str
    gpu: str = ""
    instance: str = ""
    gpu_count: Count = 1
    vcpus: Count | None = None
    ram_gib: Above0 | None = None
    region: str = ""
    usd_per_h: Above0 | None = None
    spot_usd_per_h: Above0 | None = None

    def __post_init__(self) -> None:
        Fact.__post_init__(self)
        if self.usd_per_h is None and self.spot_usd_per_h is None:
            raise ValueError("usd_per_h: neither it nor spot_usd_per_h is given")
        if bool(self.gpu) != bool(self.gpu_count):
            raise ValueError("gpu_count: 0 without a GPU, above 0 with one")

    @property
    def key(self) -> str:
        """Provider, machine and place."""
        what = f"{self.gpu_count}x {self.gpu}" if self.gpu else f"{self.vcpus} vCPUs"
        return ", ".join(part for part in (self.provider, self.instance, what, self.region) if part)

    @property
    def usd_per_gpu_h(self) -> float | None:
        """On demand, one device's share; None without a GPU or an on-demand price."""
        return self.usd_per_h / self.gpu_count if self.usd_per_h and self.gpu_count else None

    @property
    def spot_usd_per_gpu_h(self) -> float | None:
        """Spot, one device's share; None without a GPU or a spot price."""
        return self.spot_usd_per_h / self.gpu_count if self.spot_usd_per_h and self.gpu_count else None

    def price(self, *, spot: bool = False, today: day | None = None) -> Estimate:
        """Of the whole machine, unit ``USD/h``; the value is None where there is no such price."""
        return self.estimate(self.spot_usd_per_h if spot else self.usd_per_h, "USD/h", today)


@functools.cache
def all_offers() -> tuple[Offer, ...]:
    """The rows of ``offers.csv`` in this package."""
    return packaged(Offer, "offers.csv")


def offers(
    gpu: str | None = None,
    region: str | None = None,
    provider: str | None = None,
    rows: Sequence[Offer] | None = None,
    devices: Sequence[Gpu] | None = None,
) -> tuple[Offer, ...]:
    """Offers that fit, the cheapest an hour and GPU first; spot prices count where there is no other.

    Args:
        gpu: name of an accelerator; ``cpu`` for machines without.
        region: the provider's name, or its beginning: ``eu-``; offers without a region do not fit.
        provider: its name, or its beginning.
        rows: to choose from; the packaged ones where None.
        devices: accelerators that the name is looked up in; the packaged ones where None.

    Raises:
        UnknownName: no such accelerator, region or provider.
        AmbiguousName: the name could be several accelerators.
    """
    known = all_offers() if rows is None else rows
    key = None if gpu is None else "" if gpu.lower() == "cpu" else _key(gpu, devices)
    found = [one for one in known if key in (None, one.gpu)]
    for column, wanted in (("region", region), ("provider", provider)):
        if wanted is None:
            continue
        if not any(_begins(getattr(one, column), wanted) for one in known):
            raise UnknownName(column, wanted, {getattr(one, column).lower() for one in known} - {""})
        found = [one for one in found if _begins(getattr(one, column), wanted)]
    return tuple(sorted(found, key=_cost))


def price_list(path: Path, devices: Sequence[Gpu] | None = None) -> tuple[Offer, ...]:
    """A user's offers; only ``gpu`` and one price are needed.

    Args:
        path: a CSV file with the columns of `Offer`.
        devices: accelerators that names are looked up in; the packaged ones where None.

    Raises:
        BadTable: the file cannot be read or is malformed; names line and column.
    """
    try:
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
    except (OSError, ValueError, OverflowError):
        changed = day.today()
    defaults = {"provider": "mine", "source": path.name, "date": changed.isoformat(), "confidence": "high"}
    return from_file(Offer, path, defaults, {"gpu": lambda name: _key(name, devices)})


def _key(name: str, devices: Sequence[Gpu] | None) -> str:
    return gpu(name, all_gpus() if devices is None else devices).key


def _begins(text: str, beginning: str) -> bool:
    return bool(beginning) and text.lower().startswith(beginning.lower())


def _cost(one: Offer) -> float:
    whole = one.usd_per_h or one.spot_usd_per_h or 0.0
    return whole / max(one.gpu_count, 1)
