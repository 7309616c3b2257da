"""What things are called on the page: works, sides of a comparison, settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from gpugap.core.cell import Cell
from gpugap.core.execution import TITLES
from gpugap.explain.cells import CellSummary
from gpugap.explain.frameworks import FrameworkComparison
from gpugap.explain.pairs import Pair
from gpugap.report.contents import Contents, family, is_own_step, is_pipeline_check
from gpugap.workloads import all_workloads, yardsticks

CHECK = "pipeline check: no network was run"
DEFAULT, TUNED = "as it comes", "tuned"
_TUNINGS = {
    "default": DEFAULT,
    "tuned-basic": TUNED,
    "tuned": TUNED,
    "tuned-each": "tuned in its own way",
    "allocator": "with another allocator",
    "onednn": "with oneDNN switched",
}
_CHANGES = {"allocator": ", another allocator", "onednn": ", oneDNN switched", "tuned-each": ", tuned"}
_DOING = {"train": "training", "inference": "inference"}
_FORMATS = {"channels_last": "channels-last", "contiguous": "contiguous"}


def network(workload: str) -> str:
    """The network's name for people, without its size: ``ResNet-18``; a name of its own stays."""
    return _titles().get(family(workload), family(workload))


@cache
def _titles() -> dict[str, str]:
    return {spec.family: spec.title for spec in (all_workloads() | yardsticks()).values()}


def size(workload: str) -> str:
    """The input's size: ``32×32``; empty for a workload of one's own."""
    _, at, pixels = workload.rpartition("@")
    return f"{pixels}×{pixels}" if at and pixels.isdigit() else ""


def doing(mode: str) -> str:
    """``training`` or ``inference``."""
    return _DOING.get(mode, mode)


def work(cell: Cell) -> str:
    """What is done: ``ResNet-18 at 32×32, training``."""
    at = size(cell.workload)
    return f"{network(cell.workload)}{f' at {at}' if at else ''}, {doing(cell.mode)}"


def side(summary: CellSummary, contents: Contents) -> str:
    """The device and its tuning: ``CPU as it comes``, ``CPU tuned``, ``Tesla T4``."""
    cell = summary.cell
    name = contents.machine(summary).device_name(cell)
    word = _TUNINGS.get(cell.tuning, cell.tuning) if cell.tuning else ""
    return f"{name} {word}" if word and (cell.device == "cpu" or cell.tuning != "default") else name


def versus(pair: Pair, contents: Contents) -> str:
    """``CPU tuned over CPU as it comes``, and in which framework and mode where the page has several modes."""
    return f"{side(pair.b, contents)} over {told(pair.a, contents)}"


def details(summary: CellSummary, contents: Contents) -> str:
    """The factors that the side's name leaves open: ``batch 128 · bf16 · Machine 2``."""
    cell = summary.cell
    parts = [f"batch {cell.batch}", cell.precision]
    parts += [word for word in [how(summary, contents)] if word]
    parts += [cell.data] if cell.data not in (None, "synthetic", "own") else []
    parts += [f"{name} {value}" for name, value in cell.extra if name not in ("code", "profile")]
    parts += [label for label in [contents.machine(summary).label] if label]
    return " · ".join(str(part) for part in parts)


def how(summary: CellSummary, contents: Contents) -> str:
    """Framework and mode, each where the page has several or it is not eager: ``tensorflow function``."""
    cell = summary.cell
    frameworks, modes = ({getattr(one.cell, name) for one in contents.cells} for name in ("framework", "execution"))
    several = len(modes - {None}) > 1 or cell.execution != "eager"
    words = [cell.framework if len(frameworks) > 1 else "", (cell.execution or "") if several else ""]
    return " ".join(filter(None, words))


def framework(name: str) -> str:
    """A framework's name for people: ``PyTorch``."""
    return TITLES.get(name, name)


def setting(cell: Cell) -> str:
    """Framework, execution mode and what else is not as it comes: ``TensorFlow function, oneDNN switched``."""
    change = _CHANGES.get(cell.tuning or "", "")
    return f"{framework(cell.framework)} {cell.execution or 'in an unknown mode'}{change}"


def compared(one: FrameworkComparison, contents: Contents) -> str:
    """The heading of frameworks compared: ``ResNet-18 at 32×32, inference, batch 1, CPU as it comes``."""
    first = one.cells[0]
    place = [side(first, contents), *filter(None, [contents.machine(first).label])]
    return ", ".join([work(first.cell), f"batch {first.cell.batch}", *place])


def told(summary: CellSummary, contents: Contents) -> str:
    """The side; where the page has several, with framework and mode: ``CPU tuned · tensorflow function``."""
    return " · ".join([side(summary, contents), *[how(summary, contents)] * several(contents)])


def several(contents: Contents) -> bool:
    """Whether networks or own steps ran in more than one framework or execution mode."""
    cells = [one.cell for one in contents.cells if not is_pipeline_check(one.cell)]
    return len({cell.framework for cell in cells}) > 1 or len({cell.execution for cell in cells} - {None}) > 1


def pair_details(pair: Pair, contents: Contents) -> str:
    """The factors of both sides, an arrow where they differ: ``batch 128 · fp32 → bf16``."""
    at = size(pair.b.cell.workload)
    sides = [details(summary, contents).split(" · ") for summary in (pair.a, pair.b)]
    if len(sides[0]) != len(sides[1]):
        return " · ".join(sides[1])
    parts = [a if a == b else f"{a} → {b.removeprefix('Machine ')}" for a, b in zip(*sides, strict=True)]
    return " · ".join(([at] if at else []) + parts)


def settings_of(summary: CellSummary) -> Mapping[str, Any]:
    """What the framework read back in the cell's first good process; empty when nothing was."""
    return next((record.settings for record in summary.records if record.status == "ok"), {})


def setup(summary: CellSummary) -> str:
    """The settings in force, for people: ``bf16 autocast, 8 threads, channels-last``."""
    cell, settings = summary.cell, settings_of(summary)
    parts = [f"{cell.precision} autocast" if cell.precision in ("bf16", "fp16") else cell.precision]
    threads = settings.get("threads")
    if cell.device == "cpu":
        parts.append("threads unknown" if threads is None else f"{threads} thread{'s' if threads != 1 else ''}")
    layout = settings.get("memory_format")
    parts.append(_FORMATS.get(str(layout), str(layout)) if layout else "memory format unknown")
    parts.append(cell.execution or "execution mode unknown")
    return ", ".join(str(part) for part in parts)


def shared_scale(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Size and batch, each where all cells of the pairs have it in common: ``32×32``, ``batch 128``."""
    cells = [side.cell for pair in pairs for side in (pair.a, pair.b)]
    found = ({size(cell.workload) for cell in cells}, {f"batch {cell.batch}" for cell in cells})
    return tuple(part for parts in found if len(parts) == 1 for part in parts if part)


def speedups_heading(pairs: Sequence[Pair], published: tuple[str, str], *, check: bool) -> str:
    """The heading of speedups of one work: ``ResNet-18, training (32×32, batch 128)``.

    Args:
        pairs: measured ones.
        published: network and mode, by which published speedups are known.
        check: whether they are of busy loops.
    """
    told = [*shared_scale(pairs), *[CHECK] * check]
    return f"{network(published[0])}, {doing(published[1])}" + (f" ({', '.join(told)})" if told else "")


def without(details: str, known: Sequence[str]) -> str:
    """Details less what stands in the heading."""
    return " · ".join(part for part in details.split(" · ") if part not in known)


def heading(cell: Cell) -> str:
    """The heading of a group of cells of one work."""
    return f"{work(cell)} ({CHECK})" if is_pipeline_check(cell) else work(cell)


def done(cell: Cell) -> str:
    """The work as the rest of a sentence: ``trains ResNet-18 (32×32, batch 128)``, ``runs ResNet-18 inference (…)``."""
    if cell.mode == "train" and not is_own_step(cell):
        return f"trains {network(cell.workload)} ({scale(cell)})"
    return f"runs {network(cell.workload)} {doing(cell.mode)} ({scale(cell)})"


def scale(cell: Cell) -> str:
    """How large a step is: ``32×32, batch 128``."""
    return ", ".join(part for part in (size(cell.workload), f"batch {cell.batch}") if part)
