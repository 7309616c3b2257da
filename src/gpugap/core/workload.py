"""`Workload`: a framework-free specification of a network and how it is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gpugap.core.cell import Mode

LayerKind = Literal["conv", "transposed", "linear", "batchnorm", "layernorm", "embedding", "attention", "tied"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer with parameters, in the order of the forward pass.

    Attributes:
        name: dotted name, the same in every framework.
        kind: ``conv`` (2-d), ``transposed`` (2-d convolution), ``linear``, ``batchnorm`` (2-d, affine), ``layernorm``
            (affine), ``embedding`` (a table of `inputs` rows), ``attention`` (tokens to each other, no parameters) or
            ``tied`` (linear with an embedding's table for weight).
        inputs: input channels or features.
        outputs: output channels or features.
        size: height and width of a convolution's output, of a transposed one's input; 1 for the others.
        kernel: height and width of a convolution's kernel; 1 for the others.
        stride: of a convolution.
        padding: of a convolution, on every side.
        bias: whether it has one.
        tokens: of a sample that a linear layer or attention is applied to; 1 for the others.
    """

    name: str
    kind: LayerKind
    inputs: int
    outputs: int
    size: int = 1
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    bias: bool = True
    tokens: int = 1

    @property
    def parameters(self) -> int:
        """Trainable parameters."""
        if self.kind in ("batchnorm", "layernorm"):
            return 2 * self.outputs
        if self.kind in ("attention", "tied"):
            return 0
        return self.inputs * self.outputs * self.kernel**2 + (self.outputs if self.bias else 0)

    @property
    def flops(self) -> int:
        """Operations of one sample's forward pass, two a multiply-add; bias, norms and embeddings not counted.

        Attention multiplies twice, scores and values, each token with every token.
        """
        if self.kind in ("batchnorm", "layernorm", "embedding"):
            return 0
        if self.kind == "attention":
            return 4 * self.tokens**2 * self.outputs
        return 2 * self.inputs * self.outputs * self.kernel**2 * self.size**2 * self.tokens


def path(*names: str) -> str:
    """The dotted path of a layer or parameter, the same in every framework; empty names are left out."""
    return ".".join(name for name in names if name)


@dataclass(frozen=True, slots=True)
class Network:
    """Layers that form one model, and how often a step passes through them.

    Attributes:
        name: of the model; empty where a workload has only one.
        layers: every layer with parameters, in forward order.
        copies: models of this form.
        forward: forward passes a training step, through each copy.
        weight_gradients: backward passes that reach the weights.
        input_gradients: backward passes that reach the inputs of the second layer.
        image_gradients: those of them that reach the inputs of the first layer too.
        inference: forward passes an inference step, through all copies together.
    """

    name: str
    layers: tuple[Layer, ...]
    copies: int = 1
    forward: int = 1
    weight_gradients: int = 1
    input_gradients: int = 1
    image_gradients: int = 0
    inference: int = 1

    @property
    def models(self) -> tuple[str, ...]:
        """A name for each copy, in the order of `Step.models`: ``generator.0``; empty for an only model."""
        return (self.name,) if self.copies == 1 else tuple(f"{self.name}.{copy}" for copy in range(self.copies))

    @property
    def parameters(self) -> int:
        """Trainable parameters of one copy."""
        return sum(layer.parameters for layer in self.layers)

    def flops(self, mode: Mode) -> int:
        """Operations a step and sample in all copies; a gradient of a layer takes as many as its forward pass."""
        once = sum(layer.flops for layer in self.layers)
        if mode == "inference":
            return self.inference * once
        passes = self.forward + self.weight_gradients + self.input_gradients
        spared = self.input_gradients - self.image_gradients
        return self.copies * (passes * once - spared * self.layers[0].flops)


@dataclass(frozen=True, slots=True)
class Workload:
    """One or more networks, their input, loss and optimizer.

    Attributes:
        name: with the size: ``resnet18@32``.
        family: network without the size: ``resnet18``; names the builder in each framework's ``nets``.
        title: for people: ``ResNet-18``.
        image_size: height and width of the 3-channel input; of text the tokens of a sample.
        classes: outputs of the last layer; 0 where nothing is classified.
        networks: the models.
        optimizer: ``adam``, ``adamw`` or ``sgd``.
        learning_rate: of the optimizer.
        momentum: of ``sgd``; 0 otherwise.
        weight_decay: of the optimizer.
        source: paper and section the specification follows.
        images: images a sample takes: 1, or 2 for a pair of domains.
        dropout: share that training drops: of the inputs of the second and later of several linear layers; in a
            transformer of embeddings, of attention and of what is added to the shortcut.
        vocabulary: different tokens of a text; 0 for images.
    """

    name: str
    family: str
    title: str
    image_size: int
    classes: int
    networks: tuple[Network, ...]
    optimizer: Literal["adam", "adamw", "sgd"]
    learning_rate: float
    source: str
    momentum: float = 0.0
    weight_decay: float = 0.0
    images: int = 1
    dropout: float = 0.0
    vocabulary: int = 0

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of the first network: of the only one, for a classifier."""
        return self.networks[0].layers

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height, width; of a text 1, 1, tokens."""
        return (1, 1, self.image_size) if self.vocabulary else (3, self.image_size, self.image_size)

    @property
    def parameters(self) -> int:
        """Trainable parameters of all networks."""
        return sum(network.copies * network.parameters for network in self.networks)

    def flops(self, batch: int, mode: Mode) -> int:
        """Floating-point operations of one step in convolutions and linear layers, two a multiply-add.

        The backward pass of a layer computes the gradients of its weights and of its inputs, each as many operations
        as the forward pass; the first layer needs no gradient of its inputs unless these are another network's
        outputs. Element-wise work is not counted.

        Args:
            batch: samples a step.
            mode: ``train`` counts forward and backward, ``inference`` forward alone.
        """
        return batch * sum(network.flops(mode) for network in self.networks)
