"""What a study's networks would take on GPUs that most readers know, memory and time, for its page."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

from gpugap.catalog import Gpu, gpu
from gpugap.catalog.published import published_speedups
from gpugap.core.cell import Work
from gpugap.core.errors import GpugapError, Unsupported
from gpugap.core.record import Record
from gpugap.explain.cells import summarize
from gpugap.explain.crossover import CpuTimes, OwnCpu
from gpugap.explain.published import Claim, claim
from gpugap.measure.rates import HostRates, host_rates
from gpugap.plan.api import Plan
from gpugap.predict.fit import Fit
from gpugap.predict.memory import Target
from gpugap.study.access import Access
from gpugap.study.calibration import gpu_of
from gpugap.study.fit import fit_traced, target_of
from gpugap.study.forecasts import Forecasts
from gpugap.study.own_cpu import Sought, own_cpu
from gpugap.study.predict import Asked, forecast
from gpugap.study.presets import PRESETS
from gpugap.study.tracing import Tracer

LIMIT_S = 30.0
"""No trace begins later than this after the first, so that a study ends when it said it would."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What was predicted for a page.

    Attributes:
        fits: one for each work and GPU.
        forecasts: one for each work.
        claims: published speedups beside what is predicted of them.
        left_out: works that were not traced, each with the reason.
        plans: of runs, where some were asked for.
        access: runs in terms of income and who holds compute, where asked for.
    """

    fits: tuple[Fit, ...] = ()
    forecasts: tuple[Forecasts, ...] = ()
    claims: tuple[Claim, ...] = ()
    left_out: tuple[str, ...] = ()
    plans: tuple[Plan, ...] = ()
    access: Access | None = None


NOTHING = Foreseen()


def foresee(records: Sequence[Record], gpus: Sequence[Gpu], limit_s: float = LIMIT_S) -> Foreseen:
    """Memory and time of the built-in works among some records, as they come: training before inference.

    Args:
        records: of a study; those of PyTorch count.
        gpus: of the catalog; those that the records were measured on are left out.
        limit_s: seconds after which no trace begins.
    """
    works = _works(records)
    wanted = [one for one in gpus if one.key not in _present(records)]
    found = _Found([], [], [])
    if not works or not wanted:
        return found.foreseen()
    begin, rates = time.monotonic(), None
    for work in works:
        if time.monotonic() - begin > limit_s:
            found.left_out.append(f"{work[0]} {work[1]}: no time was left")
            continue
        try:
            rates = rates or host_rates()
            found.add(work, wanted, _cpu(records, work, rates))
        except GpugapError as error:
            found.left_out.append(f"{work[0]} {work[1]}: {error.message}")
    return found.foreseen()


@dataclass(frozen=True, slots=True)
class _Found:
    """What has been predicted so far."""

    fits: list[Fit]
    forecasts: list[Forecasts]
    left_out: list[str]

    def add(self, work: Work, gpus: Sequence[Gpu], own: CpuTimes) -> None:
        """Traces a work once for both memory and time."""
        from gpugap.frameworks.torch.trace.wish import Wish

        workload, mode, batch = work
        tracer, wish = Tracer(workload, mode), Wish(batch, mode)
        self.fits.extend(fit_traced(tracer, wish, list(_targets(gpus)), with_savings=False).fits)
        self.forecasts.append(forecast(tracer, wish, gpus, Asked(with_memory=False), own))

    def foreseen(self) -> Foreseen:
        """The whole, with the claims that it answers."""
        claims = tuple(one for found in self.forecasts for one in claims_of(found))
        return Foreseen(tuple(self.fits), tuple(self.forecasts), claims, tuple(self.left_out))


def claims_of(found: Forecasts) -> Iterable[Claim]:
    """Published speedups of a work on one of its GPUs, beside this machine's CPU, measured or by its rates."""
    for one in found:
        made, own = one.prediction, found.own.setups or (OwnCpu("roughly, by its best rates", one.cpu),)
        for row in published_speedups():
            if (row.workload, row.mode) == (made.workload.partition("@")[0], made.mode) and gpu(
                row.device
            ).key == made.gpu_id:
                yield claim(row, made, own, found.own.rates.flop_per_s)


def _works(records: Iterable[Record]) -> list[Work]:
    """Built-in works in PyTorch: training before inference, measured before what was only published."""
    cells = {record.cell for record in records}
    measured = {cell.work for cell in cells if cell.framework == "torch" and ".py:" not in cell.workload}
    published = set(_claimed({name for name, _, _ in measured}))
    return sorted(measured | published, key=lambda work: (work[1] != "train", work not in measured, work))


def _claimed(workloads: Set[str]) -> Iterator[Work]:
    """Works of these networks that speedups were published of, as the study runs them, measured or not."""
    published = {(row.workload, row.mode) for row in published_speedups()}
    for name, factors in PRESETS["quick"].cells:
        if name in workloads and (name.partition("@")[0], factors["mode"]) in published:
            yield name, factors["mode"], factors["batch"]


def _cpu(records: Sequence[Record], work: Work, rates: HostRates) -> CpuTimes:
    workload, mode, batch = work
    return own_cpu(records, Sought((workload,), mode, batch), rates=rates)


def _present(records: Iterable[Record]) -> set[str]:
    """Keys of the GPUs that some records were measured on."""
    found = (gpu_of(one) for one in summarize(records) if one.cell.device != "cpu")
    return {one.key for one in found if one is not None}


def _targets(gpus: Sequence[Gpu]) -> Iterator[Target]:
    """Those whose memory is modeled."""
    for one in gpus:
        with contextlib.suppress(Unsupported):
            yield target_of(one)
