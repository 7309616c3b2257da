"""Student's interval on the logarithms of process means, against SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats as reference

from gpugap.core.estimate import Estimate
from gpugap.stats.intervals import METHOD, log_t_interval, mean_step_time, throughput

times = st.floats(1e-6, 1e4)
several = st.lists(times, min_size=2, max_size=12)
levels = st.sampled_from([0.5, 0.9, 0.95, 0.99])


@given(several, levels)
def test_the_interval_is_scipys(means: list[float], level: float):
    logs = np.log(means)
    assume(logs.std(ddof=1) > 1e-6)
    low, high = reference.t.interval(level, len(logs) - 1, loc=logs.mean(), scale=reference.sem(logs))
    assume(high < 700)
    found = mean_step_time(means, level)
    assert found.value == pytest.approx(math.exp(logs.mean()), rel=1e-12)
    assert found.low == pytest.approx(math.exp(low), rel=1e-9)
    assert found.high == pytest.approx(math.exp(high), rel=1e-9)
    assert (found.unit, found.kind, found.method) == ("s", "measured", METHOD)
    assert (found.level, found.n) == (level, len(means))


def test_a_worked_example():
    # logs of 1 and e: mean 0.5, standard deviation 1/sqrt(2), standard error 0.5; t(0.975, 1) = 12.7062
    found = mean_step_time([1.0, math.e])
    assert found.value == pytest.approx(math.exp(0.5))
    assert found.low == pytest.approx(math.exp(0.5 - 0.5 * 12.7062), rel=1e-4)
    assert found.high == pytest.approx(math.exp(0.5 + 0.5 * 12.7062), rel=1e-4)


def test_one_process_has_a_mean_and_no_interval():
    found = mean_step_time([0.25])
    assert (found.value, found.low, found.high, found.level, found.n) == (0.25, None, None, None, 1)
    assert "one process" in found.method


def test_no_process_is_unknown():
    found = mean_step_time([])
    assert (found.value, found.low, found.high, found.n) == (None, None, None, 0)
    assert found.method == "no valid samples"


@given(several)
def test_the_interval_holds_the_value_and_does_not_depend_on_the_order(means: list[float]):
    found, turned = mean_step_time(means, 0.9), mean_step_time(means[::-1], 0.9)
    assert found.low <= found.value <= found.high
    assert turned.value == pytest.approx(found.value)
    assert turned.high == pytest.approx(found.high)


@given(several, st.sampled_from([0.5, 2.0, 1024.0]))
def test_another_unit_of_time_scales_everything(means: list[float], factor: float):
    found, scaled = mean_step_time(means), mean_step_time([factor * mean for mean in means])
    for end in ("low", "value", "high"):
        assert getattr(scaled, end) == pytest.approx(factor * getattr(found, end), rel=1e-9)


@given(several, st.floats(0.5, 0.9), st.floats(0.91, 0.99))
def test_more_confidence_is_a_wider_interval(means: list[float], lower: float, higher: float):
    assume(np.std(np.log(means)) > 1e-6)
    assert mean_step_time(means, lower).low > mean_step_time(means, higher).low


def test_identical_processes_have_an_interval_of_no_width():
    found = mean_step_time([0.5, 0.5, 0.5])
    assert found.low == pytest.approx(0.5)
    assert found.high == pytest.approx(0.5)


@given(st.lists(st.floats(1e-12, 1e7), min_size=2, max_size=6))
def test_every_step_time_a_record_may_hold_gives_finite_ends(means: list[float]):
    value, low, high = log_t_interval([math.log(mean) for mean in means], 0.95)
    assert 0 < low <= value <= high < math.inf


@given(several, st.integers(1, 10_000))
def test_throughput_is_batch_over_time_with_its_ends_swapped(means: list[float], batch: int):
    time = mean_step_time(means)
    found = throughput(time, batch)
    assert found.value == pytest.approx(batch / time.value)
    assert found.low == pytest.approx(batch / time.high)
    assert found.high == pytest.approx(batch / time.low)
    assert (found.unit, found.kind, found.n) == ("1/s", "measured", len(means))


def test_throughput_of_the_unknown_is_unknown():
    found = throughput(mean_step_time([]), 8)
    assert (found.value, found.low, found.high, found.unit) == (None, None, None, "1/s")
    assert throughput(mean_step_time([0.5]), 8) == Estimate(
        16.0, None, None, None, "1/s", "measured", "one process: spread between processes unknown", 1
    )


def test_interval_covers_the_true_mean_as_often_as_it_says():
    """Error budget: 2,000 intervals, nominal coverage 95 % (deviation 0.5 %); below 93 % is 4 deviations. Seed 1."""
    random = np.random.default_rng(1)
    runs, processes, steps = 2000, 5, 20
    between = random.normal(0, 0.01, (runs, processes, 1))
    within = random.normal(0, 0.02, (runs, processes, steps))
    means = (0.1 * np.exp(between + within)).mean(axis=2)
    true_s = 0.1 * math.exp(0.02**2 / 2)  # arithmetic over steps within a process, geometric over processes
    found = [mean_step_time(row) for row in means.tolist()]
    covered = np.mean([estimate.low <= true_s <= estimate.high for estimate in found])
    assert 0.93 <= covered <= 0.97
