"""Published speedups, kept as a dated table with a source for every row."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources

from gpugap.core.estimate import Estimate


@dataclass(frozen=True, slots=True)
class PublishedSpeedup:
    """A speedup somebody else reported.

    Attributes:
        workload: family of the network, such as ``resnet18``.
        mode: ``train`` or ``inference``.
        baseline: the slower machine, in the source's words.
        device: the faster machine, in the source's words.
        speedup: a ``published`` estimate, unit ``"1"``; a range has no value, only ends.
        source: where it stands.
        date: year and month of the source.
    """

    workload: str
    mode: str
    baseline: str
    device: str
    speedup: Estimate
    source: str
    date: str


def published_speedups() -> tuple[PublishedSpeedup, ...]:
    """All rows of ``published_speedups.csv`` in this package."""
    text = resources.files(__package__).joinpath("published_speedups.csv").read_text(encoding="utf-8")
    return tuple(_row(row) for row in csv.DictReader(text.splitlines()))


@dataclass(frozen=True, slots=True)
class PublishedEffect:
    """A difference between frameworks that somebody else reported.

    Attributes:
        a: the base framework.
        b: the other one.
        mode: ``train`` or ``inference``.
        speedup: of B over A, a ``published`` estimate, unit ``"1"``.
        cause: what the source names as the reason.
        source: where it stands.
        date: year and month of the source.
    """

    a: str
    b: str
    mode: str
    speedup: Estimate
    cause: str
    source: str
    date: str


def published_effects() -> tuple[PublishedEffect, ...]:
    """All rows of ``published_effects.csv`` in this package; it holds latencies of B over A, which are inverted."""
    text = resources.files(__package__).joinpath("published_effects.csv").read_text(encoding="utf-8")
    return tuple(_effect(row) for row in csv.DictReader(text.splitlines()))


def _effect(row: dict[str, str]) -> PublishedEffect:
    speedup = Estimate(1 / float(row["latency_ratio"]), None, None, None, "1", "published", row["source"], None)
    return PublishedEffect(row["a"], row["b"], row["mode"], speedup, row["cause"], row["source"], row["date"])


def _row(row: dict[str, str]) -> PublishedSpeedup:
    low, high = float(row["low"]), float(row["high"])
    single = low == high
    speedup = Estimate(
        value=low if single else None,
        low=None if single else low,
        high=None if single else high,
        level=None,
        unit=row["unit"],
        kind="published",
        method=row["source"],
        n=None,
    )
    return PublishedSpeedup(
        row["workload"], row["mode"], row["baseline"], row["device"], speedup, row["source"], row["date"]
    )
