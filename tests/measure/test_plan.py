"""Which processes run, in which order, and which are left."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import make_cell, make_record
from gpugap.core.errors import BadValue, UnknownName
from gpugap.core.setting import Setting
from gpugap.measure.plan import Effort, Plan, PlannedCell, remaining
from gpugap.measure.spread import MAX_BATCH, Host, Request, spread
from gpugap.measure.target import Target


def planned(**factors) -> PlannedCell:
    cell = make_cell(**factors)
    return PlannedCell(cell, Target(cell.workload), Setting())


def plan(cells: int = 3, **effort) -> Plan:
    chosen = tuple(planned(batch=2**index) for index in range(cells))
    return Plan(chosen, Effort(**effort), "machine", {"torch": "2.13.0"})


@given(cells=st.integers(1, 6), processes=st.integers(1, 6), seed=st.integers(0, 2**32))
def test_every_block_holds_every_cell_once(cells: int, processes: int, seed: int):
    jobs = plan(cells, processes=processes, seed=seed).jobs("s1")
    assert len(jobs) == cells * processes
    assert [job.block for job in jobs] == sorted(job.block for job in jobs)
    for block in range(processes):
        held = [job.cell.key for job in jobs if job.block == block]
        assert Counter(held) == dict.fromkeys({job.cell.key for job in jobs}, 1)
    assert len({job.process for job in jobs}) == len(jobs)
    assert {job.seed for job in jobs} == {seed}


def order(effort_seed: int, blocks: int = 200) -> list[tuple[int, ...]]:
    jobs = plan(3, processes=blocks, seed=effort_seed).jobs("s1")
    return [tuple(job.cell.batch for job in jobs if job.block == block) for block in range(blocks)]


def test_the_order_within_blocks_is_random_and_fixed_by_the_seed():
    # 200 blocks of 3 cells: each of the 6 orders is expected 33 times, deviation 5.3; 12 to 55 is 4 deviations
    counts = Counter(order(1))
    assert len(counts) == 6
    assert all(12 <= count <= 55 for count in counts.values())
    assert order(1) == order(1)
    assert order(1) != order(2)


def test_the_order_does_not_depend_on_the_session():
    jobs = [plan().jobs(session) for session in ("s1", "s2")]
    assert [replace(job, session="") for job in jobs[0]] == [replace(job, session="") for job in jobs[1]]


@pytest.mark.parametrize(
    "change",
    [
        {"cells": (planned(batch=1),)},
        {"cells": (planned(batch=1), planned(batch=2), planned(batch=4, precision="bf16"))},
        {"cells": (*plan().cells[:2], replace(plan().cells[2], setting=Setting(threads=2)))},
        {"cells": (*plan().cells[:2], replace(plan().cells[2], setting=Setting(channels_last=True)))},
        {"cells": tuple(reversed(plan().cells))},
        {"effort": Effort(processes=6)},
        {"effort": Effort(warmup_steps=4)},
        {"effort": Effort(steps=21)},
        {"effort": Effort(seed=1)},
        {"effort": Effort(data="cifar10:/data")},
        {"machine": "another"},
        {"versions": {"torch": "2.13.1"}},
        {"versions": {}},
    ],
    ids=",".join,
)
def test_the_digest_changes_with_everything_that_was_asked_for(change: dict):
    assert replace(plan(), **change).digest != plan().digest


def test_equal_plans_have_equal_digests():
    assert plan().digest == plan().digest
    assert (
        replace(plan(), versions={"a": "1", "b": "2"}).digest == replace(plan(), versions={"b": "2", "a": "1"}).digest
    )
    assert plan(timeout_s=1).digest == plan(timeout_s=2).digest


def test_edited_code_is_another_plan():
    cells = [
        spread(
            Request(Target("f.py:g", Path("f.py"), "g", "null", digest), "null", "cpu", "train", 8), HOST, "synthetic"
        )
        for digest in ("abc", "abd")
    ]
    assert cells[0][0].cell.extra == (("code", "abc"),)
    assert len({Plan(tuple(one), Effort(), "m", {}).digest for one in cells}) == 2


def test_finished_processes_are_not_run_again():
    jobs = plan(2, processes=3).jobs("s1")
    records = [make_record(job.process, cell=job.cell) for job in jobs[:4]]
    assert remaining(jobs, []) == jobs
    assert remaining(jobs, records) == jobs[4:]
    assert remaining(jobs, [make_record(job.process, cell=job.cell) for job in jobs]) == []


def test_a_process_of_another_cell_does_not_count():
    jobs = plan(1, processes=2).jobs("s1")
    other = make_record(jobs[0].process, cell=make_cell(batch=99))
    assert remaining(jobs, [other]) == jobs


def failed(job, status: str = "failed"):
    return make_record(job.process, cell=job.cell, status=status, times=())


@pytest.mark.parametrize("status", ["failed", "not-finite", "out-of-memory", "timeout", "killed", "unsupported"])
def test_a_cell_whose_first_process_fails_gives_up(status: str):
    jobs = plan(2, processes=5).jobs("s1")
    left = remaining(jobs, [failed(jobs[0], status)])
    assert {job.cell.key for job in left} == {job.cell.key for job in jobs} - {jobs[0].cell.key}
    assert len(left) == 5


def test_one_failure_after_a_success_is_forgiven_and_a_second_is_not():
    jobs = plan(1, processes=5).jobs("s1")
    good = make_record(jobs[0].process, cell=jobs[0].cell)
    assert remaining(jobs, [good, failed(jobs[1])]) == jobs[2:]
    assert remaining(jobs, [good, failed(jobs[1]), failed(jobs[2])]) == []


@pytest.mark.parametrize(
    "bad", [{"processes": 0}, {"steps": 0}, {"warmup_steps": -1}, {"seed": -1}, {"data": "cifar10"}, {"data": "dog"}]
)
def test_an_effort_out_of_range_is_refused(bad: dict):
    with pytest.raises(BadValue):
        Effort(**bad)


HOST = Host(usable_cores=6, native_bf16=True, devices=("cpu", "cuda"))


def request(**changes) -> Request:
    known = {"target": Target("conv6@32"), "framework": "torch", "device": "cpu", "mode": "train", "batch": 8}
    return Request(**(known | changes))


def settings(found: list[PlannedCell]) -> dict[str, Setting]:
    return {one.cell.tuning: one.setting for one in found}


def test_a_cpu_gets_a_default_and_a_tuned_cell():
    assert settings(spread(request(), HOST, "synthetic")) == {
        "default": Setting("fp32"),
        "tuned-basic": Setting("bf16", 6, channels_last=True),
    }


def test_the_tuned_cpu_uses_bf16_only_where_it_is_native():
    host = replace(HOST, native_bf16=False)
    assert settings(spread(request(), host, "synthetic"))["tuned-basic"].precision == "fp32"


def test_the_precision_of_a_cell_is_that_of_its_setting():
    for one in spread(request(), HOST, "synthetic") + spread(
        request(device="cuda", precision="tf32"), HOST, "synthetic"
    ):
        assert one.cell.precision == one.setting.precision


@pytest.mark.parametrize("change", [{"device": "cuda"}, {"framework": "null"}])
def test_only_a_framework_on_a_cpu_is_tuned(change: dict):
    assert list(settings(spread(request(**change), HOST, "synthetic"))) == ["default"]


def test_the_kind_of_data_is_a_factor_and_its_path_is_not():
    assert {one.cell.data for one in spread(request(), HOST, "cifar10:/home/somebody/data")} == {"cifar10"}
    own = Target("f.py:g", Path("f.py"), "g", "torch", "abc")
    assert {one.cell.data for one in spread(request(target=own), HOST, "synthetic")} == {"own"}


def test_an_absent_device_is_refused_with_those_there():
    with pytest.raises(UnknownName, match="mps"):
        spread(request(device="mps"), HOST, "synthetic")
    two = replace(HOST, devices=("cpu", "cuda:0", "cuda:1"))
    assert spread(request(device="cuda:1"), two, "synthetic")
    with pytest.raises(UnknownName):
        spread(request(device="cuda:2"), two, "synthetic")


@pytest.mark.parametrize("batch", [0, -1, MAX_BATCH + 1])
def test_a_batch_out_of_range_is_refused(batch: int):
    with pytest.raises(BadValue, match="batch"):
        request(batch=batch)


@pytest.mark.parametrize(("factor", "name"), [("mode", "training"), ("precision", "fp8")])
def test_an_unknown_mode_or_precision_is_refused(factor: str, name: str):
    with pytest.raises(UnknownName, match=name):
        request(**{factor: name})


COMPARED = Host(4, native_bf16=False, devices=("cpu",), allocator="tcmalloc", onednn=False)


def compared(framework: str, execution: str, host: Host = COMPARED):
    return settings(spread(request(framework=framework, execution=execution, compared=True), host, "synthetic"))


def test_compared_frameworks_are_tuned_each_in_its_own_way():
    assert compared("torch", "eager") == {
        "default": Setting(),
        "allocator": Setting(allocator="tcmalloc"),
        "tuned-each": Setting(threads=4, channels_last=True, allocator="tcmalloc"),
    }
    assert compared("tensorflow", "function") == {
        "default": Setting(),
        "allocator": Setting(allocator="tcmalloc"),
        "onednn": Setting(onednn=True),
        "tuned-each": Setting(threads=4, allocator="tcmalloc", onednn=True),
    }
    assert compared("jax", "jit")["tuned-each"] == Setting(threads=4, allocator="tcmalloc")
    assert list(compared("torch", "compile")) == ["default", "tuned-each"]
    for framework, execution in (("tensorflow", "eager"), ("tensorflow", "xla"), ("jax", "op-by-op")):
        assert list(compared(framework, execution)) == ["default"]


def test_what_is_not_there_is_not_changed():
    bare = Host(4, native_bf16=False, devices=("cpu",))
    assert list(compared("torch", "eager", bare)) == ["default", "tuned-each"]
    assert list(compared("tensorflow", "function", bare)) == ["default"]
    assert list(compared("jax", "jit", bare)) == ["default"]
    on = Host(4, native_bf16=True, devices=("cpu",), onednn=True)
    assert compared("tensorflow", "function", on)["onednn"] == Setting(onednn=False)
    assert compared("jax", "jit", on)["tuned-each"] == Setting("bf16", 4, channels_last=True)
