"""What takes less memory: every change traced anew, ranked by what is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gpugap.core.attention import Capability
from gpugap.core.estimate import Estimate
from gpugap.core.oplist import Traced
from gpugap.predict.fit import Saving, judge
from gpugap.predict.memory import Target, memory
from gpugap.study.tracing import Tracer, sized

if TYPE_CHECKING:
    from gpugap.frameworks.torch.trace.wish import Wish

_AMPERE: Capability = (8, 0)
_SINGLE = ("fp32", "tf32")
_EIGHT_BIT = ("Adam ", "AdamW ")
"""Optimizers that an 8-bit form exists of, as a trace describes them."""


@dataclass(frozen=True, slots=True)
class _Change:
    """Something to try.

    Attributes:
        name: as `gpugap.predict.fit.Saving` has it.
        words: what to do, for people.
        asked: fields of the wish that it sets.
        topic: what it changes, where it goes with other changes; empty where it is an alternative to them.
    """

    name: str
    words: str
    asked: Mapping[str, Any]
    topic: str = ""


def savings(tracer: Tracer, wish: Wish, target: Target, max_batch: Estimate) -> tuple[Saving, ...]:
    """Changes that likely take less memory than the step as it is, the least first.

    Args:
        tracer: of the step.
        wish: the step as it is.
        target: the GPU.
        max_batch: the largest batch that fits.
    """
    now = _device(tracer.trace(wish), wish, target)
    found: list[Saving] = []
    joined: list[_Change] = []
    for change in _changes(tracer, wish, target, max_batch):
        saving = _tried(tracer, change, wish, target)
        if saving is not None:
            found.append(saving)
            joined += [change] if change.topic else []
    if len(joined) > 1 and (saving := _tried(tracer, _together(joined), wish, target)):
        found.append(saving)
    better = [saving for saving in found if _likely(saving.device) < _likely(now)]
    return tuple(sorted(better, key=lambda saving: _likely(saving.device)))


def _device(traced: Traced, wish: Wish, target: Target) -> Estimate:
    """The device total of a traced step on a GPU."""
    found = memory(traced.first, target.capability, usable=target.usable, channels_last=wish.channels_last)
    return found.device


def _likely(device: Estimate) -> float:
    assert device.value is not None
    return device.value


def _tried(tracer: Tracer, change: _Change, wish: Wish, target: Target) -> Saving | None:
    """What a change leaves; None where the step cannot be changed so."""
    traced = sized(tracer, replace(wish, both=False, **change.asked))
    if traced is None:
        return None
    device = _device(traced, wish, target)
    return Saving(change.name, change.words, device, judge(device, target.usable))


def _together(changes: list[_Change]) -> _Change:
    """All at once: a change that takes nothing off by itself may, once another has moved the peak."""
    *others, last = [change.topic for change in changes]
    asked = {name: value for change in changes for name, value in change.asked.items()}
    return _Change("together", f"the changes of {', '.join(others)} and {last} at once", asked)


def _changes(tracer: Tracer, wish: Wish, target: Target, max_batch: Estimate) -> Iterator[_Change]:
    """Every change that may help; whether the step can be changed so is seen when it is traced."""
    if wish.precision in _SINGLE:
        half = "bf16" if target.capability >= _AMPERE else "fp16"
        yield _Change("amp", f"mixed precision: --precision {half}", {"precision": half}, "precision")
    safe = int(max_batch.low or 0)
    if 0 < safe < wish.batch:
        yield _Change("smaller-batch", f"batch {safe}: --batch {safe}", {"batch": safe})
    if wish.mode != "train":
        return
    blocks = "activation checkpointing of repeated blocks"
    yield _Change("checkpointing", blocks, {"checkpointing": True}, "checkpointing")
    parts = _parts(wish.batch, safe)
    if parts > 1:
        words = f"gradient accumulation over {parts} parts of {-(-wish.batch // parts)}"
        yield _Change("accumulation", words, {"accumulation": parts})
    optimizer = tracer.trace(wish).first.optimizer
    if optimizer.startswith(_EIGHT_BIT) and "8-bit" not in optimizer:
        yield _Change("8-bit-optimizer", "8-bit AdamW state", {"optimizer": "adamw-8bit"}, "optimizer")


def _parts(batch: int, safe: int) -> int:
    """The fewest parts, a power of two, whose size fits; one sample each where none does."""
    parts = 2
    while parts < batch and -(-batch // parts) > max(1, safe):
        parts *= 2
    return min(parts, batch)
