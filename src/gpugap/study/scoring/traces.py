"""Traces kept in a folder: written whole or not at all, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from gpugap.core.errors import GpugapError, Unsupported
from gpugap.core.oplist import AttentionCall, Op, OpList, Traced
from gpugap.core.version import __version__
from gpugap.study.scoring.recipes import Recipe, trace

SCHEMA = f"gpugap.trace/1 {__version__}"
"""Traces of another form, or made by another version of this package, are made anew."""
_HELD = 4
"""So many traces stay in memory; a large one takes megabytes."""


class Traces:
    """Traces by recipe.

    Args:
        folder: where they are kept; the platform's cache folder where None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or user_cache_path("gpugap") / "traces"
        self._held: dict[str, Traced] = {}

    def known(self, recipe: Recipe) -> bool:
        """Whether it was traced, or found impossible to trace, before."""
        return recipe.key in self._held or self._file(recipe).exists() or self._twin(recipe) is not None

    def load(self, recipe: Recipe) -> Traced | None:
        """A kept trace, also one of a step that is the same; None where there is none, or it is damaged or outdated.

        Raises:
            Unsupported: it was found that it cannot be traced.
        """
        return self._read(recipe) or self._twin(recipe)

    def _read(self, recipe: Recipe) -> Traced | None:
        if recipe.key in self._held:
            return self._held[recipe.key]
        try:
            with gzip.open(self._file(recipe), "rt", encoding="utf-8") as stream:
                held = json.load(stream)
        except (OSError, EOFError, ValueError):
            return None
        if not isinstance(held, dict) or held.get("schema") != SCHEMA:
            return None
        if "error" in held:
            raise Unsupported(*held["error"])
        second = held["second"] and oplist_of(held["second"])
        return self._hold(recipe, Traced(oplist_of(held["first"]), second, held["why"]))

    def get(self, recipe: Recipe) -> Traced:
        """A kept trace, or a new one, which is kept.

        Raises:
            Unsupported: it cannot be traced; that is kept too.
            MissingExtra: what traces is not installed.
        """
        found = self.load(recipe)
        if found is not None:
            return found
        try:
            found = self._hold(recipe, trace(recipe))
        except Unsupported as error:
            self._keep(recipe, {"error": [error.message, error.remedy]})
            raise
        second = found.second and written(found.second)
        self._keep(recipe, {"first": written(found.first), "second": second, "why": found.why})
        return found

    def _hold(self, recipe: Recipe, found: Traced) -> Traced:
        while len(self._held) >= _HELD:
            del self._held[next(iter(self._held))]
        self._held[recipe.key] = found
        return found

    def _twin(self, recipe: Recipe) -> Traced | None:
        """The same step of another PyTorch, where it has no attention: inference is then the same in both."""
        twin = replace(recipe, modern=not recipe.modern)
        if recipe.room != "image" or recipe.mode != "inference" or not self._file(twin).exists():
            return None
        try:
            found = self._read(twin)
        except Unsupported:
            return None
        if found is None or found.first.attention or any(op.name == "aten._softmax" for op in found.first.ops):
            return None
        return found

    def _file(self, recipe: Recipe) -> Path:
        return self.folder / f"{recipe.key}.json.gz"

    def _keep(self, recipe: Recipe, body: Mapping[str, Any]) -> None:
        file = self._file(recipe)
        part = file.with_suffix(f".{os.getpid()}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with gzip.open(part, "wt", encoding="utf-8", compresslevel=6) as stream:
                json.dump({"schema": SCHEMA, **body}, stream, separators=(",", ":"))
            part.replace(file)
        except OSError as error:
            raise GpugapError(f"cannot keep traces in {self.folder}: {error.strerror}", "choose --cache DIR") from error


def written(oplist: OpList) -> dict[str, Any]:
    """An operator list as JSON, equal operators once; modules, lines and memory are left out."""
    places: dict[tuple[Any, ...], int] = {}
    order = []
    for op in oplist.ops:
        row = (op.name, op.kind, op.phase, op.dtype, op.dimensions, op.flops, op.read_bytes, op.written_bytes)
        order.append(places.setdefault(row, len(places)))
    return {
        "name": oplist.name,
        "mode": oplist.mode,
        "batch": oplist.batch,
        "precision": oplist.precision,
        "optimizer": oplist.optimizer,
        "parameters": oplist.parameters,
        "attention": [[*astuple(call)[:-1], kernel, *call.barred] for call, kernel in oplist.attention.items()],
        "assumed": dict(oplist.assumed),
        "uncounted": dict(oplist.uncounted),
        "ops": list(places),
        "order": order,
    }


def oplist_of(held: Mapping[str, Any]) -> OpList:
    """The operator list of `written`."""
    ops = [
        Op(name, kind, phase, "", "", dtype, tuple((key, size) for key, size in dimensions), flops, read, wrote)
        for name, kind, phase, dtype, dimensions, flops, read, wrote in held["ops"]
    ]
    return OpList(
        name=held["name"],
        mode=held["mode"],
        batch=held["batch"],
        precision=held["precision"],
        optimizer=held["optimizer"],
        parameters=held["parameters"],
        ops=tuple(ops[place] for place in held["order"]),
        storages=(),
        attention=dict(map(_attention_of, held["attention"])),
        assumed=held["assumed"],
        uncounted=held["uncounted"],
    )


def _attention_of(row: Sequence[Any]) -> tuple[AttentionCall, str]:
    dtype, head, masked, dropout, training, kernel, *barred = row
    return AttentionCall(dtype, head, masked, dropout, training, tuple(barred)), kernel
