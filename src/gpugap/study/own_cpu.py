"""This machine's CPU and a step: as records have it, and as ``gpugap tune`` proved it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from gpugap.core.cell import Cell
from gpugap.core.estimate import Estimate
from gpugap.core.record import Record
from gpugap.core.setting import USUAL_TUNINGS
from gpugap.core.step import Step
from gpugap.explain.cells import CellSummary, environment_of, summarize
from gpugap.explain.crossover import CpuTimes, OwnCpu
from gpugap.measure.rates import HostRates, host_rates
from gpugap.measure.spread import on_side
from gpugap.measure.target import parse_target
from gpugap.sensors.environment import capture
from gpugap.tune.ladder import ladder
from gpugap.tune.profile import Profile, profiles, tuned_profile


@dataclass(frozen=True, slots=True)
class Ran:
    """One way in which this CPU ran a step.

    Attributes:
        cell: the factors.
        step_time: measured.
        environment: of the machine.
        summary: of its records; None where a profile tells of it.
    """

    cell: Cell
    step_time: Estimate
    environment: Mapping[str, Any] = field(repr=False)
    summary: CellSummary | None = None


@dataclass(frozen=True, slots=True)
class Sought:
    """A step on this CPU.

    Attributes:
        names: that the step may have in records and profiles.
        mode: ``train`` or ``inference``.
        batch: samples a step.
        code: digest of the user's file; of other code nothing counts.
        cpu: ``default``, ``tuned`` or ``both``.
    """

    names: Collection[str]
    mode: str
    batch: int
    code: str = ""
    cpu: str = "both"

    def __post_init__(self) -> None:
        on_side(None, self.cpu)  # tells a bad side before anything is read


def sought(step: str | Step, mode: str, batch: int, cpu: str = "both") -> Sought:
    """What is to be found of a step on this CPU.

    Args:
        step: a workload's name, ``"FILE.py:make_step"``, or a `Step`.
        mode: ``train`` or ``inference``.
        batch: samples a step.
        cpu: ``default``, ``tuned`` or ``both``.

    Raises:
        UnknownName: no such workload, or side of the CPU.
    """
    if isinstance(step, str):
        target = parse_target(step)
        return Sought((target.name,), mode, batch, target.digest, cpu)
    return Sought((type(step).__name__,), mode, batch, "", cpu)


def runs_here(records: Iterable[Record], wanted: Sought) -> list[Ran]:
    """How this machine's CPU ran a step, at any batch.

    What `gpugap tune` proved counts where no records of the very same setting and batch do, and takes the place of
    ``tuned-basic`` and of what was tuned before. Of a cell only records of the framework's version count that its
    newest record has.

    Args:
        records: of any machine and work; those of this step on this machine's CPU count.
        wanted: the step.
    """
    mine = [
        record
        for record in records
        if record.cell.workload in wanted.names
        and (record.cell.mode, record.cell.device) == (wanted.mode, "cpu")
        and dict(record.cell.extra).get("code", "") == wanted.code
    ]
    if not mine and next(profiles(), None) is None:
        return []
    here = capture()
    of_here = [one for one in mine if (one.environment or {}).get("machine") == here["machine"]]
    found = [
        Ran(one.cell, one.step_time, environment_of(one), one)
        for one in summarize(_newest_version(of_here))
        if one.step_time.value is not None
    ]
    proved = list(_profiled(wanted, here))
    known = {_setup(one.cell) for one in found}
    digests = {_digest(one) for one in proved if one.cell.tuning == "tuned"}
    runs = [one for one in found if not (digests and one.cell.tuning == "tuned" and _digest(one) not in digests)]
    runs += [one for one in proved if _setup(one.cell) not in known]
    tuned = {(one.cell.framework, one.cell.batch) for one in runs if one.cell.tuning == "tuned"}
    return [
        one
        for one in runs
        if not (one.cell.tuning == "tuned-basic" and (one.cell.framework, one.cell.batch) in tuned)
        and on_side(one.cell.tuning, wanted.cpu)
    ]


def _newest_version(records: Sequence[Record]) -> list[Record]:
    """Good ones with the framework's version that the newest of their cell has; one that died may not have told it."""
    good = [record for record in records if record.status == "ok"]
    by_age = sorted(good, key=lambda record: record.started_at or "")
    newest = {record.cell.key: _version_of(record) for record in by_age}
    return [record for record in good if _version_of(record) == newest[record.cell.key]]


def _version_of(record: Record) -> str:
    versions = (record.environment or {}).get("versions") or {}
    return str(versions.get(record.cell.framework))


def _setup(cell: Cell) -> tuple[object, ...]:
    """What two runs of one setting have in common."""
    return cell.framework, cell.tuning, cell.batch, cell.precision, cell.execution, dict(cell.extra).get("profile")


def _digest(run: Ran) -> object:
    return dict(run.cell.extra).get("profile")


def _profiled(wanted: Sought, here: Mapping[str, Any]) -> Iterator[Ran]:
    """The proof of a profile: both of its sides."""
    for name in wanted.names:
        profile = tuned_profile(
            name,
            machine=here["machine"],
            mode=wanted.mode,
            batch=wanted.batch,
            code=wanted.code,
            versions=_versions(),
        )
        if profile is not None:
            yield from _proved(profile, here)


def _versions() -> dict[str, str]:
    try:
        return {"torch": version("torch")}
    except PackageNotFoundError:
        return {}


def _proved(profile: Profile, here: Mapping[str, Any]) -> Iterator[Ran]:
    found = ladder(profile.result)
    if found is None:
        return
    tuned = replace(
        found.cell,
        tuning="tuned",
        precision=profile.setting.precision,
        execution=profile.execution,
        extra=(*found.cell.extra, ("profile", profile.digest)),
    )
    yield Ran(found.cell, found.base, here)
    yield Ran(tuned, found.tuned, here)


def own_cpu(records: Iterable[Record], wanted: Sought, *, rates: HostRates | None = None) -> CpuTimes:
    """The step on this CPU, as the fastest setup of PyTorch ran it.

    Args:
        records: of any machine and work.
        wanted: the step.
        rates: what this CPU can do at best; measured where None.

    Raises:
        UnknownName: no such side of the CPU.
    """
    rates = host_rates() if rates is None else rates
    setups: dict[str, list[Ran]] = {}
    for one in runs_here(records, wanted):
        if one.cell.framework == "torch" and one.cell.tuning in USUAL_TUNINGS:
            setups.setdefault(setup_of(one.cell), []).append(one)
    if not setups:
        return CpuTimes(rates)
    setup = min(setups, key=lambda name: _nearest_s(setups[name], wanted.batch))
    here = [
        OwnCpu(name, one.step_time) for name, ones in setups.items() for one in ones if one.cell.batch == wanted.batch
    ]
    times = {one.cell.batch: one.step_time for one in setups[setup]}
    return CpuTimes(rates, times, setup, tuple(sorted(here, key=_place)))


def _place(one: OwnCpu) -> tuple[bool, str]:
    """The CPU as it comes first."""
    return "default" not in one.label, one.label


def setup_of(cell: Cell) -> str:
    """How a cell was run on the CPU, in words of its own: ``fp32 tuned-basic``, ``jax fp32 default jit``."""
    words = [cell.framework if cell.framework != "torch" else "", cell.precision, cell.tuning or "as recorded"]
    words.append((cell.execution or "") if cell.execution != "eager" else "")
    return " ".join(word for word in words if word)


def _nearest_s(runs: Sequence[Ran], batch: int) -> tuple[int, float]:
    """How far the nearest batch is, and seconds a sample there."""
    near = min(runs, key=lambda one: abs(one.cell.batch - batch))
    return abs(near.cell.batch - batch), (near.step_time.value or 0.0) / near.cell.batch
