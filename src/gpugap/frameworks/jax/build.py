"""Built-in steps: networks with the given weights, loss, optimizer and batch on a device."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from gpugap.core.step import Step
from gpugap.core.workload import path
from gpugap.frameworks.jax.layouts import from_shared, images_last, replace, variables
from gpugap.frameworks.jax.nets import build_nets, named_models
from gpugap.frameworks.jax.nets.cyclegan import Generator
from gpugap.frameworks.jax.step import CycleGan, Inference, Run, Training
from gpugap.workloads.cyclegan import BETA_1

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpugap.core.cell import Cell
    from gpugap.core.workload import Workload
    from gpugap.frameworks.protocol import Arrays, Weights

PLAIN = {"mean": 0.0, "var": 1.0}
"""Batch norm's running statistics at the start."""


def build_step(
    workload: Workload, cell: Cell, weights: Weights, arrays: Arrays, *, place: jax.Device, seed: int
) -> Step:
    """The workload's step on a device: a classifier with cross-entropy loss, or CycleGAN; in double for ``fp64``.

    Args:
        workload: the specification.
        cell: mode and precision.
        weights: initial parameters in the shared layout.
        arrays: images and labels.
        place: where everything lies.
        seed: of dropout.
    """
    dtype = np.dtype(np.float64 if cell.precision == "fp64" else np.float32)
    nets = [net for _, net in named_models(workload, build_nets(workload))]
    if cell.mode == "inference":
        nets = nets[:1]
    for name, net in named_models(workload, nets):
        _fill(name, net, weights, dtype, place)
        _seed_dropout(net, seed)
    batch = _placed(arrays, dtype, place, translates=workload.family == "cyclegan")
    if cell.mode == "inference":
        return Step(nets[0], batch if workload.family != "cyclegan" else batch[0], run=Inference(), mode=cell.mode)
    if workload.family == "cyclegan":
        optimizers = [_optimizer(workload, tuple(part), place) for part in (nets[:2], nets[2:])]
        return Step(nets, batch, None, optimizers, run=CycleGan(), mode=cell.mode)
    return Step(nets[0], batch, cross_entropy, _optimizer(workload, nets[0], place), run=Training(), mode=cell.mode)


def transformation(workload: Workload) -> optax.GradientTransformation:
    """The workload's optimizer; weight decay is added to every parameter's gradient, as PyTorch's optimizers do."""
    if workload.optimizer == "adam":
        beta = BETA_1 if workload.family == "cyclegan" else 0.9
        plain = optax.adam(workload.learning_rate, b1=beta, b2=0.999, eps=1e-8)
    else:
        plain = optax.sgd(workload.learning_rate, momentum=workload.momentum)
    return optax.chain(optax.add_decayed_weights(workload.weight_decay), plain) if workload.weight_decay else plain


def _optimizer(workload: Workload, models: Any, place: jax.Device) -> nnx.Optimizer:
    """The workload's optimizer on a device; its state is all zeros at the start, and nothing is compiled for it.

    Adam counts its steps in the parameters' type: JAX compiles a known integer exponent into the power of the bias
    correction, which op by op would be another program at every step.
    """
    made = nnx.eval_shape(lambda nets: nnx.Optimizer(nets, transformation(workload), wrt=nnx.Param), models)
    dtype = jax.tree.leaves(nnx.state(models, nnx.Param))[0].dtype
    zeros = jax.tree.map(lambda leaf: jax.device_put(np.zeros(leaf.shape, dtype), place), nnx.state(made.opt_state))
    nnx.update(made.opt_state, zeros)
    return made


def cross_entropy(scores: jax.Array, labels: jax.Array) -> jax.Array:
    """Mean cross-entropy of class scores, in single precision at least."""
    wide = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    loss: jax.Array = optax.softmax_cross_entropy_with_integer_labels(wide, labels).mean()
    return loss


def _fill(name: str, net: nnx.Module, weights: Weights, dtype: np.dtype[Any], place: jax.Device) -> None:
    """Gives a network memory on a device, and its initial values."""
    for key, layer, own in list(variables(net)):
        variable = getattr(layer, own)
        if own in PLAIN:
            values = np.full(variable.shape, PLAIN[own], dtype)
        else:
            values = from_shared(layer, own, weights[path(name, key)]).astype(dtype, copy=False)
        setattr(layer, own, type(variable)(jax.device_put(values, place)))


def _seed_dropout(net: nnx.Module, seed: int) -> None:
    """Gives dropout a random key; built without memory, it has only the shape of one."""
    for place, layer in list(nnx.iter_modules(net)):
        if isinstance(layer, nnx.Dropout) and layer.rate:
            replace(net, place, nnx.Dropout(layer.rate, rngs=nnx.Rngs(dropout=seed)))


def _placed(arrays: Arrays, dtype: np.dtype[Any], place: jax.Device, *, translates: bool) -> tuple[jax.Array, ...]:
    """Images and labels on a device; of CycleGAN both domains, in the generators' range from -1 to 1."""
    images = images_last(arrays[0]).astype(dtype, copy=False)
    put = partial(jax.device_put, device=place)
    if translates:
        return tuple(put(np.tanh(domain)) for domain in np.split(images, 2))
    return put(images), put(arrays[1].astype(np.int32))


def feed(step: Step, arrays: Arrays) -> None:
    """Puts another batch of the same size into a built-in step.

    Args:
        step: with a batch of images and labels, or of one or two domains of images (CycleGAN).
        arrays: images (both domains one behind the other) and labels.
    """
    held = jax.tree.leaves(step.batch)[0]
    (place,) = held.devices()
    translates = isinstance(step.model_list[0], Generator)
    batch = _placed(arrays, held.dtype, place, translates=translates)
    step.batch = batch[0] if translates and step.mode == "inference" else batch


def accuracy(step: Step, arrays: Arrays, batch: int = 250) -> float:
    """Share of images that the step's model classifies rightly, in eval mode and the parameters' own precision.

    Args:
        step: of a classifier.
        arrays: images and labels.
        batch: images at a time.
    """
    if isinstance(step.run, Run):
        step.run.write_back()
    model, right = nnx.merge(*nnx.split(step.model_list[0])), 0
    model.eval()
    for _, layer in nnx.iter_modules(model):
        if hasattr(layer, "dtype"):
            layer.dtype = None
    graph, state = nnx.split(model)
    for start in range(0, len(arrays[1]), batch):
        images, labels = (array[start : start + batch] for array in arrays)
        right += int((np.asarray(_scores(graph, state, images_last(images))).argmax(1) == labels).sum())
    return right / len(arrays[1])


@partial(jax.jit, static_argnums=0)
def _scores(graph: Any, state: Any, images: NDArray[Any]) -> jax.Array:
    scores: jax.Array = nnx.merge(graph, state)(images)
    return scores
