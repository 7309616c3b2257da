"""Writes the artefact: numbers as JSON that people can read, trees as compressed arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from fitting.left_out import Miss, summary
from fitting.reporting import report_of
from gpugap.catalog.accelerators import gpu
from gpugap.core.version import __version__
from gpugap.predict.latency.artefact import NUMBERS, SCHEMA, TREES, Artefact
from gpugap.predict.latency.chip import chip_of
from gpugap.predict.latency.conformal import Spread, Widening, spread
from gpugap.predict.latency.table_ops import TABLE_KINDS
from gpugap.predict.latency.trees import Trees

_KINDS = {
    "gemm": ("bmm", "linear"),
    "conv": ("conv",),
    "softmax": ("softmax",),
    "norm": ("ln",),
    "elementwise": tuple(kind for kind in TABLE_KINDS if kind not in ("bmm", "linear", "conv", "softmax", "ln")),
}
_FLOORS = tuple(kind for kind in _KINDS if kind != "conv")
"""Small convolutions take several floors, which the spread of their kernels holds."""
_SPREADS = {
    **{f"seen alone {kind}": tuple(f"shapes {name}" for name in names) for kind, names in _KINDS.items()},
    **{f"unseen alone {kind}": tuple(f"kernels, GPU {name}" for name in names) for kind, names in _KINDS.items()},
    **{f"seen floor {kind}": tuple(f"floor {name}" for name in _KINDS[kind]) for kind in _FLOORS},
    **{f"unseen floor {kind}": tuple(f"floor, GPU {name}" for name in _KINDS[kind]) for kind in _FLOORS},
    "seen alone": ("shapes",),
    "unseen alone": ("kernels, GPU",),
    "seen floor": ("floor ",),
    "unseen floor": ("floor, GPU",),
    "seen node": ("nodes, seen",),
    "unseen node": ("nodes, GPU",),
    "seen single": ("transformers, family",),
    "unseen single": ("transformers, GPU",),
    "seen half inference": ("images inference, family",),
    "seen half train": ("images train, family",),
    "unseen half": ("images inference, GPU",),
    "seen": ("transformers, family", "images inference, family", "images train, family"),
    "unseen": ("transformers, GPU", "images inference, GPU"),
}
"""Left-out cases behind each spread; a case counts by how its name begins."""


def spreads_of(misses: Sequence[Miss]) -> dict[str, Spread]:
    """The spread of every group of left-out measurements."""
    found = {}
    for name, cases in _SPREADS.items():
        own = [miss for miss in misses if miss.case.startswith(cases)]
        if own:
            found[name] = spread([miss.log_ratio for miss in own], len({miss.group for miss in own}))
    for sort in ("single", "node"):  # few were left out: by chance the first may be the wider
        both = [found[name] for name in (f"unseen {sort}", f"seen {sort}") if name in found]
        if len(both) > 1:
            found[f"unseen {sort}"] = max(both, key=lambda one: one.factor)
    if {"seen half inference", "unseen half"} <= found.keys():
        found["unseen half"] = _both(found["seen half inference"], found["unseen half"])
    return found


def _both(family: Spread, device: Spread) -> Spread:
    """A new model on a new GPU: both errors, taken to be independent, as each was left out while the other stayed."""
    return replace(device, factor=float(np.exp(np.hypot(np.log(family.factor), np.log(device.factor)))))


def widening_of(misses: Sequence[Miss], spreads: Mapping[str, Spread]) -> Widening:
    """How much wider intervals must be on power-limited cards that were left out, and on generations never seen.

    The first is the ratio of the quantiles of left-out transformers. The second makes intervals of steps as wide as
    those of single calls on left-out GPUs: on a generation never seen errors need not average out over a step.
    """
    usual = float(np.log(spreads["unseen single"].factor))
    limited = [
        miss.log_ratio for miss in misses if miss.case == "transformers, GPU" and chip_of(gpu(miss.key)).power_limited
    ]
    power = float(np.log(spread(limited, 1).factor)) / usual if limited else 1.0
    alone = float(np.log(spreads["unseen alone"].factor)) / usual
    return Widening(max(1.0, round(power, 3)), max(1.0, round(alone, 3)))


def manifest_of(
    keys: Mapping[str, int], families: Mapping[str, Sequence[str]], misses: Sequence[Miss], kinds: Sequence[str]
) -> dict[str, Any]:
    """What the artefact was fitted to.

    Args:
        keys: rows of measurements by GPU.
        families: of models by table.
        misses: left-out measurements, for the fit report.
        kinds: of operators.
    """
    rows = {key: gpu(key) for key in sorted(keys)}
    single = {miss.key for miss in misses if miss.case.startswith("ops")}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "gpugap": __version__,
        "versions": {name: version(name) for name in ("numpy", "scipy", "scikit-learn")},
        "gpus": {
            key: {
                "vendor": row.vendor,
                "architecture": row.architecture,
                "rows": keys[key],
                "precisions": ["single" if key in single else "half"],
            }
            for key, row in rows.items()
        },
        "kinds": list(kinds),
        "families": {table: sorted(set(names)) for table, names in families.items()},
        "fit_report": summary(misses),
        "report": report_of(misses),
    }


def write(folder: Path, known: Artefact) -> None:
    """Writes both files.

    Args:
        folder: of the package's predictions.
        known: the artefact.
    """
    body = {
        "schema": SCHEMA,
        "constants": asdict(known.constants),
        "shares": dict(known.shares),
        "bound": known.bound,
        "gpu_constants": {key: {"whole": dict(own.whole)} for key, own in known.gpu_constants.items()},
        "floors": known.floors,
        "wait_share": known.wait_share,
        "spreads": {name: asdict(one) for name, one in known.spreads.items()},
        "widening": asdict(known.widening),
        "manifest": known.manifest,
    }
    (folder / NUMBERS).write_text(json.dumps(_short(body), indent=1) + "\n", encoding="utf-8")
    arrays: dict[str, Any] = {}
    for name, trees in known.trees.items():
        arrays |= _compact(name, trees)
    np.savez_compressed(folder / TREES, **arrays)


def _compact(name: str, trees: Trees) -> dict[str, Any]:
    """Arrays in the smallest types that hold them; leaves in half precision, whose error is a thousandth of a log."""
    arrays = dict(trees.to_arrays(name))
    arrays[f"{name}/value"] = arrays[f"{name}/value"].astype(np.float16)
    arrays[f"{name}/feature"] = arrays[f"{name}/feature"].astype(np.int8)
    return arrays


def _short(value: Any) -> Any:
    """Numbers with six digits."""
    if isinstance(value, Mapping):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_short(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
