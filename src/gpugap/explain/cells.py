"""Records gathered by cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gpugap.core.cell import Cell
from gpugap.core.estimate import Estimate
from gpugap.core.record import Record
from gpugap.explain import inside
from gpugap.stats.intervals import mean_step_time, throughput
from gpugap.stats.warmup import find_steady

CONVERGED = 0.05
"""A cell has converged when half the width of its interval is at most this share of its value."""

_OF_THE_PROCESS = ("seed", "inductor_cache")
"""Settings in which processes of one session may differ."""


@dataclass(frozen=True, slots=True)
class CellSummary:
    """All records of one cell.

    Attributes:
        cell: the factors.
        records: its records, failures included; warm-up is what was found in the data, at least what was declared.
        step_time: mean steady step time over processes, in seconds.
        throughput: samples per second.
        details: its processes that looked inside a step; no replicates of the step time.
        training: its processes that trained to a target accuracy; no replicates either.
    """

    cell: Cell
    records: tuple[Record, ...]
    step_time: Estimate
    throughput: Estimate
    details: tuple[Record, ...] = ()
    training: tuple[Record, ...] = ()

    @property
    def converged(self) -> bool:
        """Whether the interval is narrow enough to be called settled."""
        width = self.step_time.relative_half_width
        return width is not None and width <= CONVERGED

    @property
    def failures(self) -> tuple[Record, ...]:
        """Records that are not ``ok``."""
        return tuple(record for record in (*self.records, *self.details, *self.training) if record.status != "ok")

    @property
    def status(self) -> str:
        """``converged``, ``not converged``, or how its processes failed."""
        if self.step_time.value is None:
            return self.records[0].status
        return "converged" if self.converged else "not converged"

    @property
    def never_steady(self) -> int:
        """Processes whose step times still shifted in their last half."""
        return sum(record.steadiness == "never-steady" for record in self.records)

    @property
    def mixed(self) -> tuple[str, ...]:
        """What differed among its good processes, such as ``version.torch``: they are no plain replicates then."""
        seen: dict[str, set[str]] = {}
        for record in self.records:
            for name, value in _conditions(record) if record.status == "ok" else ():
                seen.setdefault(name, set()).add(repr(value))
        return tuple(name for name, values in seen.items() if len(values) > 1)

    def process_means_s(self) -> dict[tuple[str, str], float]:
        """Mean steady step time of each good process, by session and process."""
        means = {(r.session, str(r.process)): r.mean_step_time_s for r in self.records}
        return {key: mean for key, mean in means.items() if mean is not None}

    def steady_steps_s(self) -> list[tuple[float, ...]]:
        """The steady step times of each good process."""
        return [record.steady_step_time_s for record in self.records if record.mean_step_time_s is not None]

    def block_means_s(self) -> dict[tuple[str, str], float]:
        """Mean steady step time of each block, by session and block; processes that share a block are averaged."""
        found: dict[tuple[str, str], list[float]] = {}
        for record in self.records:
            if record.block is not None and record.mean_step_time_s is not None:
                found.setdefault((record.session, str(record.block)), []).append(record.mean_step_time_s)
        return {key: sum(means) / len(means) for key, means in found.items()}

    def to_dict(self) -> dict[str, Any]:
        """The cell's part of the JSON output."""
        return {
            "cell": self.cell.to_dict(),
            "status": self.status,
            "converged": self.converged,
            "step_time_s": self.step_time.to_dict(),
            "throughput_per_s": self.throughput.to_dict(),
            "processes": len(self.records),
            "never_steady": self.never_steady,
            "warmup_steps": [record.warmup_steps for record in self.records if record.status == "ok"],
            **inside.to_dict(self),
            "failures": [dict(record.error or {"code": record.status}) for record in self.failures],
        }


def summarize(records: Iterable[Record]) -> list[CellSummary]:
    """One summary a cell and machine, in order of appearance; records of machines of unlike make are never pooled."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        machine = str((record.environment or {}).get("machine", ""))
        groups.setdefault((record.cell.key, machine), []).append(_settle(record))
    timed = (group for group in groups.values() if any(record.purpose == "timing" for record in group))
    return [_summary(group[0].cell, group) for group in timed]


def _settle(record: Record) -> Record:
    """The record with its warm-up found in the data."""
    if record.status != "ok" or record.purpose != "timing":
        return record
    steady = find_steady(record.step_time_s, record.warmup_steps)
    return replace(record, warmup_steps=steady.begin, steadiness=steady.verdict)


def _summary(cell: Cell, gathered: list[Record]) -> CellSummary:
    records = [record for record in gathered if record.purpose == "timing"]
    details, training = (
        tuple(record for record in gathered if record.purpose == purpose) for purpose in ("details", "accuracy")
    )
    means = [mean for mean in (record.mean_step_time_s for record in records) if mean is not None]
    step_time = mean_step_time(means)
    return CellSummary(cell, tuple(records), step_time, throughput(step_time, cell.batch), details, training)


def _conditions(record: Record) -> Iterator[tuple[str, Any]]:
    """What a process ran with, as far as its record says."""
    environment = record.environment or {}
    for name in ("allocator", "environment_variables"):
        if name in environment:
            yield name, environment[name]
    for name, version in (environment.get("versions") or {}).items():
        yield f"version.{name}", version
    for name, value in record.settings.items():
        if name not in _OF_THE_PROCESS:
            yield f"setting.{name}", value


def environment_of(summary: CellSummary) -> Mapping[str, Any]:
    """The machine of a cell's first record that describes one; empty when none does."""
    return next((record.environment for record in summary.records if record.environment), {})
