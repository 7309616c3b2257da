"""Will it fit: ``gpugap.fit`` and ``gpugap.step``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gpugap.catalog import Gpu, gpu
from gpugap.core.attention import Capability
from gpugap.core.errors import BadValue, UnknownName
from gpugap.core.step import Step
from gpugap.core.table import html_table, text_table
from gpugap.predict.fit import FIT_HEADER, Fit, budget, escaped_rows, fit_rows, judge
from gpugap.predict.largest import largest_batch
from gpugap.predict.memory import Target, capability_of, memory
from gpugap.study.savings import savings
from gpugap.study.tracing import Tracer, batch_for, check_names

if TYPE_CHECKING:
    from gpugap.frameworks.torch.trace.wish import Wish

_BUDGET_CAPABILITY: Capability = (8, 0)
"""Of the GPU that a budget without GPUs is judged for: an A100; consumer cards since have nearly its kernels."""


@dataclass(frozen=True)
class Fits:
    """A step on one or more GPUs; ``fits["t4"]`` is one of them.

    Attributes:
        fits: in the order asked for.
    """

    fits: tuple[Fit, ...]

    def __getitem__(self, key: str) -> Fit:
        for one in self.fits:
            if key.lower() in (one.target.key, one.target.name.lower()):
                return one
        raise UnknownName("GPU of these", key, [one.target.key for one in self.fits])

    def __iter__(self) -> Iterator[Fit]:
        return iter(self.fits)

    def __len__(self) -> int:
        return len(self.fits)

    @property
    def exit_code(self) -> int:
        """0 where all fit, else 1."""
        return max((one.exit_code for one in self.fits), default=0)

    def to_dict(self) -> dict[str, Any]:
        """The result of ``gpugap.fit/1``."""
        return {"fits": [one.to_dict() for one in self.fits]}

    def __repr__(self) -> str:
        return text_table(FIT_HEADER, fit_rows(self.fits))

    def _repr_html_(self) -> str:
        return html_table(FIT_HEADER, escaped_rows(self.fits))


def step(
    model: Any,
    batch: Any,
    *,
    loss: Callable[..., Any] | None = None,
    optimizer: Any = None,
    mode: str | None = None,
) -> Step:
    """A step of a model, a batch, a loss and an optimizer.

    Args:
        model: a `torch.nn.Module`; nothing is moved or changed.
        batch: ``(inputs, targets)``, or the inputs alone.
        loss: called as ``loss(outputs, targets)``; without one the step is inference.
        optimizer: one, or a sequence of them.
        mode: ``train`` or ``inference``; what loss and optimizer say where not given.

    Raises:
        BadValue: a training step without loss or optimizer.
    """
    mode = mode or ("inference" if loss is None and optimizer is None else "train")
    if mode == "train" and optimizer is None:
        raise BadValue("a training step without an optimizer", 'give optimizer=..., or mode="inference"')
    return Step(model, batch, loss, () if optimizer is None else optimizer, mode=mode)


def fit(  # noqa: PLR0913 - keyword-only choices with defaults
    step: str | Step,
    gpus: Sequence[str | Gpu] = (),
    *,
    batch: int | None = None,
    mode: str = "train",
    precision: str = "fp32",
    optimizer: str | None = None,
    attention: str | None = None,
    budget_bytes: float | None = None,
    channels_last: bool = False,
    with_savings: bool = True,
) -> Fits:
    """Says whether a step fits, without a GPU and without its memory.

    Args:
        step: a workload's name, ``"FILE.py:make_step"``, or a `Step` of PyTorch.
        gpus: names from the catalog, or rows of it.
        batch: samples a step; for a `Step` the leading dimension of its input where not given.
        mode: ``train`` or ``inference``; a `Step` knows its own.
        precision: ``fp32``, ``tf32``, or ``bf16`` and ``fp16`` (both autocast).
        optimizer: in place of the step's own.
        attention: ``flash``, ``efficient`` or ``math``, in place of what PyTorch would choose.
        budget_bytes: a bound of one's own, judged beside the GPUs and for the lowest compute capability among them; for
            8.0 where none is named.
        channels_last: images and convolution weights channels-last.
        with_savings: try what takes less, where it does not safely fit.

    Raises:
        NoKernel: the attention kernel asked for does not run on a GPU.
        Unsupported: the step cannot be traced, or a GPU is not modeled.
        UnknownName, BadValue: no such GPU, precision, optimizer or kernel.
    """
    from gpugap.frameworks.torch.trace.wish import Wish

    size, mode = batch_for(step, batch, mode)
    check_names(mode=mode, precision=precision, attention=attention)
    targets = [target_of(gpu(one) if isinstance(one, str) else one) for one in gpus]
    if not targets and budget_bytes is None:
        raise BadValue("no GPU and no budget", "name GPUs such as t4,rtx-3090, or a budget such as 8GiB")
    wish = Wish(size, mode, precision, optimizer, attention=attention, channels_last=channels_last)  # type: ignore[arg-type] # checked above
    tracer = Tracer(step, mode)
    found = fit_traced(tracer, wish, targets, with_savings=with_savings)
    if budget_bytes is None:
        return found
    lowest = min((one.capability for one in targets), default=_BUDGET_CAPABILITY)
    (own,) = fit_traced(tracer, wish, [budget(budget_bytes, lowest)], with_savings=with_savings)
    return Fits((*found.fits, _for_capability(own, lowest, named=bool(targets))))


def _for_capability(found: Fit, capability: Capability, *, named: bool) -> Fit:
    """A budget's result, which says for what GPU it was judged."""
    said = f"compute capability {capability[0]}.{capability[1]}{', the lowest of those named' if named else ''}"
    return replace(found, memory=replace(found.memory, assumed={"GPU": said, **found.memory.assumed}))


def fit_traced(tracer: Tracer, wish: Wish, targets: Sequence[Target], *, with_savings: bool) -> Fits:
    """Says whether a step that is traced already fits.

    Args:
        tracer: of the step.
        wish: how it is traced; the capability is each target's own.
        targets: the GPUs.
        with_savings: try what takes less, where it does not safely fit.
    """
    return Fits(tuple(_one(tracer, replace(wish, capability=one.capability), one, with_savings) for one in targets))


def target_of(found: Gpu) -> Target:
    """What memory depends on, of a row of the catalog.

    Raises:
        Unsupported: the row has no compute capability.
    """
    capability = capability_of(found.compute_capability, found.name)
    return Target(found.key, found.name, found.usable_memory(), capability)


def _one(tracer: Tracer, wish: Wish, target: Target, with_savings: bool) -> Fit:
    traced = tracer.trace(wish)
    found = memory(traced.first, target.capability, usable=target.usable, channels_last=wish.channels_last)
    verdict = judge(found.device, target.usable)
    largest = largest_batch(traced, target, channels_last=wish.channels_last)
    better = savings(tracer, wish, target, largest) if with_savings and verdict != "FITS" else ()
    return Fit(
        target=target,
        workload=tracer.name,
        batch=wish.batch,
        precision=wish.precision,
        mode=wish.mode,
        verdict=verdict,
        memory=found,
        max_batch=largest,
        uncounted=traced.first.uncounted,
        savings=better,
    )
