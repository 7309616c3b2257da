"""A measured step on one of the GPUs, which shows by how much the model is off there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpugap.catalog import Gpu, gpu
from gpugap.core.cell import Cell
from gpugap.core.errors import BadValue, InputError, UsageError
from gpugap.core.estimate import Estimate
from gpugap.core.record import Record
from gpugap.explain.cells import CellSummary, environment_of, summarize
from gpugap.store.exchange import read_file


@dataclass(frozen=True, slots=True)
class Calibration:
    """A step that was measured on a GPU.

    Attributes:
        gpu: of the catalog.
        batch: it was measured at.
        step_time: measured.
        source: of the measurement, for people.
    """

    gpu: Gpu
    batch: int
    step_time: Estimate
    source: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a record must be of to calibrate a prediction.

    Attributes:
        names: that the step may have.
        mode: ``train`` or ``inference``.
        precision: computed in.
        batch: asked for; the nearest measured one is taken.
        gpus: asked for.
        code: digest of the user's file.
    """

    names: Collection[str]
    mode: str
    precision: str
    batch: int
    gpus: Sequence[Gpu]
    code: str = ""


def read_calibration(source: Path | Sequence[Record], wanted: Wanted) -> Calibration:
    """The calibration that a record file or records hold.

    Args:
        source: of any number of cells.
        wanted: what it must be of.

    Raises:
        BadRecordFile: the file cannot be read.
        InputError: no record of it was measured on a GPU of the catalog.
        BadValue: it is of another step or GPU; says in what it differs.
    """
    records = read_file(source).records if isinstance(source, Path) else source
    name = str(source) if isinstance(source, Path) else "the measurement"
    cells = [one for one in summarize(records) if one.cell.device != "cpu" and one.step_time.value is not None]
    found = [(one, device) for one in cells if (device := gpu_of(one)) is not None]
    if not found:
        raise InputError(f"{name} holds no step measured on a GPU that it names", "give a record of a GPU")
    differing = [(list(_differences(one, device, wanted)), one, device) for one, device in found]
    fitting = [(one, device) for differs, one, device in differing if not differs]
    if not fitting:
        differs = min((differs for differs, _, _ in differing), key=len)
        raise BadValue(
            f"{name} is of another step: {'; '.join(differs)}", "give a record of this step on one of the GPUs"
        )
    one, device = min(fitting, key=lambda pair: abs(pair[0].cell.batch - wanted.batch))
    return Calibration(device, one.cell.batch, one.step_time, f"{name}, batch {one.cell.batch}")


def _differences(summary: CellSummary, device: Gpu, wanted: Wanted) -> Iterator[str]:
    cell = summary.cell
    if cell.workload not in wanted.names:
        yield f"{cell.workload}, not {next(iter(wanted.names))}"
    for found, asked in ((cell.mode, wanted.mode), (cell.precision, wanted.precision), (cell.framework, "torch")):
        if found != asked:
            yield f"{found}, not {asked}"
    if cell.execution not in (None, "eager"):
        yield f"run by {cell.execution}, not eager"
    if cell.tuning not in (None, "default"):
        yield f"{cell.tuning}, not as it comes"
    if not may_be_of(cell, wanted.code):
        yield "other code than the file holds now"
    if device.key not in [one.key for one in wanted.gpus]:
        yield f"on {device.name}, not {' or '.join(one.name for one in wanted.gpus)}"


def may_be_of(cell: Cell, code: str) -> bool:
    """Whether a cell's step may be of a user's file as it is now: of the same digest, or it does not know its own."""
    return dict(cell.extra).get("code", "") in ("", code)


def gpu_of(summary: CellSummary) -> Gpu | None:
    """The GPU a cell ran on, by its own name in the record's environment; None where the catalog knows none."""
    environment = environment_of(summary)
    devices = [one for one in environment.get("devices") or [] if one.get("name") == summary.cell.device]
    names = [str(one.get("model")) for one in devices] or [
        str(one.get("name")) for one in environment.get("gpus") or []
    ]
    names.insert(0, str(dict(summary.cell.extra).get("gpu") or ""))
    for name in filter(None, names):
        try:
            return gpu(name)
        except UsageError:
            continue
    return None
