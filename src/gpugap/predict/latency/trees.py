"""`Trees`: boosted regression trees as plain arrays, evaluated all at once without the library that grew them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_FIELDS = ("roots", "feature", "threshold", "left", "right", "value")


@dataclass(frozen=True, slots=True)
class Trees:
    """A sum of trees. Nodes of all trees lie in one list; a leaf points at itself.

    Attributes:
        start: what is predicted before the first tree.
        roots: node of each tree's root.
        feature: column a node asks for.
        threshold: at most this goes left.
        left: next node.
        right: next node.
        value: of a leaf; 0 elsewhere.
        depth: questions to the deepest leaf.
    """

    start: float
    roots: npt.NDArray[np.int32]
    feature: npt.NDArray[np.int16]
    threshold: npt.NDArray[np.float32]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    value: npt.NDArray[np.float32]
    depth: int

    def __call__(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Predictions for rows of features, shape (rows,)."""
        rows, columns = features.shape
        flat = np.ascontiguousarray(features).ravel()
        child = np.stack([self.left, self.right], axis=1).ravel()
        node = np.repeat(self.roots, rows)
        row = np.tile(np.arange(rows, dtype=np.int32) * columns, len(self.roots))
        asked = np.arange(len(node))  # what has not come to a leaf yet
        for _ in range(self.depth):
            here = node[asked]
            right = flat[row[asked] + self.feature[here]] > self.threshold[here]
            node[asked] = there = child[2 * here + right]
            asked = asked[self.left[there] != there]
        leaves = self.value[node].reshape(len(self.roots), rows)
        return np.asarray(self.start + leaves.sum(axis=0, dtype=np.float64))

    def to_arrays(self, name: str) -> dict[str, npt.NDArray[np.generic]]:
        """As arrays to be stored, every key begun with a name."""
        head = {f"{name}/head": np.array([self.start, self.depth])}
        return head | {f"{name}/{field}": getattr(self, field) for field in _FIELDS}


def trees_of(name: str, arrays: Mapping[str, npt.NDArray[np.generic]]) -> Trees:
    """From stored arrays.

    Args:
        name: what their keys begin with.
        arrays: of a file of `numpy.savez`.
    """
    start, depth = (float(value) for value in arrays[f"{name}/head"])
    roots, feature, threshold, left, right, value = (arrays[f"{name}/{field}"] for field in _FIELDS)
    return Trees(
        start,
        roots.astype(np.int32),
        feature.astype(np.int16),
        threshold.astype(np.float32),
        left.astype(np.int32),
        right.astype(np.int32),
        value.astype(np.float32),
        int(depth),
    )
