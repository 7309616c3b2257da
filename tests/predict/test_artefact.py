from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpugap.catalog.accelerators import gpu
from gpugap.predict.latency.artefact import NUMBERS, TREES, artefact
from gpugap.predict.latency.chip import chip_of
from gpugap.predict.latency.conformal import Spread, Widening, spread, spread_of
from gpugap.predict.latency.trees import Trees, trees_of


def test_the_shipped_artefact_is_small_and_says_what_it_saw():
    folder = resources.files("gpugap.predict.latency")
    assert sum(len(folder.joinpath(name).read_bytes()) for name in (NUMBERS, TREES)) < 10**6
    known = artefact()
    assert {"p4", "p100-pcie", "v100-pcie-32gb", "t4", "a100-pcie-40gb", "rtx-3090", "rtx-4090"} == set(
        known.manifest["gpus"]
    )
    assert {"bmm", "linear", "conv", "ln"} <= set(known.manifest["kinds"])
    assert len(known.manifest["families"]["images"]) > 50
    report = known.manifest["fit_report"]
    for case, mean, median in (
        ("transformers, family", 9, 6),
        ("transformers, GPU", 12, 8),
        ("images inference, family", 13, 8.5),
        ("images inference, GPU", 18, 12),
        ("shapes conv", 17, 11),
        ("ops, GPU conv", 23, 19),
    ):
        assert report[case]["mean_percent"] < mean, case
        assert report[case]["median_percent"] < median, case


def by_hand() -> Trees:
    """x0 <= 1 ? (x1 <= 5 ? 10 : 20) : 30, and a tree that is one leaf of 1."""
    return Trees(
        start=100.0,
        roots=np.array([0, 5], np.int32),
        feature=np.array([0, 1, 0, 0, 0, 0], np.int16),
        threshold=np.array([1, 5, np.inf, np.inf, np.inf, np.inf], np.float32),
        left=np.array([1, 2, 2, 3, 4, 5], np.int32),
        right=np.array([4, 3, 2, 3, 4, 5], np.int32),
        value=np.array([0, 0, 10, 20, 30, 1], np.float32),
        depth=2,
    )


@given(st.lists(st.tuples(st.floats(-9, 9, width=32), st.floats(-9, 9, width=32)), min_size=1, max_size=20))
def test_trees_answer_as_their_questions_are_read(rows):
    expected = [101 + (30 if x > 1 else 10 if y <= 5 else 20) for x, y in rows]
    features = np.array(rows, np.float32)
    assert by_hand()(features).tolist() == expected
    assert trees_of("a", by_hand().to_arrays("a"))(features).tolist() == expected


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=200))
def test_a_spread_holds_the_share_of_its_own_errors(ratios):
    found = spread(ratios, 3)
    inside = sum(abs(value) <= np.log(found.factor) + 1e-12 for value in ratios)
    assert inside >= min(len(ratios), 0.9 * len(ratios))
    assert (found.n, found.groups) == (len(ratios), 3)


def test_spreads_need_measurements():
    with pytest.raises(ValueError, match="no left-out"):
        spread([], 0)


def test_spreads_fall_back_and_widen_where_nothing_was_checked():
    spreads = {"seen": Spread(1.2, 9, 3), "unseen": Spread(1.4, 9, 3), "seen half train": Spread(1.3, 5, 2)}
    widening = Widening(power_limited=2.0, extrapolated=1.5)
    free, limited = chip_of(gpu("rtx-3090")), chip_of(gpu("l4"))

    def factor(chip, *case):
        return spread_of(spreads, widening, chip, case)[0].factor

    assert factor(free, "seen", "half", "train") == 1.3
    assert factor(limited, "seen", "single", "train") == 1.2
    assert factor(free, "unseen", "half", "train") == pytest.approx(1.4)
    assert factor(limited, "unseen", "half", "train") == pytest.approx(1.4**2)
    assert factor(limited, "extrapolated", "half", "train") == pytest.approx(1.4**3)
