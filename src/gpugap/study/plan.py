"""What a run would cost and take, and where: ``gpugap.plan``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date as day
from pathlib import Path
from typing import Any

from gpugap.catalog import Catalog, Country, Gpu, load, match_cpu
from gpugap.catalog.economies import regions
from gpugap.core.errors import AmbiguousName, BadValue, Infeasible, UnknownName, Unsupported
from gpugap.core.estimate import Estimate
from gpugap.core.record import Record
from gpugap.core.step import Step
from gpugap.core.units import gibibytes
from gpugap.explain.cells import CellSummary, environment_of, summarize
from gpugap.measure.target import parse_target
from gpugap.plan.api import Plan, Subject, make_plan
from gpugap.plan.footprint import intensity_of, somewhere
from gpugap.plan.option import GOALS, NO_COUNTRY, NO_PRICE, Excluded, Ground, Wish
from gpugap.plan.owning import BOUGHT
from gpugap.plan.run import Run
from gpugap.predict.memory import capability_of
from gpugap.sensors.environment import capture
from gpugap.stats.propagation import assumed
from gpugap.store.exchange import read_file
from gpugap.study.api import Measurement
from gpugap.study.tracing import Tracer, batch_for, check_names
from gpugap.study.workers import Found, Looker, Predictor, cores_of, cpu_workers, predicted_step

SOLD_YEARS = 8
"""Boards announced longer ago are not proposed for buying."""
_LEAST_CAPABILITY = (6, 0)
"""Older GPUs are not served by the PyTorch releases of today."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the reader is.

    Attributes:
        country: name or code; empty where not told.
        usd_per_kwh: price of electricity; the country's household price where None.
    """

    country: str = ""
    usd_per_kwh: float | None = None


def plan(  # noqa: PLR0913 - keyword-only choices with defaults
    step: str | Step,
    *,
    epochs: float,
    samples: int,
    batch: int | None = None,
    mode: str = "train",
    precision: str = "fp32",
    gpus: Sequence[str | Gpu] = (),
    counts: Sequence[int] = (1,),
    own: Sequence[str] = ("cpu",),
    budget_usd: float | None = None,
    deadline_s: float | None = None,
    country: str = "",
    usd_per_kwh: float | None = None,
    goal: str = "cost",
    records: Sequence[Record] | Measurement | str | Path = (),
    catalog: Catalog | None = None,
    run: dict[str, Any] | None = None,
    wish: dict[str, Any] | None = None,
    only: str = "",
    predictor: Predictor = predicted_step,
    today: day | None = None,
) -> Plan:
    """Plans a run on this CPU, own hardware, free notebooks, rented and bought GPUs: time, cost and carbon.

    Args:
        step: a workload's name, ``"FILE.py:make_step"``, or a `Step` of PyTorch.
        epochs: passes over the samples; how many an accuracy needs at this batch is yours to know.
        samples: a pass.
        batch: samples a step, on all devices together; for a `Step` that of its input where not given.
        mode: ``train`` or ``inference``.
        precision: ``fp32``, ``tf32``, ``bf16`` or ``fp16`` (the last two autocast).
        gpus: names from the catalog; all that can be rented, bought or had for nothing where empty.
        counts: GPUs of one machine that share the batch.
        own: GPUs that are there, and ``cpu``.
        budget_usd: at most.
        deadline_s: at most, in seconds.
        country: name or code, for carbon and the price of electricity.
        usd_per_kwh: the reader's price of electricity.
        goal: ``cost``, ``time`` or ``carbon``.
        records: of this step, on this CPU or on a GPU of the plan: they take the place of predictions.
        catalog: with the user's rows; the packaged one where None.
        run: further fields of `gpugap.plan.run.Run`: ``evaluated``, ``data_bytes``, ``loader_per_s``, ``spot_mean_s``.
        wish: further fields of `gpugap.plan.option.Wish`: ``utilization``, ``life_years``, ``machine_usd``.
        only: consider options whose id holds this text alone.
        predictor: step time of a trace on a GPU; the latency model where not given.
        today: the present day.

    Raises:
        Infeasible: nothing fits, or nothing is within budget and deadline; says the nearest.
        UnknownName, BadValue: no such GPU, country or goal; numbers out of range.
        Unsupported: the step cannot be traced.
    """
    from gpugap.frameworks.torch.trace.wish import Wish as TraceWish

    size, mode = batch_for(step, batch, mode)
    check_names(mode=mode, precision=precision)
    if goal not in GOALS:
        raise UnknownName("goal", goal, GOALS)
    known = load() if catalog is None else catalog
    planned = Run(epochs, samples, size, **(run or {}))
    mine, others = own_gpus(own, known)
    wished = Wish(budget_usd, deadline_s, goal, mine, **(wish or {}))
    ground = ground_of(known, planned, wished, Place(country, usd_per_kwh), today)
    tracer = Tracer(step, mode)
    here, there = cells_of(_read(records), step, tracer, (mode, size))
    traced = TraceWish(size, mode, precision)
    looker = Looker(tracer, traced, [one for one in there if one.cell.precision == precision], predictor)
    rentable = {(one.gpu, one.gpu_count) for one in known.price_list}
    found = looker.look(candidates(known, gpus, mine, today), _counts(counts), rentable)
    workers = (*found.workers, *cpu_workers(here, lambda one: _chip(one, known)))
    if not workers:
        raise _too_large(found, known, tracer.name, size)
    ground = replace(ground, workers=workers, run=replace(planned, checkpoint_bytes=found.checkpoint_bytes))
    excluded = [*found.excluded, *others, *_not_measured(here, mine, step, size)]
    return make_plan(Subject(tracer.name, mode, precision, only), ground, excluded, found.corrections)


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
    home, price, code = NO_COUNTRY, household_price(None, countries, today), ""
    if place.country:
        found = known.country(place.country)
        code, price = found.iso3, household_price(found, countries, today)
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


def household_price(found: Country | None, countries: Sequence[Country], today: day | None = None) -> Estimate:
    """What households pay for electricity, ``USD/kWh``; where no price is known, what they pay in other countries.

    Args:
        found: the country; None where none is told.
        countries: all of them.
        today: the present day.
    """
    told = found.electricity_price(today=today) if found else NO_PRICE
    if told.value is not None:
        return told
    known = sorted(row.usd_per_kwh for one in countries if (row := one.price_row("household")) is not None)
    if not known:
        return told
    low, value, high = (known[round(edge * (len(known) - 1))] for edge in (0.05, 0.5, 0.95))
    where = f"no household price of {found.name} is known" if found else "no country is given"
    return assumed(value, low, high, "USD/kWh", f"{where}: the median of {len(known)} countries, 5 to 95 %")


def own_gpus(names: Sequence[str], known: Catalog) -> tuple[frozenset[str], list[Excluded]]:
    """Keys of what the reader has; of boards that share a name the first one, with a remark.

    Raises:
        UnknownName: no such GPU.
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
            if len({one.architecture for one in several}) > 1 or len({one.category for one in desktop}) > 1:
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
        if one in mine or (_served(one) and (one.key in offered or _for_sale(one, oldest)))
    ]


def _served(one: Gpu) -> bool:
    try:
        return capability_of(one.compute_capability, one.name) >= _LEAST_CAPABILITY
    except Unsupported:
        return False


def _for_sale(one: Gpu, oldest: str) -> bool:
    return one.category in BOUGHT and bool(one.launch_price_usd) and one.released >= oldest


def _counts(counts: Sequence[int]) -> list[int]:
    for count in counts:
        if not 1 <= count <= 16:
            raise BadValue(f"{count} GPUs in a machine", "give 1 to 16; several machines are not planned")
    return sorted(set(counts)) or [1]


def _read(records: Sequence[Record] | Measurement | str | Path) -> Sequence[Record]:
    if isinstance(records, str | Path):
        return read_file(Path(records)).records
    return records.records if isinstance(records, Measurement) else records


def cells_of(
    records: Sequence[Record], step: str | Step, tracer: Tracer, work: tuple[str, int]
) -> tuple[list[CellSummary], list[CellSummary]]:
    """Measured cells of this very work on this machine's CPU, and on GPUs.

    Args:
        records: of any work and machine.
        step: as asked for.
        tracer: of it.
        work: mode and batch.
    """
    names = {tracer.name} | ({type(step).__name__} if isinstance(step, Step) else set())
    code = parse_target(step).digest if isinstance(step, str) else ""
    fitting = [
        one
        for one in records
        if one.cell.workload in names
        and one.cell.mode == work[0]
        and (one.cell.batch == work[1] or one.cell.device != "cpu")
        and dict(one.cell.extra).get("code", "") in ("", code)
    ]
    cells = [one for one in summarize(fitting) if one.step_time.value is not None]
    machine = capture()["machine"] if any(one.cell.device == "cpu" for one in cells) else ""
    here = [one for one in cells if one.cell.device == "cpu" and _is_here(one, machine)]
    return _newest(here), [one for one in cells if one.cell.device.startswith("cuda")]


def _is_here(summary: CellSummary, machine: str) -> bool:
    return environment_of(summary).get("machine") in (None, machine)


def _newest(cells: Sequence[CellSummary]) -> list[CellSummary]:
    """Of one setup in several sessions, all records stand together already; the fastest machine comes last."""
    return sorted(cells, key=lambda one: -(one.step_time.value or 0.0))


def _chip(summary: CellSummary, known: Catalog) -> tuple[float | None, float]:
    """Power limit and cores of the whole chip that a cell ran on."""
    about = environment_of(summary).get("cpu") or {}
    row = match_cpu(str(about.get("model") or ""), about.get("logical_cores"), known.processors)
    chip = next((one for one in known.processors if row and one.key == (row.chip or row.key)), row)
    return (chip.tdp_w, chip.cores) if chip else (None, cores_of(summary))


def _not_measured(here: Sequence[CellSummary], own: frozenset[str], step: str | Step, batch: int) -> Iterator[Excluded]:
    if "cpu" in own and not here:
        name = step if isinstance(step, str) else "the step"
        yield Excluded("this CPU", "not-measured", f"gpugap measure {name} --batch {batch} --device cpu measures it")


def _too_large(found: Found, known: Catalog, name: str, batch: int) -> Infeasible:
    """Nothing holds the step: what would."""
    if found.needed is None or found.needed.high is None:
        told = "; ".join(f"{one.what}: {one.told}" for one in found.excluded[:3])
        return Infeasible(f"no GPU can be planned with: {told}", "name NVIDIA GPUs with --gpu")
    high = found.needed.high
    larger = [
        one
        for one in known.accelerators
        if _served(one) and (one.usable_memory().low or one.usable_memory().value or 0) >= high
    ]
    larger.sort(key=lambda one: one.memory_gib)
    would = ", ".join(one.key for one in larger[:3])
    held = f"{would} would hold it" if would else "no GPU of the catalog holds it"
    message = (
        f"{name} at batch {batch} surely fits none of {len(found.excluded)} GPUs: it takes up to {gibibytes(high)}"
    )
    return Infeasible(message, f"{held}; gpugap fit shows the largest batch and what takes less")
