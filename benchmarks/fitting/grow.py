"""Grows the residual trees and turns them into plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fitting.tables import Measured
from gpugap.predict.latency.base import base_of
from gpugap.predict.latency.constants import Constants
from gpugap.predict.latency.features import Group, features_of, rows_of
from gpugap.predict.latency.kernels import Floats
from gpugap.predict.latency.trees import Trees


@dataclass(frozen=True, slots=True)
class Growth:
    """How trees grow.

    Attributes:
        trees: at most so many.
        leaves: of a tree, at most.
        rate: share of each tree that is taken.
        least: rows in a leaf.
        ridge: on the values of leaves.
    """

    trees: int
    leaves: int
    rate: float
    least: int
    ridge: float = 1.0


COMMON = Growth(trees=160, leaves=24, rate=0.08, least=40)
"""Of the residual that all GPUs share."""
OWN = Growth(trees=60, leaves=16, rate=0.08, least=30)
"""Of what one GPU has of its own."""


def sample_of(
    group: Group, measured: Sequence[Measured], constants: Constants, *, common: bool = False
) -> tuple[Any, Floats, Floats]:
    """Features, residuals and weights of calls of a group on several GPUs; every GPU weighs the same.

    Args:
        group: of kernels.
        measured: calls, by GPU.
        constants: of the base.
        common: takes each GPU's median away, so that trees do not learn which GPU a call ran on.
    """
    features, residuals, weights = [], [], []
    for one in measured:
        base = base_of(one.kernels, one.chip, constants)
        rows = rows_of(group, one.kernels)
        features.append(features_of(group, rows, one.kernels, (one.chip, base)))
        residual = np.log(one.kernel_s / base.total_s)[rows]
        residuals.append(residual - np.median(residual) if common else residual)
        weights.append(one.weights[rows] / max(one.weights[rows].sum(), 1e-9))
    weight = np.concatenate(weights)
    return np.concatenate(features), np.concatenate(residuals), weight / weight.mean()


def grow(features: Any, residuals: Floats, weights: Floats, growth: Growth, bound: float) -> Trees:
    """Trees fitted to residuals that are cut off at a bound."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    grown = HistGradientBoostingRegressor(
        loss="absolute_error",
        max_iter=growth.trees,
        max_leaf_nodes=growth.leaves,
        learning_rate=growth.rate,
        min_samples_leaf=growth.least,
        l2_regularization=growth.ridge,
        early_stopping=False,
        random_state=0,
    )
    grown.fit(features, np.clip(residuals, -bound, bound), sample_weight=weights)
    return plain_trees([step[0].nodes for step in grown._predictors], float(np.ravel(grown._baseline_prediction)[0]))


def plain_trees(trees: Sequence[Any], start: float) -> Trees:
    """The nodes of scikit-learn's trees in one list; a leaf points at itself.

    Args:
        trees: structured arrays with fields ``feature_idx``, ``num_threshold``, ``left``, ``right``, ``is_leaf``,
            ``value``, ``depth``.
        start: what is predicted before the first tree.
    """
    roots, columns, offset, depth = [], [], 0, 0
    for nodes in trees:
        own = np.arange(len(nodes)) + offset
        leaf = nodes["is_leaf"].astype(bool)
        columns.append(
            (
                np.where(leaf, 0, nodes["feature_idx"]).astype(np.int16),
                np.where(leaf, np.inf, nodes["num_threshold"]).astype(np.float32),
                np.where(leaf, own, nodes["left"] + offset).astype(np.int32),
                np.where(leaf, own, nodes["right"] + offset).astype(np.int32),
                np.where(leaf, nodes["value"], 0.0).astype(np.float32),
            )
        )
        roots.append(offset)
        offset += len(nodes)
        depth = max(depth, int(nodes["depth"].max()))
    feature, threshold, left, right, value = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    return Trees(start, np.array(roots, np.int32), feature, threshold, left, right, value, depth)
