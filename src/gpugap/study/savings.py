"""What takes less memory: every change traced anew, ranked by what is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gpugap.core.attention import Capability
from gpugap.core.estimate import Estimate
from gpugap.predict.fit import Saving, judge
from gpugap.predict.memory import Target, memory
from gpugap.study.tracing import Tracer, sized

if TYPE_CHECKING:
    from gpugap.frameworks.torch.trace.wish import Wish

_AMPERE: Capability = (8, 0)
_SINGLE = ("fp32", "tf32")
_EIGHT_BIT = ("Adam ", "AdamW ")
"""Optimizers that an 8-bit form exists of, as a trace describes them."""


def savings(tracer: Tracer, wish: Wish, target: Target, max_batch: Estimate) -> tuple[Saving, ...]:
    """Changes that take less memory than the step as it is, the least first.

    Args:
        tracer: of the step.
        wish: the step as it is.
        target: the GPU.
        max_batch: the largest batch that fits.
    """
    now = memory(
        tracer.trace(wish).first, target.capability, usable=target.usable, channels_last=wish.channels_last
    ).device
    found = [
        saving
        for name, change, other in _changes(tracer, wish, target, max_batch)
        if (saving := _tried(tracer, (name, change), other, target)) is not None
    ]
    better = [saving for saving in found if (saving.device.low or 0) < (now.low or 0)]
    return tuple(sorted(better, key=lambda saving: saving.device.value or 0))


def _tried(tracer: Tracer, told: tuple[str, str], wish: Wish, target: Target) -> Saving | None:
    traced = sized(tracer, replace(wish, both=False))
    if traced is None:
        return None
    device = memory(traced.first, target.capability, usable=target.usable, channels_last=wish.channels_last).device
    return Saving(*told, device, judge(device, target.usable))


def _changes(tracer: Tracer, wish: Wish, target: Target, max_batch: Estimate) -> Iterator[tuple[str, str, Wish]]:
    """Name, words and wish of every change that may help."""
    half = "bf16" if target.capability >= _AMPERE else "fp16"
    together = wish
    if wish.precision in _SINGLE:
        together = replace(together, precision=half)
        yield "amp", f"mixed precision: --precision {half}", together
    safe = int(max_batch.low or 0)
    if 0 < safe < wish.batch:
        yield "smaller-batch", f"batch {safe}: --batch {safe}", replace(wish, batch=safe)
    if wish.mode != "train":
        return
    yield "checkpointing", "activation checkpointing of repeated blocks", replace(wish, checkpointing=True)
    together = replace(together, checkpointing=True)
    parts = _parts(wish.batch, safe)
    if parts > 1:
        change = f"gradient accumulation over {parts} parts of {-(-wish.batch // parts)}"
        yield "accumulation", change, replace(wish, accumulation=parts)
    if tracer.trace(wish).first.optimizer.startswith(_EIGHT_BIT):
        together = replace(together, optimizer="adamw-8bit")
        yield "8-bit-optimizer", "8-bit AdamW state", replace(wish, optimizer="adamw-8bit")
    if together != replace(wish, checkpointing=True):
        yield "together", "the changes of precision, checkpointing and optimizer at once", together


def _parts(batch: int, safe: int) -> int:
    """The fewest parts, a power of two, whose size fits; one sample each where none does."""
    parts = 2
    while parts < batch and -(-batch // parts) > max(1, safe):
        parts *= 2
    return min(parts, batch)
