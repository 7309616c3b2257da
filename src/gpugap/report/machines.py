"""`Machine`: where records were measured, and what they know of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpugap.core.cell import Cell
from gpugap.core.record import Record

CPU_UNKNOWN = "a CPU the records do not name"


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine of the page.

    Attributes:
        place: its number on the page, from 1.
        of: how many machines the page has.
        digest: of its hardware; None for records that do not say where they ran.
        records: all records from it.
    """

    place: int
    of: int
    digest: str | None
    records: tuple[Record, ...]

    @property
    def environment(self) -> Mapping[str, Any]:
        """The description in its first record that has one; empty when none has."""
        return next((record.environment for record in self.records if record.environment), {})

    @property
    def label(self) -> str:
        """``Machine 2``; empty where the page has one machine only."""
        return f"Machine {self.place}" if self.of > 1 else ""

    @property
    def cpu(self) -> str:
        """The CPU's own name."""
        return str(_section(self.environment, "cpu").get("model") or CPU_UNKNOWN)

    def device_name(self, cell: Cell) -> str:
        """The hardware a cell ran on, by its own name where known: ``CPU``, ``Tesla T4``, ``cuda:0``."""
        if cell.device == "cpu":
            return "CPU"
        models = {str(device.get("name")): device.get("model") for device in self.listed("devices")}
        name = models.get(cell.device) or models.get(f"{cell.device}:0")
        return str(name or self._gpu(cell.device) or cell.device)

    def _gpu(self, device: str) -> str | None:
        kind, _, index = device.partition(":")
        gpus = self.listed("gpus")
        place = int(index) if index.isdigit() else 0
        return gpus[place].get("name") if kind == "cuda" and place < len(gpus) else None

    def listed(self, name: str) -> list[Mapping[str, Any]]:
        """The objects of a list in the environment, such as ``gpus``; empty where there is none."""
        found = self.environment.get(name)
        return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list | tuple) else []

    def values(self, *path: str) -> Iterator[Any]:
        """Every distinct value its records hold at a path into the environment, in order; None is left out."""
        seen: list[Any] = []
        for environment in {id(record.environment): record.environment for record in self.records}.values():
            found = _at(environment, path)
            if found is not None and found not in seen:
                seen.append(found)
        return iter(seen)

    def says(self, section: str, name: str) -> bool:
        """Whether a record has that entry of the environment's section, be it None."""
        return any(name in _section(record.environment or {}, section) for record in self.records)


def _at(environment: Mapping[str, Any] | None, path: Sequence[str]) -> Any:
    found: Any = environment
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _section(environment: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = environment.get(name)
    return found if isinstance(found, Mapping) else {}
