"""Which frameworks compute the same: every network and mode held against one reference, kept as records."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gpugap.core.cell import Cell
from gpugap.core.errors import BadValue, ParityFailed
from gpugap.core.execution import EXECUTIONS
from gpugap.core.record import Record
from gpugap.core.setting import Setting
from gpugap.explain.parity import agreed_with, proofs
from gpugap.measure.job import Job
from gpugap.measure.parity import batch_of, failure, judge, restore
from gpugap.measure.runner import run_job
from gpugap.measure.target import Target
from gpugap.measure.turns import my_turn
from gpugap.workloads import small_form

FORMS = ("conv6@32", "vgg16@32", "resnet18@32", "cyclegan@64", "vgg16@64", "resnet18@64")
"""Every form of the built-in networks at its smallest size."""

TIMEOUT_S = 1800.0
"""For one check: XLA and Inductor compile four programs in it, in double precision for minutes on a slow core."""

SESSION = "parity-"
"""How the ids of sessions begin that hold checks and no times."""


@dataclass(frozen=True, slots=True)
class Check:
    """One network in one framework and execution mode.

    Attributes:
        form: the network at its smallest size.
        framework: what runs it.
        execution: how.
    """

    form: str
    framework: str
    execution: str


def checks_of(forms: Sequence[str], executions: Mapping[str, Sequence[str]]) -> list[Check]:
    """All checks, network by network; the reference of a network first.

    Args:
        forms: networks; larger sizes become their smallest form.
        executions: modes to check, by framework; the first framework's first mode is the reference.
    """
    chosen = dict.fromkeys(small_form(name) for name in forms)
    return [
        Check(form, framework, mode) for form in chosen for framework in executions for mode in executions[framework]
    ]


def owed(cells: Iterable[Cell], stored: Iterable[Record], versions: Mapping[str, str]) -> dict[str, list[Check]]:
    """Checks that cells of several frameworks need and that no stored record of the same versions gives.

    Args:
        cells: of a plan.
        stored: records, of which the parity checks count.
        versions: of frameworks and libraries, now.

    Returns:
        Checks by the device they are to run on.
    """
    wanted: dict[tuple[str, str], list[Cell]] = {}
    known, now = proofs(stored), {"versions": versions}
    for cell in cells:
        if cell.framework in EXECUTIONS and cell.framework != "null" and cell.data != "own":
            wanted.setdefault((cell.device, small_form(cell.workload)), []).append(cell)
    chosen: dict[str, list[Check]] = {}
    for (device, form), mine in wanted.items():
        sides = {(cell.framework, cell.execution) for cell in mine}
        shared = frozenset.intersection(*(agreed_with(cell, now, known) for cell in mine))
        if len(sides) > 1 and not shared:
            frameworks = _ordered({framework for framework, _ in sides})
            modes = {name: tuple(mode for mode in EXECUTIONS[name] if (name, mode) in sides) for name in frameworks}
            chosen.setdefault(device, []).extend(checks_of([form], modes))
    return chosen


def _ordered(frameworks: Collection[str]) -> list[str]:
    """Those that can be the reference first."""
    return [name for name in ("torch", "jax", "tensorflow") if name in frameworks]


def all_executions(frameworks: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Every mode of the frameworks, those that can be the reference first.

    Raises:
        BadValue: none of them runs networks.
    """
    found = {name: EXECUTIONS[name] for name in _ordered(frameworks)}
    if not found:
        raise BadValue(f"{', '.join(frameworks)} computes nothing to compare", "use torch, tensorflow or jax")
    return found


def check_parity(
    checks: Sequence[Check], device: str, environment: Mapping[str, Any], watch: Callable[[Check], None]
) -> Iterator[Record]:
    """Runs checks and yields the record of each as it ends; one that fails or crashes does not stop the others.

    Args:
        checks: network by network, as `checks_of` gives them.
        device: where they run.
        environment: the machine.
        watch: called with each check as it starts.
    """
    session = f"{SESSION}{uuid.uuid4().hex[:16]}"
    with tempfile.TemporaryDirectory(prefix="gpugap-parity-") as folder:
        reference, reference_file = None, Path(folder) / "reference.npz"
        for number, check in enumerate(checks):
            watch(check)
            if reference is None or reference.form != check.form:
                reference, file = check, reference_file
                reference_file.unlink(missing_ok=True)
            else:
                file = Path(folder) / "found.npz"
                file.unlink(missing_ok=True)
            with my_turn():
                record = run_job(_job(check, device, session, number, file), environment)
            yield _judged(record, file, reference, reference_file)


def _job(check: Check, device: str, session: str, number: int, file: Path) -> Job:
    cell = Cell(
        workload=check.form,
        device=device,
        framework=check.framework,
        mode="train",
        batch=batch_of(check.form),
        precision="fp32",
        tuning="default",
        execution=check.execution,
        data="synthetic",
    )
    return Job(
        cell=cell,
        target=Target(check.form),
        setting=Setting(),
        session=session,
        process=number,
        block=number,
        warmup_steps=0,
        steps=1,
        seed=0,
        data="synthetic",
        timeout_s=TIMEOUT_S,
        purpose="parity",
        arrays=file,
    )


def _judged(record: Record, file: Path, reference: Check, reference_file: Path) -> Record:
    """The record with its checks, failed where one of them is beyond its limit."""
    named = {"framework": reference.framework, "execution": reference.execution}
    if record.status != "ok":
        return replace(record, parity={"reference": named, "checks": [], "passed": False})
    if not reference_file.exists():
        message = f"the reference ({reference.framework} {reference.execution}) gave nothing to compare with"
        error = {"code": ParityFailed.code, "message": message, "remedy": "see why the reference failed"}
        return replace(record, status="failed", error=error, parity={"reference": named, "checks": [], "passed": False})
    checks = judge(record.cell.workload, restore(file), restore(reference_file))
    worst = failure(checks)
    record = replace(record, parity={"reference": named, "checks": checks, "passed": worst is None})
    return record if worst is None else replace(record, status="failed", error=_error(record.cell, worst, reference))


def worst(record: Record) -> Mapping[str, Any] | None:
    """The check that says most of a parity record: the failed one, else the one closest to its limit; None without."""
    checks = record.parity.get("checks") or []
    return failure(checks) or max(checks, key=lambda check: check["error"] / check["limit"], default=None)


def _error(cell: Cell, check: Mapping[str, Any], reference: Check) -> dict[str, str]:
    size = "missing, of another shape, or not finite" if check["error"] is None else f"off by {check['error']:.1e}"
    where = f"{cell.workload} {check['mode']} in {cell.framework} ({cell.execution}), {check['precision']}"
    message = (
        f"{where}: {check['group']} {check['tensor']} is {size} against {reference.framework}, "
        f"allowed {check['limit']:.0e}"
    )
    remedy = "the first tensor that disagrees names the layer: compare its padding, epsilon and momentum"
    return {"code": ParityFailed.code, "message": message, "remedy": remedy}
