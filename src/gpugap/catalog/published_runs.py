"""What known training runs took, by those who ran them: hours, power, energy, carbon and cost, each with its source."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

from gpugap.catalog.facts import Above0, Count, Fact
from gpugap.catalog.grid import Iso3
from gpugap.catalog.tables import packaged

Scope = Literal["devices", "machine", "building"]
"""What energy counts: accelerators alone, with the machine around them, or with the building's share (PUE)."""
Basis = Literal["measured", "stated", "invoice", "list-price"]
"""``measured`` by sensors; ``stated``: hours times a power limit or a price, by the source itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRun(Fact):
    """A training run. None is not told.

    Attributes:
        key: its name in tables.
        name: of the model.
        gpu: key of the accelerator in the catalog.
        device_h: accelerator hours.
        devices: at a time.
        scope: of energy.
        basis: of power and cost.
        pue: of the building, as the source took it.
        country: where it ran.
        year: when.
        power_w: of one accelerator in that scope, without the building's share.
        energy_kwh: of the run.
        carbon_kg: CO2 equivalent of the run.
        cost_usd: of the run.
        paid: ``on-demand`` or ``spot``; empty without a cost.
    """

    key: str
    name: str
    gpu: str
    device_h: Above0
    devices: Count | None = None
    scope: Scope
    basis: Basis
    pue: Above0 | None = None
    country: Iso3
    year: int
    power_w: Above0 | None = None
    energy_kwh: Above0 | None = None
    carbon_kg: Above0 | None = None
    cost_usd: Above0 | None = None
    paid: Literal["", "on-demand", "spot"] = ""

    def __post_init__(self) -> None:
        Fact.__post_init__(self)
        if not any((self.energy_kwh, self.carbon_kg, self.cost_usd)):
            raise ValueError("energy_kwh: neither it nor carbon_kg nor cost_usd is given")
        if bool(self.cost_usd) != bool(self.paid):
            raise ValueError("paid: it and cost_usd stand together or not at all")


@functools.cache
def published_runs() -> tuple[PublishedRun, ...]:
    """The rows of ``published_runs.csv`` in this package."""
    return packaged(PublishedRun, "published_runs.csv")
