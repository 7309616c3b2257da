"""CIFAR-10 in its python-batch form (Krizhevsky 2009), read without running code from the pickles."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpugap.core.errors import CorruptData

if TYPE_CHECKING:
    from gpugap.workloads.data.synthetic import Batch

FILES = tuple(f"data_batch_{number}" for number in range(1, 6))
MEAN = np.array([0.4914, 0.4822, 0.4465], dtype=np.float32).reshape(1, 3, 1, 1)
STD = np.array([0.2470, 0.2435, 0.2616], dtype=np.float32).reshape(1, 3, 1, 1)
"""Channel means and standard deviations of the training set, computed from its 50,000 images scaled to 0-1."""

_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}
_REMEDY = "point at the folder cifar-10-batches-py with data_batch_1 to data_batch_5"


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that builds plain containers and NumPy arrays, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it wants {module}.{name}")
        return super().find_class(module, name)


def cifar10(folder: Path, batch: int, seed: int) -> Batch:
    """A random batch of the training images, normalized by channel; drawn with replacement beyond the set's size.

    Raises:
        CorruptData: a file is missing, truncated or of another form.
    """
    return cifar10_source(folder, seed)(batch)


def cifar10_source(folder: Path, seed: int) -> Callable[[int], Batch]:
    """Draws random batches from the training images, which are read once; as `cifar10`."""
    if (folder / "cifar-10-batches-py").is_dir():
        folder = folder / "cifar-10-batches-py"
    paths = [folder / name for name in FILES if (folder / name).is_file()]
    if not paths:
        raise CorruptData(f"no CIFAR-10 python batches in {folder}", _REMEDY)
    parts = [_read(path) for path in paths]
    pixels = np.concatenate([part[0] for part in parts])
    labels = np.concatenate([part[1] for part in parts])
    random = np.random.default_rng(seed)

    def draw(batch: int) -> Batch:
        chosen = random.choice(len(labels), size=batch, replace=batch > len(labels))
        images = pixels[chosen].reshape(-1, 3, 32, 32).astype(np.float32) / 255
        return np.ascontiguousarray((images - MEAN) / STD), labels[chosen]

    return draw


def _read(path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    try:
        content = _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="bytes").load()
        pixels = np.asarray(content[b"data"], dtype=np.uint8)
        labels = np.asarray(content[b"labels"], dtype=np.int64)
    except Exception as error:
        raise CorruptData(
            f"{path} is not a CIFAR-10 python batch ({type(error).__name__}: {error})", _REMEDY
        ) from error
    if labels.ndim != 1 or not len(labels) or pixels.shape != (len(labels), 3072):
        raise CorruptData(f"{path} holds arrays of shape {pixels.shape} and {labels.shape}, not (n, 3072)", _REMEDY)
    if labels.min() < 0 or labels.max() > 9:
        raise CorruptData(f"{path} holds labels outside 0-9", _REMEDY)
    return pixels, labels
