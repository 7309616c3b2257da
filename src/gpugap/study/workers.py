"""Devices that could do a run: which hold the step in memory, and how long they take, measured or predicted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gpugap.catalog import Catalog, Gpu, match_cpu
from gpugap.core.attention import Capability
from gpugap.core.errors import Unsupported
from gpugap.core.estimate import Estimate
from gpugap.core.oplist import OpList
from gpugap.core.units import gibibytes
from gpugap.explain.cells import CellSummary
from gpugap.explain.inside import energy_per_step
from gpugap.plan.option import Excluded, Worker
from gpugap.plan.parallel import link_of, parallel_memory, parallel_step
from gpugap.predict.fit import judge
from gpugap.predict.latency.model import predict as step_on_gpu
from gpugap.predict.memory import capability_of
from gpugap.predict.power import cpu_power, device_power
from gpugap.predict.prediction import Prediction
from gpugap.predict.totals import Totals
from gpugap.stats.propagation import assumed, product, total
from gpugap.study.calibration import gpu_of
from gpugap.study.own_cpu import Ran, setup_of
from gpugap.study.tracing import Tracer

if TYPE_CHECKING:
    from gpugap.frameworks.torch.trace.wish import Wish as TraceWish

Predictor = Callable[[OpList, Gpu], Prediction]
"""Step time of a trace on a GPU."""


OLD = (7, 5)
OLD_NOTE = "PyTorch's builds for CUDA 13 serve compute capability 7.5 and up: take a build for CUDA 12.6"


@dataclass(frozen=True, slots=True)
class Found:
    """What came of looking.

    Attributes:
        workers: that hold the step in memory for sure.
        excluded: the others, each with the reason.
        checkpoint_bytes: parameters and optimizer state; unknown value where nothing was traced.
        corrections: what measurements said of predictions.
        needed: memory that the step takes at most, of the GPU on which it is least; None without a GPU.
    """

    workers: tuple[Worker, ...]
    excluded: tuple[Excluded, ...]
    checkpoint_bytes: Estimate
    corrections: tuple[str, ...] = ()
    needed: Estimate | None = None


def predicted_step(ops: OpList, gpu: Gpu) -> Prediction:
    """The step time by the model, the batch's copy to the GPU included."""
    return step_on_gpu(ops, gpu, copy_bytes=ops.role_bytes("input"))


def checkpoint_of(ops: OpList) -> Estimate:
    """Bytes of a checkpoint: parameters and optimizer state."""
    held = float(ops.role_bytes("parameter") + ops.role_bytes("optimizer"))
    return Estimate(held, None, None, None, "B", "predicted", "parameters and optimizer state, traced", None)


class Looker:
    """Looks at many GPUs for one step; what several of them share is worked out once.

    Args:
        tracer: of the step.
        wish: how it is traced; batch is that of the whole run.
        measured: cells of this very step that were measured on one GPU, at the batch of a share.
        predictor: step time of a trace.
    """

    def __init__(
        self,
        tracer: Tracer,
        wish: TraceWish,
        measured: Sequence[CellSummary] = (),
        predictor: Predictor = predicted_step,
    ) -> None:
        self._tracer, self._wish, self._predictor = tracer, wish, predictor
        self._measured = {(device.key, one.cell.batch): one for one in measured if (device := gpu_of(one)) is not None}
        self._memory: dict[tuple[Capability, int], Totals] = {}
        self.corrections: list[str] = []
        self.needed: Estimate | None = None
        self.checkpoint_bytes = Estimate(None, None, None, None, "B", "predicted", "nothing was traced", None)

    def look(
        self, gpus: Sequence[Gpu], counts: Sequence[int], rentable: Collection[tuple[str, int]] | None = None
    ) -> Found:
        """One of each GPU, and as many of them as share the batch where a machine has so many.

        Args:
            gpus: of the catalog.
            counts: GPUs of one machine.
            rentable: GPUs and numbers of them that machines have; any where None.
        """
        workers: list[Worker] = []
        excluded: list[Excluded] = []
        for one in gpus:
            for count in counts:
                if count > 1 and rentable is not None and (one.key, count) not in rentable:
                    continue
                try:
                    workers.append(self._worker(one, count))
                except _Unfit as error:
                    excluded.append(error.excluded)
        order = {"memory": 0, "not-predicted": 1}
        excluded.sort(key=lambda one: order.get(one.reason, 2))
        return Found(tuple(workers), tuple(excluded), self.checkpoint_bytes, tuple(self.corrections), self.needed)

    def _worker(self, gpu: Gpu, count: int) -> Worker:
        name = _name(gpu, count)
        ops, capability = self._share(gpu, count, name)
        self._check_memory(gpu, ops, capability, count)
        try:
            prediction = self._predictor(ops, gpu)
        except Unsupported as error:
            raise _Unfit(Excluded(name, "not-predicted", error.message)) from error
        power = device_power(gpu.tdp_w, prediction.parts_s, count=count)
        step_time, domain = prediction.step_time, str(prediction.domain)
        measured = self._measured.get((gpu.key, ops.batch))
        if measured is not None:
            self._correct(gpu, measured.step_time, step_time)
            step_time, domain = measured.step_time, "measured"
            power = power if count > 1 else measured_power(measured) or power
        if count > 1:
            link = link_of(gpu)
            if link is None:
                raise _Unfit(Excluded(name, "not-predicted", "the catalog does not know what joins several of them"))
            step_time = parallel_step(step_time, ops.gradient_bytes, count, link)
        note = OLD_NOTE if capability < OLD else ""
        return Worker(gpu.key, gpu.name, gpu, count, step_time, domain, power, prediction.bound, note)

    def _share(self, gpu: Gpu, count: int, name: str) -> tuple[OpList, Capability]:
        """One device's share of the batch, traced as it would run there."""
        try:
            capability = capability_of(gpu.compute_capability, gpu.name)
        except Unsupported as error:
            raise _Unfit(Excluded(name, "not-predicted", error.message)) from error
        if self._wish.batch % count:
            raise _Unfit(Excluded(name, "not-predicted", f"a batch of {self._wish.batch} is no multiple of {count}"))
        traced = self._tracer.trace(replace(self._wish, capability=capability))
        try:
            ops = traced.at(self._wish.batch // count)
        except Unsupported as error:
            raise _Unfit(Excluded(name, "not-predicted", error.message)) from error
        if self.checkpoint_bytes.value is None:
            self.checkpoint_bytes = checkpoint_of(ops)
        return ops, capability

    def _check_memory(self, gpu: Gpu, ops: OpList, capability: Capability, count: int) -> None:
        key = capability, ops.batch
        if key not in self._memory:
            self._memory[key] = Totals(ops, capability, channels_last=self._wish.channels_last)
        usable = gpu.usable_memory()
        device = self._memory[key].device(usable)
        if count > 1:
            device = parallel_memory(device, ops.gradient_bytes)
        if self.needed is None or (device.high or 0) < (self.needed.high or 0):
            self.needed = device
        verdict = judge(device, usable)
        if verdict != "FITS":
            least = usable.value if usable.low is None else usable.low
            told = f"{verdict}: takes {gibibytes(device.low)} to {gibibytes(device.high)} of {gibibytes(least)}"
            raise _Unfit(Excluded(_name(gpu, count), "memory", told))

    def _correct(self, gpu: Gpu, measured: Estimate, predicted: Estimate) -> None:
        if measured.value and predicted.value:
            ratio = measured.value / predicted.value
            inside = (predicted.low or 0) <= measured.value <= (predicted.high or 0)
            where = "inside" if inside else "outside"
            told = f"{1e3 * measured.value:.3g} ms measured, {1e3 * predicted.value:.3g} ms predicted"
            self.corrections.append(f"{gpu.name}: {told}, {ratio:.2f} times, {where} the interval; the plan takes it")


def _name(gpu: Gpu, count: int) -> str:
    return f"{count}x {gpu.name}" if count > 1 else gpu.name


class _Unfit(Exception):
    """A device that is no worker."""

    def __init__(self, excluded: Excluded) -> None:
        super().__init__(excluded.told)
        self.excluded = excluded


def measured_power(summary: CellSummary) -> Estimate | None:
    """Watts of the device over a step by its sensor, the sensor's error inside; None without one."""
    used = energy_per_step(summary)
    if used.value is None or summary.step_time.value is None:
        return None
    return product([used, summary.step_time], "W", f"{used.method}, over the step time", powers=[1, -1])


def cpu_workers(runs: Sequence[Ran], known: Catalog) -> Iterator[Worker]:
    """This CPU as it was measured: as it comes, and tuned.

    Args:
        runs: of this step on a CPU.
        known: the catalog, for the power limit of its chip.
    """
    for one in runs:
        sensor = None if one.summary is None else measured_power(one.summary)
        if sensor is not None:
            rest = assumed(12.0, 4.0, 30.0, "W", "board, disk and memory beside the sensor's package")
            power = total([sensor, rest], "W", f"{sensor.method}; {rest.method}")
        else:
            power = chip_power(one.environment, known)
        yield Worker(
            f"cpu {setup_of(one.cell)}",
            f"this CPU, {setup_of(one.cell)}",
            None,
            1,
            one.step_time,
            "measured",
            power,
        )


def chip_power(environment: Mapping[str, Any], known: Catalog) -> Estimate:
    """Watts of a machine's CPU by its chip's power limit and the cores that the machine let be used.

    Args:
        environment: of the machine, as records have it.
        known: the catalog.
    """
    about = environment.get("cpu") or {}
    row = match_cpu(str(about.get("model") or ""), about.get("logical_cores"), known.processors)
    chip = next((one for one in known.processors if row and one.key == (row.chip or row.key)), row)
    cores = float(about.get("usable_cores") or 1)
    tdp_w, chip_cores = (chip.tdp_w, chip.cores) if chip else (None, cores)
    return cpu_power(tdp_w, cores, chip_cores=chip_cores, shared=bool(environment.get("virtual_machine")))
