"""TensorFlow and Keras, imported quietly and with TensorFlow as Keras's backend; every module here takes them from it.

Some of TensorFlow's own modules are needed besides its public ones: they tell what it traced, ran and was built with.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from gpugap.core.errors import Unsupported


@contextmanager
def _silent() -> Iterator[None]:
    """Drops what is written to standard error, where TensorFlow tells of oneDNN whatever level its log is set to."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"  # both are read at the imports that follow

with _silent():
    import keras
    import tensorflow as tf
    from tensorflow.python.eager import context
    from tensorflow.python.framework import func_graph, op_callbacks
    from tensorflow.python.util import _pywrap_util_port as port

if keras.backend.backend() != "tensorflow":
    raise Unsupported(
        f"Keras computes with {keras.backend.backend()} in this process, which cannot be changed once it is imported",
        "import keras after gpugap, or set KERAS_BACKEND=tensorflow",
    )

tf.get_logger().setLevel("ERROR")  # it warns of tracing often, which gpugap counts itself

__all__ = ["context", "func_graph", "keras", "op_callbacks", "port", "tf"]
