"""The fitted artefact of the latency model: constants, trees, intervals, and what they were fitted to."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from io import BytesIO
from typing import Any

import numpy as np

from gpugap.catalog.accelerators import Gpu
from gpugap.predict.latency.conformal import Spread, Widening
from gpugap.predict.latency.constants import Constants, constants_of
from gpugap.predict.latency.features import GROUPS, STEP
from gpugap.predict.latency.trees import Trees, trees_of
from gpugap.predict.prediction import Domain, Worked

SCHEMA = "gpugap.calibration/1"
TYPICAL = "typical"
"""The host of a GPU that was not seen, among `Artefact.floors`."""
NUMBERS, TREES = "calibration.json", "calibration.npz"


@dataclass(frozen=True, slots=True)
class Artefact:
    """What ``make calibrate`` makes.

    Attributes:
        constants: of the analytical base.
        trees: residuals by group of kernels and of whole steps, and ``GROUP GPU`` for what one GPU has of its own.
        shares: of the residual that is taken over to ``half`` precision, the ``backward`` pass, and ``unseen GROUP``
            for GPUs that have none of their own.
        bound: largest absolute log of a residual.
        gpu_constants: constants of GPUs whose whole models were seen, in place of the common ones.
        floors: shortest call of an operator between two events in seconds, by GPU and by `floor_name`.
        wait_share: of that floor, for which a GPU waits until the host has dispatched the call.
        spreads: of left-out measurements.
        widening: of intervals where that was not checked.
        manifest: GPUs, kinds, families and rows seen, date, versions, fit report.
    """

    constants: Constants
    trees: Mapping[str, Trees]
    shares: Mapping[str, float]
    bound: float
    gpu_constants: Mapping[str, Constants]
    floors: Mapping[str, Mapping[str, float]]
    wait_share: float
    spreads: Mapping[str, Spread]
    widening: Widening
    manifest: Mapping[str, Any]

    def constants_for(self, key: str) -> Constants:
        """Those of a GPU."""
        return self.gpu_constants.get(key, self.constants)

    def domain_of(self, gpu: Gpu, precision: Worked = "single") -> Domain:
        """Whether a GPU, or one of its vendor and architecture, was in the calibration data in a precision.

        Args:
            gpu: a row of the catalog.
            precision: what was measured in another one says nothing of it.
        """
        rows = {key: row for key, row in self.manifest["gpus"].items() if precision in row["precisions"]}
        if gpu.key in rows:
            return "seen"
        kin = {(row["vendor"], row["architecture"]) for row in rows.values()}
        return "unseen" if (gpu.vendor, gpu.architecture) in kin else "extrapolated"

    def tested_alone(self, gpu: Gpu, precision: Worked = "single") -> Domain:
        """The domain of single calls: every generation of the vendors that were seen was left out in its turn."""
        rows = self.manifest["gpus"].values()
        vendors = {row["vendor"] for row in rows if precision in row["precisions"]}
        found = self.domain_of(gpu, precision)
        return "unseen" if found == "extrapolated" and gpu.vendor in vendors else found


@functools.cache
def artefact() -> Artefact:
    """The one shipped in this package."""
    folder = resources.files(__package__)
    with np.load(BytesIO(folder.joinpath(TREES).read_bytes()), allow_pickle=False) as stored:
        arrays = dict(stored)
    return artefact_of(json.loads(folder.joinpath(NUMBERS).read_text(encoding="utf-8")), arrays)


def artefact_of(numbers: Mapping[str, Any], arrays: Mapping[str, Any]) -> Artefact:
    """From its two files.

    Args:
        numbers: the JSON.
        arrays: of trees.
    """
    assert numbers["schema"] == SCHEMA
    common = numbers["constants"]
    names = sorted({name.rpartition("/")[0] for name in arrays})
    assert all(name.split(" ")[0] in (*GROUPS, STEP) for name in names)
    return Artefact(
        constants=constants_of(common),
        trees={name: trees_of(name, arrays) for name in names},
        shares=numbers["shares"],
        bound=numbers["bound"],
        gpu_constants={key: constants_of(_merged(common, own)) for key, own in numbers["gpu_constants"].items()},
        floors=numbers["floors"],
        wait_share=numbers["wait_share"],
        spreads={name: Spread(**one) for name, one in numbers["spreads"].items()},
        widening=Widening(**numbers["widening"]),
        manifest=numbers["manifest"],
    )


def _merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Common values with a GPU's own over them, to any depth."""
    found = dict(common)
    for name, value in own.items():
        found[name] = _merged(common.get(name, {}), value) if isinstance(value, Mapping) else value
    return found
