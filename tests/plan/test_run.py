"""The run model: steps, evaluation, input pipeline, start, several GPUs."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpugap.catalog import gpu
from gpugap.core.errors import BadValue
from gpugap.core.estimate import Estimate
from gpugap.plan.parallel import link_of, parallel_step, ring_time
from gpugap.plan.run import Run, save_time, spot_time, start_time, steady_time, work_time
from plan_samples import seconds


@given(st.integers(1, 1000), st.integers(1, 10**6), st.integers(1, 4096))
def test_steps_are_whole_epochs(epochs, samples, batch):
    assert Run(epochs, samples, batch).steps == epochs * -(-samples // batch)


def test_a_part_of_an_epoch_is_a_part_of_its_steps():
    assert Run(2.5, 1000, 100).steps == 25
    assert Run(0.001, 1000, 100).steps == 1


def test_evaluation_costs_a_forward_pass_of_its_share():
    plain, with_evaluation = (work_time(Run(1, 10_000, 100, evaluated=share), seconds(1.0)) for share in (0.0, 0.5))
    assert plain.value == 100
    assert 1.1 <= with_evaluation.value / plain.value <= 1.25
    assert with_evaluation.kind == "predicted"


def test_a_slow_input_pipeline_sets_the_pace():
    run = Run(1, 10_000, 100, evaluated=0.0, loader_per_s=50.0)
    assert work_time(run, seconds(0.1)).value == pytest.approx(200)
    assert work_time(run, seconds(10.0)).value == pytest.approx(1000)


def test_checkpoints_and_start_are_counted():
    saved = Estimate(3e9, None, None, None, "B", "predicted", "made", None)
    run = Run(1, 10_000, 100, checkpoint_bytes=saved, data_bytes=1e11)
    assert save_time(run).value == pytest.approx(10)
    assert start_time(run, "cloud").value > start_time(replace(run, data_bytes=0.0), "cloud").value + 900
    assert start_time(run, "own").value < start_time(run, "cloud").value
    time = steady_time(run, seconds(1.0), "cloud")
    assert time.value > work_time(run, seconds(1.0)).value + start_time(run, "cloud").value


def test_spot_is_slower_than_on_demand_and_less_sure():
    run = Run(90, 50_000, 128)
    steady, spot = steady_time(run, seconds(2.0), "cloud"), spot_time(run, seconds(2.0))
    assert spot.time.value > steady.value
    assert spot.time.high / spot.time.value > steady.high / steady.value
    assert spot.interruptions.low < spot.interruptions.value < spot.interruptions.high


def test_two_gpus_share_a_batch_and_pay_for_the_ring():
    link = link_of(gpu("t4"))
    assert link_of(gpu("a100-80gb")).name == "NVLink3"
    assert link.name.startswith("PCIe")
    share, gradients = seconds(0.1), 4e8
    found = parallel_step(share, gradients, 4, link)
    assert share.value < found.value < share.value + ring_time(gradients, 4, link).value
    assert parallel_step(share, gradients, 1, link) is share
    assert parallel_step(share, gradients, 4, link_of(gpu("a100-80gb"))).value < found.value


def test_a_ring_by_hand():
    """Each GPU sends 2 (n - 1) / n of the bytes; half of PCIe 3.0 x16 is 7.88 GB/s."""
    found = ring_time(7.88e9, 2, link_of(gpu("t4")))
    assert found.value == pytest.approx(1.0 + 2 * 15e-6, rel=1e-3)
    assert found.kind == "predicted"


@pytest.mark.parametrize(
    "changes",
    [
        *(
            {"epochs": 0},
            {"epochs": -1},
            {"epochs": 1e9},
            {"epochs": float("nan")},
            {"samples": 0},
            {"samples": 10**14},
            {"epochs": 1e6, "samples": 10**13},
        ),
        *({"batch": 0}, {"evaluated": -0.1}, {"data_bytes": -1.0}, {"loader_per_s": 0.0}),
    ],
)
def test_absurd_runs_are_refused(changes):
    with pytest.raises(BadValue):
        Run(**({"epochs": 1, "samples": 100, "batch": 10} | changes))


@pytest.mark.parametrize(("mean_s", "data_bytes"), [(1.0, 0.0), (1e-3, 0.0), (86400.0, 1e15), (86400.0, 1.5e14)])
def test_a_spot_run_that_never_ends_is_told_in_finite_numbers(mean_s, data_bytes):
    """Restarts of days under interruptions of hours: longer than any plan holds, not an infinity or an overflow."""
    mean = Estimate(mean_s, None, None, None, "s", "published", "as given", None)
    spot = {"spot_mean_s": mean} if data_bytes == 0 else {}
    found = spot_time(Run(90, 50_000, 128, data_bytes=data_bytes, **spot), seconds(0.1))
    assert math.isfinite(found.time.high)
    assert math.isfinite(found.interruptions.high)
    assert found.time.high > 100 * 365 * 86400


@given(st.floats(1e-6, 1e12))
def test_any_rate_of_an_input_pipeline_gives_a_finite_time(rate):
    run = Run(1e3, 10**9, 1, loader_per_s=rate)
    assert math.isfinite(steady_time(run, seconds(0.1), "cloud").high)


@pytest.mark.parametrize("rate", [0.0, 1e-300, float("nan"), float("inf")])
def test_a_pipeline_that_delivers_nothing_is_refused(rate):
    with pytest.raises(BadValue, match="input pipeline"):
        Run(1, 100, 10, loader_per_s=rate)
