"""What a budget buys: whole intervals of the cheapest work first, and never one side of a comparison alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from test_session import Watcher

from factories import make_cell, make_record
from gpugap.core.setting import Setting
from gpugap.measure.plan import Effort, Plan, PlannedCell
from gpugap.measure.target import Target
from gpugap.store.database import Store
from gpugap.study import session
from gpugap.study.session import Outcome, Wish, run_session
from gpugap.workloads import workload

OPERATIONS_PER_S = 1e12
WORKLOADS = ("cyclegan@256", "resnet18@32", "conv6@32")


class Machine:
    """A machine on which time passes only while a process runs, as fast as its operations say."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def run_job(self, job, environment, on_phase):
        cell = job.cell
        step_s = workload(cell.workload).flops(cell.batch, cell.mode) / OPERATIONS_PER_S
        phases = {"import_s": 0.5, "build_s": 0.0, "first_step_s": step_s}
        self.now_s += 1.0 + job.step_count * step_s
        times = (step_s,) * (job.steps + job.warmup_steps)
        record = make_record(job.process, cell=cell, times=times, phases=phases, block=job.block, purpose=job.purpose)
        return replace(record, session=job.session, warmup_steps=job.warmup_steps)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(session, "run_job", made.run_job)
    monkeypatch.setattr(session.time, "monotonic", made.monotonic)
    return made


def plan(processes: int = 5) -> Plan:
    cells = [make_cell(workload=name, tuning=tuning, batch=32) for name in WORKLOADS for tuning in ("default", "tuned")]
    planned = tuple(PlannedCell(cell, Target(cell.workload), Setting()) for cell in cells)
    return Plan(planned, Effort(processes=processes, warmup_steps=2, steps=8, details=1), "m1", {})


def run(tmp_path: Path, budget_s: float | None) -> Outcome:
    with Store(str(tmp_path / "records.db")) as store:
        return run_session(plan(), {}, store, Wish("gpugap study", budget_s), Watcher())


def counts(outcome: Outcome) -> dict[tuple[str, str], int]:
    return Counter((r.cell.workload, r.cell.tuning) for r in outcome.records if r.purpose == "timing")


def cost_s(name: str, processes: int) -> float:
    step_s = workload(name).flops(32, "train") / OPERATIONS_PER_S
    return 2 * processes * (1 + 11 * step_s)


def test_without_a_budget_everything_is_run(machine: Machine, tmp_path: Path):
    outcome = run(tmp_path, None)
    assert outcome.complete
    assert set(counts(outcome).values()) == {5}
    assert outcome.declined == {}


def test_work_whose_interval_does_not_fit_is_not_begun_and_is_named(machine: Machine, tmp_path: Path):
    budget_s = cost_s("conv6@32", 6) + cost_s("resnet18@32", 6) + cost_s("cyclegan@256", 2)
    outcome = run(tmp_path, budget_s)
    assert {name for name, _ in counts(outcome)} == {"conv6@32", "resnet18@32"}
    assert set(counts(outcome).values()) == {5}
    ((work, missing_s),) = outcome.declined.items()
    assert work == ("cyclegan@256", "train", 32)
    assert missing_s == pytest.approx(cost_s("cyclegan@256", 3), rel=0.05)
    assert machine.now_s <= budget_s
    assert not outcome.complete


def test_what_is_begun_gets_an_interval_before_anything_gets_more(machine: Machine, tmp_path: Path):
    names = ("conv6@32", "resnet18@32", "cyclegan@256")
    outcome = run(tmp_path, sum(cost_s(name, 3) for name in names) * 1.05)
    assert min(counts(outcome).values()) == 3
    assert {name for name, _ in counts(outcome)} == set(names)


@pytest.mark.parametrize("budget_s", [20.0, 100.0, 700.0, 3000.0, 20000.0])
def test_no_side_of_a_comparison_runs_alone(machine: Machine, tmp_path: Path, budget_s: float):
    outcome = run(tmp_path, budget_s)
    found = counts(outcome)
    assert all(found[name, "default"] == found[name, "tuned"] for name in WORKLOADS)
    assert machine.now_s <= budget_s * 1.2 + cost_s("conv6@32", 1)  # the first is started without knowing its cost


def test_the_same_command_comes_further_until_all_is_run(machine: Machine, tmp_path: Path):
    budget_s = cost_s("cyclegan@256", 1) * 1.4  # a look inside takes 14 steps, a timing process 11
    done, runs = -1, 0
    while not (outcome := run(tmp_path, budget_s)).complete:
        assert len(outcome.records) > done
        done, runs = len(outcome.records), runs + 1
        assert runs < 40
    assert set(counts(outcome).values()) == {5}
