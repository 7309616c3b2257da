"""One step of JAX: forward, loss, gradients, optimizer; or forward alone.

A `Run` lies in `Step.run`. Called with the step it launches it once, on `Step.batch` as that is then. The arrays it
changes lie in its updates; `Run.write_back` brings them into the step's models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from gpugap.core.errors import BadStepFile
from gpugap.frameworks.jax.nets.cyclegan import ImagePool, critic_loss, generator_loss
from gpugap.frameworks.jax.update import Update, executed

if TYPE_CHECKING:
    from gpugap.core.setting import Setting
    from gpugap.core.step import Step
    from gpugap.frameworks.jax.fence import Fence

COMPUTED = {"bf16": jnp.bfloat16, "fp16": jnp.float16}
"""Types that layers compute in where these are not the parameters' own."""

_ONE_MODEL = "give a Flax NNX module as model, or run=... with the whole step"


class Run:
    """How a step is run once: `prepare` first, then call it.

    Args:
        foreign: whether the step is a user's: it then works on copies, and the user's objects stay as they are.

    Attributes:
        models: Flax modules the functions were made of.
        updates: in the order of the step; empty for inference.
    """

    def __init__(self, *, foreign: bool = False) -> None:
        self._foreign = foreign
        self.models: list[nnx.Module] = []
        self.updates: list[Update] = []
        self._typed: list[Any] = []

    def prepare(self, step: Step, setting: Setting, execution: str, fence: Fence) -> None:
        """Sets compute type and mode of the models, and makes the functions; compiles nothing yet."""
        if self.models:
            self.write_back()
        else:
            self.models = _copies(step) if self._foreign else step.model_list
        self._execution, self._fence = execution, fence
        for layer in self._typed:
            layer.dtype = None
        self._typed = [layer for _, layer in _layers(self.models) if getattr(layer, "dtype", "none") is None]
        for layer in self._typed:
            layer.dtype = COMPUTED.get(setting.precision)
        for model in self.models:
            model.train() if step.mode == "train" else model.eval()
        self._make(step, scaled=setting.precision == "fp16")

    def _make(self, step: Step, *, scaled: bool) -> None:
        raise NotImplementedError

    def __call__(self, step: Step) -> Any:
        """Launches the step; its loss or outputs, which need not be ready yet."""
        raise NotImplementedError

    @property
    def callers(self) -> list[Any]:
        """What holds a ``function`` that a step calls, in the order of the calls."""
        return self.updates or [self]

    def write_back(self) -> None:
        """Gives the models the arrays as they are now."""
        for update in self.updates:
            update.write_back()

    def _launched(self, result: Any) -> Any:
        """Lets the fence wait for the step: results of one executable are ready together, those of many are not."""
        one = self._execution == "jit"
        self._fence.last = result if one else (result, [update.state for update in self.updates])
        return result

    @contextmanager
    def observed(self, step: Step, mark: Callable[[str], None]) -> Iterator[None]:
        """Calls `mark` after forward, backward and optimizer of every update while it lasts.

        The phases are compiled one by one for it, so none of them is fused with another and the gradients' inputs all
        go through memory: their sum is an upper bound of the step that is measured as one.
        """
        seen = False

        def note(name: str, outcome: Any) -> None:
            self._fence.last = outcome
            if seen:
                mark(name)

        with ExitStack() as stack:
            for update in self.updates:
                stack.enter_context(update.in_parts(note))
            states = [update.state for update in self.updates]
            self(step)  # compiles the phases
            jax.block_until_ready([update.state for update in self.updates])
            for update, state in zip(self.updates, states, strict=True):
                update.state = state
            seen = True
            yield


class Training(Run):
    """One model with a loss and an optimizer."""

    def _make(self, step: Step, *, scaled: bool) -> None:
        def loss_of(model: Any, batch: Any) -> tuple[jax.Array, None]:
            inputs, targets = replace(step, batch=batch).inputs_and_targets()
            assert step.loss is not None
            return step.loss(_call(model, inputs), *targets), None

        optimizer = self.updates[0].optimizer if self.updates else _optimizer(step, self.models[0], self._foreign)
        self.updates = [Update(self.models[0], optimizer, loss_of, execution=self._execution, scaled=scaled)]
        self._update = self.updates[0]

    def __call__(self, step: Step) -> Any:
        """Launches one update; its loss."""
        return self._launched(self._update(step.batch)[0])


class Inference(Run):
    """One model's forward pass.

    Attributes:
        function: ``function(state, batch)`` gives the outputs.
        state: the model's arrays.
    """

    def _make(self, step: Step, *, scaled: bool) -> None:
        graph, self.state = nnx.split(self.models[0])
        self.state = nnx.as_pure(self.state)

        def outputs(state: Any, batch: Any) -> Any:
            return _call(nnx.merge(graph, state), replace(step, batch=batch).inputs_and_targets()[0])

        self.function = executed(outputs, self._execution)

    def __call__(self, step: Step) -> Any:
        """Launches one forward pass; its outputs."""
        return self._launched(self.function(self.state, step.batch))


class CycleGan(Run):
    """Two generators, then two discriminators on what the pools give back."""

    def _make(self, step: Step, *, scaled: bool) -> None:
        self._pools = ImagePool(), ImagePool()
        critic_graph = nnx.split(tuple(self.models[2:]), nnx.Param, ...)[0]

        def of_generators(generators: tuple[Any, ...], critics: Any, batch: Any) -> tuple[jax.Array, Any]:
            loss, fakes = generator_loss((*generators, *nnx.merge(critic_graph, *critics)), batch)
            return loss, tuple(tuple(images) for images in fakes)  # single images, as the pools keep them

        def of_critics(critics: tuple[Any, ...], batch: Any, pooled: Any, first: jax.Array) -> tuple[jax.Array, Any]:
            loss = critic_loss(critics, batch, [jnp.stack(images) for images in pooled])
            return loss, jnp.stack((first, loss))

        named: dict[str, Any] = {"execution": self._execution, "scaled": scaled}
        self.updates = [
            Update(tuple(self.models[:2]), step.optimizers[0], of_generators, **named),
            Update(tuple(self.models[2:]), step.optimizers[1], of_critics, **named),
        ]

    def __call__(self, step: Step) -> Any:
        """Launches both updates; the generators' and the discriminators' loss."""
        generators, critics = self.updates
        first, fakes = generators((critics.state.params, critics.state.rest), step.batch)
        pooled = tuple(pool.exchange(images) for pool, images in zip(self._pools, fakes, strict=True))
        return self._launched(critics(step.batch, pooled, first)[1])


def body(step: Step, setting: Setting, execution: str, fence: Fence) -> Callable[[], Any]:
    """The function that launches the step once and returns its loss or outputs.

    A user's step without ``run`` needs one Flax NNX module, and in training an `optax` transformation or one
    `flax.nnx.Optimizer`. Its layers that name no compute type of their own compute in the setting's; a user's own
    ``run`` decides that itself, and under ``jit`` compiles what it wants compiled.

    Args:
        step: built-in or the user's; gets a `Run` where it has none.
        setting: precision.
        execution: ``jit`` or ``op-by-op``.
        fence: is told what to wait for.
    """
    if step.run is None:
        step.run = Training(foreign=True) if step.mode == "train" else Inference(foreign=True)
    if isinstance(step.run, Run):
        step.run.prepare(step, setting, execution, fence)
        return partial(step.run, step)
    for model in step.model_list:
        if isinstance(model, nnx.Module):
            model.train() if step.mode == "train" else model.eval()
    run = executed(partial(step.run, step), execution) if execution == "op-by-op" else partial(step.run, step)

    def once() -> Any:
        fence.last = None
        return run()

    return once


def denormal_share(step: Step) -> float | None:
    """Share of denormal values among the floating-point parameters of a step's models; None without any."""
    run = step.run if isinstance(step.run, Run) else None
    if run is not None and run.updates:
        states: list[Any] = [update.state.params for update in run.updates]
    else:
        states = [nnx.state(model, nnx.Param) for model in step.model_list if isinstance(model, nnx.Module)]
    total, small = 0, 0
    for leaf in jax.tree.leaves(states):
        if jnp.issubdtype(leaf.dtype, jnp.floating):
            values, limit = np.abs(np.asarray(leaf)), float(jnp.finfo(leaf.dtype).tiny)
            total += values.size
            small += int(((values != 0) & (values < limit)).sum())
    return small / total if total else None


def _layers(models: list[nnx.Module]) -> Iterator[tuple[Any, Any]]:
    for model in models:
        yield from nnx.iter_modules(model)


def _call(model: Any, inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, list | tuple) else model(inputs)


def _copies(step: Step) -> list[nnx.Module]:
    """The user's first model once more: in training its arrays are given away."""
    model = step.model_list[0] if step.model_list else None
    if not isinstance(model, nnx.Module):
        raise BadStepFile(f"the Step's model is {type(model).__name__}, no Flax NNX module", _ONE_MODEL)
    graph, state = nnx.split(model)
    return [nnx.merge(graph, jax.tree.map(jnp.copy, state) if step.mode == "train" else state)]


def _optimizer(step: Step, model: nnx.Module, foreign: bool) -> nnx.Optimizer:
    """The step's optimizer; of a user's one, a copy."""
    given = step.optimizers
    found = [given] if isinstance(given, optax.GradientTransformation) else step.optimizer_list
    if len(found) != 1 or not isinstance(found[0], optax.GradientTransformation | nnx.Optimizer):
        raise BadStepFile(
            f"a training Step in JAX needs one optimizer, this has {len(found)} usable",
            "give an optax transformation or an nnx.Optimizer, or run=... with the whole step",
        )
    if isinstance(found[0], nnx.Optimizer):
        graph, state = nnx.split(found[0])
        return nnx.merge(graph, jax.tree.map(jnp.copy, state)) if foreign else found[0]
    return nnx.Optimizer(model, found[0], wrt=nnx.Param)
