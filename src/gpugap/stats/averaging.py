"""Several models at once: Akaike weights, and the interval of their mixture.

A model chosen by its data is too sure of itself: its own interval knows nothing of the other models the same data
allow. The mixture of all predictive distributions, weighted by how well each describes the data (Burnham & Anderson
2002, sections 2.9 and 4.3), does; its coverage after selection is tested in ``tests/stats/test_trend_coverage.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gpugap.stats.predictive import Predictive

Array = NDArray[np.float64]

NO_SUPPORT = 10.0
"""A model whose AICc is higher than the lowest by more than this has essentially no support (Burnham & Anderson 2002,
section 2.6)."""
_STEPS = 40


def supported(criteria: Array) -> NDArray[np.bool_]:
    """Which models the data support.

    Args:
        criteria: AICc; the last axis is the model.
    """
    return np.asarray(np.isfinite(criteria) & (criteria - criteria.min(axis=-1, keepdims=True) <= NO_SUPPORT))


def akaike_weights(criteria: Array) -> Array:
    """Weights that sum to 1 over the last axis, of models with that AICc; 0 where it is infinite."""
    least = criteria.min(axis=-1, keepdims=True)
    if not np.isfinite(least).all():
        raise ValueError("no model has a finite criterion")
    raw = np.exp(-0.5 * (criteria - least))
    return np.asarray(raw / raw.sum(axis=-1, keepdims=True))


def mixture_quantile(models: Sequence[Predictive], weights: Sequence[Array], share: float) -> Array:
    """The value below which a new observation lies with that probability, by all models together.

    Args:
        models: of equal shapes, all of one quantity.
        weights: one column vector a model, or one number.
        share: the probability.
    """
    each = np.stack([model.quantile(share) for model in models])
    low, high = each.min(axis=0), each.max(axis=0)
    by_log = models[0].positive
    for _ in range(_STEPS):  # halving: to a millionth of the distance between the models, and far below
        middle = np.sqrt(low) * np.sqrt(high) if by_log else low / 2 + high / 2
        below = sum(weight * model.below(middle) for model, weight in zip(models, weights, strict=True))
        low, high = np.where(below < share, middle, low), np.where(below < share, high, middle)
    return np.asarray(high)
