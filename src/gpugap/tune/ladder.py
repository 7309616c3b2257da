"""`Ladder`: the result of tuning as it is shown and stored, read back from its JSON form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpugap.core.cell import Cell
from gpugap.core.estimate import Estimate
from gpugap.core.record import Record
from gpugap.tune.profile import Profile, profiles


@dataclass(frozen=True, slots=True)
class Contribution:
    """A gain with its name.

    Attributes:
        name: of the choice, or of what was chosen together.
        gain: time before over time after.
        verdict: ``faster``, ``slower``, ``equivalent`` or ``inconclusive``.
    """

    name: str
    gain: Estimate
    verdict: str


@dataclass(frozen=True, slots=True)
class Ladder:
    """What tuning found for one work on one machine.

    Attributes:
        cell: of the baseline.
        base: seconds a step of the baseline.
        tuned: seconds a step of what won.
        rungs: one choice each, from the baseline up.
        apart: the gain without another allocator; None where none was chosen.
        whole: the gain of all choices.
        memory: peak memory, tuned over baseline.
        equality: what was held against the baseline's results.
        recipe: lines that put it in force: ``environment``, ``code``.
        adopted: whether it is faster and was not found to compute something else.
    """

    cell: Cell
    base: Estimate
    tuned: Estimate
    rungs: tuple[Contribution, ...]
    apart: Contribution | None
    whole: Contribution
    memory: Estimate
    equality: Mapping[str, Any]
    recipe: Mapping[str, Sequence[str]]
    adopted: bool


def ladder(result: Mapping[str, Any]) -> Ladder | None:
    """The ladder of a result of ``gpugap.tune/1``; None where nothing was held against the baseline."""
    if result["gain"] is None:
        return None
    rungs = tuple(_step(one["choice"], one) for one in result["ladder"])
    apart = result["gain_same_allocator"]
    return Ladder(
        cell=Cell.from_dict(result["cell"]),
        base=Estimate(**result["baseline_step_time_s"]),
        tuned=Estimate(**result["tuned_step_time_s"]),
        rungs=rungs,
        apart=_step("together, same allocator", apart) if apart else None,
        whole=_step("together", result["gain"]),
        memory=Estimate(**result["memory"]),
        equality=result["equality"],
        recipe=result["recipe"],
        adopted=result["adopted"],
    )


def _step(name: str, told: Mapping[str, Any]) -> Contribution:
    return Contribution(name, Estimate(**told["speedup"]), told["verdict"])


def ladders_of(records: Iterable[Record], folder: Path | None = None) -> tuple[Ladder, ...]:
    """Ladders of the tuned cells among records, as far as their profiles are stored here.

    Args:
        records: of any cells.
        folder: of the profiles; the data folder where None.
    """
    wanted = {_tuned(record.cell, record.environment or {}) for record in records if record.cell.tuning == "tuned"}
    if not wanted:
        return ()
    found = [ladder(one.result) for one in profiles(folder) if _key(one) in wanted]
    return tuple(one for one in found if one is not None)


def _tuned(cell: Cell, environment: Mapping[str, Any]) -> tuple[object, ...]:
    """What a tuned cell and its profile have in common; any batch of it counts."""
    extra = dict(cell.extra)
    machine, code = environment.get("machine"), extra.get("code", "")
    return machine, cell.workload, code, cell.framework, cell.device, cell.mode, extra.get("profile")


def _key(one: Profile) -> tuple[object, ...]:
    return one.machine, one.workload, one.code, one.framework, one.device, one.mode, one.digest
