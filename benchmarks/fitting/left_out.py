"""How far off the model is on GPUs, shapes and families that it was not fitted to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np

from fitting.grow import OWN, Growth, grow, sample_of
from fitting.half import fit_half
from fitting.operators import BOUND, Sample, common_trees, fit_base, floors_of, in_memory
from fitting.tables import UNSHOWN, WAIT_SHARE, Measured, chip, chosen
from fitting.wholes import Step
from gpugap.catalog.accelerators import gpu
from gpugap.predict.latency.alone import busy_and_floor, ended
from gpugap.predict.latency.artefact import Artefact
from gpugap.predict.latency.base import base_of
from gpugap.predict.latency.constants import Constants
from gpugap.predict.latency.features import STEP, Group
from gpugap.predict.latency.kernels import Floats
from gpugap.predict.latency.model import step_of, times_of
from gpugap.predict.latency.trees import Trees
from gpugap.study.scoring.cases import Case

FOLDS = 5


@dataclass(frozen=True, slots=True)
class Miss:
    """One left-out measurement.

    Attributes:
        case: what was left out: ``transformers, GPU``.
        group: the GPU or family that was.
        key: GPU it was measured on.
        name: of the operator or step.
        log_ratio: log of measured over predicted.
    """

    case: str
    group: str
    key: str
    name: str
    log_ratio: float


def step_seconds(step: Step, known: Artefact) -> float:
    """A step with the typical host, as `gpugap.predict.latency.model.predict` has it."""
    target = chip(step.key)
    times = times_of(step.kernels, target, known, channels_last=step.channels_last)
    return step_of(step.kernels, times, known.constants_for(step.key))[1]


def fold(text: str, folds: int = FOLDS) -> int:
    """A part of the data by a name, the same in every run."""
    return crc32(text.encode()) % folds


def alone_misses(
    case: str, measured: Measured, residual: Floats, constants: Constants, floors: Floats | None = None
) -> Iterable[Miss]:
    """Calls of one GPU with the wait and floor of its own host, or of another one."""
    floors = measured.floors if floors is None else floors
    base = base_of(measured.kernels, measured.chip, constants).total_s * np.exp(np.clip(residual, -BOUND, BOUND))
    predicted = np.maximum(floors, WAIT_SHARE * floors + base)
    for kind, ratio in zip(measured.kinds, np.log(measured.seconds / predicted), strict=True):
        yield Miss(f"{case} {kind}", measured.chip.key, measured.chip.key, str(kind), float(ratio))


def shapes_left_out(group: Group, data: Sample, constants: Constants, growth: Growth) -> list[Miss]:
    """A fifth of the shapes, on every GPU at once."""
    parts = [np.array([fold(shape) for shape in one.shapes]) for one in data.calls[group]]
    kept = [chosen(one, np.flatnonzero(part != 0)) for one, part in zip(data.calls[group], parts, strict=True)]
    common = grow(*sample_of(group, kept, constants, common=True), growth, BOUND)
    found: list[Miss] = []
    for one, rest, part in zip(data.calls[group], kept, parts, strict=True):
        features, residuals, weights = sample_of(group, [rest], constants)
        own = grow(features, residuals - common(features), weights, OWN, BOUND)
        test = chosen(one, np.flatnonzero(part == 0))
        features, _, _ = sample_of(group, [test], constants)
        found += alone_misses("shapes", test, common(features) + own(features), constants)
    return found


@dataclass(frozen=True, slots=True)
class WithoutGpu:
    """What was fitted without one GPU.

    Attributes:
        key: the GPU.
        constants: of the base.
        trees: common ones.
    """

    key: str
    constants: Constants
    trees: Mapping[str, Trees]


def fits_without(data: Sample, keys: Sequence[str], growth: Growth) -> list[WithoutGpu]:
    """Base and trees without each GPU."""
    found = []
    for key in keys:
        rest = data.without(key)
        constants = fit_base(rest, steps=2)
        found.append(WithoutGpu(key, constants, common_trees(constants, rest, growth)))
    return found


Tables = Mapping[str, Mapping[str, Measured]]
"""Calls by GPU and kind."""


def other_floor(tables: Tables, key: str, kind: str) -> float:
    """The typical host's floor of a kind without one GPU's host."""
    return float(np.median([one[kind].floors[0] for other, one in tables.items() if other != key and kind in one]))


def floors_missed(tables: Tables, constants: Constants) -> list[Miss]:
    """Calls that show their host alone: how far they are from its floor, and from that of other GPUs' hosts."""
    found: list[Miss] = []
    for key, kinds in tables.items():
        for kind, one in kinds.items():
            short = base_of(one.kernels, one.chip, constants).total_s < UNSHOWN * one.floors
            for case, floor in (
                (f"floor {kind}", one.floors[0]),
                (f"floor, GPU {kind}", other_floor(tables, key, kind)),
            ):
                found += [Miss(case, key, key, kind, float(ratio)) for ratio in np.log(one.seconds[short] / floor)]
    return found


def nodes_missed(found: Iterable[Case], known: Artefact, case: str, without: str = "") -> list[Miss]:
    """Nodes of graphs, to which nothing is fitted.

    Args:
        found: cases of their table.
        known: the artefact, with floors.
        case: of the misses.
        without: the one GPU whose nodes count; all where empty.
    """
    by_gpu: dict[str, list[Case]] = {}
    for one in found:
        if one.gpu is not None and one.measured_s and isinstance(one.work, tuple) and without in ("", one.gpu.key):
            by_gpu.setdefault(one.gpu.key, []).append(one)
    misses: list[Miss] = []
    for key, ones in by_gpu.items():
        calls = [one.work for one in ones if isinstance(one.work, tuple)]
        seconds = ended(*busy_and_floor(calls, gpu(key), known), known)
        for one, predicted in zip(ones, seconds, strict=True):
            misses.append(Miss(case, key, key, one.kind, float(np.log((one.measured_s or 0.0) / predicted))))
    return misses


def nodes_left_out(found: Sequence[Case], known: Artefact, fits: Sequence[WithoutGpu], tables: Tables) -> list[Miss]:
    """Nodes on GPUs that are seen, and on each GPU by what was fitted to the others and with their typical host."""
    misses = nodes_missed(found, replace(known, floors=floors_of(tables)), "nodes, seen")
    for fit in fits:
        others = floors_of({key: kinds for key, kinds in tables.items() if key != fit.key})
        fitted = replace(in_memory(_with_backward(fit.constants, known.constants), fit.trees), floors=others)
        misses += nodes_missed(found, fitted, "nodes, GPU", fit.key)
    return misses


def gpus_left_out(data: Sample, fits: Sequence[WithoutGpu], tables: Tables) -> list[Miss]:
    """Operators on GPUs that were not fitted to: their kernels with the host known, and all with another host."""
    found: list[Miss] = []
    for fit in fits:
        for group, calls in data.calls.items():
            for one in calls:
                if one.chip.key == fit.key:
                    features, _, _ = sample_of(group, [one], fit.constants)
                    residual = fit.trees[group](features)
                    found += alone_misses("kernels, GPU", one, residual, fit.constants)
                    floors = np.array([other_floor(tables, fit.key, str(kind)) for kind in one.kinds])
                    found += alone_misses("ops, GPU", one, residual, fit.constants, floors)
    return found


def whole_single(steps: Sequence[Step], known: Artefact) -> tuple[float, dict[str, float]]:
    """The time of whole steps in single precision over the sum of their kernels, common and by GPU.

    Every family on every GPU counts once. A GPU's own factor is shrunk to the common one: of F families it keeps
    F / (F + 1) of what sets it apart.
    """
    ratios: dict[tuple[str, str], list[float]] = {}
    for step in steps:
        ratios.setdefault((step.key, step.family), []).append(float(np.log(step.seconds / step_seconds(step, known))))
    means = {pair: float(np.mean(values)) for pair, values in ratios.items()}
    keys = sorted({key for key, _ in means})
    by_gpu = {key: [value for (gpu, _), value in means.items() if gpu == key] for key in keys}
    common = float(np.mean([np.mean(values) for values in by_gpu.values()]))
    own = {
        key: common + len(values) / (len(values) + 1) * (float(np.mean(values)) - common)
        for key, values in by_gpu.items()
    }
    return float(np.exp(common)), {key: float(np.exp(value)) for key, value in own.items()}


def transformers_left_out(steps: Sequence[Step], known: Artefact, fits: Sequence[WithoutGpu]) -> list[Miss]:
    """Each family on GPUs that are seen, and each GPU."""
    found: list[Miss] = []
    for family in sorted({step.family for step in steps}):
        common, own = whole_single([step for step in steps if step.family != family], known)
        for step in steps:
            if step.family == family:
                ratio = step.seconds / step_seconds(step, known) / own.get(step.key, common)
                found.append(Miss("transformers, family", family, step.key, step.name, float(np.log(ratio))))
    for fit in fits:
        fitted = in_memory(_with_backward(fit.constants, known.constants), fit.trees)
        common, _ = whole_single([step for step in steps if step.key != fit.key], fitted)
        for step in steps:
            if step.key == fit.key:
                ratio = step.seconds / step_seconds(step, fitted) / common
                found.append(Miss("transformers, GPU", fit.key, step.key, step.name, float(np.log(ratio))))
    return found


def _with_backward(constants: Constants, whole: Constants) -> Constants:
    """Constants with factors of the backward pass, which come from image models on other GPUs than these."""
    return replace(
        constants,
        form_factor={**whole.form_factor, **constants.form_factor},
        kind_factor={**whole.kind_factor, **constants.kind_factor},
    )


def images_left_out(steps: Sequence[Step], single: Artefact) -> list[Miss]:
    """Families on GPUs that are seen, a quarter of them at a time, and each GPU, of inference."""
    found: list[Miss] = []
    families = sorted({step.family for step in steps}, key=lambda family: crc32(family.encode()))
    for part in range(_PARTS):
        out = set(families[part::_PARTS])
        known = with_half(single, [step for step in steps if step.family not in out])
        for step in steps:
            if step.family in out:
                ratio = float(np.log(step.seconds / step_seconds(step, known)))
                found.append(Miss(f"images {step.mode}, family", step.family, step.key, step.name, ratio))
    for key in sorted({step.key for step in steps if step.mode == "inference"}):
        known = with_half(single, [step for step in steps if step.key != key])
        for step in steps:
            if step.key == key and step.mode == "inference":
                ratio = float(np.log(step.seconds / step_seconds(step, known)))
                found.append(Miss("images inference, GPU", key, key, step.name, ratio))
    return found


def with_half(single: Artefact, steps: Sequence[Step]) -> Artefact:
    """An artefact with half precision fitted to some steps."""
    constants, trees = fit_half(single.constants, steps)
    return replace(single, constants=constants, trees={**single.trees, STEP: trees})


_PARTS = 4


PARTS = ("kernels", "floor", "nodes")
"""Cases that make intervals alone: kernels with the host known, floors, nodes of graphs."""


def summary(misses: Sequence[Miss]) -> dict[str, dict[str, Any]]:
    """Mean and median absolute percentage error by case, for the fit report."""
    cases: dict[str, list[float]] = {}
    for miss in misses:
        if not miss.case.startswith(PARTS):
            cases.setdefault(miss.case, []).append(abs(float(np.exp(-miss.log_ratio)) - 1) * 100)
    return {
        case: {
            "n": len(errors),
            "mean_percent": round(float(np.mean(errors)), 2),
            "median_percent": round(float(np.median(errors)), 2),
        }
        for case, errors in sorted(cases.items())
    }
