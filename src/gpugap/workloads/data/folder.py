"""A folder of images, one subfolder a class, resized to what the workload takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gpugap.core.errors import CorruptData, MissingExtra
from gpugap.workloads.data.cifar import held_out_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpugap.workloads.data.synthetic import Batch

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm"}
_REMEDY = "the folder holds one subfolder a class, each with .jpg, .png, .bmp, .webp or .ppm images"


def image_folder(folder: Path, shape: tuple[int, int, int], seed: int) -> Batch:
    """A random batch of the folder's images, scaled to the range -1 to 1.

    Args:
        folder: holds a subfolder a class.
        shape: samples, pixels a side, classes the network knows.
        seed: of the choice of images; drawn with replacement beyond the folder's size.

    Raises:
        CorruptData: missing, empty, too many classes, or an image that cannot be decoded.
        MissingExtra: Pillow is not installed.
    """
    batch, size, classes = shape
    return folder_source(folder, size, classes, seed)(batch)


def folder_source(folder: Path, size: int, classes: int, seed: int, part: str = "all") -> Callable[[int], Batch]:
    """Draws random batches from the folder, decoding every image anew, as a training run does; as `image_folder`.

    Args:
        folder: holds a subfolder a class.
        size: pixels a side.
        classes: that the network knows.
        seed: of the draws.
        part: ``all`` images; every fifth is ``held-out``, the others are for ``train``.
    """
    if not folder.is_dir():
        raise CorruptData(f"no such folder: {folder}", _REMEDY)
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    files = [
        (path, label)
        for label, name in enumerate(names)
        for path in sorted((folder / name).iterdir())
        if path.suffix.lower() in SUFFIXES
    ]
    if not files:
        raise CorruptData(f"no images in the subfolders of {folder}", _REMEDY)
    if len(names) > classes:
        raise CorruptData(
            f"{folder} has {len(names)} classes, the workload {classes}", "remove classes or use another workload"
        )
    files = [file for file, chosen in zip(files, held_out_mask(len(files), part), strict=True) if chosen]
    if not files:
        raise CorruptData(f"{folder} has too few images to hold some out", "give at least five")
    random = np.random.default_rng(seed)

    def draw(batch: int) -> Batch:
        chosen = random.choice(len(files), size=batch, replace=batch > len(files)).tolist()
        labels = np.array([files[index][1] for index in chosen], dtype=np.int64)
        return np.stack([_decode(files[index][0], size) for index in chosen]), labels

    return draw


def _decode(path: Path, size: int) -> NDArray[np.float32]:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise MissingExtra("Pillow, which reads image files,", "torch") from error
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB").resize((size, size)), dtype=np.float32)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise CorruptData(f"{path} is not a readable image ({error})", "remove or replace it") from error
    return np.ascontiguousarray(pixels.transpose(2, 0, 1) / 127.5 - 1)
