"""`Record`: what one process measured, raw samples included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from gpugap.core.cell import Cell

SCHEMA = "gpugap.record/1"
Status = Literal["ok", "failed", "not-finite", "out-of-memory", "timeout", "killed", "unsupported"]
STATUSES: tuple[Status, ...] = ("ok", "failed", "not-finite", "out-of-memory", "timeout", "killed", "unsupported")


@dataclass(frozen=True, slots=True)
class Record:
    """One process of one cell; the unit of replication of every statistic.

    Attributes:
        cell: the factors it ran under.
        session: id shared by all processes that were interleaved with each other.
        process: number or name, unique within session and cell.
        block: records of one session with equal blocks ran next to each other and are paired; None when unknown.
        step_time_s: every step after the first one in order, warm-up included, in seconds.
        status: ``ok`` or how it failed.
        warmup_steps: how many of the leading `step_time_s` are warm-up.
        window_steps: steps behind one entry of `step_time_s` (1, or more where a device can only be timed by window).
        phases: ``import_s``, ``build_s``, ``first_step_s`` in seconds.
        memory: ``peak_rss_bytes``, ``peak_allocated_bytes``, ``peak_reserved_bytes``; null when not measured.
        energy: ``energy_j``, ``window_s``, ``sensor``; null when no sensor exists (never 0).
        settings: what the framework read back: threads, math mode, memory format, autocast.
        environment: the machine; None when the record does not say.
        error: ``code``, ``message``, ``remedy`` of a failure.
        purpose: ``timing``; ``details`` for a process that looks inside a step, ``accuracy`` for one that trains to a
            target, ``parity`` for one whose results are held against a reference, ``tuning`` for one of a search and
            ``outcome`` for one whose results are held against another setting's; these give no replicate of the step
            time.
        details: of a ``details`` process: phases of a step, copies, loading, steps with the input pipeline.
        parity: of a ``parity`` process: reference, checks, passed.
        accuracy: of an ``accuracy`` process: target, reached, steps, time_s, curve.
        guards: what may have disturbed the process, as numbers, and ``tags`` where a number passed its limit.
        started_at: ISO 8601 UTC.
        gpugap: version that wrote it.
        steadiness: verdict on the warm-up (`gpugap.stats.warmup`); derived when records are summarized, never stored.
        extra: fields of the line that this version does not know; kept and written back.
    """

    cell: Cell
    session: str
    process: int | str
    block: int | str | None
    step_time_s: tuple[float, ...]
    status: Status
    warmup_steps: int = 0
    window_steps: int = 1
    phases: Mapping[str, float | None] = field(default_factory=dict)
    memory: Mapping[str, Any] = field(default_factory=dict)
    energy: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] | None = None
    error: Mapping[str, str] | None = None
    purpose: str = "timing"
    details: Mapping[str, Any] = field(default_factory=dict)
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    parity: Mapping[str, Any] = field(default_factory=dict)
    guards: Mapping[str, Any] = field(default_factory=dict)
    started_at: str | None = None
    gpugap: str | None = None
    steadiness: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def steady_step_time_s(self) -> tuple[float, ...]:
        """The step times after warm-up, in seconds."""
        return self.step_time_s[self.warmup_steps :]

    @property
    def mean_step_time_s(self) -> float | None:
        """Arithmetic mean of the steady step times of an ``ok`` process; None otherwise."""
        steady = self.steady_step_time_s
        counts = self.status == "ok" and self.purpose == "timing"
        return sum(steady) / len(steady) if counts and steady else None

    def with_environment(self, environment: Mapping[str, Any]) -> Record:
        """The same record with the machine's description attached."""
        return replace(self, environment=environment)
