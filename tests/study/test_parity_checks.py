"""Which checks are run, and what their records say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from factories import make_cell, make_record
from gpugap.core.errors import BadValue
from gpugap.explain.cells import summarize
from gpugap.explain.pairs import compare_cells
from gpugap.explain.parity import proofs
from gpugap.measure.parity import GROUPS, PRECISIONS, save
from gpugap.study import parity
from gpugap.study.parity import FORMS, all_executions, check_parity, checks_of, owed, worst
from gpugap.workloads import all_workloads, small_form

ARRAYS = {
    f"{precision}|{mode}|{group}|conv1": np.arange(4.0)
    for precision in PRECISIONS
    for mode, groups in GROUPS.items()
    for group in groups
} | {"fp64|train|parameter|conv1": np.arange(4.0)}

SIDES = (("torch", "eager"), ("jax", "jit"))


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


LOST = {
    "jax": ("", "fp64", "fp64|train|parameter", "fp32|train|gradient", "fp32|inference|result"),
    "torch": ("", "fp64|train|parameter", "fp64|inference"),
}


@pytest.mark.parametrize(("of", "lost"), [(of, lost) for of, names in LOST.items() for lost in names])
def test_what_was_never_compared_does_not_pass(monkeypatch, of, lost):
    def arrays_of(cell):
        return {key: value for key, value in ARRAYS.items() if cell.framework != of or not key.startswith(lost)}

    runner(monkeypatch, arrays_of)
    jax = next(record for record in run(["conv6"], ["torch", "jax"]) if record.cell.framework == "jax")
    assert jax.status == "failed"
    assert jax.parity["passed"] is False
    assert "is missing, of another shape, or not finite" in jax.error["message"]


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


def verified(a, b, known, **fields):
    """Whether a pair of two measured cells is verified."""
    records = [make_record(cell=cell, **fields) for cell in (a, b)]
    summaries = [summarize([record])[0] for record in records]
    return compare_cells(*summaries).proved(known).verified


TORCH, JAX = (make_cell(framework=name, execution=mode) for name, mode in (("torch", "eager"), ("jax", "jit")))
OF_TORCH, OF_JAX = ({"reference": {"framework": name, "execution": mode}} for name, mode in SIDES)


def test_a_comparison_is_verified_when_both_sides_have_shown_it():
    both = proofs([proof("torch", "eager"), proof("jax", "jit")])
    assert verified(TORCH, JAX, both) is True
    assert verified(TORCH, replace(JAX, execution="op-by-op"), both) is False
    assert verified(TORCH, JAX, proofs([proof("torch", "eager"), proof("jax", "jit", passed=False)])) is False
    assert verified(TORCH, replace(TORCH, tuning="tuned-basic"), frozenset()) is None
    assert verified(replace(TORCH, workload="own.py:f"), replace(JAX, workload="own.py:f"), both) is False
    assert verified(replace(TORCH, device="cuda"), replace(JAX, device="cuda"), both) is False


def against(reference: dict, framework: str, execution: str):
    return proof(framework, execution, parity={"passed": True, "checks": [], **reference})


def test_sides_that_were_held_against_different_references_are_not_verified():
    alone = [against(OF_TORCH, "torch", "eager"), against(OF_JAX, "jax", "jit")]
    assert verified(TORCH, JAX, proofs(alone)) is False
    assert verified(TORCH, JAX, proofs([*alone, against(OF_TORCH, "jax", "jit")])) is True
    assert [c.framework for c in owed([TORCH, JAX], alone, {})["cpu"]] == ["torch", "jax"]


def test_a_check_speaks_for_the_versions_it_ran_with():
    ran = {"versions": {"torch": "2.13", "jax": "0.10"}}
    known = proofs([proof(*side, environment=ran) for side in SIDES])
    assert verified(TORCH, JAX, known, environment=ran) is True
    assert verified(TORCH, JAX, known, environment={"versions": {"torch": "2.14", "jax": "0.10"}}) is False
    assert verified(TORCH, JAX, known, environment={}) is True


def test_the_newest_check_counts():
    old, new = "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"
    ran = {"versions": {"jax": "0.10"}}
    later = [proof("jax", "jit", passed=False, started_at=new), proof("jax", "jit", started_at=old, environment=ran)]
    assert proofs(later) == frozenset()
    other = proof("jax", "jit", passed=False, started_at=new, environment={"versions": {"jax": "0.11"}})
    assert len(proofs([other, later[1]])) == 1


def test_checks_are_owed_until_they_are_stored_for_these_versions():
    cells, versions = [TORCH, JAX], {"torch": "2.13", "jax": "0.10"}
    assert [(c.framework, c.execution) for c in owed(cells, [], versions)["cpu"]] == list(SIDES)
    stored = [
        proof(c.framework, c.execution, environment={"versions": {c.framework: versions[c.framework]}}) for c in cells
    ]
    assert owed(cells, stored, versions) == {}
    assert len(owed(cells, stored, versions | {"jax": "0.11"})["cpu"]) == 2
    assert owed(cells[:1], [], versions) == {}
    assert owed([make_cell(framework="null")], [], versions) == {}


def test_every_device_owes_its_own_checks():
    on_gpu = [replace(cell, device="cuda") for cell in (TORCH, JAX)]
    stored = [proof(*side) for side in SIDES]
    found = owed([TORCH, JAX, *on_gpu], stored, {})
    assert {device: [c.framework for c in checks] for device, checks in found.items()} == {"cuda": ["torch", "jax"]}
