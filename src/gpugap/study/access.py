"""What a run costs whom, and how unequal the ground is: ``gpugap.access``."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gpugap.catalog import Catalog, Gpu, load
from gpugap.catalog.demand import ladder
from gpugap.catalog.economies import Recipe, recipes
from gpugap.core.errors import BadValue, InputError, UnknownName
from gpugap.core.record import Record
from gpugap.core.step import Step
from gpugap.core.table import html_table, text_table
from gpugap.explain.cells import summarize
from gpugap.measure.inprocess import batch_of
from gpugap.plan.access import UNKNOWNS, Means, Terms, terms
from gpugap.plan.imbalance import VIEWS, Imbalance, imbalance
from gpugap.plan.job import Job, stated_job, step_job
from gpugap.plan.owned import Reach, caution, reach
from gpugap.plan.run import MOST_EPOCHS, MOST_SAMPLES, Run
from gpugap.predict.fit import judge
from gpugap.predict.totals import Totals
from gpugap.store.exchange import read_file
from gpugap.study.access_rows import GROUP_HEADER, IMBALANCE_HEADER, group_rows, imbalance_rows
from gpugap.study.calibration import gpu_of
from gpugap.study.fit import target_of
from gpugap.study.tracing import DEFAULT_BATCH, Tracer, check_names
from gpugap.study.workers import checkpoint_of, predicted_step
from gpugap.trends.ladder import training_bytes
from gpugap.workloads import workload

NETWORKS = ("conv6", "vgg16", "resnet18", "cyclegan", "gpt2")
"""The networks of the study, and GPT-2 small."""
PAGE_GPUS = ("t4", "a100-sxm-80gb")
"""What free notebooks give, and what larger runs are rented on."""


@dataclass(frozen=True, slots=True)
class Length:
    """How long a run is.

    Attributes:
        epochs: passes over the samples; those of the network's publication where None.
        samples: a pass; likewise.
        batch: samples a step; likewise.

    Raises:
        BadValue: a number that is not above 0, or absurd.
    """

    epochs: float | None = None
    samples: int | None = None
    batch: int | None = None

    def __post_init__(self) -> None:
        limits = (("epochs", self.epochs, MOST_EPOCHS), ("samples", self.samples, MOST_SAMPLES))
        for name, value, most in (*limits, ("batch", self.batch, MOST_SAMPLES)):
            if value is not None and not (math.isfinite(value) and 0 < value <= most):
                raise BadValue(f"{name} {value:g}", f"give more than 0 and at most {most:g}")

    def filled(self, recipe: Recipe | None, name: str) -> Run:
        """The run, with the epochs, samples and batch of a publication for what is not told.

        Args:
            recipe: of the network; None where none is known.
            name: of the work.

        Raises:
            BadValue: neither told nor published.
        """
        epochs = self.epochs or (recipe.epochs if recipe else None)
        samples = self.samples or (recipe.samples if recipe else None)
        if epochs is None or samples is None:
            raise BadValue(f"no publication says how long {name} is trained", "give --epochs and --samples")
        return Run(epochs, samples, self.batch or (recipe.batch if recipe else DEFAULT_BATCH))


@dataclass(frozen=True)
class Access:
    """Runs in other terms, and who holds what they need.

    Attributes:
        runs: one a run and GPU.
        imbalance: views of who holds known compute.
        memory: memory that people own against what networks need.
        memory_caution: what the survey does not see.
        warnings: what must be known to use the numbers.
    """

    runs: tuple[Terms, ...]
    imbalance: tuple[Imbalance, ...]
    memory: tuple[Reach, ...]
    memory_caution: tuple[str, ...] = field(default_factory=caution)
    warnings: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Terms]:
        return iter(self.runs)

    def to_dict(self) -> dict[str, Any]:
        """The result of ``gpugap.access/1``."""
        return {
            "runs": [one.to_dict() for one in self.runs],
            "imbalance": [one.to_dict() for one in self.imbalance],
            "memory": [one.to_dict() for one in self.memory],
            "memory_caution": list(self.memory_caution),
            "not_known": list(UNKNOWNS),
        }

    def __repr__(self) -> str:
        return text_table(*self._table())

    def _repr_html_(self) -> str:
        header, rows = self._table()
        return html_table(header, (tuple(map(html.escape, row)) for row in rows))

    def _table(self) -> tuple[Sequence[str], list[tuple[str, ...]]]:
        """The runs, or without one who holds known compute."""
        if self.runs:
            return GROUP_HEADER, group_rows(self.runs)
        return IMBALANCE_HEADER, imbalance_rows(self.imbalance)


def access(  # noqa: PLR0913 - keyword-only choices with defaults
    steps: str | Step | Sequence[str | Step] = (),
    *,
    gpus: Sequence[str | Gpu] = (),
    gpu_hours: float | None = None,
    records: str | Path | Sequence[Record] = (),
    epochs: float | None = None,
    samples: int | None = None,
    batch: int | None = None,
    precision: str = "fp32",
    gpu_count: int = 1,
    price_usd_per_gpu_h: float | None = None,
    grant_usd: float | None = None,
    income_usd_per_year: float | None = None,
    watts: float | None = None,
    catalog: Catalog | None = None,
) -> Access:
    """Puts a run in terms of income, grants, free notebooks, energy and carbon, and shows how unequal the ground is.

    Args:
        steps: workloads' names, ``"FILE.py:make_step"`` or steps of PyTorch, to be predicted; none is needed.
        gpus: names from the catalog, or rows of it.
        gpu_hours: of a run, in place of a step.
        records: a record file, or records, of steps measured on GPUs.
        epochs: passes; those of the network's publication where not given.
        samples: a pass; likewise.
        batch: samples a step; likewise.
        precision: of a predicted step.
        gpu_count: GPUs at a time, of stated hours alone.
        price_usd_per_gpu_h: what is paid, in place of what the catalog's offers ask.
        grant_usd: to be spent.
        income_usd_per_year: of the reader.
        watts: of the machine at the meter, in place of the power model.
        catalog: facts, in place of the packaged ones.

    Raises:
        BadValue, UnknownName: numbers out of range, nothing to go by, no such GPU or precision.
        InputError, Unsupported: records without a step on a GPU; a step that cannot be traced.
    """
    known = catalog or load()
    chosen = [known.gpu(one) if isinstance(one, str) else one for one in gpus]
    asked = _Asked(chosen, Length(epochs, samples, batch), gpu_hours, gpu_count, precision, watts)
    means = _means(known, price_usd_per_gpu_h, grant_usd, income_usd_per_year)
    return _put(_jobs(asked, [steps] if isinstance(steps, str | Step) else list(steps), records), means)


def _means(known: Catalog, price_usd: float | None, grant_usd: float | None, income_usd: float | None) -> Means:
    return Means(known.price_list, known.countries(), known.free_tiers, price_usd, grant_usd, income_usd)


def _put(found: _Found, means: Means) -> Access:
    """Runs in other terms, with the imbalance and the ladder of networks."""
    ladders = [reach(rung.name, training_bytes(rung)) for rung in ladder()]
    runs = tuple(terms(one, means) for one in found.jobs)
    return Access(runs, tuple(map(imbalance, VIEWS)), (*found.memory, *ladders), warnings=found.warnings)


@dataclass(frozen=True, slots=True)
class _Asked:
    """How long runs are, and on what."""

    gpus: Sequence[Gpu]
    length: Length
    gpu_hours: float | None
    gpu_count: int
    precision: str
    watts: float | None


def _jobs(asked: _Asked, steps: Sequence[str | Step], records: str | Path | Sequence[Record]) -> _Found:
    """Runs of stated hours, of records and of steps.

    Raises:
        BadValue: nothing to go by.
    """
    check_names(precision=asked.precision)
    hours, count = asked.gpu_hours, asked.gpu_count
    if hours is not None and not asked.gpus:
        raise BadValue("GPU hours without a GPU", "name the GPU they are of, such as --gpu t4")
    if hours is None and count != 1:
        raise BadValue(f"{count} GPUs for a step", "a step is predicted on one GPU; give --gpu-hours for more")
    if steps and not asked.gpus:
        raise BadValue("a step without a GPU", "name GPUs such as --gpu t4,a100-sxm-40gb")
    jobs: list[Job] = []
    if hours is not None:
        jobs += [stated_job(one, hours, count=count, watts=asked.watts) for one in asked.gpus]
    if records:
        jobs += _from_records(records, asked.length, asked.watts)
    found = [_predicted(step, asked) for step in steps]
    return _Found(
        (*jobs, *(one for part in found for one in part.jobs)),
        tuple(one for part in found for one in part.memory),
        tuple(one for part in found for one in part.warnings),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """Runs, the memory they need, and what must be known of them."""

    jobs: tuple[Job, ...]
    memory: tuple[Reach, ...]
    warnings: tuple[str, ...]


def _predicted(step: str | Step, asked: _Asked) -> _Found:
    """A step's run on GPUs, from its trace."""
    from gpugap.frameworks.torch.trace.wish import Wish

    told = replace(asked.length, batch=asked.length.batch or batch_of(step))
    tracer = Tracer(step, "train")
    run = told.filled(_recipe(step), tracer.name)
    jobs, needs, warnings = [], [], []
    for one in asked.gpus:
        target = target_of(one)
        traced = tracer.trace(Wish(run.batch, "train", asked.precision, capability=target.capability)).first
        totals = Totals(traced, target.capability)
        needs.append(totals.device())
        verdict = judge(totals.device(target.usable), target.usable)
        if verdict == "DOES NOT FIT":
            warnings.append(
                f"{tracer.name}, batch {run.batch}, is left out on {one.name}: it does not fit in its memory"
            )
            continue
        if verdict != "FITS":
            warnings.append(f"{tracer.name}, batch {run.batch}, on {one.name}: it may not fit in its memory")
        found, whole = predicted_step(traced, one), replace(run, checkpoint_bytes=checkpoint_of(traced))
        name = _named(tracer.name, run)
        jobs.append(step_job(name, one, whole, found.step_time, parts_s=found.parts_s, watts=asked.watts))
        if found.domain == "extrapolated":
            warnings.append(f"{tracer.name} on {one.name}: extrapolated, no such GPU was in the calibration data")
    title = f"{tracer.name}, batch {run.batch} (traced)"
    return _Found(tuple(jobs), (reach(title, needs[0]),), tuple(warnings))


def _named(work: str, run: Run) -> str:
    return f"{work}, {run.epochs:g} × {run.samples:,}"


def _recipe(step: str | Step) -> Recipe | None:
    """How long a publication trains a built-in network, in the form that it is usually built in here."""
    try:
        spec = workload(step) if isinstance(step, str) else None
    except UnknownName:
        return None
    usual = spec is not None and spec.name == workload(spec.family).name
    return recipes().get(spec.family) if spec and usual else None


def _from_records(source: str | Path | Sequence[Record], length: Length, watts: float | None) -> Iterator[Job]:
    """Runs of the steps that records hold of GPUs."""
    held = read_file(Path(source)).records if isinstance(source, str | Path) else source
    cells = [one for one in summarize(held) if one.cell.mode == "train" and one.step_time.value is not None]
    found = [(one, device) for one in cells if (device := gpu_of(one)) is not None and one.cell.device != "cpu"]
    if not found:
        raise InputError("the records hold no training step on a GPU of the catalog", "give --gpu and --gpu-hours")
    for one, device in found:
        told = replace(length, batch=one.cell.batch)
        run = told.filled(_recipe(one.cell.workload), one.cell.workload)
        yield step_job(_named(one.cell.workload, run), device, run, one.step_time, watts=watts)
