"""Lorenz curve, Gini coefficient and top shares of amounts, none of them negative."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def lorenz(amounts: ArrayLike, people: ArrayLike | None = None) -> tuple[Floats, Floats]:
    """The Lorenz curve, poorest first (Lorenz 1905).

    Args:
        amounts: what each holder has, shape ``(n,)``, none below 0.
        people: how many share each amount; one each where None.

    Returns:
        Cumulative share of people and of amounts, both of shape ``(n + 1,)``, from 0 to 1.

    Raises:
        ValueError: no holders, a negative or infinite number, nothing held, or a holder without people.
    """
    held, shared = _checked(amounts, people)
    order = np.argsort(held / shared, kind="stable")
    return _cumulative(shared[order]), _cumulative(held[order])


def gini(amounts: ArrayLike, people: ArrayLike | None = None, *, corrected: bool = True) -> Floats:
    """Gini coefficients: twice the area between the Lorenz curve and the line of equality.

    With one holder a row each, ``n / (n - 1)`` removes most of the bias of few holders, so that 1 is reached when one
    holder has all (Deltas 2003, eq. 4). With people of unequal numbers there is no such factor, and none is applied.

    Args:
        amounts: what each holder has, shape ``(..., n)``, none below 0.
        people: how many share each amount, the same shape; one each where None.
        corrected: apply the factor; a single holder gives 0.

    Returns:
        Shape ``(...)``, within 0 and 1.

    Raises:
        ValueError: as `lorenz`.
    """
    held, shared = _checked(amounts, people)
    order = np.argsort(held / shared, axis=-1, kind="stable")
    held, shared = (np.take_along_axis(part, order, axis=-1) for part in (held, shared))
    p, q = _cumulative(shared), _cumulative(held)
    area = np.sum((p[..., 1:] - p[..., :-1]) * (q[..., 1:] + q[..., :-1]), axis=-1)
    n = held.shape[-1]
    factor = n / (n - 1) if corrected and people is None and n > 1 else 1.0
    found: Floats = np.clip((1.0 - area) * factor, 0.0, 1.0)
    return found


def top_share(amounts: ArrayLike, count: int) -> Floats:
    """The share of all that the largest ``count`` holders have together.

    Args:
        amounts: what each holder has, shape ``(..., n)``, none below 0.
        count: holders at the top; all of them where there are fewer.

    Returns:
        Shape ``(...)``, within 0 and 1.

    Raises:
        ValueError: as `lorenz`, or a count below 1.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count}")
    held, _ = _checked(amounts, None)
    ordered = np.sort(held, axis=-1)[..., ::-1]
    found: Floats = np.clip(ordered[..., :count].sum(axis=-1) / held.sum(axis=-1), 0.0, 1.0)
    return found


def best_supplied(amounts: ArrayLike, people: ArrayLike, fraction: float) -> float:
    """The share of all that a fraction of the people has, those with the most a head; within a holder all alike.

    Args:
        amounts: what each holder has, shape ``(n,)``, none below 0.
        people: how many share each amount, the same shape.
        fraction: of the people, within 0 (exclusive) and 1.

    Raises:
        ValueError: as `lorenz`, or a fraction outside its range.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"a fraction lies within 0 and 1, not {fraction}")
    p, q = lorenz(amounts, people)
    return float(1.0 - np.interp(1.0 - fraction, p, q))


def _checked(amounts: ArrayLike, people: ArrayLike | None) -> tuple[Floats, Floats]:
    held = np.asarray(amounts, dtype=np.float64)
    shared = np.ones_like(held) if people is None else np.asarray(people, dtype=np.float64)
    if held.ndim == 0 or held.shape[-1] == 0 or shared.shape != held.shape:
        raise ValueError("amounts need at least one holder, and people the same shape")
    if not (np.isfinite(held).all() and np.isfinite(shared).all()) or (held < 0).any() or (shared <= 0).any():
        raise ValueError("amounts must be finite and not below 0, people above 0")
    largest = held.max(axis=-1, keepdims=True)
    if (largest <= 0).any():
        raise ValueError("nothing is held")
    return held / largest, shared


def _cumulative(parts: Floats) -> Floats:
    running = np.cumsum(parts, axis=-1)
    zero = np.zeros((*running.shape[:-1], 1))
    found: Floats = np.concatenate([zero, running / running[..., -1:]], axis=-1)
    return found
