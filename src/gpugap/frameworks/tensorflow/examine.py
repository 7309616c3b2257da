"""What a built-in step computes, layer by layer, and its parameters, in the layouts all frameworks share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from gpugap.core.workload import path
from gpugap.frameworks.protocol import Examination
from gpugap.frameworks.tensorflow.nets import named_models
from gpugap.frameworks.tensorflow.nets.cyclegan import critic_loss, generator_loss
from gpugap.frameworks.tensorflow.nets.net import Net, images_first
from gpugap.frameworks.tensorflow.start import tf

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpugap.core.step import Step
    from gpugap.core.workload import Workload

    Found = dict[str, NDArray[Any]]


def examine(workload: Workload, step: Step) -> Examination:
    """Activations, and in training the losses and their gradients; running statistics are put back afterwards.

    All of it is computed operation by operation, whatever the execution mode: a compiled function would have to give
    out every layer's output, and would not be the one that is measured.

    Args:
        workload: names the models.
        step: freshly built.
    """
    models = dict(named_models(workload, step.model_list))
    with _statistics_kept(list(models.values())):
        activations = _activations(models, _images(workload, step), step.mode == "train")
        if step.mode != "train":
            return Examination(activations, {}, {})
        losses, gradients = _cyclegan(models, step) if workload.family == "cyclegan" else _classifier(models, step)
    return Examination(activations, losses, gradients)


def parameters(workload: Workload, step: Step) -> Found:
    """Parameters and running statistics by dotted path."""
    named = named_models(workload, step.model_list)
    return {path(name, key): np.array(value) for name, net in named for key, value in net.values()}


def array_of(value: Any) -> NDArray[Any]:
    """A tensor as an array: images with channels first, lower precisions (which NumPy lacks) as single."""
    value = tf.convert_to_tensor(value)
    found: NDArray[Any] = (tf.cast(value, tf.float32) if value.dtype in (tf.bfloat16, tf.float16) else value).numpy()
    return np.ascontiguousarray(images_first(found)) if found.ndim == 4 else found


@contextmanager
def _statistics_kept(models: Sequence[Net]) -> Iterator[None]:
    """Puts batch norm's running statistics back at the end."""
    kept = [(variable, variable.numpy()) for net in models for variable in net.non_trainable_variables]
    try:
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)


def _images(workload: Workload, step: Step) -> list[Any]:
    """The images each model is called on."""
    if workload.family != "cyclegan":
        return [step.inputs_and_targets()[0]]
    return [step.batch] if step.mode == "inference" else [*step.batch, *step.batch]


def _activations(models: Mapping[str, Net], images: Sequence[Any], training: bool) -> Found:
    found: Found = {}
    for (name, net), batch in zip(models.items(), images, strict=True):
        seen = net.seen(tf.convert_to_tensor(batch), training)
        found |= {path(name, key): array_of(value) for key, value in seen.items()}
    return found


def _gradients(tape: Any, loss: Any, models: Mapping[str, Net]) -> Found:
    named = [(path(name, key), net, layer, var) for name, net in models.items() for key, layer, var in net.trained()]
    found = tape.gradient(loss, [variable.value for *_, variable in named])
    return {
        key: np.array(net.canonical(layer, gradient.numpy()))
        for (key, net, layer, _), gradient in zip(named, found, strict=True)
    }


def _classifier(models: Mapping[str, Net], step: Step) -> tuple[dict[str, float], Found]:
    images, targets = step.inputs_and_targets()
    (net,) = models.values()
    assert step.loss is not None
    with tf.GradientTape() as tape:
        loss = step.loss(net(tf.convert_to_tensor(images), training=True), *targets)
    return {"loss": float(loss)}, _gradients(tape, loss, models)


def _cyclegan(models: Mapping[str, Net], step: Step) -> tuple[dict[str, float], Found]:
    names, nets = list(models), list(models.values())
    with tf.GradientTape() as tape:
        of_generators, fakes = generator_loss(nets, step.batch)
    gradients = _gradients(tape, of_generators, {name: models[name] for name in names[:2]})
    with tf.GradientTape() as tape:
        of_critics = critic_loss(nets[2:], step.batch, fakes)
    gradients |= _gradients(tape, of_critics, {name: models[name] for name in names[2:]})
    return {"generator": float(of_generators), "discriminator": float(of_critics)}, gradients
