"""Which checks are run, and what their records say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from factories import make_cell, make_record
from gpugap.core.errors import BadValue
from gpugap.explain.parity import proofs, verified
from gpugap.measure.parity import save
from gpugap.study import parity
from gpugap.study.parity import FORMS, all_executions, check_parity, checks_of, owed, worst
from gpugap.workloads import all_workloads, small_form

ARRAYS = {
    f"{precision}|{mode}|activation|conv1": np.arange(4.0)
    for precision in ("fp32", "fp64")
    for mode in ("train", "inference")
}


def proof(framework: str, execution: str, *, passed: bool = True, workload: str = "conv6@32", **fields):
    cell = make_cell(workload=workload, framework=framework, execution=execution)
    known = {"purpose": "parity", "parity": {"passed": passed, "checks": []}, "times": (), "status": "ok"}
    return make_record(cell=cell, **(known | fields))


def test_every_network_has_a_form():
    assert {small_form(name) for name in all_workloads()} == set(FORMS)


def test_the_reference_of_each_network_comes_first():
    found = checks_of(["resnet18@224", "resnet18@64", "conv6"], all_executions(["jax", "torch", "null"]))
    assert [(c.form, c.framework, c.execution) for c in found] == [
        (form, framework, mode)
        for form in ("resnet18@64", "conv6@32")
        for framework, mode in (("torch", "eager"), ("torch", "compile"), ("jax", "jit"), ("jax", "op-by-op"))
    ]
    with pytest.raises(BadValue, match="null"):
        all_executions(["null"])


def runner(monkeypatch: pytest.MonkeyPatch, arrays_of):
    """Lets a stand-in compute arrays instead of a process."""

    def run_job(job, environment):
        arrays = arrays_of(job.cell)
        status = "ok" if arrays is not None else "killed"
        if arrays is not None:
            save(job.arrays, arrays)
        error = None if arrays is not None else {"code": "process-died", "message": "died", "remedy": ""}
        return make_record(job.process, cell=job.cell, purpose="parity", times=(), status=status, error=error)

    monkeypatch.setattr(parity, "run_job", run_job)


def run(forms, frameworks):
    return list(check_parity(checks_of(forms, all_executions(frameworks)), "cpu", {}, lambda _: None))


def test_what_agrees_passes_and_what_does_not_fails_with_the_layer(monkeypatch):
    def arrays_of(cell):
        return {k: v * (2 if cell.framework == "jax" else 1) for k, v in ARRAYS.items()}

    runner(monkeypatch, arrays_of)
    records = run(["conv6", "vgg16"], ["torch", "jax"])
    status = {(r.cell.workload, r.cell.framework): r.status for r in records}
    assert status == {
        (form, name): "ok" if name == "torch" else "failed"
        for form in ("conv6@32", "vgg16@32")
        for name in ("torch", "jax")
    }
    bad = next(record for record in records if record.status == "failed")
    assert bad.error["code"] == "parity-failed"
    assert "conv1 is off by 1.0e+00 against torch, allowed 1e-04" in bad.error["message"]
    assert worst(bad)["tensor"] == "conv1"
    assert bad.parity["passed"] is False
    assert bad.parity["reference"] == {"framework": "torch", "execution": "eager"}


def test_one_that_crashes_does_not_stop_the_others(monkeypatch):
    runner(monkeypatch, lambda cell: None if cell.execution == "compile" else ARRAYS)
    records = run(["conv6"], ["torch", "jax"])
    assert [record.status for record in records] == ["ok", "killed", "ok", "ok"]
    assert worst(records[1]) is None


def test_without_a_reference_nothing_passes(monkeypatch):
    runner(monkeypatch, lambda cell: None if cell.framework == "torch" else ARRAYS)
    records = run(["conv6"], ["torch", "jax"])
    assert [record.status for record in records] == ["killed", "killed", "failed", "failed"]
    assert "the reference (torch eager) gave nothing" in records[-1].error["message"]


def test_a_comparison_is_verified_when_both_sides_have_shown_it():
    torch, jax = (make_cell(framework=name, execution=mode) for name, mode in (("torch", "eager"), ("jax", "jit")))
    both = proofs([proof("torch", "eager"), proof("jax", "jit")])
    assert verified(torch, jax, both) is True
    assert verified(torch, replace(jax, execution="op-by-op"), both) is False
    assert verified(torch, jax, proofs([proof("torch", "eager"), proof("jax", "jit", passed=False)])) is False
    assert verified(torch, replace(torch, tuning="tuned-basic"), frozenset()) is None
    assert verified(replace(torch, workload="own.py:f"), replace(jax, workload="own.py:f"), both) is False


def test_the_newest_check_counts():
    old, new = "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"
    later = [proof("jax", "jit", passed=False, started_at=new), proof("jax", "jit", started_at=old)]
    assert proofs(later) == frozenset()


def test_checks_are_owed_until_they_are_stored_for_these_versions():
    cells = [make_cell(framework=name, execution=mode) for name, mode in (("torch", "eager"), ("jax", "jit"))]
    versions = {"torch": "2.13", "jax": "0.10"}
    assert [(c.framework, c.execution) for c in owed(cells, [], versions)] == [("torch", "eager"), ("jax", "jit")]
    stored = [
        proof(c.framework, c.execution, environment={"versions": {c.framework: versions[c.framework]}}) for c in cells
    ]
    assert owed(cells, stored, versions) == []
    assert len(owed(cells, stored, versions | {"jax": "0.11"})) == 2
    assert owed(cells[:1], [], versions) == []
    assert owed([make_cell(framework="null")], [], versions) == []
