"""Conv-6 in Keras; the specification is `gpugap.workloads.conv6`."""

from __future__ import annotations

from typing import Any

from gpugap.frameworks.tensorflow.nets.net import Net, Pass
from gpugap.frameworks.tensorflow.start import tf


class Conv6(Net):
    """Three pairs of 3×3 convolutions with pooling, three linear layers."""

    def forward(self, images: Any, run: Pass) -> Any:
        """Class scores, (batch, classes)."""
        hidden = images
        for number in range(1, 7):
            hidden = tf.nn.relu(run(f"conv{number}", hidden))
            if number % 2 == 0:
                hidden = tf.nn.max_pool2d(hidden, 2, 2, "VALID")
        hidden = tf.nn.relu(run("fc1", tf.reshape(hidden, (hidden.shape[0], -1))))
        return run("fc3", tf.nn.relu(run("fc2", hidden)))
