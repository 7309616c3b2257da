"""VGG-16 in Keras; the specification is `gpugap.workloads.vgg16`."""

from __future__ import annotations

from typing import Any

from gpugap.frameworks.tensorflow.nets.net import Net, Pass
from gpugap.frameworks.tensorflow.start import tf
from gpugap.workloads.vgg16 import STAGES


class VGG16(Net):
    """Thirteen 3×3 convolutions in five pooled stages; three linear layers, or batch norm and one linear layer."""

    def forward(self, images: Any, run: Pass) -> Any:
        """Class scores, (batch, classes)."""
        hidden = images
        for stage, widths in enumerate(STAGES, start=1):
            for position in range(1, len(widths) + 1):
                hidden = run(f"conv{stage}_{position}", hidden)
                if f"bn{stage}_{position}" in self.parts:
                    hidden = run(f"bn{stage}_{position}", hidden)
                hidden = tf.nn.relu(hidden)
            hidden = tf.nn.max_pool2d(hidden, 2, 2, "VALID")
        hidden = run("fc1", tf.reshape(hidden, (hidden.shape[0], -1)))
        for name in ("fc2", "fc3") if "fc2" in self.parts else ():
            hidden = tf.nn.relu(hidden)
            if run.training and self.form.dropout:
                hidden = tf.nn.dropout(hidden, self.form.dropout)
            hidden = run(name, hidden)
        return hidden
