"""Threads, math mode, fusion and seed: set explicitly, then read back."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from gpugap.core.errors import Unsupported
from gpugap.frameworks.tensorflow.nets.net import DTYPES
from gpugap.frameworks.tensorflow.start import keras, port, tf

if TYPE_CHECKING:
    from gpugap.core.setting import Setting
    from gpugap.core.step import Step

COMPUTED = {"fp64": tf.float64, "fp32": tf.float32, "tf32": tf.float32, "bf16": tf.bfloat16, "fp16": tf.float16}
"""What matrices are multiplied in, by precision."""

_CLUSTERED = re.compile(r"--tf_xla_auto_jit=(?!0\b|-1\b)\S+")
"""What turns on that XLA compiles the clusters it finds in graphs; 0 and -1 leave it off."""

_FORMATS = {"channels_last": "channels_last", "channels_first": "contiguous"}
"""Keras's names of memory formats, and those of all frameworks."""


def apply(setting: Setting, execution: str | None, seed: int) -> None:
    """Sets what the setting asks for in this process.

    Args:
        setting: ``fp32`` turns TF32 off, since TensorFlow's default leaves it on; threads can be set only once, and are
            also the operations that may run at once, of which TensorFlow's default is one for each core.
        execution: ``unfused`` turns off the pass of the graph optimizer that fuses operations.
        seed: of TensorFlow's generators.

    Keras's own policy is set too, so that layers of a user's step compute in the cell's precision.

    Raises:
        Unsupported: TensorFlow already runs with other threads, or its environment lets XLA compile parts of graphs.
    """
    _check_clusters(execution)
    tf.config.run_functions_eagerly(False)
    if setting.threads is not None:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(setting.threads)
            tf.config.threading.set_inter_op_parallelism_threads(setting.threads)
        except RuntimeError as error:
            raise Unsupported(
                f"TensorFlow has started with {threads()} threads in this process and cannot change to "
                f"{setting.threads}",
                "set threads before anything is computed, or measure in a process of its own",
            ) from error
    tf.config.experimental.enable_tensor_float_32_execution(setting.precision == "tf32")
    tf.config.optimizer.set_experimental_options({"remapping": execution != "unfused"})
    keras.config.set_dtype_policy(DTYPES[setting.precision])
    tf.random.set_seed(seed)


def _check_clusters(execution: str | None) -> None:
    """Refuses graphs of which XLA compiles parts by itself: no mode is called so, and no option turns it off again.

    Raises:
        Unsupported: ``TF_XLA_FLAGS`` says so.
    """
    found = _CLUSTERED.search(os.environ.get("TF_XLA_FLAGS", ""))
    if found and execution != "xla":
        raise Unsupported(
            f"TF_XLA_FLAGS has {found[0]}, with which XLA compiles parts of {execution or 'function'} graphs",
            "unset TF_XLA_FLAGS, or use --execution xla",
        )


def threads() -> int:
    """Intra-op threads; TensorFlow's default (0) is one for each core this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(tf.config.threading.get_intra_op_parallelism_threads()) or usable


def read_back(step: Step, execution: str | None) -> dict[str, Any]:
    """What TensorFlow says is in force now, and what a prepared step computes with.

    Args:
        step: after `gpugap.frameworks.tensorflow.step.body` has prepared it.
        execution: mode of its body; None where the user's own step decides.
    """
    return {
        "threads": threads(),
        "interop_threads": int(tf.config.threading.get_inter_op_parallelism_threads()),
        "tf32": bool(tf.config.experimental.tensor_float_32_execution_enabled()),
        "autocast": _autocast_dtype(step),
        "memory_format": memory_format(step),
        "execution": execution,
        "remapping": bool(tf.config.optimizer.get_experimental_options().get("remapping", True)),
        "auto_jit": str(tf.config.optimizer.get_jit()) or None,
        "onednn": bool(port.IsMklEnabled()),
        "memory_growth": _memory_growth(),
        "synchronous": bool(tf.config.experimental.get_synchronous_execution()),
        **{name.lower(): os.environ.get(name) for name in ("XLA_FLAGS", "TF_XLA_FLAGS", "TF_ENABLE_ONEDNN_OPTS")},
    }


def memory_format(step: Step) -> str | None:
    """How the images of a step's layers lie in memory.

    Returns:
        ``channels_last`` (TensorFlow's own) or ``contiguous`` where all agree, ``mixed`` where they do not, None where
        no layer has images.
    """
    found = {_FORMATS[layer.data_format] for layer in _layers(step) if getattr(layer, "data_format", None) in _FORMATS}
    return found.pop() if len(found) == 1 else "mixed" if found else None


def drop_nothing(step: Step) -> None:
    """Turns every dropout layer of a step off."""
    for layer in _layers(step):
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0


def perturb(step: Step, relative: float, seed: int) -> None:
    """Multiplies every trainable variable by 1 + `relative` times a normal number."""
    generator = np.random.default_rng(seed)
    for model in step.model_list:
        for variable in model.trainable_variables if isinstance(model, keras.Layer) else ():
            value = variable.numpy()
            variable.assign(value * (1 + relative * generator.standard_normal(value.shape)).astype(value.dtype))


def _autocast_dtype(step: Step) -> str | None:
    """What layers compute in that keep their parameters in another precision; None without such layers."""
    found = {layer.compute_dtype for layer in _layers(step) if layer.compute_dtype != layer.variable_dtype}
    return found.pop() if len(found) == 1 else "mixed" if found else None


def _layers(step: Step) -> Iterator[Any]:
    """Every layer of a step's models."""
    for model in step.model_list:
        if isinstance(model, keras.Layer):
            yield from model._flatten_layers()


def _memory_growth() -> bool | None:
    """Whether memory of GPUs is taken as it is needed; None without a GPU."""
    growth = {bool(tf.config.experimental.get_memory_growth(gpu)) for gpu in tf.config.get_visible_devices("GPU")}
    return all(growth) if growth else None
