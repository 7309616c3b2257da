"""The loops anybody would write, in each framework, around the networks and optimizers that gpugap builds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any


def bare_step(framework: str, step: Any, body: Any) -> Callable[[], Any]:
    """One step without gpugap: nothing but the framework's own calls, waiting for the result where calls do not.

    Args:
        framework: ``torch``, ``tensorflow`` or ``jax``.
        step: as the framework built it.
        body: gpugap's, prepared; a compiled function is taken from it, since two would not be the same program.
    """
    if framework == "tensorflow":
        (function,) = body.functions
        return function
    return _torch(step) if framework == "torch" else _jax(step)


def _torch(step: Any) -> Callable[[], Any]:
    import torch

    if step.run is not None:
        return partial(step.run, step)
    model = step.model_list[0]
    if step.mode == "inference":
        images = step.inputs_and_targets()[0]

        def infer() -> Any:
            with torch.inference_mode():
                return model(images)

        return infer
    images, labels = step.batch
    (optimizer,), loss_of = step.optimizer_list, step.loss

    def train() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return train


def _jax(step: Any) -> Callable[[], Any]:
    import jax

    if step.mode == "inference":
        function, state, batch = step.run.function, step.run.state, step.batch
        return lambda: jax.block_until_ready(function(state, batch))
    (update,) = step.run.updates

    def train() -> Any:
        update.state, (loss, _) = update.function(update.state, step.batch)
        return jax.block_until_ready(loss)

    return train
