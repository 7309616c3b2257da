"""``gpugap.access``: where times come from, and what is refused."""

from __future__ import annotations

import pytest

import gpugap as gg
from factories import make_cell, make_record
from gpugap.catalog.economies import recipes
from gpugap.core.errors import BadValue, InputError, UnknownName
from gpugap.plan.imbalance import VIEWS

T4 = {"devices": [{"name": "cuda", "model": "Tesla T4"}]}


def on_t4(**factors):
    cell = make_cell(device="cuda", framework="torch", **factors)
    return [make_record(n, cell=cell, times=(0.1, 0.1, 0.1), environment=T4) for n in range(5)]


def test_stated_hours_need_nothing_else():
    found = gg.access(gpus=["t4"], gpu_hours=10, grant_usd=100)
    (run,) = found
    assert run.job.time.value == 36_000
    assert run.job.time.kind == "published"
    assert run.grant_share.value == pytest.approx(run.cost.value / 100)
    assert [one.view for one in found.imbalance] == list(VIEWS)
    assert len(found.memory) == 10
    assert "10 GPU hours" in repr(found)
    assert "<table" in found._repr_html_()


def test_without_a_run_there_is_the_imbalance():
    found = gg.access()
    assert not found.runs
    assert found.imbalance
    assert found.to_dict()["not_known"]
    assert "AI clusters by country" in repr(found), "not a header without rows"


def test_a_measured_step_times_its_number():
    (run,) = gg.access(records=on_t4(batch=50), epochs=2, samples=1000)
    assert run.job.gpu.key == "t4"
    assert run.job.work.value == pytest.approx(0.1 * 40 * 1.033, rel=1e-6)  # a tenth of the samples, evaluated
    assert run.job.step_kind == "measured"
    assert run.job.time.kind == run.cost.kind == "predicted"
    assert "STEP MEASURED" in repr(gg.access(records=on_t4(batch=50), epochs=2, samples=1000))


def test_a_built_in_network_is_trained_as_published():
    recipe = recipes()["conv6"]
    (run,) = gg.access(records=on_t4(batch=50))
    assert run.job.work.value == pytest.approx(0.1 * 1.033 * recipe.epochs * recipe.samples / 50, rel=1e-6)


def test_another_form_of_a_network_has_no_recipe():
    with pytest.raises(BadValue, match="no publication says how long resnet18@224 is trained"):
        gg.access(records=on_t4(workload="resnet18@224", batch=8))


def test_records_of_a_cpu_are_refused():
    with pytest.raises(InputError, match="no training step on a GPU"):
        gg.access(records=[make_record(n) for n in range(3)], epochs=1, samples=100)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"gpu_hours": 10}, "GPU hours without a GPU"),
        ({"steps": "conv6"}, "a step without a GPU"),
        ({"gpus": ["t4"], "gpu_count": 2, "steps": "conv6"}, "predicted on one GPU"),
        ({"gpus": ["t4"], "gpu_hours": 1, "gpu_count": 0}, "0 GPUs"),
        ({"epochs": -1}, "epochs -1"),
        ({"epochs": float("nan")}, "epochs nan"),
        ({"epochs": 1e9}, "epochs 1e\\+09"),
        ({"samples": 0}, "samples 0"),
        ({"batch": 0}, "batch 0"),
        ({"gpus": ["t4"], "gpu_hours": 1, "grant_usd": -1}, "grant -1"),
    ],
)
def test_what_makes_no_sense_is_refused(asked, told):
    with pytest.raises(BadValue, match=told):
        gg.access(**asked)


def test_unknown_names():
    with pytest.raises(UnknownName, match="did you mean"):
        gg.access(gpus=["rtx-49090"], gpu_hours=1)
    with pytest.raises(UnknownName, match="precision"):
        gg.access("conv6", gpus=["t4"], precision="fp99")


@pytest.mark.torch
def test_a_predicted_step_and_its_memory():
    pytest.importorskip("torch")
    found = gg.access("conv6", gpus=["t4", "a100-sxm-80gb"], epochs=1, samples=600, batch=60)
    slow, fast = found
    assert slow.job.time.kind == slow.cost.kind == "predicted"
    assert slow.job.time.low < slow.job.time.value < slow.job.time.high
    assert fast.job.time.value < slow.job.time.value
    assert found.memory[0].network == "conv6@32, batch 60 (traced)"
    assert found.memory[0].shares["2026-04"].value > 0.9
    assert slow.tiers


@pytest.mark.torch
def test_a_predicted_run_takes_what_a_plan_says():
    """The batch's copy and the checkpoints that a trace tells are in both."""
    pytest.importorskip("torch")
    run = {"epochs": 3, "samples": 6000, "batch": 60}
    (told,) = gg.access("conv6", gpus=["t4"], **run)
    planned = gg.plan("conv6", gpus=["t4"], **run)["on-demand"]
    assert told.job.time.value == pytest.approx(planned.time.value, rel=1e-9)


@pytest.mark.torch
def test_a_step_that_does_not_fit_is_left_out():
    pytest.importorskip("torch")
    found = gg.access("conv6", gpus=["t4"], epochs=1, samples=10**6, batch=200_000)
    assert not found.runs
    assert "is left out on Tesla T4: it does not fit" in found.warnings[0]
