"""What a run would cost and take, and where: ``gpugap.plan``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date as day
from pathlib import Path
from typing import Any, TypedDict, Unpack

from gpugap.catalog import Catalog, Gpu, load
from gpugap.core.errors import BadValue, Infeasible, UnknownName
from gpugap.core.estimate import Estimate
from gpugap.core.record import Record
from gpugap.core.step import Step
from gpugap.core.units import gibibytes
from gpugap.explain.cells import CellSummary, summarize
from gpugap.plan.api import Plan, Subject, make_plan
from gpugap.plan.option import GOALS, Excluded, Ground, Wish
from gpugap.plan.run import Run
from gpugap.store.exchange import read_file
from gpugap.study.api import Measurement
from gpugap.study.calibration import gpu_of, may_be_of
from gpugap.study.ground import NOWHERE, Place, candidates, ground_of, own_gpus, served
from gpugap.study.own_cpu import Ran, Sought, runs_here, sought
from gpugap.study.tracing import Tracer, batch_for, check_names
from gpugap.study.workers import Looker, Predictor, cpu_workers, predicted_step

_MOST_TOLD = 3
"""Cells that a message lists."""


class Wished(TypedDict, total=False):
    """What may be said of a plan, beside the step, its epochs and samples.

    Attributes:
        batch: samples a step, on all devices together; for a `Step` that of its input where not given, else 32.
        mode: ``train`` (the default) or ``inference``; a `Step` knows its own.
        precision: ``fp32`` (the default), ``tf32``, ``bf16`` or ``fp16`` (the last two autocast).
        gpus: names from the catalog, or rows; all that can be rented, bought or had for nothing where not given.
        counts: GPUs of one machine that share the batch; 1 where not given.
        own: GPUs that are there, and ``cpu``, which is the default.
        cpu: the CPU ``default``, ``tuned`` or ``both`` (the default).
        budget_usd: at most.
        deadline_s: at most, in seconds.
        country: name or code, for carbon and the price of electricity.
        usd_per_kwh: the reader's price of electricity.
        goal: ``cost`` (the default), ``time`` or ``carbon``.
        only: consider options whose id holds this text alone.
        records: of this step, on this CPU or on a GPU of the plan: they take the place of predictions.
        catalog: with the user's rows; the packaged one where not given.
        run: further fields of `gpugap.plan.run.Run`: ``evaluated``, ``data_bytes``, ``loader_per_s``, ``spot_mean_s``.
        wish: further fields of `gpugap.plan.option.Wish`: ``utilization``, ``life_years``, ``machine_usd``.
        predictor: step time of a trace on a GPU; the latency model where not given.
        today: the present day.
    """

    batch: int | None
    mode: str
    precision: str
    gpus: Sequence[str | Gpu]
    counts: Sequence[int]
    own: Sequence[str]
    cpu: str
    budget_usd: float | None
    deadline_s: float | None
    country: str
    usd_per_kwh: float | None
    goal: str
    only: str
    records: Sequence[Record] | Measurement | str | Path
    catalog: Catalog
    run: Mapping[str, Any]
    wish: Mapping[str, Any]
    predictor: Predictor
    today: day | None


def plan(step: str | Step, *, epochs: float, samples: int, **wished: Unpack[Wished]) -> Plan:
    """Plans a run on this CPU, own hardware, free notebooks, rented and bought GPUs: time, cost and carbon.

    Args:
        step: a workload's name, ``"FILE.py:make_step"``, or a `Step` of PyTorch.
        epochs: passes over the samples; how many an accuracy needs at this batch is yours to know.
        samples: a pass.
        **wished: ``batch``, ``mode``, ``precision``; ``gpus``, ``counts`` (GPUs that share the batch), ``own``
            (``["cpu", "rtx-4090"]``), ``cpu`` (``default``, ``tuned`` or ``both``); ``budget_usd``, ``deadline_s``,
            ``goal`` (``cost``, ``time`` or ``carbon``), ``only`` (options whose id holds a text); ``country``,
            ``usd_per_kwh``; ``records`` (a file, records or a measurement, which take the place of predictions);
            ``run`` and ``wish`` (further fields of `gpugap.plan.run.Run` and `gpugap.plan.option.Wish`);
            ``catalog``, ``predictor``, ``today``.

    Raises:
        Infeasible: nothing fits, or nothing is within budget and deadline; says the nearest.
        UnknownName, BadValue: no such GPU, country or goal; numbers out of range.
        Unsupported: the step cannot be traced.
    """
    found = gathered(step, epochs=epochs, samples=samples, **wished)
    if not found.ground.workers:
        raise _too_large(found, wished.get("catalog") or load())
    return make_plan(found.subject, found.ground, found.excluded, found.corrections)


def gathered(step: str | Step, *, epochs: float, samples: int, **wished: Unpack[Wished]) -> Gathered:
    """All that a plan needs, before options are made; arguments and errors as of `plan`."""
    batch, mode = batch_for(step, wished.get("batch"), wished.get("mode", "train"))
    sources = Sources(
        wished.get("catalog") or load(),
        _read(wished.get("records", ())),
        wished.get("predictor", predicted_step),
        wished.get("today"),
    )
    asked = Asked(
        mode,
        wished.get("precision", "fp32"),
        tuple(wished.get("gpus", ())),
        tuple(wished.get("counts", (1,))),
        tuple(wished.get("own", ("cpu",))),
        Place(wished.get("country", ""), wished.get("usd_per_kwh")),
        wished.get("cpu", "both"),
    )
    more = {"only": wished.get("only", ""), **wished.get("wish", {})}
    limits = Limits(wished.get("budget_usd"), wished.get("deadline_s"), wished.get("goal", "cost"), more)
    return gather(step, Run(epochs, samples, batch, **wished.get("run", {})), asked, limits, sources=sources)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked at.

    Attributes:
        mode: ``train`` or ``inference``; a `Step` knows its own.
        precision: computed in.
        gpus: names or rows; all that can be had where empty.
        counts: GPUs of one machine.
        own: names of GPUs that are there, and ``cpu``.
        place: where the reader is.
        cpu: the CPU ``default``, ``tuned`` or ``both``.
    """

    mode: str = "train"
    precision: str = "fp32"
    gpus: tuple[str | Gpu, ...] = ()
    counts: tuple[int, ...] = (1,)
    own: tuple[str, ...] = ("cpu",)
    place: Place = NOWHERE
    cpu: str = "both"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a plan must keep to.

    Attributes:
        budget_usd: at most.
        deadline_s: at most.
        goal: ``cost``, ``time`` or ``carbon``.
        more: further fields of `gpugap.plan.option.Wish`.
    """

    budget_usd: float | None = None
    deadline_s: float | None = None
    goal: str = "cost"
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where numbers come from.

    Attributes:
        catalog: with the user's rows.
        records: that take the place of predictions.
        predictor: step time of a trace on a GPU.
        today: the present day.
    """

    catalog: Catalog
    records: Sequence[Record] = ()
    predictor: Predictor = predicted_step
    today: day | None = None


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that a plan needs, before options are made.

    Attributes:
        subject: what it is about.
        ground: what is known, workers included.
        excluded: devices that do not do it.
        corrections: what measurements said of predictions.
        needed: memory that the step takes.
    """

    subject: Subject
    ground: Ground
    excluded: tuple[Excluded, ...]
    corrections: tuple[str, ...]
    needed: Estimate | None


def gather(
    step: str | Step,
    run: Run,
    asked: Asked,
    limits: Limits,
    *,
    sources: Sources,
) -> Gathered:
    """Looks at all devices and gathers what is known of prices, countries and limits.

    Args:
        step: as `plan` takes it.
        run: what is run.
        asked: what is looked at.
        limits: what the plan must keep to.
        sources: of what is known.

    Raises:
        UnknownName, BadValue: no such GPU, country or goal; numbers out of range.
        Unsupported: the step cannot be traced.
    """
    from gpugap.frameworks.torch.trace.wish import Wish as TraceWish

    _, mode = batch_for(step, run.batch, asked.mode)
    check_names(mode=mode, precision=asked.precision)
    known = sources.catalog
    if mode == "inference":
        run = replace(run, evaluated=0.0)
    mine, others = own_gpus(asked.own, known)
    ground = ground_of(known, run, _wish(limits, mine), asked.place, sources.today)
    tracer = Tracer(step, mode)
    wanted = sought(step, mode, run.batch, asked.cpu)
    there = measured_on_gpus(sources.records, wanted, asked.precision)
    looker = Looker(tracer, TraceWish(run.batch, mode, asked.precision), there, sources.predictor)
    rentable = None if asked.gpus else _had_together(known)
    found = looker.look(candidates(known, asked.gpus, mine, sources.today), _counts(asked.counts), rentable)
    here = [one for one in runs_here(sources.records, wanted) if one.cell.batch == run.batch]
    here.sort(key=lambda one: -(one.step_time.value or 0.0))
    workers = (*found.workers, *cpu_workers(here, known))
    ground = replace(ground, workers=workers, run=replace(run, checkpoint_bytes=found.checkpoint_bytes))
    excluded = (*found.excluded, *others, *_not_measured(here, mine, step, wanted))
    subject = Subject(tracer.name, mode, asked.precision)
    return Gathered(subject, ground, excluded, found.corrections, found.needed)


def _wish(limits: Limits, own: frozenset[str]) -> Wish:
    """What is wished of options.

    Raises:
        UnknownName: no such goal.
    """
    if limits.goal not in GOALS:
        raise UnknownName("goal", limits.goal, GOALS)
    return Wish(limits.budget_usd, limits.deadline_s, limits.goal, own, **limits.more)


def _had_together(known: Catalog) -> set[tuple[str, int]]:
    """GPUs and numbers of them that one machine has, for rent or for nothing."""
    offered = {(one.gpu, one.gpu_count) for one in known.price_list}
    return offered | {(one.gpu, one.gpu_count) for one in known.free_tiers}


def _counts(counts: Sequence[int]) -> list[int]:
    for count in counts:
        if not 1 <= count <= 16:
            raise BadValue(f"{count} GPUs in a machine", "give 1 to 16; several machines are not planned")
    return sorted(set(counts)) or [1]


def _read(records: Sequence[Record] | Measurement | str | Path) -> Sequence[Record]:
    if isinstance(records, str | Path):
        return read_file(Path(records)).records
    return records.records if isinstance(records, Measurement) else records


def measured_on_gpus(records: Iterable[Record], wanted: Sought, precision: str) -> list[CellSummary]:
    """Measured cells of a step on GPUs, at any batch.

    Args:
        records: of any work and machine.
        wanted: the step.
        precision: computed in.
    """
    fitting = [
        one
        for one in records
        if one.cell.workload in wanted.names
        and (one.cell.mode, one.cell.precision) == (wanted.mode, precision)
        and one.cell.device.startswith("cuda")
        and may_be_of(one.cell, wanted.code)
    ]
    return [one for one in summarize(fitting) if one.step_time.value is not None]


def check_taken(records: Sequence[Record], ground: Ground, mode: str, files: str) -> None:
    """That records named for a plan took the place of a prediction in it.

    Args:
        records: that were named.
        ground: of the plan.
        mode: of the plan.
        files: where they stand, for the message.

    Raises:
        BadValue: none did; says what they are of.
    """
    batch = ground.run.batch
    taken = {(one.key, batch // one.count) for one in ground.workers if one.gpu and one.domain == "measured"}
    cells = [one for one in summarize(records) if one.step_time.value is not None]
    if any(one.gpu is None for one in ground.workers):
        taken.add(("cpu", batch))
    for one in cells:
        device = "cpu" if one.cell.device == "cpu" else getattr(gpu_of(one), "key", "")
        if one.cell.mode == mode and (device, one.cell.batch) in taken:
            return
    labels = list(dict.fromkeys(one.cell.label for one in cells))
    told = "; ".join(labels[:_MOST_TOLD]) or "no step that ended well"
    more = f"; {len(labels) - _MOST_TOLD} more" if len(labels) > _MOST_TOLD else ""
    shares = sorted({batch // one.count for one in ground.workers if one.gpu} or {batch})
    wanted = f"on this machine's CPU or a GPU of the plan, at batch {' or '.join(map(str, shares))}"
    raise BadValue(f"{files} corrects nothing here: it holds {told}{more}", f"measure the step {wanted}, as planned")


def _not_measured(here: Sequence[Ran], own: frozenset[str], step: str | Step, wanted: Sought) -> Iterator[Excluded]:
    if "cpu" in own and not here:
        name = step if isinstance(step, str) else "the step"
        verb, more = ("tune", "") if wanted.cpu == "tuned" else ("measure", " --device cpu")
        yield Excluded("this CPU", "not-measured", f"gpugap {verb} {name} --batch {wanted.batch}{more} measures it")


def _too_large(found: Gathered, known: Catalog) -> Infeasible:
    """Nothing holds the step: what would."""
    if found.needed is None or found.needed.high is None:
        told = "; ".join(f"{one.what}: {one.told}" for one in found.excluded[:3])
        return Infeasible(f"no GPU can be planned with: {told}", "name NVIDIA GPUs with --gpu")
    high = found.needed.high
    larger = [one for one in known.accelerators if served(one) and _surely_usable(one) >= high]
    larger.sort(key=lambda one: one.memory_gib)
    would = ", ".join(one.key for one in larger[:3])
    held = f"{would} would hold it" if would else "no GPU of the catalog holds it"
    tried = sum(one.reason == "memory" for one in found.excluded)
    what = f"{found.subject.workload} at batch {found.ground.run.batch}"
    message = f"{what} surely fits none of {tried} GPUs: it takes up to {gibibytes(high)}"
    return Infeasible(message, f"{held}; gpugap fit shows the largest batch and what takes less")


def _surely_usable(one: Gpu) -> float:
    usable = one.usable_memory()
    return usable.low or usable.value or 0.0
