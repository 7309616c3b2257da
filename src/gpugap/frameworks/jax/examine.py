"""What a built-in step computes, layer by layer, and its parameters, in the layouts all frameworks share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
from flax import nnx

from gpugap.core.workload import path
from gpugap.frameworks.jax.layouts import images_first, replace, to_shared, variables
from gpugap.frameworks.jax.nets import named_models
from gpugap.frameworks.jax.nets.cyclegan import critic_loss, generator_loss
from gpugap.frameworks.jax.nets.layers import BatchNorm, InstanceNorm
from gpugap.frameworks.jax.step import Run
from gpugap.frameworks.jax.update import executed
from gpugap.frameworks.protocol import Examination

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpugap.core.step import Step
    from gpugap.core.workload import Workload

    Found = dict[str, NDArray[Any]]

_LAYERS = (nnx.Conv, nnx.ConvTranspose, nnx.Linear, BatchNorm, InstanceNorm)


class _Watched:
    """A layer that keeps what it puts out."""

    def __init__(self, layer: Callable[[jax.Array], jax.Array], key: str, found: dict[str, jax.Array]) -> None:
        self._layer, self._key, self._found = layer, key, found

    def __call__(self, images: jax.Array) -> jax.Array:
        self._found[self._key] = self._layer(images)
        return self._found[self._key]


def examine(workload: Workload, step: Step, execution: str) -> Examination:
    """Activations, and in training the losses and their gradients; the models stay as they are.

    Args:
        workload: names the models.
        step: freshly built.
        execution: ``jit`` or ``op-by-op``: how it is computed.
    """
    models = dict(named_models(workload, step.model_list))
    for net in models.values():
        net.train() if step.mode == "train" else net.eval()
    if workload.family == "cyclegan":
        images = [step.batch] if step.mode == "inference" else [*step.batch, *step.batch]
        activations = _activations(models, images, execution)
        return Examination(activations, *(_cyclegan(models, step, execution) if step.mode == "train" else ({}, {})))
    if step.mode == "inference":
        return Examination(_activations(models, step.batch[:1], execution), {}, {})
    return _classifier(models, step, execution)


def parameters(workload: Workload, step: Step) -> Found:
    """Parameters and running statistics by dotted path."""
    if isinstance(step.run, Run):
        step.run.write_back()
    return {
        path(name, key): to_shared(layer, own, getattr(layer, own)[...])
        for name, net in named_models(workload, step.model_list)
        for key, layer, own in variables(net)
    }


def _watched(net: Any, images: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    """A network's result, and the outputs of its layers; the network is used up."""
    found: dict[str, jax.Array] = {}
    for place, layer in list(nnx.iter_modules(net)):
        if isinstance(layer, _LAYERS):
            replace(net, place, _Watched(layer, path(*map(str, place)), found))
    output = net(images)
    return output, {**found, "output": output}


def _activations(models: Mapping[str, nnx.Module], images: Sequence[jax.Array], execution: str) -> Found:
    found: Found = {}
    for (name, net), batch in zip(models.items(), images, strict=True):
        graph, state = nnx.split(net)
        seen = executed(lambda state, batch, graph=graph: _watched(nnx.merge(graph, state), batch)[1], execution)
        found |= {path(name, key): images_first(value) for key, value in seen(state, batch).items()}
    return found


def _gradients(
    loss_of: Callable[..., tuple[jax.Array, Any]], models: Mapping[str, nnx.Module], inputs: Any, execution: str
) -> tuple[float, Any, Found]:
    """Loss, by-product and gradients by dotted path of a function of some models and inputs."""
    graph, *states = nnx.split(tuple(models.values()), nnx.Param, ...)
    params, rest = map(nnx.as_pure, states)

    def loss(params: Any, rest: Any, inputs: Any) -> tuple[jax.Array, Any]:
        return loss_of(nnx.merge(graph, params, rest), *inputs)

    (value, extra), found = executed(jax.value_and_grad(loss, has_aux=True), execution)(params, rest, inputs)
    gradients = {
        path(name, key): to_shared(layer, own, getattr(layer, own)[...])
        for name, mirror in zip(models, nnx.merge(graph, found, rest), strict=True)
        for key, layer, own in variables(mirror)
        if isinstance(getattr(layer, own), nnx.Param)
    }
    return float(value), extra, gradients


def _classifier(models: Mapping[str, nnx.Module], step: Step, execution: str) -> Examination:
    loss_of = step.loss
    assert loss_of is not None

    def loss(nets: Sequence[Any], images: jax.Array, labels: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        scores, seen = _watched(nets[0], images)
        return loss_of(scores, labels), seen

    value, seen, gradients = _gradients(loss, models, step.batch, execution)
    return Examination({key: images_first(output) for key, output in seen.items()}, {"loss": value}, gradients)


def _cyclegan(models: Mapping[str, nnx.Module], step: Step, execution: str) -> tuple[dict[str, float], Found]:
    names = list(models)
    generators, critics = ({name: models[name] for name in part} for part in (names[:2], names[2:]))
    graph, state = nnx.split(tuple(critics.values()))

    def of_generators(nets: Sequence[Any], critics: Any, batch: Any) -> tuple[jax.Array, Any]:
        return generator_loss((*nets, *nnx.merge(graph, critics)), batch)

    def of_critics(nets: Sequence[Any], batch: Any, fakes: Any) -> tuple[jax.Array, None]:
        return critic_loss(nets, batch, fakes), None

    first, fakes, gradients = _gradients(of_generators, generators, (state, step.batch), execution)
    second, _, others = _gradients(of_critics, critics, (step.batch, fakes), execution)
    return {"generator": first, "discriminator": second}, gradients | others
