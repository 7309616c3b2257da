"""Training as updates: each a loss, its gradients and optimizers, run in one piece or seen in its phases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from gpugap.frameworks.tensorflow.optimizers import LossScale
from gpugap.frameworks.tensorflow.start import tf

if TYPE_CHECKING:
    from gpugap.core.step import Step
    from gpugap.frameworks.tensorflow.optimizers import Optimizer

Function = Any
"""A function of Python, or what ``tf.function`` makes of one."""


class Update:
    """A loss and the optimizers that lower it.

    Args:
        forward: gives the loss and what else the pass made, from nothing or from inputs of this update.
        optimizers: those that update, one behind the other.
    """

    def __init__(self, forward: Callable[..., tuple[Any, Sequence[Any]]], optimizers: Sequence[Optimizer]) -> None:
        self._forward, self._optimizers = forward, list(optimizers)
        self._variables = [variable for one in optimizers for variable in one.variables]
        self._scale: LossScale | None = None

    def scale_losses(self) -> None:
        """Scales losses from now on, for half precision."""
        self._scale = LossScale()

    def whole(self, *inputs: Any) -> Any:
        """The update in one piece; the loss, with what else the pass made behind it where there is any."""
        with self._tape() as tape:
            tape.watch(self._variables)
            loss, made, scaled = self._pass(*inputs)
        self._apply(*tape.gradient(scaled, self._variables))
        return (loss, *made) if made else loss

    def in_phases(self, compiled: Callable[[Function], Function], mark: Callable[[str], None]) -> Function:
        """The same update as functions of their own, with the end of each marked.

        Args:
            compiled: turns a function into what the execution mode makes of it.
            mark: called with ``forward``, ``backward`` and ``optimizer``.
        """
        forward, apply = compiled(self._pass), compiled(self._apply)

        def once(*inputs: Any) -> Any:
            with self._tape() as tape:
                tape.watch(self._variables)
                loss, made, scaled = forward(*inputs)
            mark("forward")
            gradients = tape.gradient(scaled, self._variables)
            mark("backward")
            apply(*gradients)
            mark("optimizer")
            return (loss, *made) if made else loss

        return once

    def _tape(self) -> Any:
        """A tape for what the optimizers update alone: gradients of other models' weights are not wanted."""
        return tf.GradientTape(watch_accessed_variables=False)

    def _pass(self, *inputs: Any) -> tuple[Any, Sequence[Any], Any]:
        """The loss, what else the pass made, and the loss as it is differentiated."""
        loss, made = self._forward(*inputs)
        return loss, made, self._scale.up(loss) if self._scale else loss

    def _apply(self, *gradients: Any) -> None:
        """Lets the optimizers update with gradients of all their variables, one behind the other."""
        rest = iter(gradients)
        parts = [(optimizer, list(islice(rest, len(optimizer.variables)))) for optimizer in self._optimizers]
        if self._scale:
            self._scale.apply(parts)
            return
        for optimizer, own in parts:
            optimizer.apply(own)


@dataclass(frozen=True, slots=True)
class Training:
    """A training step: updates, and what happens on the host between them.

    Attributes:
        updates: in their order.
        joined: makes the step of one function an update; each of these gives what `Update.whole` gives.
    """

    updates: tuple[Update, ...]
    joined: Callable[[Sequence[Function]], Callable[[], Any]]

    def __call__(self, step: Step) -> Any:
        """Runs the step once, operation by operation."""
        return self.joined([update.whole for update in self.updates])()


def single(update: Update) -> Training:
    """A training step of one update, which returns its loss."""
    return Training((update,), lambda functions: functions[0])
