"""Keras layers that compute what PyTorch's do: explicit padding, epsilon, momentum and variance alike.

They are Keras's own layers with another `call`: convolutions pad inside the operation instead of before it, biases are
added by ``BiasAdd`` (whose gradient is one kernel, where that of Keras's broadcasting addition is several), and batch
norm is one fused kernel where Keras's is a chain of elementwise ones. Variables are handed over as TensorFlow's own,
not Keras's around them, which saves their conversion in eager mode. Images are (batch, height, width, channels).
"""

from __future__ import annotations

from typing import Any

from gpugap.core.workload import Layer
from gpugap.frameworks.tensorflow.start import keras, tf

EPSILON = 1e-5
"""Of PyTorch's normalizations."""

NEW_SHARE = 0.1
"""Share of the batch's statistics in the running ones: PyTorch's momentum, 1 minus Keras's."""

SLOPE = 0.2
"""Of the leaky rectifier."""


def borders(size: int) -> list[list[int]]:
    """Padding of that many pixels on every side of images."""
    return [[0, 0], [size, size], [size, size], [0, 0]]


@tf.custom_gradient  # type: ignore[untyped-decorator]
def apart(values: Any) -> tuple[Any, Any]:
    """The same values, in a node of the graph that computes nothing and ends every pattern of fusion.

    oneDNN's pass over the graph joins a convolution with the bias behind it, and their gradients, whether or not the
    graph optimizer may fuse; no option of TensorFlow's keeps it from that and leaves its kernels.
    """
    shape = values.shape
    return tf.ensure_shape(values, shape), lambda gradient: tf.ensure_shape(gradient, shape)


class Convolution(keras.layers.Conv2D):
    """A convolution with the same padding on all sides, zeros or a reflection.

    Args:
        layer: its specification.
        dtype: Keras's policy.
        reflect: whether it pads with a reflection.
        unfused: whether the bias stays an operation of its own in a graph.
    """

    def __init__(self, layer: Layer, dtype: str, reflect: bool = False, unfused: bool = False) -> None:
        super().__init__(layer.outputs, layer.kernel, layer.stride, use_bias=layer.bias, **_plain(dtype))
        self.reflected, self.unfused = layer.padding if reflect else 0, unfused
        same = layer.stride == 1 and 2 * layer.padding == layer.kernel - 1
        self.zeros: Any = "SAME" if same else borders(layer.padding)
        if reflect or not layer.padding:
            self.zeros = "VALID"
        self.build((None, None, None, layer.inputs))

    def call(self, inputs: Any) -> Any:
        """Convolved images."""
        if self.reflected:
            inputs = tf.pad(inputs, borders(self.reflected), "REFLECT")
        found = tf.nn.conv2d(inputs, self.kernel.value, self.strides, self.zeros)
        if not self.use_bias:
            return found
        return tf.nn.bias_add(apart(found) if self.unfused else found, self.bias.value)


class TransposedConvolution(keras.layers.Conv2DTranspose):
    """The gradient of a convolution with that padding; its result is as many times larger as the stride says."""

    def __init__(self, layer: Layer, dtype: str) -> None:
        super().__init__(layer.outputs, layer.kernel, layer.stride, use_bias=layer.bias, **_plain(dtype))
        self.zeros = borders(layer.padding)
        self.build((None, None, None, layer.inputs))

    def call(self, inputs: Any) -> Any:
        """Enlarged images."""
        batch, height, width, _ = inputs.shape
        shape = (batch, height * self.strides[0], width * self.strides[1], self.filters)
        found = tf.nn.conv2d_transpose(inputs, self.kernel.value, shape, self.strides, self.zeros)
        return tf.nn.bias_add(found, self.bias.value) if self.use_bias else found


class Linear(keras.layers.Dense):
    """A linear layer."""

    def __init__(self, layer: Layer, dtype: str) -> None:
        super().__init__(layer.outputs, use_bias=layer.bias, kernel_initializer="zeros", dtype=dtype)
        self.build((None, layer.inputs))

    def call(self, inputs: Any) -> Any:
        """Features."""
        found = tf.matmul(inputs, self.kernel.value)
        return tf.nn.bias_add(found, self.bias.value) if self.use_bias else found


class BatchNorm(keras.layers.BatchNormalization):
    """Batch norm in one kernel, with the running variance corrected for the batch's size as in PyTorch.

    The kernel exists in single and lower precision (statistics in single); double is computed step by step.
    """

    def __init__(self, layer: Layer, dtype: str) -> None:
        super().__init__(momentum=1 - NEW_SHARE, epsilon=EPSILON, dtype=dtype)
        self.build((None, None, None, layer.outputs))

    def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Any:
        """Normalized images; in training the batch's own statistics are used and the running ones updated."""
        if self.compute_dtype == "float64":
            return self._in_double(inputs, training)
        found, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=self.moving_mean.value,
            variance=self.moving_variance.value,
            epsilon=EPSILON,
            exponential_avg_factor=NEW_SHARE,
            is_training=training,
        )
        if training:
            self.moving_mean.assign(mean)
            self.moving_variance.assign(variance)
        return found

    def _in_double(self, inputs: Any, training: bool) -> Any:
        mean, variance = self.moving_mean, self.moving_variance
        if training:
            mean, variance = tf.nn.moments(inputs, (0, 1, 2))
            batch, height, width, _ = inputs.shape
            unbiased = variance * (batch * height * width / (batch * height * width - 1))
            for running, new in ((self.moving_mean, mean), (self.moving_variance, unbiased)):
                running.assign((1 - NEW_SHARE) * running + NEW_SHARE * new)
        return tf.nn.batch_normalization(inputs, mean, variance, self.beta, self.gamma, EPSILON)


class InstanceNorm(keras.layers.Layer):
    """Instance norm without parameters; for one image it is batch norm, and done by its kernel."""

    def __init__(self, channels: int, dtype: str) -> None:
        super().__init__(dtype=dtype)
        self.channels = channels
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Images with mean 0 and variance 1 in each channel of each."""
        if self.compute_dtype == "float64" or inputs.shape[0] != 1:
            return self._by_moments(inputs)
        found, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.ones(self.channels),
            offset=tf.zeros(self.channels),
            mean=tf.zeros(0),
            variance=tf.zeros(0),
            epsilon=EPSILON,
            is_training=True,
        )
        return found

    def _by_moments(self, inputs: Any) -> Any:
        exact = inputs if self.compute_dtype == "float64" else tf.cast(inputs, tf.float32)
        mean, variance = tf.nn.moments(exact, (1, 2), keepdims=True)
        return tf.cast(tf.nn.batch_normalization(exact, mean, variance, None, None, EPSILON), inputs.dtype)


def leaky_relu(inputs: Any) -> Any:
    """The leaky rectifier; its kernel keeps the slope in single precision, so double is computed step by step."""
    if inputs.dtype == tf.float64:
        return tf.where(inputs > 0, inputs, SLOPE * inputs)
    return tf.nn.leaky_relu(inputs, SLOPE)


def _plain(dtype: str) -> dict[str, Any]:
    """What every convolution has: values to be filled in later, channels last whatever Keras's own settings say."""
    return {"kernel_initializer": "zeros", "data_format": "channels_last", "dtype": dtype}
