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
    from numpy.typing import NDArray

    from gpugap.workloads.data.synthetic import Batch

TEST_FILE = "test_batch"
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


def cifar10_source(folder: Path, seed: int, part: str = "all") -> Callable[[int], Batch]:
    """Draws random batches from images that are read once; as `cifar10`.

    Args:
        folder: holds the batches.
        seed: of the draws.
        part: ``all`` training images; ``held-out`` is the test batch, and ``train`` the rest. Where there is no test
            batch, every fifth training image is held out.
    """
    if (folder / "cifar-10-batches-py").is_dir():
        folder = folder / "cifar-10-batches-py"
    has_test = (folder / TEST_FILE).is_file()
    names = (TEST_FILE,) if part == "held-out" and has_test else FILES
    paths = [folder / name for name in names if (folder / name).is_file()]
    if not paths:
        raise CorruptData(f"no CIFAR-10 python batches in {folder}", _REMEDY)
    files = [_read(path) for path in paths]
    pixels = np.concatenate([file[0] for file in files])
    labels = np.concatenate([file[1] for file in files])
    if not has_test:
        chosen = held_out_mask(len(labels), part)
        pixels, labels = pixels[chosen], labels[chosen]
    return _source(pixels, labels, seed)


def held_out_mask(count: int, part: str) -> NDArray[np.bool_]:
    """Which of a number of samples belong to a part: every fifth is held out, and ``all`` are all."""
    held = np.arange(count) % 5 == 4
    return np.ones(count, dtype=bool) if part == "all" else held if part == "held-out" else ~held


def _source(pixels: NDArray[np.uint8], labels: NDArray[np.int64], seed: int) -> Callable[[int], Batch]:
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
    except Exception as error:  # a damaged pickle raises anything from EOFError to LookupError
        raise CorruptData(
            f"{path} is not a CIFAR-10 python batch ({type(error).__name__}: {error})", _REMEDY
        ) from error
    if labels.ndim != 1 or not len(labels) or pixels.shape != (len(labels), 3072):
        raise CorruptData(f"{path} holds arrays of shape {pixels.shape} and {labels.shape}, not (n, 3072)", _REMEDY)
    if labels.min() < 0 or labels.max() > 9:
        raise CorruptData(f"{path} holds labels outside 0-9", _REMEDY)
    return pixels, labels
