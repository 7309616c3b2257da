"""Comparisons: against SciPy, their verdicts, and how often they are wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats as reference

from gpugap.stats.compare import MARGIN, compare_paired, compare_unpaired

times = st.floats(1e-6, 1e4)
several = st.lists(times, min_size=2, max_size=10)
WRONG = {"faster", "slower"}
"""What a comparison of two equal sides must not say."""


@given(several, several)
def test_welch_is_scipys(a: list[float], b: list[float]):
    logs_a, logs_b = np.log(a), np.log(b)
    assume(logs_a.std() > 1e-6 and logs_b.std() > 1e-6)
    wanted = reference.ttest_ind(logs_a, logs_b, equal_var=False).confidence_interval(0.95)
    assume(wanted.high < 700)
    found = compare_unpaired(a, b)
    assert found.speedup.value == pytest.approx(math.exp(logs_a.mean() - logs_b.mean()), rel=1e-9)
    assert found.speedup.low == pytest.approx(math.exp(wanted.low), rel=1e-6)
    assert found.speedup.high == pytest.approx(math.exp(wanted.high), rel=1e-6)
    assert not found.paired
    assert found.n_processes == (len(a), len(b))
    assert found.speedup.method.startswith("welch")


@given(st.lists(st.tuples(times, times), min_size=2, max_size=10))
def test_paired_is_scipys(pairs: list[tuple[float, float]]):
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    assume((np.log(a) - np.log(b)).std() > 1e-6)
    wanted = reference.ttest_rel(np.log(a), np.log(b)).confidence_interval(0.95)
    assume(wanted.high < 700)
    found = compare_paired(dict(enumerate(a)), dict(enumerate(b)))
    assert found.speedup.low == pytest.approx(math.exp(wanted.low), rel=1e-6)
    assert found.speedup.high == pytest.approx(math.exp(wanted.high), rel=1e-6)
    assert found.paired
    assert found.n_processes == (len(pairs), len(pairs))
    assert found.speedup.method.startswith("student-t on paired")


def test_only_blocks_both_sides_have_are_used():
    found = compare_paired({0: 2.0, 1: 2.0, 2: 2.2, 9: 1e3}, {2: 1.1, 1: 1.0, 0: 1.0, 7: 1e-3})
    assert found.n_processes == (3, 3)
    assert found.speedup.value == pytest.approx(2)
    assert found.verdict == "faster"


@given(several, several)
def test_the_other_way_round_is_the_inverse(a: list[float], b: list[float]):
    one, other = compare_unpaired(a, b), compare_unpaired(b, a)
    assert one.speedup.value * other.speedup.value == pytest.approx(1)
    assert one.speedup.low * other.speedup.high == pytest.approx(1)
    opposite = {"faster": "slower", "slower": "faster"}
    if abs(math.log(one.speedup.low)) > 1e-9 and abs(math.log(one.speedup.high)) > 1e-9:
        assert other.verdict == opposite.get(one.verdict, one.verdict) or one.verdict == "equivalent"


@given(several, several, st.sampled_from([1e-3, 7.0, 60.0]))
def test_the_unit_of_time_does_not_matter(a: list[float], b: list[float], unit: float):
    one = compare_unpaired(a, b)
    other = compare_unpaired([unit * time for time in a], [unit * time for time in b])
    assert other.speedup.value == pytest.approx(one.speedup.value)
    assert other.speedup.low == pytest.approx(one.speedup.low, rel=1e-6)


def ratio(low: float, high: float, n: int = 4) -> tuple[dict[int, float], dict[int, float]]:
    """Two sides whose paired interval runs from `low` to `high`."""
    center, half = (math.log(low) + math.log(high)) / 2, (math.log(high) - math.log(low)) / 2
    spread = half / reference.t.ppf(0.975, n - 1) * math.sqrt(n - 1)
    signs = [1 if index % 2 else -1 for index in range(n)]
    return {index: math.exp(center + spread * sign) for index, sign in enumerate(signs)}, dict.fromkeys(range(n), 1.0)


@pytest.mark.parametrize(
    ("low", "high", "verdict", "reason"),
    [
        (1.001, 1.010, "faster", "interval-excludes-1"),
        (1.5, 9.0, "faster", "interval-excludes-1"),
        (0.2, 0.999, "slower", "interval-excludes-1"),
        (0.985, 1.015, "equivalent", "interval-within-margin"),
        (0.9805, 1.0199, "equivalent", "interval-within-margin"),
        (0.979, 1.010, "inconclusive", "interval-too-wide"),
        (0.990, 1.021, "inconclusive", "interval-too-wide"),
        (0.5, 2.0, "inconclusive", "interval-too-wide"),
    ],
)
def test_the_verdict_follows_the_interval(low: float, high: float, verdict: str, reason: str):
    found = compare_paired(*ratio(low, high))
    assert (found.speedup.low, found.speedup.high) == (pytest.approx(low), pytest.approx(high))
    assert (found.verdict, found.reason, found.margin) == (verdict, reason, MARGIN)


def test_the_margin_is_the_callers():
    sides = ratio(0.96, 1.04)
    assert compare_paired(*sides).verdict == "inconclusive"
    found = compare_paired(*sides, margin=0.05)
    assert (found.verdict, found.margin) == ("equivalent", 0.05)


def test_the_level_is_the_callers():
    sides = ratio(0.99, 1.2)
    assert compare_paired(*sides).verdict == "inconclusive"
    found = compare_paired(*sides, level=0.5)
    assert (found.verdict, found.speedup.level) == ("faster", 0.5)


@pytest.mark.parametrize(("a", "b"), [([], [1.0, 2.0]), ([1.0, 2.0], []), ([], [])])
def test_no_samples_are_inconclusive(a: list[float], b: list[float]):
    for found in (compare_unpaired(a, b), compare_paired(dict(enumerate(a)), dict(enumerate(b)))):
        assert (found.verdict, found.reason) == ("inconclusive", "no-valid-samples")
        assert found.speedup.value is None


@pytest.mark.parametrize(("a", "b"), [([2.0], [1.0]), ([2.0, 2.1], [1.0]), ([2.0], [1.0, 1.1, 1.2])])
def test_one_process_on_a_side_is_inconclusive_with_a_value(a: list[float], b: list[float]):
    for found in (compare_unpaired(a, b), compare_paired({0: a[0]}, {0: b[0]})):
        assert (found.verdict, found.reason) == ("inconclusive", "too-few-processes")
        assert found.speedup.value is not None
        assert (found.speedup.low, found.speedup.level) == (None, None)


def test_blocks_that_do_not_meet_are_inconclusive():
    found = compare_paired({0: 1.0, 1: 1.0}, {2: 1.0, 3: 1.0})
    assert (found.verdict, found.reason) == ("inconclusive", "no-valid-samples")


def test_identical_times_are_equivalent():
    for found in (compare_unpaired([0.5] * 3, [0.5] * 3), compare_paired({0: 0.5, 1: 0.5}, {0: 0.5, 1: 0.5})):
        assert found.verdict == "equivalent"
        assert found.speedup.value == pytest.approx(1)


@given(st.lists(st.floats(1e-12, 1e7), min_size=2, max_size=5), st.lists(st.floats(1e-12, 1e7), min_size=2, max_size=5))
def test_every_step_time_a_record_may_hold_gives_a_verdict(a: list[float], b: list[float]):
    for found in (compare_unpaired(a, b), compare_paired(dict(enumerate(a)), dict(enumerate(b)))):
        assert found.speedup.low <= found.speedup.value <= found.speedup.high


def two_levels(random: np.random.Generator, runs: int, processes: int = 8, steps: int = 20) -> np.ndarray:
    """Process means of runs without any difference: 1 % noise between processes and 1 % within them."""
    noise = random.normal(0, 0.01, (runs, processes, 1)) + random.normal(0, 0.01, (runs, processes, steps))
    return (0.1 * np.exp(noise)).mean(axis=2)


def test_equal_sides_are_called_different_as_rarely_as_stated():
    """Error budget: 2,000 pairs, nominal 5 % (deviation 0.5 %); 3 to 7 % is 4 deviations either way. Seed 2."""
    random = np.random.default_rng(2)
    a, b = two_levels(random, 2000), two_levels(random, 2000)
    rows = list(zip(a.tolist(), b.tolist(), strict=True))
    unpaired = np.mean([compare_unpaired(x, y).verdict in WRONG for x, y in rows])
    paired = np.mean([compare_paired(dict(enumerate(x)), dict(enumerate(y))).verdict in WRONG for x, y in rows])
    assert 0.03 <= unpaired <= 0.07
    assert 0.03 <= paired <= 0.07


def test_sides_of_unlike_noise_and_number_do_not_raise_the_false_alarms():
    """Error budget: 2,000 pairs, nominal 5 % (deviation 0.5 %); Welch with 4 against 12 processes and a fourfold
    spread stays within 3 to 7.5 % in theory's approximation. Seed 3."""
    random = np.random.default_rng(3)
    a = 0.1 * np.exp(random.normal(0, 0.04, (2000, 4)))
    b = 0.1 * np.exp(random.normal(0, 0.01, (2000, 12)))
    wrong = np.mean([compare_unpaired(x, y).verdict in WRONG for x, y in zip(a.tolist(), b.tolist(), strict=True)])
    assert 0.03 <= wrong <= 0.075


def drifting(random: np.random.Generator, runs: int, ratio_ab: float) -> tuple[np.ndarray, np.ndarray]:
    """Interleaved blocks under a drift that both sides share: 20 % from block to block, 1 % of noise on top."""
    drift = np.cumsum(random.normal(0, 0.2, (runs, 10)), axis=1)
    noise_a, noise_b = random.normal(0, 0.01, (2, runs, 10))
    return np.exp(drift + noise_a) * ratio_ab, np.exp(drift + noise_b)


def test_under_a_shared_drift_the_paired_test_finds_what_the_unpaired_misses():
    """Error budget: 500 runs with a true speedup of 1.05. Its paired standard error is 0.45 %, 11 below the effect, so
    every run finds it (99 % asked); the unpaired one drowns in the drift (at most 5 % asked). Seed 4."""
    a, b = drifting(np.random.default_rng(4), 500, 1.05)
    rows = list(zip(a.tolist(), b.tolist(), strict=True))
    paired = [compare_paired(dict(enumerate(x)), dict(enumerate(y))) for x, y in rows]
    unpaired = [compare_unpaired(x, y) for x, y in rows]
    assert np.mean([found.verdict == "faster" for found in paired]) >= 0.99
    assert np.mean([found.verdict == "faster" for found in unpaired]) <= 0.05
    assert np.mean([found.speedup.low <= 1.05 <= found.speedup.high for found in paired]) >= 0.92


def test_under_a_shared_drift_the_paired_test_keeps_its_false_alarms():
    """Error budget: 2,000 runs, nominal 5 % (deviation 0.5 %), 3 to 7 % accepted. Seed 5."""
    a, b = drifting(np.random.default_rng(5), 2000, 1.0)
    rows = zip(a.tolist(), b.tolist(), strict=True)
    wrong = np.mean([compare_paired(dict(enumerate(x)), dict(enumerate(y))).verdict in WRONG for x, y in rows])
    assert 0.03 <= wrong <= 0.07


def test_the_json_of_a_comparison():
    found = compare_unpaired([2.0, 2.1, 2.2], [1.0, 1.1]).to_dict()
    assert found["n_processes"] == 2
    assert (found["verdict"], found["paired"], found["margin"]) == ("faster", False, MARGIN)
    assert found["speedup"]["unit"] == "1"
    assert found["speedup"]["n"] == 2
