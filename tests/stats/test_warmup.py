"""The permutation test for the end of warm-up: shared orders, early stop, bounded memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from gpugap.stats import warmup
from gpugap.stats.simulation import warmup_series
from gpugap.stats.warmup import ALPHA_FASTER, ALPHA_SLOWER, find_steady


def whole(series: np.ndarray, found: np.ndarray, factors: np.ndarray) -> tuple[bool, bool]:
    """The test as it is defined: p values over all random orders, none left out."""
    orders = np.vstack(list(warmup._orders(len(series))))[:, : len(found)]
    null = np.cumsum(series[orders], axis=1) * factors
    slower = (1 + np.sum(null.max(axis=1) >= found.max() - 1e-12)) / (len(orders) + 1)
    faster = (1 + np.sum(null.min(axis=1) <= found.min() + 1e-12)) / (len(orders) + 1)
    return bool(slower <= ALPHA_SLOWER), bool(faster <= ALPHA_FASTER)


@pytest.mark.parametrize("shift_sd", [0.0, 0.7, 1.2, -1.2, 3.0])
def test_stopping_early_changes_no_verdict(monkeypatch, shift_sd):
    """Shifts from none to clear, so that p values on both sides of their limits occur."""
    series = warmup_series((60, 40), 4, shift_sd, np.random.default_rng(3)).tolist()
    fast = [find_steady(times) for times in series]
    monkeypatch.setattr(warmup, "_significant", whole)
    assert fast == [find_steady(times) for times in series]
    begins = [steady.begin for steady in fast]
    assert 0 in begins or abs(shift_sd) > 1
    assert any(begins) or not shift_sd


def test_a_head_is_weighed_as_in_a_t_test():
    """Of six slow steps before thirty-four fast ones the head of six weighs most."""
    times = [0.2 + 0.001 * (n % 3) for n in range(6)] + [0.1 + 0.001 * (n % 5) for n in range(34)]
    assert find_steady(times).begin == 6


def test_every_half_of_an_order_is_random_and_the_same_on_every_call():
    blocks = list(warmup._orders(41))
    orders = np.vstack(blocks)
    assert orders.shape == (999, 20)
    assert all(len(set(order)) == 20 for order in orders.tolist()), "no step twice"
    assert orders.min() >= 0 and orders.max() <= 40
    counts = np.bincount(orders.ravel(), minlength=41)
    assert counts.min() > 0.75 * 999 * 20 / 41, "every step is as likely as any other"
    assert len({tuple(order) for order in orders.tolist()}) == 999
    assert all(np.array_equal(one, two) for one, two in zip(blocks, warmup._orders(41), strict=True))


def test_series_of_a_length_share_their_orders():
    first, second = warmup_series((2, 50), 5, 3.0, np.random.default_rng(1)).tolist()
    find_steady(first)
    before = warmup._drawn.cache_info()
    find_steady(first)
    assert warmup._drawn.cache_info().misses == before.misses
    find_steady(second)
    assert warmup._drawn.cache_info().hits > before.hits


def test_orders_take_bounded_memory_however_long_the_series():
    """Every order of 30,000 steps would take 120 MB, and what is computed of them several times that."""
    times = warmup_series((1, 30_000), 300, 3.0, np.random.default_rng(1))[0].tolist()
    warmup._drawn.cache_clear()
    tracemalloc.start()
    try:
        assert find_steady(times).begin >= 299
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        warmup._drawn.cache_clear()
    assert peak < 80 * 2**20


def test_of_a_long_series_the_means_of_neighbors_are_looked_at(monkeypatch):
    """Each head that is cut takes a test of its own, of which steps that depend on their neighbors need thousands."""
    lengths = []
    head = warmup._head
    monkeypatch.setattr(warmup, "_head", lambda series, longest: lengths.append(len(series)) or head(series, longest))
    times = warmup_series((1, 100_000), 5000, 3.0, np.random.default_rng(1))[0]
    found = find_steady(times.tolist(), declared=7)
    assert found.verdict == "steady"
    assert found.begin == pytest.approx(5000, abs=2 * 100_000 / 4096)
    assert max(lengths) <= 4096
    drifting = find_steady((2 - np.linspace(0, 1, 50_000)).tolist())
    assert drifting.verdict == "never-steady"
    assert 24_900 < drifting.begin <= 25_000
