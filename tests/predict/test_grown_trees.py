"""Trees as scikit-learn grew them and as plain arrays give the same answers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def fitting(monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import fitting.grow

    return fitting.grow


def test_plain_arrays_answer_as_scikit_learn(fitting):
    from sklearn.ensemble import HistGradientBoostingRegressor

    random = np.random.default_rng(0)
    features = random.normal(size=(400, 3)).astype(np.float32)
    target = np.sin(2 * features[:, 0]) + (features[:, 1] > 0.3)
    grown = HistGradientBoostingRegressor(max_iter=12, max_leaf_nodes=6, early_stopping=False).fit(features, target)
    nodes = [step[0].nodes for step in grown._predictors]
    plain = fitting.plain_trees(nodes, float(np.ravel(grown._baseline_prediction)[0]))
    assert np.allclose(plain(features), grown.predict(features), atol=1e-5)


def test_residuals_are_cut_off_before_trees_learn_them(fitting):
    features = np.repeat(np.arange(2.0, dtype=np.float32), 60)[:, None]
    residuals = np.where(features[:, 0] > 0, 9.0, -9.0)
    growth = fitting.Growth(trees=200, leaves=2, rate=0.2, least=5, ridge=0.0)
    found = fitting.grow(features, residuals, np.ones(120), growth, 0.5)(features)
    assert found.max() <= 0.5 + 1e-6
    assert found.max() > 0.4
    assert found.min() < -0.4
