"""`Cell`: the full list of factors under which a step time is measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

Scalar = str | int | float | bool | None
Mode = Literal["train", "inference"]
Work = tuple[str, str, int]
MODES: tuple[Mode, ...] = ("train", "inference")
REQUIRED = ("workload", "device", "framework", "mode", "batch", "precision")


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of factors; two records are replicates exactly when their cells are equal.

    Attributes:
        workload: built-in name with its size (``resnet18@32``) or ``file.py:function``.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        framework: ``torch``, ``tensorflow``, ``jax`` or ``null``.
        mode: ``train`` (forward, loss, backward, optimizer) or ``inference``.
        batch: samples a step, at least 1.
        precision: ``fp64``, ``fp32`` (IEEE, no TF32), ``tf32``, ``bf16`` or ``fp16`` (both autocast).
        tuning: one of `gpugap.core.setting.TUNINGS`; None when the record does not say.
        execution: how the framework runs the step (`gpugap.core.execution`); None when the record does not say.
        data: ``synthetic``, ``cifar10``, ``folder``; None when the record does not say.
        extra: further factors, sorted by name.
    """

    workload: str
    device: str
    framework: str
    mode: str
    batch: int
    precision: str
    tuning: str | None = None
    execution: str | None = None
    data: str | None = None
    extra: tuple[tuple[str, Scalar], ...] = ()

    @classmethod
    def from_dict(cls, factors: Mapping[str, Any]) -> Cell:
        """The cell of a record's ``cell`` object; unknown names become `extra`."""
        named = {f.name for f in fields(cls)} - {"extra"}
        extra = tuple(sorted((str(k), v) for k, v in factors.items() if k not in named))
        return cls(**{k: v for k, v in factors.items() if k in named}, extra=extra)

    def to_dict(self) -> dict[str, Scalar]:
        """All known factors by name."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "extra"}
        return {k: v for k, v in own.items() if v is not None} | dict(self.extra)

    @property
    def key(self) -> str:
        """Canonical text of the cell, equal exactly when the cells are."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))

    @property
    def work(self) -> Work:
        """What is computed, wherever and however: cells that share it are compared, and run next to each other."""
        return self.workload, self.mode, self.batch

    @property
    def words(self) -> tuple[str, ...]:
        """The factors a table shows, in a fixed order."""
        words = [self.workload, self.mode, f"b{self.batch}", self.framework, self.device, self.precision]
        return (*words, *(word for word in (self.tuning, self.execution) if word and word != "eager"))

    @property
    def label(self) -> str:
        """Short text for tables: ``conv6@32/train/b128/torch/cpu/fp32/default``."""
        return "/".join(self.words)

    def matches(self, tokens: list[str]) -> bool:
        """Whether every token names one of this cell's factors (``cpu``, ``b128``, ``tuning=default``)."""
        known = self.to_dict()
        words = {str(v) for v in known.values()} | {f"{k}={v}" for k, v in known.items()} | {f"b{self.batch}"}
        words |= {self.workload.split("@")[0]}
        return all(token in words for token in tokens)


def differing(a: Cell, b: Cell) -> dict[str, tuple[Scalar, Scalar]]:
    """Factors that both cells know and that differ, by name, as (in a, in b)."""
    left, right = a.to_dict(), b.to_dict()
    return {k: (left[k], right[k]) for k in left if k in right and left[k] != right[k]}
