"""How long would it take there: ``gpugap.predict``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gpugap.catalog import Gpu, gpu
from gpugap.catalog import gpus as all_gpus
from gpugap.core.attention import Capability
from gpugap.core.errors import BadValue, NoKernel, Unsupported
from gpugap.core.estimate import Estimate
from gpugap.core.oplist import OpList, Traced
from gpugap.core.record import Record
from gpugap.core.step import Step
from gpugap.explain.crossover import CpuTimes, SweepPoint, crossover
from gpugap.explain.gap import gap
from gpugap.predict.fit import FitVerdict, judge
from gpugap.predict.latency.bias import Common, common
from gpugap.predict.latency.model import predict as step_on_gpu
from gpugap.predict.memory import capability_of
from gpugap.predict.prediction import Method, Prediction
from gpugap.predict.totals import Totals
from gpugap.stats.intervals import throughput
from gpugap.study.api import Measurement
from gpugap.study.calibration import Calibration, Wanted, read_calibration
from gpugap.study.forecasts import Forecast, Forecasts, Training
from gpugap.study.own_cpu import own_cpu, sought
from gpugap.study.tracing import Tracer, batch_for, check_names

if TYPE_CHECKING:
    from gpugap.frameworks.torch.trace.wish import Wish

_LIKE: Capability = (8, 0)
"""Attention kernels of a GPU without CUDA are assumed to be those of a GPU of this compute capability."""
MOST_SWEPT = 8
"""So many GPUs get a sweep over batches; of more, step times alone are told."""
_SWEEP_TO, _SWEEP_LEAST = 4, 64
"""The sweep reaches so many times the batch asked for, and at least so many samples."""
_LIKE_TOLD = "kernels as on CUDA's compute capability 8.0: what PyTorch takes on this GPU is not modeled"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be told of a step.

    Attributes:
        method: the model, or a baseline.
        with_optimizer: whether a training step updates the parameters.
        include_copy: whether the batch is copied from the host in every step.
        training: how long a run is.
        skip_unsupported: GPUs without the facts needed are left out, and the fastest comes first.
        with_memory: judge whether the step fits, too; of few GPUs, as it takes longer than predicting their times.
    """

    method: Method = "model"
    with_optimizer: bool = True
    include_copy: bool = False
    training: Training = field(default_factory=Training)
    skip_unsupported: bool = False
    with_memory: bool = True


class Batches:
    """A traced step at any batch, each worked out once.

    Args:
        traced: at two batch sizes.
        own: this CPU.
        with_optimizer: whether the optimizer's operators are left in.
    """

    def __init__(self, traced: Traced, own: CpuTimes, *, with_optimizer: bool) -> None:
        self._traced = traced
        self._own = own
        self._cpu: dict[int, Estimate] = {}
        self._with_optimizer = with_optimizer
        self._known: dict[int, OpList] = {}

    def at(self, batch: int) -> OpList:
        """The step at a batch.

        Raises:
            Unsupported: it does not follow.
        """
        if batch not in self._known:
            found = self._traced.at(batch)
            if not self._with_optimizer:
                kept = tuple(op for op in found.ops if op.phase != "optimizer")
                found = replace(found, ops=kept, optimizer="")
            self._known[batch] = found
        return self._known[batch]

    def as_measured(self, batch: int) -> OpList:
        """The step at a batch as a record holds it, with its optimizer."""
        return self._traced.at(batch)

    def cpu(self, batch: int) -> Estimate:
        """The step on this CPU."""
        if batch not in self._cpu:
            self._cpu[batch] = self._own.at(batch, self.at)
        return self._cpu[batch]

    @property
    def why(self) -> str:
        """What stands against other batches; empty where they follow."""
        return self._traced.why

    @property
    def sizes(self) -> list[int]:
        """Batches to look at: powers of two around the one asked for, which is among them; empty where none follow."""
        if self._traced.why or self._traced.second is None:
            return []
        here = self._traced.first.batch
        last = max(_SWEEP_LEAST, _SWEEP_TO * here)
        return sorted({here, *(2**power for power in range(last.bit_length()) if 2**power <= last)})


def predict(  # noqa: PLR0913 - keyword-only choices with defaults
    step: str | Step,
    gpus: Sequence[str | Gpu] | Literal["all"],
    *,
    batch: int | None = None,
    mode: str = "train",
    precision: str = "fp32",
    attention: str | None = None,
    with_optimizer: bool = True,
    include_copy: bool = False,
    channels_last: bool = False,
    samples: int | None = None,
    epochs: float | None = None,
    calibrate: str | Path | Measurement | None = None,
    records: Measurement | Sequence[Record] = (),
    cpu: str = "both",
    method: str = "model",
    skip_unsupported: bool = False,
) -> Forecasts:
    """Says how long a step takes on GPUs that are not here.

    Args:
        step: a workload's name, ``"FILE.py:make_step"``, or a `Step` of PyTorch.
        gpus: names from the catalog, or rows of it; ``"all"`` for every GPU with the facts needed, the fastest first.
        batch: samples a step; for a `Step` the leading dimension of its input where not given.
        mode: ``train`` or ``inference``; a `Step` knows its own.
        precision: ``fp32``, ``tf32``, or ``bf16`` and ``fp16`` (both autocast).
        attention: ``flash``, ``efficient`` or ``math``, in place of what PyTorch would choose.
        with_optimizer: whether a training step updates the parameters.
        include_copy: whether the batch is copied from the host in every step.
        channels_last: images and convolution weights channels-last.
        samples: an epoch has.
        epochs: a run has.
        calibrate: a measurement of this step on one of the GPUs, or its record file; removes the bias it shows.
        records: of this step on this CPU, to compare with, beside what `gpugap.tune` proved of it here; without either
            the CPU's best rates are measured.
        cpu: compare with the CPU ``default``, ``tuned``, or the faster of ``both``.
        method: ``model``, or a baseline: ``roofline``, ``flops`` or ``bandwidth``.
        skip_unsupported: leave out GPUs without the facts needed, and tell the fastest first.

    Raises:
        Unsupported: the step cannot be traced, or the catalog lacks facts of a GPU.
        UnknownName, BadValue: no such GPU, precision, kernel or method; a calibration that is of something else.
    """
    what = _Step(step, *batch_for(step, batch, mode), precision, attention, channels_last)
    check_names(mode=what.mode, precision=precision, attention=attention, method=method)
    skip = skip_unsupported or gpus == "all"
    asked = Asked(method, with_optimizer, include_copy, Training(samples, epochs), skip)  # type: ignore[arg-type] # checked
    return _predict(what, gpus, asked, records=records, cpu=cpu, calibrate=calibrate)


@dataclass(frozen=True, slots=True)
class _Step:
    """What is traced, and how."""

    step: str | Step
    batch: int
    mode: str
    precision: str
    attention: str | None
    channels_last: bool


def _predict(
    what: _Step,
    gpus: Sequence[str | Gpu] | Literal["all"],
    asked: Asked,
    *,
    records: Measurement | Sequence[Record],
    cpu: str,
    calibrate: str | Path | Measurement | None,
) -> Forecasts:
    chosen = all_gpus() if gpus == "all" else [gpu(one) if isinstance(one, str) else one for one in gpus]
    if not chosen:
        raise BadValue("no GPU", "name GPUs such as t4,rtx-4090")
    wanted = sought(what.step, what.mode, what.batch, cpu)
    calibrated = None
    if calibrate is not None:
        source = calibrate.records if isinstance(calibrate, Measurement) else Path(calibrate)
        calibrated = read_calibration(
            source, Wanted(wanted.names, what.mode, what.precision, what.batch, chosen, wanted.code)
        )
    tracer = Tracer(what.step, what.mode)

    from gpugap.frameworks.torch.trace.wish import Wish

    how = {"attention": what.attention, "channels_last": what.channels_last}
    wish = Wish(what.batch, what.mode, what.precision, **how)  # type: ignore[arg-type] # checked
    found = records.records if isinstance(records, Measurement) else records
    return forecast(tracer, wish, chosen, asked, own_cpu(found, wanted), calibrated=calibrated)


def forecast(
    tracer: Tracer,
    wish: Wish,
    gpus: Sequence[Gpu],
    asked: Asked,
    own: CpuTimes,
    *,
    calibrated: Calibration | None = None,
) -> Forecasts:
    """What is said of a traced step on some GPUs.

    Args:
        tracer: of the step.
        wish: how it is traced; the capability is each GPU's own.
        gpus: of the catalog.
        asked: what is to be told.
        own: this CPU.
        calibrated: a measured step on one of the GPUs.

    Raises:
        Unsupported: it cannot be traced, the catalog lacks facts of a GPU, or a calibration's batch does not follow.
        BadValue: the calibration is of none of these GPUs.
    """
    known: dict[int, Batches] = {}
    found: list[Forecast] = []
    left_out: list[str] = []
    few = len(gpus) <= MOST_SWEPT
    judged = _Judge(wish.channels_last, few and asked.with_memory and asked.with_optimizer)
    for one in gpus:
        capability = _capability(one)
        try:
            traced = tracer.trace(replace(wish, capability=capability or _LIKE))
        except NoKernel as error:
            if not asked.skip_unsupported:
                raise
            left_out.append(f"{one.key}: {error.message}")
            continue
        batches = known.setdefault(id(traced), Batches(traced, own, with_optimizer=asked.with_optimizer))
        told = {} if capability else {"attention": _LIKE_TOLD}
        maker = _Maker(one, batches, asked, calibrated, wish.channels_last, told)
        try:
            found.append(_forecast(maker, wish.batch, own, fits=judged(one, traced), sweep=few))
        except Unsupported as error:
            if not asked.skip_unsupported:
                raise
            left_out.append(f"{one.key}: {error.message}")
    if asked.skip_unsupported:
        found.sort(key=lambda forecast: forecast.step_time.value or 0.0)
    return Forecasts(tuple(found), own, tuple(left_out))


def _capability(one: Gpu) -> Capability | None:
    try:
        return capability_of(one.compute_capability, one.name)
    except Unsupported:
        return None


class _Judge:
    """Says whether a traced step fits; GPUs of one compute capability share what it takes."""

    def __init__(self, channels_last: bool, wanted: bool) -> None:
        self._channels_last, self._wanted = channels_last, wanted
        self._known: dict[tuple[int, Capability], Totals] = {}

    def __call__(self, one: Gpu, traced: Traced) -> FitVerdict | None:
        capability = _capability(one) if self._wanted else None
        if capability is None:
            return None
        key = id(traced), capability
        if key not in self._known:
            self._known[key] = Totals(traced.first, capability, channels_last=self._channels_last)
        usable = one.usable_memory()
        return judge(self._known[key].device(usable), usable)


@dataclass(frozen=True, slots=True)
class _Maker:
    """Predicts a step on one GPU at any batch."""

    gpu: Gpu
    batches: Batches
    asked: Asked
    calibrated: Calibration | None
    channels_last: bool
    told: Mapping[str, str]

    def at(self, batch: int) -> Prediction:
        known = self._common()
        ops = self.batches.at(batch)
        found = self._plain(ops, ops.role_bytes("input") if self.asked.include_copy else 0, known)
        bias = {} if known is None else {"calibration": f"times {known.ratio:.3g}, as {known.source} shows"}
        return replace(found, assumed={**found.assumed, **self.told, **bias})

    def _plain(self, ops: OpList, copied: int = 0, known: Common | None = None) -> Prediction:
        how = {"method": self.asked.method, "channels_last": self.channels_last}
        return step_on_gpu(ops, self.gpu, copy_bytes=copied, calibration=known, **how)  # type: ignore[arg-type] # named

    def _common(self) -> Common | None:
        here = self.calibrated
        if here is None or here.gpu.key != self.gpu.key:
            return None
        plain = self._plain(self.batches.as_measured(here.batch)).step_time
        return common(here.step_time.value or 0.0, plain.value or 0.0, here.gpu.key, here.source)


def _forecast(maker: _Maker, batch: int, own: CpuTimes, *, fits: FitVerdict | None, sweep: bool) -> Forecast:
    found, training = maker.at(batch), maker.asked.training
    cpu = maker.batches.cpu(batch)
    points = tuple(_swept(maker)) if sweep else ()
    step = found.step_time
    return Forecast(
        prediction=found,
        throughput=throughput(step, batch),
        epoch_time=training.epoch(step, batch),
        run_time=training.run(step, batch),
        cpu=cpu,
        sweep=points,
        faster_from=crossover(points) if points else _unknown(maker.batches, swept=sweep),
        gap=gap(found, cpu, own.rates.flop_per_s),
        fits=fits,
    )


def _swept(maker: _Maker) -> Iterator[SweepPoint]:
    for size in maker.batches.sizes:
        yield SweepPoint(size, maker.at(size).step_time, maker.batches.cpu(size))


def _unknown(batches: Batches, *, swept: bool) -> Estimate:
    why = batches.why if swept else f"asked of more than {MOST_SWEPT} GPUs"
    return Estimate(None, None, None, None, "1", "predicted", f"unknown: {why}", None)
