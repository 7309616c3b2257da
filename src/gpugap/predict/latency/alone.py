"""Calls timed one by one between two events on an idle GPU, as tables of operators are measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gpugap.catalog.accelerators import Gpu
from gpugap.core.oplist import Op
from gpugap.predict.latency.artefact import TYPICAL, Artefact, artefact
from gpugap.predict.latency.chip import TF32, Chip, chip_of
from gpugap.predict.latency.conformal import spread_of
from gpugap.predict.latency.kernels import Floats, kernels_of
from gpugap.predict.latency.model import times_of
from gpugap.predict.latency.precision import check_double, worked_as
from gpugap.predict.prediction import Domain, Method, Worked

_TWO_TENSORS = 1.5
"""More bytes read than written by this: two tensors go in, not one and a number."""


@dataclass(frozen=True, slots=True)
class Alone:
    """Times of calls.

    Attributes:
        seconds: of each call.
        low: lower end of the interval that holds `conformal.LEVEL` of the measured ones; None for baselines.
        high: its upper end; likewise.
        domains: of each call: whether the GPU was in the calibration data in its precision.
    """

    seconds: Floats
    low: Floats | None
    high: Floats | None
    domains: tuple[Domain, ...]


def alone(calls: Sequence[tuple[Op, ...]], gpu: Gpu, *, method: Method = "model", nodes: bool = False) -> Alone:
    """Each call for itself: the wait for the host to dispatch it and its kernels, at least the shortest such call.

    The first event is stamped at once on an idle GPU, which then waits for the host. Meanwhile the host goes on to the
    second event: a call whose kernels end before that takes the floor, any other takes the wait and its kernels.
    The interval has both at their low ends, and both at their high ones: how far off kernels were, and how far apart
    the floors of hosts are.

    Args:
        calls: each of one operator or of a few.
        gpu: a row of the catalog.
        method: the model, or a baseline of the data sheet, which knows no host.
        nodes: calls are nodes of a model's graph, called while that model lies in memory: they differ from tables of
            operators in ways that the model does not know, and have intervals of their own.

    Raises:
        Unsupported: the catalog does not know enough of the GPU.
    """
    chip, known = chip_of(gpu), artefact()
    calls = calls if chip.matrix[TF32] else [tuple(map(_single, call)) for call in calls]
    busy, floor = busy_and_floor(calls, gpu, known, method=method)
    worked = [worked_as(call[0].dtype) for call in calls]
    domain = {precision: known.domain_of(gpu, precision) for precision in set(worked)}
    domains = tuple(domain[precision] for precision in worked)
    if method != "model":
        return Alone(busy, None, None, domains)
    seconds = ended(busy, floor, known)
    if nodes:
        found, _ = spread_of(known.spreads, known.widening, chip, (known.tested_alone(gpu), "node", ""))
        return Alone(seconds, seconds / found.factor, seconds * found.factor, domains)
    cases = [(known_in, call[0].kind) for known_in, call in zip(worked, calls, strict=True)]
    spreads = {case: _factors(case, gpu, chip, known) for case in set(cases)}
    kernel, host = np.array([spreads[case] for case in cases]).T
    low, high = ended(busy / kernel, floor / host, known), ended(busy * kernel, floor * host, known)
    return Alone(seconds, low, high, domains)


def busy_and_floor(
    calls: Sequence[tuple[Op, ...]], gpu: Gpu, known: Artefact, *, method: Method = "model"
) -> tuple[Floats, Floats]:
    """Seconds of the kernels of each call, and of the shortest such call.

    Args:
        calls: each of one operator or of a few.
        gpu: a row of the catalog.
        known: the artefact.
        method: the model, or a baseline of the data sheet.

    Raises:
        Unsupported: the catalog does not know enough of the GPU.
    """
    kernels = kernels_of([op for call in calls for op in call])
    check_double(gpu, kernels)
    call_of = np.repeat(np.arange(len(calls)), [len(call) for call in calls])
    times = times_of(kernels, chip_of(gpu), known, method=method, within=False)
    floors = np.array([floor_of(op, gpu.key, known) for op in kernels.distinct])
    both = (np.bincount(call_of, seconds[kernels.place], len(calls)) for seconds in (times.op_s, floors))
    busy, floor = (seconds.astype(np.float64) for seconds in both)
    return busy, floor


def ended(busy: Floats, floor: Floats, known: Artefact) -> Floats:
    """Seconds of calls: the floor, or the wait, a share of it, and the kernels."""
    return np.asarray(np.maximum(floor, known.wait_share * floor + busy))


def _single(op: Op) -> Op:
    return replace(op, dtype="float32") if op.dtype == "tf32" else op


def _factors(case: tuple[Worked, str], gpu: Gpu, chip: Chip, known: Artefact) -> tuple[float, float]:
    """How far off kernels and floors may be, as factors.

    Of calls in single precision alone there are measurements; those of others are as far from them as can be. The floor
    is that of the host: of a GPU that was not seen it is another one, whatever the GPU.
    """
    precision, kind = case
    tested: Domain = known.tested_alone(gpu) if precision == "single" else "extrapolated"
    kernel, _ = spread_of(known.spreads, known.widening, chip, (tested, "alone", kind))
    host = "seen" if gpu.key in known.floors else "unseen"
    floor = next(known.spreads[name] for name in (f"{host} floor {kind}", f"{host} floor") if name in known.spreads)
    return kernel.factor, floor.factor


def floor_of(op: Op, key: str, known: Artefact) -> float:
    """The shortest call of an operator with the host of a GPU: by its name, else of its kind, else of all.

    Args:
        op: called.
        key: of the GPU.
        known: the artefact.
    """
    floors = known.floors.get(key, known.floors[TYPICAL])
    return next(floors[name] for name in (floor_name(op), op.kind, "") if name in floors)


def floor_name(op: Op) -> str:
    """An operator's name, told apart by whether it takes one tensor or two."""
    if op.kind != "elementwise":
        return op.name
    return f"{op.name} {2 if op.read_bytes > _TWO_TENSORS * op.written_bytes else 1}"
