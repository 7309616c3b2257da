"""What processes are expected to take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factories import make_cell, make_record
from gpugap.core.setting import Setting
from gpugap.measure.plan import Effort, Plan, PlannedCell
from gpugap.measure.target import Target
from gpugap.study.costs import Costs, operations
from gpugap.workloads import workload

AROUND_S = 0.5


def jobs(*cells, **effort):
    planned = tuple(PlannedCell(cell, Target(cell.workload), Setting()) for cell in cells)
    known = {"processes": 1, "warmup_steps": 2, "steps": 8}
    return Plan(planned, Effort(**(known | effort)), "m", {}).jobs("s")


def ran(cell, step_s: float, start_s: float = 1.0):
    phases = {"import_s": start_s, "build_s": 0.0, "first_step_s": step_s}
    return make_record(cell=cell, times=(step_s,) * 10, phases=phases)


def test_nothing_is_known_before_the_first():
    assert Costs([]).expected_s(jobs(make_cell())) == 0


def test_a_cell_that_ran_costs_what_it_cost():
    cell = make_cell()
    costs = Costs([ran(cell, 0.2), ran(cell, 0.4)])
    (job,) = jobs(cell)
    assert costs.expected_s([job]) == pytest.approx(AROUND_S + 1.0 + 11 * 0.3)
    assert costs.expected_s([replace(job, steps=2)]) == pytest.approx(AROUND_S + 1.0 + 5 * 0.3)


def test_failures_and_looks_inside_teach_nothing():
    cell = make_cell()
    bad = replace(ran(cell, 9.0), status="timeout")
    assert Costs([bad, replace(ran(cell, 9.0), purpose="details")]).expected_s(jobs(cell)) == 0


def test_another_cell_is_judged_by_its_operations():
    small, large = make_cell(workload="conv6@32", batch=8), make_cell(workload="vgg16@32", batch=8)
    ratio = workload("vgg16").flops(8, "train") / workload("conv6").flops(8, "train")
    expected = AROUND_S + 1.0 + 11 * 0.1 * ratio
    assert Costs([ran(small, 0.1)]).expected_s(jobs(large)) == pytest.approx(expected)


def test_cells_tuned_alike_are_asked_first():
    tuned, default = (make_cell(batch=8, tuning=tuning) for tuning in ("tuned-basic", "default"))
    costs = Costs([ran(tuned, 0.1), ran(default, 0.4)])
    assert costs.expected_s(jobs(make_cell(batch=16, tuning="default"))) == pytest.approx(AROUND_S + 1.0 + 11 * 0.8)


def test_a_step_of_unknown_operations_is_judged_by_the_others_times():
    costs = Costs([ran(make_cell(batch=8), 0.1)])
    assert costs.expected_s(jobs(make_cell(workload="own.py:make_step"))) == pytest.approx(AROUND_S + 1.0 + 11 * 0.1)


def test_steps_of_each_purpose_are_counted():
    counted = {job.purpose: job.step_count for job in jobs(make_cell(), details=1, target_accuracy=0.9, max_steps=70)}
    assert counted == {"timing": 11, "details": 1 + 2 + 1 + 5 + 5, "accuracy": 70}


def test_operations_order_work_by_its_size():
    light, heavy = jobs(make_cell(batch=1)), jobs(make_cell(batch=1, workload="cyclegan@256"))
    assert 0 < operations(light) < operations(heavy)
    assert operations(jobs(make_cell(workload="own.py:make_step"))) == 0
