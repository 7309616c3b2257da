"""Spot machines: the closed form against simulation, and the best segment against all others."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpugap.plan.interruptions import best_segment_s, delayed


def simulated(work_s, segment_s, checkpoint_s, restart_s, mean_s, *, seed=0, runs=4000):
    """Runs of segments that are lost and begun again, restarts that may be interrupted, too."""
    random = np.random.default_rng(seed)
    count = max(1, math.ceil(work_s / segment_s - 1e-9))
    length = work_s / count + checkpoint_s
    times, losses = np.zeros(runs), np.zeros(runs)
    for run in range(runs):
        for _ in range(count):
            while (until := random.exponential(mean_s)) < length:
                times[run] += until
                losses[run] += 1
                while (again := random.exponential(mean_s)) < restart_s:
                    times[run] += again
                    losses[run] += 1
                times[run] += restart_s
            times[run] += length
    return times, losses


@pytest.mark.parametrize(
    ("work_s", "segment_s", "checkpoint_s", "restart_s", "mean_s"),
    [(5000, 300, 20, 100, 1000), (2000, 500, 5, 400, 700), (3000, 3000, 1, 50, 2500), (1000, 100, 50, 1, 300)],
)
def test_the_closed_form_is_what_a_simulation_gives(work_s, segment_s, checkpoint_s, restart_s, mean_s):
    times, losses = simulated(work_s, segment_s, checkpoint_s, restart_s, mean_s)
    found = delayed(work_s, segment_s, checkpoint_s, restart_s, mean_s)
    error = 4 * times.std() / math.sqrt(len(times))  # four standard errors: one false alarm in 16000
    assert found.time_s == pytest.approx(times.mean(), abs=error)
    assert found.spread_s == pytest.approx(times.std(), rel=0.08)
    assert found.interruptions == pytest.approx(losses.mean(), abs=4 * losses.std() / math.sqrt(len(times)))


@given(st.floats(60, 1e7), st.floats(1e-4, 1e3))
@settings(max_examples=50)
def test_no_other_segment_is_quicker(mean_s, checkpoint_s):
    best = best_segment_s(mean_s, checkpoint_s)

    def cost(segment):
        return math.expm1((segment + checkpoint_s) / mean_s) / segment

    assert cost(best) <= min(cost(best * 0.9), cost(best * 1.1)) * (1 + 1e-9)


def test_youngs_formula_is_the_limit_of_short_checkpoints():
    for checkpoint_s in (1e-9, 1e-6, 1e-3, 0.1):
        assert best_segment_s(3600.0, checkpoint_s) == pytest.approx(math.sqrt(2 * checkpoint_s * 3600), rel=0.01)


def test_never_interrupted_and_never_done():
    calm = delayed(1000, 100, 1, 10, math.inf)
    assert (calm.time_s, calm.interruptions, calm.segments) == (1010, 0, 10)
    assert math.isinf(delayed(1e6, 1e6, 1, 10, 100).time_s)
