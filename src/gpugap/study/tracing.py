"""Traces of one step, kept: every change and every attention kernel is traced once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gpugap.core.attention import KERNELS, runs
from gpugap.core.cell import MODES
from gpugap.core.errors import BadStepFile, BadValue, GpugapError, NoKernel, UnknownName, Unsupported
from gpugap.core.oplist import Traced
from gpugap.core.setting import PRECISIONS
from gpugap.core.step import Step
from gpugap.frameworks import check_name
from gpugap.measure.inprocess import batch_of, framework_of
from gpugap.measure.target import as_step, load_factory, parse_target
from gpugap.predict.fit import suits
from gpugap.predict.prediction import METHODS
from gpugap.workloads import workload

if TYPE_CHECKING:
    from gpugap.frameworks.torch.trace.sources import Source
    from gpugap.frameworks.torch.trace.wish import Wish

DEFAULT_BATCH = 32
_NAMES: Mapping[str, Sequence[str]] = {
    "mode": MODES,
    "precision": PRECISIONS,
    "attention": KERNELS,
    "method": METHODS,
}


class Tracer:
    """Traces a step as often as there is something new to see.

    Args:
        step: a workload's name, ``FILE.py:make_step``, or a step that stands in memory.
        mode: ``train`` or ``inference``.

    Raises:
        UnknownName: no such workload.
        BadStepFile: the file cannot be used.
        Unsupported: a step of another framework.
        MissingExtra: PyTorch is not installed.
    """

    def __init__(self, step: str | Step, mode: str) -> None:
        check_name("torch")
        self._source = _source(step, mode)
        self._known: dict[Wish, Traced] = {}
        self._refused: dict[Wish, NoKernel] = {}

    @property
    def name(self) -> str:
        """Of the step."""
        return self._source.name

    def trace(self, wish: Wish) -> Traced:
        """The step as wished; a trace for another GPU is taken where its attention kernels are the same.

        Raises:
            NoKernel: the wish forces an attention kernel that does not run on the GPU.
            Unsupported: it cannot be traced so.
        """
        from gpugap.frameworks.torch.trace import trace

        for known, found in self._known.items():
            if _serves(known, found, wish):
                return found
        if wish in self._refused:
            raise self._refused[wish]
        try:
            found = self._known[wish] = trace(self._source, wish)
        except NoKernel as error:
            self._refused[wish] = error
            raise
        return found


def _serves(known: Wish, found: Traced, wish: Wish) -> bool:
    """Whether a trace is what is wished, or for another GPU and the same on this one."""
    if replace(known, capability=wish.capability, both=wish.both) != wish or (wish.both and not known.both):
        return False
    if known.capability == wish.capability:
        return True
    if wish.attention is None:
        return suits(found.first, wish.capability)
    return all(runs(wish.attention, call, wish.capability) for call in found.first.attention)


def _source(step: str | Step, mode: str) -> Source:
    if not isinstance(step, str):
        _of_torch(framework_of(step), _named(step))
        from gpugap.frameworks.torch.trace.sources import of_step

        return of_step(_named(step), step)
    target = parse_target(step)
    if target.path is None:
        from gpugap.frameworks.torch.trace.sources import of_workload

        return of_workload(workload(target.name), mode)
    _of_torch(target.framework, target.name)
    from gpugap.frameworks.torch.trace.sources import of_factory

    return of_factory(target.name, _factory(target, mode))


def _named(step: Step) -> str:
    return " + ".join(type(model).__name__ for model in step.model_list) or "step"


def _of_torch(framework: str | None, name: str) -> None:
    if framework not in ("torch", None):
        raise Unsupported(f"{name} is no step in PyTorch", "only PyTorch is traced; gpugap measure runs others")


def _factory(target: Any, mode: str) -> Callable[[int, str], Step]:
    """The user's factory; what goes wrong while the file is imported is one line."""
    try:
        make = load_factory(target)
    except GpugapError:
        raise
    except (Exception, SystemExit) as error:
        text = next(iter(str(error).splitlines()), "")
        message = f"{target.name} cannot be imported: {type(error).__name__}: {text}"
        raise BadStepFile(message, "correct the file, or install what it imports") from error
    return lambda batch, device: as_step(make(batch, device), mode, target.name)


def sized(tracer: Tracer, wish: Wish) -> Traced | None:
    """The trace, or None where the step has no such form."""
    with contextlib.suppress(Unsupported):
        return tracer.trace(wish)
    return None


def batch_for(step: str | Step, batch: int | None, mode: str) -> tuple[int, str]:
    """Batch and mode to trace: those asked for, where the step does not know its own.

    Raises:
        BadValue: neither a name nor a step, or no sample.
    """
    if not isinstance(step, str | Step):
        raise BadValue(f"{type(step).__name__} is no step", "give a name, FILE.py:make_step, or gpugap.step(...)")
    size = batch if batch is not None else batch_of(step) or DEFAULT_BATCH
    if size < 1:
        raise BadValue(f"batch {size}", "give at least 1 sample")
    return size, step.mode if isinstance(step, Step) else mode


def check_names(**chosen: str | None) -> None:
    """Checks modes, precisions, attention kernels by their names.

    Raises:
        UnknownName: no such one.
    """
    for what, value in chosen.items():
        if value is not None and value not in _NAMES[what]:
            raise UnknownName(what, value, _NAMES[what])
