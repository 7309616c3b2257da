"""Records gathered by cell."""

from __future__ import annotations

import json

import pytest

from factories import make_cell, make_record
from gpugap.explain.cells import CONVERGED, environment_of, summarize
from gpugap.explain.inside import energy_per_step
from gpugap.stats.intervals import mean_step_time


def records(means: list[float], **fields) -> list:
    """One good process a mean; two steps that average to it."""
    return [make_record(number, times=[0.9 * mean, 1.1 * mean], **fields) for number, mean in enumerate(means)]


def test_one_summary_a_cell_in_order_of_appearance():
    a, b = make_cell(batch=1), make_cell(batch=2)
    mixed = [make_record(0, cell=b), make_record(0, cell=a), make_record(1, cell=b)]
    found = summarize(mixed)
    assert [summary.cell for summary in found] == [b, a]
    assert [len(summary.records) for summary in found] == [2, 1]
    assert summarize([]) == []


def test_the_step_time_is_that_of_the_process_means():
    (found,) = summarize(records([1.0, 2.0, 4.0]))
    wanted = mean_step_time([1.0, 2.0, 4.0])
    assert found.step_time.value == pytest.approx(wanted.value)
    assert found.step_time.low == pytest.approx(wanted.low)
    assert found.step_time.n == 3
    assert found.throughput.value == pytest.approx(8 / wanted.value)


def test_declared_warm_up_is_left_out():
    (found,) = summarize([make_record(times=[9.0, 1.0, 1.0], warmup_steps=1)])
    assert found.step_time.value == pytest.approx(1.0)


def test_warm_up_nobody_declared_is_found_in_the_data():
    noise = [1 + 0.001 * (number * 7 % 5) for number in range(40)]
    slow = [3.0 * time for time in noise[:8]] + noise[8:]
    (found,) = summarize([make_record(times=slow)])
    assert found.records[0].warmup_steps == 8
    assert found.step_time.value == pytest.approx(1.002, rel=0.001)
    (flat,) = summarize([make_record(times=noise)])
    assert flat.records[0].warmup_steps == 0


@pytest.mark.parametrize(("spread", "converged"), [(0.0001, True), (0.5, False)])
def test_converged_is_a_narrow_interval(spread: float, converged: bool):
    (found,) = summarize(records([1.0, 1.0 + spread, 1.0 - spread]))
    assert found.converged is converged
    assert (found.step_time.relative_half_width <= CONVERGED) is converged
    assert found.status == ("converged" if converged else "not converged")


def test_one_process_is_not_converged():
    (found,) = summarize(records([1.0]))
    assert (found.converged, found.status) == (False, "not converged")


def test_failures_are_kept_and_do_not_count():
    bad = make_record(9, status="timeout", times=(), error={"code": "timeout", "message": "late", "remedy": ""})
    (found,) = summarize([*records([1.0, 1.0]), bad])
    assert found.failures == (bad,)
    assert found.step_time.n == 2
    assert len(found.records) == 3
    assert found.to_dict()["failures"] == [{"code": "timeout", "message": "late", "remedy": ""}]


@pytest.mark.parametrize("status", ["failed", "out-of-memory", "timeout"])
def test_a_cell_of_nothing_but_failures_tells_how(status: str):
    (found,) = summarize([make_record(0, status=status, times=()), make_record(1, status="killed", times=())])
    assert (found.status, found.step_time.value, found.converged) == (status, None, False)
    assert found.to_dict()["failures"] == [{"code": status}, {"code": "killed"}]


def test_means_by_process_know_their_session():
    (found,) = summarize([make_record(0, session="a", times=[1.0]), make_record(0, session="b", times=[3.0])])
    assert found.process_means_s() == {("a", "0"): 1.0, ("b", "0"): 3.0}


def test_processes_that_share_a_block_are_averaged():
    same = [make_record(0, block=0, times=[1.0]), make_record(1, block=0, times=[3.0])]
    other = [make_record(2, block=1, times=[5.0]), make_record(3, block=0, session="s2", times=[7.0])]
    left_out = [make_record(4, block=None, times=[9.0]), make_record(5, block=2, status="failed", times=())]
    (found,) = summarize([*same, *other, *left_out])
    assert found.block_means_s() == {("s1", "0"): 2.0, ("s1", "1"): 5.0, ("s2", "0"): 7.0}


def test_the_json_of_a_cell():
    (found,) = summarize(records([1.0, 1.1]))
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["cell"]["workload"] == "conv6@32"
    assert plain["step_time_s"]["kind"] == "measured"
    assert plain["throughput_per_s"]["unit"] == "1/s"
    assert (plain["processes"], plain["failures"]) == (2, [])


def test_the_environment_is_that_of_the_first_record():
    (found,) = summarize(
        [make_record(0, environment={"machine": "m7", "os": "x"}), make_record(1, environment={"machine": "m7"})]
    )
    assert environment_of(found) == {"machine": "m7", "os": "x"}
    (bare,) = summarize([make_record(0, environment=None)])
    assert environment_of(bare) == {}


def test_records_of_different_machines_are_never_pooled():
    one, two, three, bare = (
        make_record(0, environment=e) for e in ({"machine": "m1"}, {"machine": "m2"}, {"machine": "m1"}, None)
    )
    found = summarize([one, two, three, bare])
    assert [len(summary.records) for summary in found] == [2, 1, 1]
    assert len({summary.cell for summary in found}) == 1


@pytest.mark.parametrize(("sensor", "assumed"), [("nvml", False), ("rapl", True)])
def test_the_error_of_a_counter_that_nobody_held_against_the_truth_is_told_as_assumed(sensor: str, assumed: bool):
    looked = make_record(1, purpose="details", energy={"energy_j": 10.0, "steps": 5, "sensor": sensor, "window_s": 5.0})
    (found,) = summarize([make_record(0), looked])
    energy = energy_per_step(found)
    assert (energy.value, energy.low, energy.high) == pytest.approx((2.0, 1.9, 2.1))
    assert ("assumed" in energy.method) is assumed
