"""One optimizer's part of a training step as a pure function: loss, gradients, new parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

SCALE, GROWTH, BACKOFF, INTERVAL = 2.0**16, 2.0, 0.5, 2000
"""Loss scaling for half precision as `torch.amp.GradScaler` does it: start, factors, and good steps before growing."""

Note = Callable[[str, Any], None]


class State(NamedTuple):
    """What one update works on, and gives back changed.

    Attributes:
        params: parameters the optimizer changes.
        rest: the models' other variables: running statistics, random keys.
        optimizer: the optimizer's own.
        scale: of the loss in half precision, and good steps since it last changed; None in other precisions.
    """

    params: Any
    rest: Any
    optimizer: Any
    scale: tuple[jax.Array, jax.Array] | None


class Parts(NamedTuple):
    """The three phases of an update."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    optimizer: Callable[..., Any]


def executed(function: Callable[..., Any], execution: str, donate: tuple[int, ...] = ()) -> Callable[..., Any]:
    """A pure function in an execution mode.

    ``jit`` compiles it as one. ``op-by-op`` runs it as Python with `jax.disable_jit`: every primitive of JAX (a
    convolution, an addition, a broadcast) is an XLA executable of its own, compiled at its first call and kept; a
    primitive that XLA expands into several instructions stays one executable, and nothing is fused across primitives.

    Args:
        function: of arrays.
        execution: ``jit`` or ``op-by-op``.
        donate: arguments whose memory the results may take over, under ``jit``.
    """
    if execution == "jit":
        return jax.jit(function, donate_argnums=donate)

    def one_by_one(*arguments: Any) -> Any:
        with jax.disable_jit():
            return function(*arguments)

    return one_by_one


def composed(parts: Parts, note: Note | None = None) -> Callable[..., Any]:
    """The whole update: from a state and inputs to the new state, and (loss, by-product).

    Args:
        parts: the three phases.
        note: called with the name and the outcome of each phase as it is launched.
    """

    def update(state: State, *inputs: Any) -> tuple[State, tuple[jax.Array, Any]]:
        loss, rest, extra, seed, pullback = parts.forward(state, *inputs)
        if note is not None:
            note("forward", loss)
        gradients = parts.backward(pullback, seed)
        if note is not None:
            note("backward", gradients)
        state = parts.optimizer(state, rest, gradients)
        if note is not None:
            note("optimizer", state)
        return state, (loss, extra)

    return update


class Update:
    """An update of some models by one optimizer: the compiled function, and the arrays it is called on.

    The graph of the models is split from their arrays once; a call is one call of `function`. Under ``jit`` the state
    is donated, so a step needs no second copy of it, and the models' own arrays are gone until `write_back`.

    Args:
        models: a Flax module, or a tuple of them, as the optimizer was made for; `loss_of` calls them as they are now
            (training mode, compute type).
        optimizer: whose transformation and state are used.
        loss_of: called as ``loss_of(models, *inputs)``; returns the loss and a by-product.
        execution: ``jit`` or ``op-by-op``.
        scaled: whether to scale the loss, for half precision.

    Attributes:
        function: ``function(state, *inputs)`` gives the new state, and the loss with the by-product.
        state: the arrays now.
    """

    def __init__(
        self,
        models: nnx.Module | tuple[nnx.Module, ...],
        optimizer: nnx.Optimizer,
        loss_of: Callable[..., tuple[jax.Array, Any]],
        *,
        execution: str,
        scaled: bool = False,
    ) -> None:
        self.models, self.optimizer, self._execution = models, optimizer, execution
        graph, params, rest = nnx.split(models, optimizer.wrt, ...)
        scale = (jnp.float32(SCALE), jnp.int32(0)) if scaled else None
        state = State(nnx.as_pure(params), nnx.as_pure(rest), nnx.as_pure(optimizer.opt_state), scale)
        (place,) = jax.tree.leaves(state.params)[0].devices()
        self.state: State = jax.device_put(state, place)  # committed, as the results will be: else step 2 compiles anew
        self.graph = graph
        self._parts = _parts(graph, loss_of, optimizer)
        self.function = executed(composed(self._parts), execution, donate=(0,))

    def __call__(self, *inputs: Any) -> tuple[jax.Array, Any]:
        """Runs the update; the loss and the by-product."""
        self.state, outcome = self.function(self.state, *inputs)
        return outcome

    def write_back(self) -> None:
        """Gives models and optimizer the arrays as they are now."""
        nnx.update(self.models, self.state.params, self.state.rest)
        nnx.update(self.optimizer.opt_state, nnx.state(self.state.optimizer))

    @contextmanager
    def in_parts(self, note: Note) -> Iterator[None]:
        """While it lasts, the phases are compiled and run one by one, and nothing is donated.

        Args:
            note: called with the name and the outcome of each phase as it is launched.
        """
        whole = self.function
        self.function = composed(Parts(*(executed(part, self._execution) for part in self._parts)), note)
        try:
            yield
        finally:
            self.function = whole


def _parts(graph: Any, loss_of: Callable[..., tuple[jax.Array, Any]], optimizer: nnx.Optimizer) -> Parts:
    transformation, chosen = optimizer.tx, optimizer.wrt

    def forward(state: State, *inputs: Any) -> tuple[Any, ...]:
        def loss(params: Any) -> tuple[jax.Array, Any]:
            models = nnx.merge(graph, params, state.rest)
            value, extra = loss_of(models, *inputs)
            return value, (nnx.as_pure(nnx.split(models, chosen, ...)[2]), extra)

        value, pullback, (rest, extra) = jax.vjp(loss, state.params, has_aux=True)
        seed = jnp.ones_like(value) if state.scale is None else state.scale[0].astype(value.dtype)
        return value, rest, extra, seed, pullback

    def backward(pullback: Callable[..., Any], seed: jax.Array) -> Any:
        return pullback(seed)[0]

    def update(state: State, rest: Any, gradients: Any) -> State:
        if state.scale is not None:
            gradients = jax.tree.map(lambda gradient: gradient / state.scale[0], gradients)
        updates, moments = transformation.update(gradients, state.optimizer, state.params)
        fresh = State(optax.apply_updates(state.params, updates), rest, moments, None)
        return fresh if state.scale is None else _unless_infinite(gradients, fresh, state)

    return Parts(forward, backward, update)


def _unless_infinite(gradients: Any, fresh: State, state: State) -> State:
    """The new state, or the old one with a smaller loss scale where a gradient overflowed."""
    assert state.scale is not None
    finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients)]).all()
    params, moments = jax.tree.map(
        partial(jnp.where, finite), (fresh.params, fresh.optimizer), (state.params, state.optimizer)
    )
    factor, good = state.scale[0], jnp.where(finite, state.scale[1] + 1, 0)
    grown = jnp.where(good == INTERVAL, factor * GROWTH, factor)
    scale = jnp.where(finite, grown, factor * BACKOFF), jnp.where(good == INTERVAL, 0, good)
    return State(params, fresh.rest, moments, scale)
