"""Optimizers with PyTorch's formulas, in TensorFlow's fused kernels, and the scaling of losses in half precision."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from gpugap.core.errors import BadStepFile
from gpugap.frameworks.tensorflow.start import keras, tf

ADAM_EPSILON = 1e-8
"""Added to the root of the corrected second moment."""

ADAM_BETA_2 = 0.999


class Optimizer(Protocol):
    """What a training step needs of an optimizer."""

    variables: list[Any]

    def apply(self, gradients: Sequence[Any]) -> None:
        """Updates the variables."""


class Sgd:
    """Stochastic gradient descent with momentum: ``m = momentum * m + g + decay * p; p = p - rate * m``.

    Args:
        variables: what it updates, as ``tf.Variable``.
        rate: learning rate.
        momentum: share of the last update kept.
        decay: weight decay, added to the gradient of every parameter as PyTorch does.
    """

    def __init__(self, variables: Sequence[Any], rate: float, momentum: float, decay: float) -> None:
        self.variables = list(variables)
        self._rate, self._momentum, self._decay = rate, momentum, decay
        self._sums = _zeros(self.variables)

    def apply(self, gradients: Sequence[Any]) -> None:
        """Updates the variables."""
        for variable, total, gradient in zip(self.variables, self._sums, gradients, strict=True):
            tf.raw_ops.ResourceApplyMomentum(
                var=variable.handle,
                accum=total.handle,
                lr=tf.constant(self._rate, variable.dtype),
                grad=gradient + self._decay * variable if self._decay else gradient,
                momentum=tf.constant(self._momentum, variable.dtype),
            )


class Adam:
    """Adam with PyTorch's epsilon: ``p = p - rate * m̂ / (sqrt(v̂) + ε)``, hats for the correction of the bias.

    TensorFlow's kernel wants ``p - a * m / (sqrt(v) + e)``, which is the same with
    ``a = rate * sqrt(1 - β2^t) / (1 - β1^t)`` and ``e = ε * sqrt(1 - β2^t)``. Both are computed in double from the
    betas as the kernel rounds them: 1 - 0.999 in single precision is off by 1e-5, and cancels only if it is so in both.

    Args:
        variables: what it updates, as ``tf.Variable``.
        rate: learning rate.
        beta_1: share of the first moment kept.
    """

    def __init__(self, variables: Sequence[Any], rate: float, beta_1: float) -> None:
        self.variables = list(variables)
        self._rate, self._betas = rate, (beta_1, ADAM_BETA_2)
        self._firsts, self._seconds = _zeros(self.variables), _zeros(self.variables)
        self._steps = tf.Variable(0.0, trainable=False, dtype=tf.float64)

    def apply(self, gradients: Sequence[Any]) -> None:
        """Updates the variables."""
        step, dtype = self._steps.assign_add(1.0), self.variables[0].dtype
        kind = dtype.as_numpy_dtype
        left = [1.0 - tf.exp(step * math.log(float(np.asarray(beta, kind)))) for beta in self._betas]
        root = tf.sqrt(left[1])
        alpha, epsilon = tf.cast(self._rate * root / left[0], dtype), tf.cast(ADAM_EPSILON * root, dtype)
        none = tf.zeros((), dtype)
        beta_1, beta_2 = (tf.constant(beta, dtype) for beta in self._betas)
        moments = zip(self.variables, self._firsts, self._seconds, gradients, strict=True)
        for variable, first, second, gradient in moments:
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=none,
                beta2_power=none,
                lr=alpha,
                beta1=beta_1,
                beta2=beta_2,
                epsilon=epsilon,
                grad=gradient,
            )


class OfKeras:
    """A user's Keras optimizer.

    Args:
        optimizer: of Keras.
        variables: what it updates.
    """

    def __init__(self, optimizer: Any, variables: Sequence[Any]) -> None:
        self.variables = [variable.value for variable in variables]
        self._optimizer, self._own = optimizer, list(variables)
        optimizer.build(self._own)

    def apply(self, gradients: Sequence[Any]) -> None:
        """Updates the variables."""
        self._optimizer.apply(gradients, self._own)


def optimizers_of(given: Sequence[Any], variables: Sequence[Any]) -> list[Optimizer]:
    """A step's optimizers, each with what it updates.

    Args:
        given: of a `gpugap.core.step.Step`.
        variables: trainable Keras variables of the step's models; a Keras optimizer that was not built updates all.

    Raises:
        BadStepFile: none, something else than an optimizer, or several that do not say what each updates.
    """
    kinds = (Sgd, Adam, keras.optimizers.Optimizer)
    if not given or not all(isinstance(one, kinds) for one in given):
        raise BadStepFile(
            "a training Step needs a loss and Keras optimizers", "give both, or run=... with the whole step"
        )
    if len(given) > 1 and not all(getattr(one, "built", True) for one in given):
        raise BadStepFile(
            "several optimizers do not say what each updates", "call optimizer.build(variables) on each of them"
        )
    return [
        one if isinstance(one, Sgd | Adam) else OfKeras(one, one._trainable_variables if one.built else variables)
        for one in given
    ]


class LossScale:
    """Keeps small gradients of half precision from vanishing, by PyTorch's rule.

    The loss is multiplied by a scale, the gradients divided by it. An optimizer whose gradients are not finite updates
    nothing, and the scale is halved; after 2000 updates in a row it is doubled.
    """

    def __init__(self) -> None:
        self._scale = tf.Variable(65536.0, trainable=False)
        self._good = tf.Variable(0.0, trainable=False)

    def up(self, loss: Any) -> Any:
        """The scaled loss."""
        return loss * tf.cast(self._scale, loss.dtype)

    def apply(self, parts: Sequence[tuple[Optimizer, Sequence[Any]]]) -> None:
        """Updates what several optimizers hold, each with its gradients of one scaled loss, and then the scale."""
        finite = tf.reduce_all([self._apply_one(optimizer, gradients) for optimizer, gradients in parts])
        full = self._good.assign_add(1.0) >= 2000.0
        self._scale.assign(tf.where(finite, tf.where(full, 2.0, 1.0), 0.5) * self._scale)
        self._good.assign(tf.where(finite & ~full, self._good, 0.0))

    def _apply_one(self, optimizer: Optimizer, gradients: Sequence[Any]) -> Any:
        """Whether one optimizer's gradients are finite; it updates if so."""
        plain = [gradient / tf.cast(self._scale, gradient.dtype) for gradient in gradients]
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in plain])

        def update() -> Any:
            optimizer.apply(plain)
            return tf.constant(True)

        tf.cond(finite, update, lambda: tf.constant(False))
        return finite


def _zeros(variables: Sequence[Any]) -> list[Any]:
    return [tf.Variable(tf.zeros(variable.shape, variable.dtype), trainable=False) for variable in variables]
