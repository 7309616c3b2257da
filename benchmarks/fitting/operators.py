"""Fits base and residual to the tables of operators, with or without one GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fitting.analytic import fit_constants, thinned
from fitting.grow import COMMON, OWN, Growth, grow, sample_of
from fitting.tables import FORESEEN, THROTTLED, WAIT_SHARE, Measured, joined
from gpugap.predict.latency.artefact import TYPICAL, Artefact
from gpugap.predict.latency.base import base_of
from gpugap.predict.latency.conformal import Spread, Widening
from gpugap.predict.latency.constants import Constants, Engine
from gpugap.predict.latency.features import Group
from gpugap.predict.latency.table_ops import TABLE_KINDS
from gpugap.predict.latency.trees import Trees

KINDS_OF: Mapping[Group, tuple[str, ...]] = {
    "product": ("bmm", "linear"),
    "traffic": tuple(kind for kind in TABLE_KINDS if kind not in ("bmm", "linear", "conv")),
    "conv": ("conv",),
}
_TRAFFIC = {
    "bandwidth": (0.5, 1.0),
    "held_back_memory": (0.6, 1.0),
    "kernel_s": (5e-7, 2e-5),
    "kind_factor/norm": (0.5, 3.0),
    "kind_factor/softmax": (0.5, 3.0),
}
_PRODUCT = {
    "vector.utilization": (0.5, 1.0),
    "vector.narrow": (0.1, 60.0),
    "vector.prologue": (0.1, 200.0),
    "vector.quantized": (0.05, 1.0),
    "vector.alone": (0.001, 1.0),
    "vector.power": (0.5, 2.0),
    "vector.power_exponent": (0.2, 2.0),
    "vector.sharpness": (1.0, 12.0),
    "shared_issue": (0.5, 1.0),
}
_CONV = {"form_factor/dense": (0.3, 4.0), "winograd": (1.01, 2.25)}
START = Constants(
    vector=Engine(
        utilization=0.95,
        narrow=10.0,
        prologue=6.0,
        quantized=0.9,
        alone=0.25,
        power=1.05,
        power_exponent=0.95,
        sharpness=1.5,
    ),
    matrix=Engine(
        utilization=0.95,
        narrow=1.0,
        prologue=64.0,
        quantized=0.6,
        alone=0.3,
        power=1.05,
        power_exponent=0.95,
        sharpness=3.0,
    ),
    shared_issue=0.8,
    held_back_memory=0.8,
    winograd=1.6,
    form_factor={"depthwise": 7.0, "direct": 7.0, "lonely depthwise": 8.0},
    bandwidth=0.9,
    kind_factor={},
    l2_speed=2.0,
    l2_share=0.7,
    layout=0.6,
    kernel_s=3e-6,
    host_sharpness=6.0,
    dispatch_s=6e-6,
)
"""Where every fit begins. Host time is not fitted: no row of the tables is long enough in operators to show it."""
BOUND = 0.7
"""Largest absolute log of a residual: a factor of 2."""
UNSEEN_PRODUCT = 0.25
"""Share of the common residual of products for GPUs without their own; of 0 to 1 in quarters, with GPUs left out."""
_BASE_ROWS, _TREE_ROWS = 1000, 6000
"""Calls of a group on a GPU that constants and trees are fitted to."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Calls that show their kernels, by group and GPU.

    Attributes:
        calls: every one that is used.
        few: so many as the constants need.
    """

    calls: Mapping[Group, Sequence[Measured]]
    few: Mapping[Group, Sequence[Measured]]

    def without(self, key: str) -> Sample:
        """All but one GPU's."""
        return Sample(
            {group: [one for one in found if one.chip.key != key] for group, found in self.calls.items()},
            {group: [one for one in found if one.chip.key != key] for group, found in self.few.items()},
        )


def sample(tables: Mapping[str, Mapping[str, Measured]]) -> Sample:
    """The calls of the tables that are fitted to; those taken on a throttled card are left out.

    Args:
        tables: by GPU and kind.
    """
    calls: dict[Group, list[Measured]] = {}
    few: dict[Group, list[Measured]] = {}
    for group, kinds in KINDS_OF.items():
        for key, found in tables.items():
            parts = [found[kind] for kind in kinds if kind in found and (kind, key) not in THROTTLED]
            if not parts:
                continue
            every = joined(parts)
            longer = thinned(every, _TREE_ROWS)
            few.setdefault(group, []).append(thinned(longer, _BASE_ROWS, seed=1))
            moved = group == "traffic"
            calls.setdefault(group, []).append(thinned(every, _TREE_ROWS, shown=foreseen(every)) if moved else longer)
    return Sample(calls, few)


def foreseen(measured: Measured) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which calls are predicted to show their kernels, whatever was measured."""
    predicted = base_of(measured.kernels, measured.chip, START).total_s
    return np.asarray((predicted > FORESEEN * measured.floors) & (measured.kernel_s > 0))


def fit_base(data: Sample, *, steps: int = 3) -> Constants:
    """Constants of single precision: bytes first, then products, then convolutions."""
    start = START
    for group, bounds in (("traffic", _TRAFFIC), ("product", _PRODUCT), ("conv", _CONV)):
        start = fit_constants(start, data.few[group], bounds, steps=steps)  # type: ignore[index] # names of groups
    return start


def common_trees(constants: Constants, data: Sample, growth: Growth = COMMON) -> dict[str, Trees]:
    """The residual that all GPUs share, by group."""
    return {
        group: grow(*sample_of(group, found, constants, common=True), growth, BOUND)
        for group, found in data.calls.items()
    }


def own_trees(constants: Constants, data: Sample, common: Mapping[str, Trees]) -> dict[str, Trees]:
    """What each GPU has of its own, by group and GPU."""
    grown: dict[str, Trees] = {}
    for group, found in data.calls.items():
        for one in found:
            features, residuals, weights = sample_of(group, [one], constants)
            rest = residuals - common[group](features)
            grown[f"{group} {one.chip.key}"] = grow(features, rest, weights, OWN, BOUND)
    return grown


def floors_of(tables: Mapping[str, Mapping[str, Measured]]) -> dict[str, dict[str, float]]:
    """The shortest calls by GPU and operator, their medians by kind, and over GPUs for the typical host."""
    from gpugap.predict.latency.alone import floor_name
    from gpugap.predict.latency.table_ops import op_of_row

    sizes = dict.fromkeys(("batch", "gemm_m", "gemm_n", "gemm_k", "rows", "row_len", "c_in", "c_out"), 64)
    sizes |= {"kernel_size": 3, "hw_in_px": 8, "hw_out_px": 8}
    ops = {kind: op_of_row({**sizes, "op_kind": kind}) for kind in TABLE_KINDS}
    found: dict[str, dict[str, float]] = {}
    for key, kinds in tables.items():
        linear = float(kinds["linear"].floors[0])
        own = {floor_name(ops[kind]): float(one.floors[0]) for kind, one in kinds.items()}
        own.setdefault(floor_name(ops["conv"]), linear)
        by_kind: dict[str, list[float]] = {}
        for kind, one in kinds.items():
            by_kind.setdefault(ops[kind].kind, []).append(float(one.floors[0]))
        own |= {kind: float(np.median(values)) for kind, values in by_kind.items()}
        found[key] = own | {"": float(np.median(list(own.values())))}
    names = sorted({name for own in found.values() for name in own})
    found[TYPICAL] = {name: float(np.median([own[name] for own in found.values() if name in own])) for name in names}
    return {key: {name: float(f"{value:.4g}") for name, value in own.items()} for key, own in found.items()}


def in_memory(constants: Constants, trees: Mapping[str, Trees], like: Artefact | None = None) -> Artefact:
    """An artefact to predict with while another is being made.

    Args:
        constants: fitted.
        trees: grown.
        like: whose other parts are taken; none where None.
    """
    if like is not None:
        return replace(like, constants=constants, trees=trees)
    nothing = {"seen": Spread(1.0, 0, 0), "unseen": Spread(1.0, 0, 0)}
    shares = {"half": 0.0, "backward": 1.0, "unseen product": UNSEEN_PRODUCT}
    return Artefact(
        constants,
        trees,
        shares,
        BOUND,
        {},
        {"typical": {"": 3e-5}},
        WAIT_SHARE,
        nothing,
        Widening(1.0, 1.0),
        {"gpus": {}},
    )
