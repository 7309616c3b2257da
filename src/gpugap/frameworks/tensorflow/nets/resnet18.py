"""ResNet-18 in Keras; the specification is `gpugap.workloads.resnet18`."""

from __future__ import annotations

from typing import Any

from gpugap.frameworks.tensorflow.layers import borders
from gpugap.frameworks.tensorflow.nets.net import Net, Pass
from gpugap.frameworks.tensorflow.start import tf

_BLOCKS = tuple(f"layer{stage}.{position}" for stage in range(1, 5) for position in range(2))


class ResNet18(Net):
    """Eight basic blocks; the 7×7 stem is followed by pooling."""

    def forward(self, images: Any, run: Pass) -> Any:
        """Class scores, (batch, classes)."""
        hidden = tf.nn.relu(run("bn1", run("conv1", images)))
        if self.specified[0].kernel == 7:
            hidden = self._pooled(hidden)
        for name in _BLOCKS:
            hidden = self._block(hidden, name, run)
        return run("fc", tf.reduce_mean(hidden, (1, 2)))

    def _block(self, images: Any, name: str, run: Pass) -> Any:
        """Two 3×3 convolutions with batch norm around a shortcut."""
        hidden = tf.nn.relu(run(f"{name}.bn1", run(f"{name}.conv1", images)))
        hidden = run(f"{name}.bn2", run(f"{name}.conv2", hidden))
        if f"{name}.downsample.0" in self.parts:
            images = run(f"{name}.downsample.1", run(f"{name}.downsample.0", images))
        return tf.nn.relu(hidden + images)

    def _pooled(self, images: Any) -> Any:
        """The largest of 3×3 pixels at every second one; beyond the border there is nothing.

        XLA cannot pad inside its pooling.
        """
        if not self.form.xla:
            return tf.nn.max_pool2d(images, 3, 2, borders(1))
        return tf.nn.max_pool2d(tf.pad(images, borders(1), constant_values=images.dtype.min), 3, 2, "VALID")
