"""Tuning from end to end: with processes made up, and once with real ones."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpugap as gg
from gpugap.core.errors import (
    BadValue,
    NotRepeatable,
    StepRaised,
    StepTimeout,
    StoreWriteFailed,
    UnknownName,
    Unsupported,
)
from gpugap.core.record import Record
from gpugap.core.setting import Setting
from gpugap.measure.job import Job
from gpugap.measure.parity import save
from gpugap.tune import api, trials
from gpugap.tune.batches import Batches
from gpugap.tune.ladder import ladder, ladders_of
from gpugap.tune.profile import profiles
from gpugap.tune.proof import LOOKS
from gpugap.tune.result import told

EFFECTS = {
    "layout": 0.2,
    "precision": 0.6,
    "execution": -0.1,
    "bound": 0.05,
    "denormals": 0.0,
    "allocator": 0.25,
    "any": 0.0,
}


class Machine:
    """Stands in for `run_job`: times and results by the job's setting, a clock that moves as jobs run."""

    def __init__(self) -> None:
        self.now_s, self.jobs = 0.0, []
        self.fails: Any = lambda job: None
        self.result: Any = lambda job: 1e-3 if job.cell.precision == "bf16" else 0.0
        self.step_s = 0.1
        self.code = "step-raised"

    def monotonic(self) -> float:
        return self.now_s

    def run_job(self, job: Job, environment: dict) -> Record:
        self.jobs.append(job)
        setting = job.setting
        made = {
            "layout": setting.channels_last,
            "precision": setting.precision == "bf16",
            "execution": job.cell.execution == "compile",
            "bound": setting.cores is not None,
            "denormals": setting.flush_denormals,
            "allocator": setting.allocator is not None,
            "any": setting != Setting(),
        }
        gain = sum(EFFECTS[name] for name, chosen in made.items() if chosen)
        wobble = 1 + 0.01 * math.sin(7 * len(self.jobs))
        step_s = self.step_s * job.cell.batch / 8 * math.exp(-gain) * wobble
        self.now_s += 1.0 + (1 + job.warmup_steps + job.steps) * step_s
        error = self.fails(job)
        if job.purpose == "outcome" and not error:
            values = {"output|0": np.ones(4) * (1 + self.result(job))}
            save(job.arrays, values | {f"result|{n}|0": np.array(2.0 - 0.1 * n) for n in range(job.steps)})
        return Record(
            job.cell,
            job.session,
            job.process,
            job.block,
            () if error else (step_s,) * (job.warmup_steps + job.steps),
            "failed" if error else "ok",
            warmup_steps=job.warmup_steps,
            purpose=job.purpose,
            memory={"peak_rss_bytes": 2**28 + 2**20 * len(self.jobs)},
            settings={"threads": 64, "memory_format": "contiguous"},
            error={"code": self.code, "message": error, "remedy": "look"} if error else None,
            environment=environment,
        )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(trials, "run_job", made.run_job)
    monkeypatch.setattr(trials.time, "monotonic", made.monotonic)
    device = {"name": "cpu", "model": "x", "memory_bytes": 2**34, "details": {}}
    monkeypatch.setattr(api, "probe", lambda name: {"versions": {name: "2.13.0"}, "devices": [device]})
    monkeypatch.setattr(api, "check_name", lambda name: None)
    monkeypatch.setattr(api, "capture", lambda: {"machine": "m1", "allocator": "system"})
    monkeypatch.setattr(api, "preloadable_allocators", lambda: {"tcmalloc": "libtcmalloc.so"})
    monkeypatch.setattr(api, "inductor_obstacle", lambda: None)
    monkeypatch.setattr(api, "available_memory_bytes", lambda: 2**33)
    monkeypatch.setattr(api.cpu_sensor, "cores_physical_first", lambda: (0, 1))
    monkeypatch.setattr(api.cpu_sensor, "allowed_physical_cores", lambda: 2)
    monkeypatch.setattr(api.cpu_sensor, "allowed_fast_cores", lambda: None)
    described = replace(api.cpu_sensor.describe(), instruction_sets=("avx512_bf16",), usable_cores=2, physical_cores=2)
    monkeypatch.setattr(api.cpu_sensor, "describe", lambda: described)
    return made


def test_the_best_is_found_proved_and_kept(machine: Machine, home: Path):
    records: list[Record] = []
    found = gg.tune("conv6", batch=8, budget="20m", keep=records.append)
    assert (found.verdict, found.adopted, found.execution) == ("faster", True, "eager")
    assert (found.setting.precision, found.setting.channels_last, found.setting.allocator) == ("bf16", True, "tcmalloc")
    assert found.gain.low < math.exp(0.6 + 0.2 + 0.25 + 0.05) * 1.03
    assert found.gain.value == pytest.approx(math.exp(1.1), rel=0.02)
    names = [one.name for one in found.rungs]
    assert names[0] == "bf16 autocast"
    assert names[-1] == "tcmalloc"
    assert found.proof.apart.speedup.value == pytest.approx(math.exp(0.85), rel=0.02)
    assert found.proof.same_allocator.without("allocator") == found.proof.same_allocator
    assert {record.purpose for record in records} == {"tuning", "outcome"}
    assert all(record.mean_step_time_s is None for record in records)
    assert found.effort.processes == len(records) == len(machine.jobs)
    assert found.equality.passed is True
    assert found.memory.value > 1
    (profile,) = profiles()
    assert Path(found.profile).is_relative_to(home)
    assert (profile.setting, profile.execution, profile.machine) == (found.setting, "eager", "m1")
    assert "bf16 autocast" in repr(found)
    assert "<table>" in found._repr_html_()


def test_the_proof_runs_on_processes_of_its_own(machine: Machine):
    found = gg.tune("conv6", batch=8, budget="20m", save=False)
    searched = sum(one.arms for one in found.effort.rounds)
    assert sum(job.purpose == "timing" for job in machine.jobs) > searched + found.proof.blocks
    processes = [(job.block, job.process) for job in machine.jobs]
    assert len(set(processes)) == len(processes)
    assert found.profile is None
    assert list(profiles()) == []


def test_the_best_batch_is_told_apart_and_bounded_by_memory(machine: Machine):
    machine_step = machine.run_job

    def sublinear(job: Job, environment: dict) -> Record:
        record = machine_step(job, environment)
        factor = (8 / job.cell.batch) ** 0.3
        return replace(record, step_time_s=tuple(time * factor for time in record.step_time_s))

    trials.run_job = sublinear  # the fixture's monkeypatch puts it back
    found = gg.tune("conv6", batch=8, budget="60m", save=False)
    assert found.batches.best == 32
    assert found.batches.gain.gain.speedup.value == pytest.approx(4**0.3, rel=0.05)
    assert found.gain.value == pytest.approx(math.exp(1.1), rel=0.02)  # at the batch asked for


def test_a_batch_that_may_not_fit_is_not_run(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(api, "available_memory_bytes", lambda: 2**29)
    found = gg.tune("conv6", batch=8, budget="60m", save=False)
    assert {one.name for one in found.batches.left_out} == {"batch 16", "batch 32"}
    assert max(job.cell.batch for job in machine.jobs) == 8


def test_what_computes_something_else_is_not_taken(machine: Machine):
    machine.result = lambda job: 0.5 if job.cell.precision == "bf16" else 0.0
    found = gg.tune("conv6", batch=8, budget="20m", save=False)
    assert found.setting.precision == "fp32"
    assert found.adopted
    assert any("computes something else" in one.why for one in found.left_out)


def test_a_configuration_that_fails_is_recorded_and_skipped(machine: Machine):
    machine.fails = lambda job: "no bf16 here" if job.cell.precision == "bf16" else None
    found = gg.tune("conv6", batch=8, budget="20m", save=False)
    assert found.setting.precision == "fp32"
    assert ("bf16 autocast", "no bf16 here") in [(one.name, one.why) for one in found.left_out]
    assert found.adopted


def test_a_step_that_changes_from_run_to_run(machine: Machine):
    machine.result = lambda job: 0.1 * len(machine.jobs)
    with pytest.raises(NotRepeatable, match=r"differ by .* between two runs of the same setting") as caught:
        gg.tune("conv6", batch=8, budget="20m")
    assert "no-check-accuracy" in caught.value.remedy
    assert gg.tune("conv6", batch=8, budget="20m", check_accuracy=False, save=False).adopted


def test_a_budget_too_small_for_one_answer(machine: Machine):
    with pytest.raises(BadValue, match="too small for one confirmed answer") as caught:
        gg.tune("conv6", batch=8, budget=20)
    assert len(machine.jobs) == 1
    seconds = int(caught.value.remedy.split("--budget ")[1].split("s")[0])
    assert gg.tune("conv6", batch=8, budget=seconds, save=False).proof is not None


@pytest.mark.parametrize("step_s", [0.01, 1.0, 5.0])
def test_the_budget_that_is_asked_for_is_enough(machine: Machine, step_s: float):
    machine.step_s = step_s
    with pytest.raises(BadValue) as caught:
        gg.tune("conv6", batch=8, budget=10 + step_s)
    found = gg.tune("conv6", batch=8, budget=caught.value.remedy.split("--budget ")[1].split(" or")[0], save=False)
    assert found.proof.blocks >= LOOKS[0]
    assert found.effort.spent_s <= found.effort.budget_s


def test_a_baseline_longer_than_the_budget(machine: Machine):
    machine.fails = lambda job: "no end after 30 s"
    machine.code = StepTimeout.code
    with pytest.raises(BadValue, match="take longer than a budget of 30") as caught:
        gg.tune("conv6", batch=8, budget=30)
    assert "--budget" in caught.value.remedy


def test_waiting_for_another_gpugap_is_not_the_budgets(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    @contextmanager
    def waiting(tell):
        machine.now_s += 300.0
        yield

    monkeypatch.setattr(trials, "my_turn", waiting)
    found = gg.tune("conv6", batch=8, budget="10m", save=False)
    assert found.adopted
    assert found.effort.spent_s < 600 < machine.now_s


@pytest.mark.parametrize("budget", [50, 60, 90, 200])
def test_the_budget_is_kept(machine: Machine, budget: int):
    found = gg.tune("conv6", batch=8, budget=budget, save=False)
    assert machine.now_s <= budget + 3
    assert found.proof is not None


def test_a_baseline_that_does_not_run_is_the_error(machine: Machine):
    machine.fails = lambda job: "the step raised ValueError"
    with pytest.raises(StepRaised, match="the step raised ValueError"):
        gg.tune("conv6", batch=8)


def test_nothing_that_helps_is_not_kept(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    for name in EFFECTS:
        monkeypatch.setitem(EFFECTS, name, -0.2)  # "any" among them
    found = gg.tune("conv6", batch=8, budget="20m")
    assert found.verdict == "slower"
    assert (found.adopted, found.profile) == (False, None)
    assert "the baseline is faster: nothing to change" in "\n".join(told(found))


def test_where_all_compute_something_else_nothing_is_to_change(machine: Machine):
    machine.result = lambda job: 0.5 * (job.setting != Setting())
    found = gg.tune("conv6", batch=8, budget="20m")
    assert (found.proof, found.adopted, found.profile) == (None, False, None)
    assert "no setting that ran computes what the baseline does" in next(told(found))


def test_what_was_not_compared_is_not_kept(machine: Machine):
    found = gg.tune("conv6", batch=8, budget="20m", check_accuracy=False)
    assert (found.adopted, found.profile, list(profiles())) == (True, None, [])
    assert "Left out: profile: not kept, as results were not compared" in told(found)


def test_a_profile_that_cannot_be_written_loses_no_result(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    def full(profile) -> None:
        raise StoreWriteFailed("the profile cannot be written: no space", "free the disk")

    monkeypatch.setattr(api, "save_profile", full)
    found = gg.tune("conv6", batch=8, budget="20m")
    assert (found.adopted, found.profile) == (True, None)
    assert any("no space" in one.why for one in found.left_out)


def test_a_batch_that_no_time_was_left_to_prove(machine: Machine):
    found = gg.tune("conv6", batch=8, budget="20m", save=False)
    unproved = replace(found, batches=Batches(8, None, (8, 32), (), 32))
    assert any("32 seemed faster a sample" in line for line in told(unproved))
    assert any("none of 4 was faster" in line for line in told(replace(found, batches=Batches(8, None, (4, 8), ()))))
    assert not any("none of" in line for line in told(replace(found, batches=Batches(8, None, (8,), ()))))


def test_a_gpu_s_own_order_of_sums_is_no_chance(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    """Two runs differ, but no more than rounding errors move the results; on a CPU they may not differ at all."""
    device = {"name": "cuda", "model": "x", "memory_bytes": 2**34, "details": {"compute_capability": "8.0"}}
    answer = {"versions": {"torch": "2.13.0"}, "devices": [device]}
    machine.result = lambda job: 1e-4 * (len(machine.jobs) % 3)
    monkeypatch.setattr(api, "probe", lambda name: answer)
    with_noise = gg.tune("conv6", batch=8, budget="20m", device="cuda", save=False)
    assert with_noise.equality.repeat > 1e-5
    assert any(one.name == "PyTorch's own default" and "IEEE fp32" in one.why for one in with_noise.left_out)


def test_bad_requests(machine: Machine):
    with pytest.raises(BadValue, match="lives in this process"):
        gg.tune(lambda: 1)
    with pytest.raises(Unsupported, match="sees no cuda"):
        gg.tune("conv6", device="cuda")
    with pytest.raises(UnknownName, match="conv7"):
        gg.tune("conv7")
    with pytest.raises(BadValue, match="batch"):
        gg.tune("conv6", batch=0)


@pytest.mark.parametrize(
    ("variable", "value", "why"), [("CXX", "no-such-compiler", "no C\\+\\+ compiler"), ("CXX", "sh", None)]
)
def test_what_keeps_inductor_from_compiling(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, why: str | None
):
    monkeypatch.setenv(variable, value)
    found = api.inductor_obstacle()
    assert found is None if why is None else __import__("re").search(why, found)


def test_a_read_only_cache_is_an_obstacle(monkeypatch: pytest.MonkeyPatch, disk):
    monkeypatch.setenv("CXX", "sh")
    disk.remount("ro")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(disk.folder / "cache"))
    assert "TORCHINDUCTOR_CACHE_DIR" in api.inductor_obstacle()


def test_a_result_is_shown_again_from_its_document(machine: Machine):
    found = gg.tune("conv6", batch=8, budget="20m")
    back = ladder(json.loads(json.dumps(found.to_dict(), allow_nan=False)))
    assert back.whole.gain == found.gain
    assert [one.name for one in back.rungs] == [one.name for one in found.rungs]
    (profile,) = profiles()
    extra = (("profile", profile.digest),)
    tuned = replace(found.cell, tuning="tuned", extra=extra)
    record = Record(tuned, "s", 0, 0, (0.1,), "ok", environment={"machine": "m1"})
    assert ladders_of([record]) == (back,)
    assert ladders_of([replace(record, cell=found.cell)]) == ()
    assert ladders_of([replace(record, environment={"machine": "another"})]) == ()
    assert ladders_of([replace(record, cell=replace(tuned, extra=(*extra, ("code", "abc"))))]) == ()
