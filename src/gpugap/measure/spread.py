"""From what is asked for to cells: the settings a framework runs in on a CPU."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gpugap.core.cell import MODES, Cell
from gpugap.core.errors import BadValue, UnknownName
from gpugap.core.execution import AS_THEY_COME, EXECUTIONS, IN_USE
from gpugap.core.setting import PRECISIONS, Setting
from gpugap.measure.plan import PlannedCell
from gpugap.measure.target import Target
from gpugap.workloads.data import parse_source

MAX_BATCH = 2**31 - 1

CPU_SIDES = ("default", "tuned", "both")
"""Which cells of a CPU are wanted: as it comes, tuned, or both."""


def on_side(tuning: str | None, side: str) -> bool:
    """Whether a CPU's cell of this tuning is wanted; one whose record does not say ran as it comes.

    Args:
        tuning: of the cell.
        side: one of `CPU_SIDES`.

    Raises:
        UnknownName: no such side.
    """
    if side not in CPU_SIDES:
        raise UnknownName("side of the CPU", side, CPU_SIDES)
    return side == "both" or (tuning in (None, "default")) == (side == "default")


@dataclass(frozen=True, slots=True)
class Host:
    """What planning needs to know of the machine.

    Attributes:
        usable_cores: cores this process may use.
        native_bf16: whether the CPU multiplies bf16 in hardware.
        devices: names of the devices the framework sees.
        allocator: memory allocator that can be put before the C library's; None without one.
        onednn: whether TensorFlow uses oneDNN here as it comes; None where that is not known.
    """

    usable_cores: int
    native_bf16: bool
    devices: tuple[str, ...]
    allocator: str | None = None
    onednn: bool | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A setting that was found and proved for what is asked for.

    Attributes:
        setting: to run.
        execution: mode of the framework.
        digest: short digest of both, so that cells of two findings are two cells.
    """

    setting: Setting
    execution: str
    digest: str


@dataclass(frozen=True, slots=True)
class Request:
    """Cells asked for, before the tunings are spread out.

    Attributes:
        target: workload or file.
        framework: name of the framework.
        device: one of the host's devices.
        mode: ``train`` or ``inference``.
        batch: samples a step.
        precision: of the ``default`` cell.
        steps: warm-up and steady steps, where they are not the effort's.
        execution: mode of the framework; None takes its first.
        compared: whether the cells are for comparing frameworks: then each is tuned in its own way, and what may lie
            behind a difference is changed alone.
        known: takes the place of ``tuned-basic``, as ``tuned``; None where nothing was found.
        cpu: which cells of the CPU: ``default``, ``tuned`` or ``both``.
    """

    target: Target
    framework: str
    device: str
    mode: str
    batch: int
    precision: str = "fp32"
    steps: tuple[int, int] | None = None
    execution: str | None = None
    compared: bool = False
    known: Known | None = None
    cpu: str = "both"

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= MAX_BATCH:
            raise BadValue(f"batch is {self.batch}", f"give a whole number from 1 to {MAX_BATCH}")
        checked = (("mode", self.mode, MODES), ("precision", self.precision, PRECISIONS), ("CPU", self.cpu, CPU_SIDES))
        for what, value, known in checked:
            if value not in known:
                raise UnknownName(what, value, known)
        if self.execution is not None and self.execution not in EXECUTIONS[self.framework]:
            raise UnknownName(f"execution mode of {self.framework}", self.execution, EXECUTIONS[self.framework])


def spread(request: Request, host: Host, data: str) -> list[PlannedCell]:
    """The cells of a request: ``default``, and those of other settings.

    Alone, a framework has beside it, as ``tuned``, what was found for it, else on a CPU ``tuned-basic``; compared with
    others, what `_compared` gives.

    Raises:
        UnknownName: the device is not one of the host's.
    """
    if request.device not in host.devices:
        raise UnknownName("device", request.device, host.devices)
    settings = {"default": Setting(precision=request.precision)}
    known = None if request.compared else request.known
    if request.device == "cpu" and request.framework != "null" and known is None:
        settings |= _compared(request, host) if request.compared else _tuned(request, host)
    cells = [_planned(request, tuning, setting, data) for tuning, setting in settings.items()]
    if known is not None:
        own = replace(request, execution=known.execution)
        cells.append(_planned(own, "tuned", known.setting, data, (("profile", known.digest),)))
    return cells if request.compared or request.device != "cpu" else _side(cells, request.cpu)


def _side(cells: list[PlannedCell], side: str) -> list[PlannedCell]:
    """The cells of one side of the CPU; where there is no tuned one, the only one there is."""
    wanted = [one for one in cells if on_side(one.cell.tuning, side)]
    return wanted or cells


def _tuned(request: Request, host: Host) -> dict[str, Setting]:
    """``tuned-basic``, where it is another setting than the framework's own.

    It is one fixed choice, not a search: all usable cores, channels-last, and bf16 autocast only where the CPU
    multiplies bf16 natively. TensorFlow and JAX are channels-last and use all cores as they come, so without native
    bf16 they have nothing to tune here.
    """
    native = request.precision == "fp32" and host.native_bf16
    if request.framework != "torch" and not native:
        return {}
    precision = "bf16" if native else request.precision
    return {"tuned-basic": Setting(precision, host.usable_cores, channels_last=True)}


def _compared(request: Request, host: Host) -> dict[str, Setting]:
    """``tuned-each`` of the modes frameworks are used in, and of the published two single changes.

    ``tuned-each`` is ``tuned-basic`` with another allocator, where one is installed, and with oneDNN in TensorFlow.
    ``allocator`` and ``onednn`` change that one thing of ``default``.
    """
    side = request.framework, request.execution or EXECUTIONS[request.framework][0]
    default, found = Setting(precision=request.precision), {}
    if side in AS_THEY_COME and host.allocator is not None:
        found["allocator"] = replace(default, allocator=host.allocator)
    onednn = None
    if request.framework == "tensorflow" and host.onednn is not None:
        onednn = True
        if side in AS_THEY_COME:
            found["onednn"] = replace(default, onednn=not host.onednn)
    every_core = replace(default, threads=host.usable_cores)
    basic = _tuned(request, host).get("tuned-basic", every_core)
    each = replace(basic, allocator=host.allocator, onednn=onednn)
    if side in IN_USE and each != every_core:
        found["tuned-each"] = each
    return found


def _planned(
    request: Request, tuning: str, setting: Setting, data: str, extra: tuple[tuple[str, str], ...] = ()
) -> PlannedCell:
    target = request.target
    extra = (*((("code", target.digest),) if target.digest else ()), *extra)
    cell = Cell(
        workload=target.name,
        device=request.device,
        framework=request.framework,
        mode=request.mode,
        batch=request.batch,
        precision=setting.precision,
        tuning=tuning,
        execution=request.execution or EXECUTIONS[request.framework][0],
        data="own" if target.path else parse_source(data)[0],
        extra=extra,
    )
    return PlannedCell(cell, target, setting, request.steps)
