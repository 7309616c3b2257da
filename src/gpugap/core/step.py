"""`Step`: one unit of deep-learning work, as the user hands it over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gpugap.core.cell import MODES
from gpugap.core.errors import BadValue


@dataclass(slots=True)
class Step:
    """What to run once: models on a batch, in training with loss and optimizers.

    The default body is, for training, ``zero_grad; loss(model(inputs), targets); backward; optimizer.step`` and for
    inference ``model(inputs)`` without gradients. `run` replaces it where a step is more than that (a GAN).

    Attributes:
        models: one model, or a sequence of them; the default body runs the first.
        batch: ``(inputs, targets)``, or the inputs alone where there are no targets. Inputs may be a tensor, a tuple
            (positional arguments) or a mapping (keyword arguments).
        loss: called as ``loss(outputs, targets)``, or ``loss(outputs)`` without targets; needed for training.
        optimizers: one optimizer or a sequence of them; all are stepped.
        run: optional body, called as ``run(step)``; returns the loss or the outputs.
        mode: ``"train"`` or ``"inference"``.
    """

    models: Any
    batch: Any = None
    loss: Callable[..., Any] | None = None
    optimizers: Any = ()
    run: Callable[[Step], Any] | None = None
    mode: str = "train"

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise BadValue(f"mode {self.mode!r} of a Step", f"use one of {', '.join(MODES)}")
        if self.run is None and self.mode == "train" and self.loss is None:
            raise BadValue("a training Step without a loss", "give loss=..., or run=... with the whole step")

    @property
    def model_list(self) -> list[Any]:
        """The models as a list."""
        return list(self.models) if isinstance(self.models, list | tuple) else [self.models]

    @property
    def optimizer_list(self) -> list[Any]:
        """The optimizers as a list."""
        if self.optimizers is None:
            return []
        return list(self.optimizers) if isinstance(self.optimizers, list | tuple) else [self.optimizers]

    def inputs_and_targets(self) -> tuple[Any, tuple[Any, ...]]:
        """The model's inputs, and the targets as a tuple of zero or one entries."""
        if isinstance(self.batch, list | tuple) and len(self.batch) == 2:
            return self.batch[0], (self.batch[1],)
        if isinstance(self.batch, list | tuple) and len(self.batch) == 1:
            return self.batch[0], ()
        return self.batch, ()


def leading(batch: Any) -> int | None:
    """The number of samples of a batch: leading dimension of the first tensor or array in it; None without one.

    Args:
        batch: tensors, in sequences and mappings (Hugging Face's ``BatchEncoding`` is one, and no dict).
    """
    shape = getattr(batch, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) else None
    values = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, list | tuple) else ()
    return next((found for found in map(leading, values) if found is not None), None)


class MakeStep(Protocol):
    """A user's factory: called once a process, and again for every other batch size."""

    def __call__(self, batch_size: int, device: str) -> Step | Callable[[], Any]:
        """A step on a batch of that many samples, on that device."""
