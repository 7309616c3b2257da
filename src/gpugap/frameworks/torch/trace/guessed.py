"""What a first step would leave behind: guessed without running it, taken back where the second step is otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from gpugap.frameworks.torch.trace.recorder import Recorder


class Guessed:
    """Gradients of all trainable parameters, and the state that optimizers make of them.

    A parameter that the loss does not reach (a second head, an unused expert) gets no gradient, and so no state: what
    was guessed for it is left out of the record once a step has run.
    """

    def __init__(self) -> None:
        self._optimizers: Sequence[torch.optim.Optimizer] = ()
        self._parameters: list[torch.Tensor] = []
        self._before: dict[tuple[int, int], set[str]] = {}
        self._gradients: dict[int, int] = {}
        self._reached: set[int] = set()

    def give(self, parameters: Sequence[torch.Tensor], optimizers: Sequence[torch.optim.Optimizer]) -> None:
        """Gives a zero gradient to every trainable parameter and lets the optimizers work.

        Args:
            parameters: of models and optimizers.
            optimizers: their state is made; some of it may be there before.
        """
        self._optimizers = optimizers
        self._parameters = [parameter for parameter in parameters if parameter.requires_grad]
        for one in optimizers:
            self._before |= {(id(one), id(parameter)): set(state) for parameter, state in one.state.items()}
        for parameter in self._parameters:
            parameter.grad = torch.zeros_like(parameter)
        for one in optimizers:
            one.step()

    def find(self, recorder: Recorder) -> None:
        """Remembers where the recorder has the gradients, of which a step may drop the last reference."""
        self._gradients = {id(p): recorder.position(p.grad) for p in self._parameters if p.grad is not None}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Notes while it lasts which parameters a backward pass reaches."""
        with ExitStack() as stack:
            for parameter in self._parameters:
                hook = parameter.register_post_accumulate_grad_hook(lambda reached: self._reached.add(id(reached)))
                stack.callback(hook.remove)
            yield

    def drop_unreached(self, recorder: Recorder) -> list[Any]:
        """Takes back gradients and state of the parameters that no gradient has reached.

        Returns:
            What was taken; to be held until the recorder has finished.
        """
        dropped: list[Any] = []
        for parameter in self._parameters:
            if id(parameter) in self._reached:
                continue
            recorder.leave_out(self._gradients[id(parameter)])
            dropped.append(parameter.grad)
            parameter.grad = None
            for one in self._optimizers:
                state = one.state.get(parameter, {})
                for key in set(state) - self._before.get((id(one), id(parameter)), set()):
                    dropped.append(state.pop(key))
        for value in dropped:
            if isinstance(value, torch.Tensor):
                recorder.leave_out(recorder.position(value))
        return dropped
