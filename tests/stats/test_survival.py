"""Times to an event with censored runs."""

import pytest

from gpugap.stats.survival import time_to_event


def test_without_censoring_it_is_the_mean():
    found = time_to_event([10.0, 11.0, 12.0], [])
    assert found.value == pytest.approx((10 * 11 * 12) ** (1 / 3))
    assert found.low < found.value < found.high


def test_with_censoring_it_is_the_kaplan_meier_median():
    """By hand: of five runs, three got there at 1, 2 and 4 s and two were given up at 3 and 9 s.

    Survival is 4/5 after 1, 3/5 after 2 (the run given up at 3 leaves the risk set) and 3/10 after 4: its median is 4.
    """
    found = time_to_event([1.0, 2.0, 4.0], [3.0, 9.0])
    assert found.value == 4.0
    assert "2 of 5 runs censored" in found.method
    assert found.n == 5


def test_less_than_half_got_there():
    found = time_to_event([1.0], [5.0, 5.0, 5.0])
    assert found.value is None
    assert found.low is None
    assert found.n == 4


def test_nobody_got_there():
    found = time_to_event([], [5.0, 5.0])
    assert found.value is None
    assert "not reached in any of 2 runs" in found.method
    assert found.n == 2


def test_a_run_that_was_there_from_the_start_counts():
    found = time_to_event([0.0, 0.0, 2.0], [])
    assert (found.value, found.n) == (0.0, 3)


def test_it_is_quiet(recwarn):
    time_to_event([1.0, 1.0], [0.5])
    time_to_event([1.0], [1.0, 2.0])
    assert not recwarn.list
