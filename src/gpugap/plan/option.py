"""`Worker`, `Ground`, `Option`: who could do a run, what is known, and what one way of doing it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date as day
from typing import Any, Literal

from gpugap.catalog import FreeTier, Gpu, Offer
from gpugap.core.errors import BadValue
from gpugap.core.estimate import Estimate
from gpugap.plan.calendar import Session
from gpugap.plan.run import Run
from gpugap.stats.propagation import assumed

OptionKind = Literal["own", "free", "on-demand", "spot", "buy"]
KINDS: tuple[OptionKind, ...] = ("own", "free", "on-demand", "spot", "buy")
Goal = Literal["cost", "time", "carbon"]
GOALS: tuple[Goal, ...] = ("cost", "time", "carbon")
UNITS: Mapping[Goal, str] = {"cost": "USD", "time": "s", "carbon": "gCO2e"}


LIFE = assumed(4.0, 3.0, 6.0, "year", "a life of 3 to 6 years")
LOST = assumed(0.75, 0.5, 1.0, "1", "sold at the end for 0 to half of its price")
"""Share of a board's price that is lost over its life: a GTX 1080 Ti went for a fifth after five years, an RTX 3090 for
nearly half after four, a broken one for nothing; recalled. The desktop counts as worn out."""
DESKTOP = assumed(1000.0, 600.0, 2000.0, "USD", "a desktop around the GPU, USD 600 to 2000")
STORAGE = assumed(0.08, 0.02, 0.2, "USD", "AWS gp3 0.08 (2025); object stores 0.02")
NO_PRICE = Estimate(None, None, None, None, "USD/kWh", "published", "no electricity price is known", None)
NO_COUNTRY = Estimate(None, None, None, None, "gCO2e/kWh", "published", "no country is given", None)


@dataclass(frozen=True, slots=True)
class Worker:
    """Devices of one machine that can do the step, and how long they take.

    Attributes:
        key: ``t4``, ``cpu fp32 default``.
        name: for people.
        gpu: row of the catalog; None for CPUs.
        count: devices that share the batch.
        step_time: seconds of the whole batch; measured or predicted.
        domain: ``measured``, or how far the prediction reaches.
        power: in watts, of the devices or of the CPU, without the rest.
        bound: what sets the step's time; empty where not known.
        note: what else to know of it.
    """

    key: str
    name: str
    gpu: Gpu | None
    count: int
    step_time: Estimate
    domain: str
    power: Estimate
    bound: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Excluded:
    """What is no option, and why.

    Attributes:
        what: a GPU, a service, a machine.
        reason: ``memory``, ``not-measured``, ``not-predicted``, ``no-price``, ``limits``, ``budget``, ``deadline``, or
            ``name`` for a remark on a name that could be several devices.
        told: for people.
    """

    what: str
    reason: str
    told: str

    def to_dict(self) -> dict[str, str]:
        """As JSON."""
        return {"what": self.what, "reason": self.reason, "told": self.told}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the reader wants and has.

    Attributes:
        budget_usd: at most; None for any.
        deadline_s: at most; None for any.
        goal: what is least.
        own: keys of GPUs that are there already, and ``cpu``.
        only: consider options whose id holds this text alone; all where empty.
        utilization: share of its life that a bought machine would be busy.
        life_years: until it is replaced.
        machine_usd: of a desktop around a bought GPU.
        lost_share: of a board's price, which it does not bring again when it is sold at the end of its life.
        storage_usd_per_gb_month: of a network disk.
    """

    budget_usd: float | None = None
    deadline_s: float | None = None
    goal: Goal = "cost"
    own: frozenset[str] = frozenset(("cpu",))
    only: str = ""
    utilization: float = 0.3
    life_years: Estimate = LIFE
    machine_usd: Estimate = DESKTOP
    lost_share: Estimate = LOST
    storage_usd_per_gb_month: Estimate = STORAGE

    def __post_init__(self) -> None:
        for name, value in (("budget", self.budget_usd), ("deadline", self.deadline_s)):
            if value is not None and not 0 < value < 1e15:
                raise BadValue(f"{name} {value:g}", "give an amount above 0")
        if not 0 < self.utilization <= 1:
            raise BadValue(f"utilization {self.utilization:g}", "give a share of the machine's life such as 0.3")


@dataclass(frozen=True, slots=True)
class Ground:
    """All that is known when options are made; nothing is looked up later.

    Attributes:
        run: what is run.
        workers: that fit in memory.
        wish: budget, deadline, goal, what is owned.
        offers: of clouds.
        tiers: free notebooks.
        regions: country code by provider and region.
        intensities: carbon intensity of countries with regions, by code.
        anywhere: carbon intensity where no region is told.
        home: carbon intensity where the reader is; unknown value where not told.
        country: code of the reader's; empty where not told.
        electricity: the reader's price, ``USD/kWh``; unknown value where not known.
        today: on which age is judged.
        factors: for sensitivity: ``price``, ``utilization``, ``efficiency``.
    """

    run: Run
    workers: tuple[Worker, ...]
    wish: Wish
    offers: tuple[Offer, ...] = ()
    tiers: tuple[FreeTier, ...] = ()
    regions: Mapping[tuple[str, str], str] = field(default_factory=dict)
    intensities: Mapping[str, Estimate] = field(default_factory=dict)
    anywhere: Estimate = NO_COUNTRY
    home: Estimate = NO_COUNTRY
    country: str = ""
    electricity: Estimate = NO_PRICE
    today: day | None = None
    factors: Mapping[str, float] = field(default_factory=dict)

    def factor(self, name: str) -> float:
        """A factor of the sensitivity; 1 where none is set."""
        return self.factors.get(name, 1.0)

    def shifted(self, name: str, factor: float) -> Ground:
        """The same ground with one factor changed."""
        return replace(self, factors={**self.factors, name: factor})


@dataclass(frozen=True, slots=True)
class Option:
    """One way to get the run done.

    Attributes:
        kind: ``own``, ``free``, ``on-demand``, ``spot`` or ``buy``.
        worker: who computes.
        where: provider and machine, service, or ``here``.
        provider: of rented machines; empty elsewhere.
        region: likewise.
        time: seconds from begin to end, waits for quotas included; those for machines that are sold out are not.
        busy: seconds that the machine is held.
        cost: US dollars; unknown value where a price is.
        energy: joules at the meter.
        carbon: grams of CO2 equivalent.
        price: of an hour, of the device, of a month; unknown value where there is none.
        dated: the price's date, marked when stale; empty without.
        interruptions: expected; None where nobody interrupts.
        segment_s: between checkpoints on spot machines; None elsewhere.
        sessions: of free notebooks.
        session_s: after so long the service ends one.
        notes: what else to know.
    """

    kind: OptionKind
    worker: Worker
    where: str
    provider: str
    region: str
    time: Estimate
    busy: Estimate
    cost: Estimate
    energy: Estimate
    carbon: Estimate
    price: Estimate
    dated: str = ""
    interruptions: Estimate | None = None
    segment_s: float | None = None
    sessions: tuple[Session, ...] = ()
    session_s: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Unique within a plan."""
        count = f"{self.worker.count}x " if self.worker.count > 1 else ""
        return f"{self.kind}: {count}{self.worker.key}, {self.where}"

    def goal(self, name: Goal) -> Estimate:
        """Cost, time or carbon."""
        return {"cost": self.cost, "time": self.time, "carbon": self.carbon}[name]

    def to_dict(self) -> dict[str, Any]:
        """As an entry of ``gpugap.plan/1``."""
        worker = self.worker
        return {
            "id": self.id,
            "kind": self.kind,
            "device": worker.key,
            "name": worker.name,
            "gpu": worker.gpu.key if worker.gpu else None,
            "gpu_count": worker.count if worker.gpu else 0,
            "where": self.where,
            "provider": self.provider,
            "region": self.region,
            "domain": worker.domain,
            "bound": worker.bound,
            "basis": {"step_time": worker.step_time.kind, "power": worker.power.kind, "price": self.price.kind},
            "step_time_s": worker.step_time.to_dict(),
            "power_w": worker.power.to_dict(),
            "time_s": self.time.to_dict(),
            "busy_s": self.busy.to_dict(),
            "cost_usd": self.cost.to_dict(),
            "energy_j": self.energy.to_dict(),
            "carbon_gco2e": self.carbon.to_dict(),
            "price": self.price.to_dict(),
            "price_date": self.dated,
            "interruptions": self.interruptions.to_dict() if self.interruptions else None,
            "checkpoint_every_s": self.segment_s,
            "session_limit_s": self.session_s,
            "sessions": [one.to_dict() for one in self.sessions],
            "notes": [note for note in (*self.notes, worker.note) if note],
        }
