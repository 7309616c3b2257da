"""One step of TensorFlow: forward, loss, gradients, optimizer; or forward alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gpugap.core.errors import BadStepFile, UnknownName, Unsupported
from gpugap.core.execution import EXECUTIONS
from gpugap.core.step import Step
from gpugap.frameworks.tensorflow.compiled import traces
from gpugap.frameworks.tensorflow.nets.net import Net
from gpugap.frameworks.tensorflow.optimizers import optimizers_of
from gpugap.frameworks.tensorflow.start import keras, tf
from gpugap.frameworks.tensorflow.training import Function, Training, Update, single

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpugap.core.setting import Setting

FUNCTION, UNFUSED, EAGER, XLA = EXECUTIONS["tensorflow"]


class Body:
    """Runs a step once; called with nothing, returns its loss or outputs.

    Args:
        step: what it runs.
        run: runs it.
        execution: the mode; None where the user's own step decides.
        compiled: what the mode makes of a function.
        functions: what it made of the step's, in the order they run. A bare loop over a step of one function calls
            ``functions[0]()``.

    Attributes:
        run: what a call runs now.
        training: the updates of a training step; None for inference and for the user's own step.
    """

    def __init__(
        self,
        step: Step,
        run: Function,
        execution: str | None,
        compiled: Callable[[Function], Function],
        functions: Sequence[Function] = (),
    ) -> None:
        self.step, self.execution, self.compiled, self.functions = step, execution, compiled, tuple(functions)
        self.training: Training | None = None
        self._first_s: float | None = None
        self._whole, self.run = run, self._timed

    def __call__(self) -> Any:
        """The loss or the outputs."""
        return self.run()

    def _timed(self) -> Any:
        """One of the first two calls: the first is longer by what TensorFlow compiles in it."""
        seen = traces()
        begin = time.perf_counter() - seen.seconds
        result = self._whole()
        length_s = time.perf_counter() - seen.seconds - begin
        if self._first_s is None:
            self._first_s = length_s
        else:
            seen.note_compiling(self._first_s - length_s)
            self.run = self._whole
        return result


def check_execution(execution: str | None) -> str:
    """The mode by name; None is the first.

    Raises:
        UnknownName: not a mode of TensorFlow.
    """
    if execution not in (None, *EXECUTIONS["tensorflow"]):
        raise UnknownName("execution mode of tensorflow", str(execution), EXECUTIONS["tensorflow"])
    return execution or FUNCTION


def compiler(execution: str, autograph: bool = False) -> Callable[[Function], Function]:
    """What a mode makes of a function.

    Args:
        execution: ``eager`` leaves it as it is.
        autograph: whether Python's branches and loops over tensors are translated, as users' code may need.
    """
    if execution == EAGER:
        return lambda function: function
    return lambda function: tf.function(function, autograph=autograph, jit_compile=execution == XLA)


def body(step: Step, execution: str | None, setting: Setting) -> Body:
    """The function that runs the step once.

    Args:
        step: built-in or the user's. A user's own ``run`` is called as it is: it decides by itself what it compiles,
            except that in eager mode its ``tf.function`` are run operation by operation.
        execution: mode; None is the first.
        setting: precision.

    Raises:
        BadStepFile: a training step that misses a part.
        UnknownName: not a mode of TensorFlow.
        Unsupported: XLA asked of a step with its own ``run``.
    """
    mode = check_execution(execution)
    if step.run is not None and not isinstance(step.run, Training):
        return _own_body(step, step.run, mode)
    builtin = isinstance(step.models, Net) or isinstance(step.run, Training)
    compiled = compiler(mode, autograph=not builtin)
    if step.mode != "train":
        function = compiled(_forward(step, training=False))
        return Body(step, function, mode, compiled, [function])
    training = step.run if isinstance(step.run, Training) else single(_update(step))
    if setting.precision == "fp16":
        for update in training.updates:
            update.scale_losses()
    functions = [compiled(update.whole) for update in training.updates]
    made = Body(step, training.joined(functions), mode, compiled, functions)
    made.training = training
    return made


def _own_body(step: Step, run: Callable[[Step], Any], mode: str) -> Body:
    if mode == XLA:
        raise Unsupported(
            "a Step with its own run decides itself what XLA compiles",
            "put tf.function(jit_compile=True) into it and leave --execution away",
        )
    if mode in (FUNCTION, UNFUSED):
        return Body(step, lambda: run(step), None, compiler(mode))

    def eagerly() -> Any:
        tf.config.run_functions_eagerly(True)
        try:
            return run(step)
        finally:
            tf.config.run_functions_eagerly(False)

    return Body(step, eagerly, mode, compiler(mode))


def _update(step: Step) -> Update:
    """The default body's update: loss of the first model, all optimizers."""
    loss_of, forward = step.loss, _forward(step, training=True)
    targets = _outside(step.inputs_and_targets()[1])
    if loss_of is None:
        raise BadStepFile("a training Step needs a loss and Keras optimizers", "give both, or run=... with the step")
    layers = [model for model in step.model_list if isinstance(model, keras.Layer)]
    if not all(layer.built for layer in layers):
        forward()
    variables = [variable for layer in layers for variable in layer.trainable_variables]
    return Update(lambda: (loss_of(forward(), *_read(targets)), ()), optimizers_of(step.optimizer_list, variables))


def _forward(step: Step, training: bool) -> Callable[[], Any]:
    """Calls the first model on the step's inputs; a Keras layer is told whether it trains."""
    model, inputs = step.model_list[0], _outside(step.inputs_and_targets()[0])
    named = {"training": training} if isinstance(model, keras.Layer) else {}
    if isinstance(inputs, Mapping):
        return lambda: model(**_read(inputs), **named)
    if isinstance(inputs, list | tuple):
        return lambda: model(*_read(inputs), **named)
    return lambda: model(_read(inputs), **named)


def _outside(batch: Any) -> Any:
    """A batch whose arrays are tensors: inside a graph they would become constants, and be computed with ahead."""
    return tf.nest.map_structure(lambda one: one if isinstance(one, tf.Variable) else tf.convert_to_tensor(one), batch)


def _read(batch: Any) -> Any:
    """The values of a batch now, each variable read once."""
    return tf.nest.map_structure(tf.convert_to_tensor, batch)


def feed(step: Step, arrays: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    """Puts a batch into the variables a built-in step reads.

    Args:
        step: with a batch of images and labels, of images alone, or of two domains of images (CycleGAN).
        arrays: images (both domains one behind the other, brought into the generators' range) and labels.
    """
    held = step.batch if isinstance(step.batch, list | tuple) else (step.batch,)
    images = tf.transpose(tf.cast(arrays[0], held[0].dtype), (0, 2, 3, 1))
    fresh = (images, arrays[1]) if held[0].shape[0] == images.shape[0] else tf.split(tf.tanh(images), 2)
    for variable, values in zip(held, fresh, strict=False):
        variable.assign(values)


def accuracy(step: Step, arrays: tuple[NDArray[np.float32], NDArray[np.int64]], batch: int = 250) -> float:
    """Share of images that the step's first model classifies rightly, in inference mode.

    Args:
        step: of a classifier.
        arrays: images and labels.
        batch: images at a time.
    """
    images, labels = arrays
    right = 0
    for begin in range(0, len(labels), batch):
        part = tf.transpose(images[begin : begin + batch], (0, 2, 3, 1))
        scores = step.model_list[0](part, training=False)
        right += int((tf.argmax(scores, 1).numpy() == labels[begin : begin + batch]).sum())
    return right / len(labels)
