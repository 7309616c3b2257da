"""Input batches as NumPy arrays: synthetic with natural-image statistics, CIFAR-10, or a folder of images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gpugap.core.errors import BadValue
from gpugap.workloads.data.cifar import cifar10_source
from gpugap.workloads.data.folder import folder_source
from gpugap.workloads.data.synthetic import synthetic, synthetic_source, synthetic_text

if TYPE_CHECKING:
    from gpugap.core.workload import Workload
    from gpugap.workloads.data.synthetic import Batch

MAX_CLASSES = 1_000_000
"""Subfolders a folder may have for a workload without classes."""

SOURCES = ("synthetic", "cifar10:PATH", "folder:PATH")


def parse_source(text: str) -> tuple[str, Path | None]:
    """The kind of data and its path in ``synthetic``, ``cifar10:PATH`` or ``folder:PATH``.

    Raises:
        BadValue: none of these.
    """
    kind, _, path = text.partition(":")
    if kind == "synthetic" and not path:
        return kind, None
    if kind in ("cifar10", "folder") and path:
        return kind, Path(path).expanduser().resolve()
    raise BadValue(f"data source {text!r}", f"use one of {', '.join(SOURCES)}")


def load_batch(source: str, workload: Workload, batch: int, seed: int) -> Batch:
    """One batch for a workload; as `open_data`."""
    if parse_source(source)[1] is None and not workload.vocabulary:
        return synthetic(batch * workload.images, workload.image_size, max(1, workload.classes), seed)
    return open_data(source, workload, seed)(batch)


def open_data(source: str, workload: Workload, seed: int, part: str = "all") -> Callable[[int], Batch]:
    """Opens data for a workload; the result draws a batch at every call.

    Args:
        source: as `parse_source` takes it.
        workload: gives image size, number of classes, and how many images a sample takes.
        seed: of synthetic images, and of the choice of samples.
        part: ``all``, or one of the disjoint parts ``train`` and ``held-out`` of a data set.

    Returns:
        A function of the batch size that gives images as float32 of shape (n, 3, size, size) near zero mean and unit
        variance, n being batch times the images a sample takes, and labels as int64 (n,), 0 without classes. For a
        text tokens as float32 and the tokens after them as int64, both (batch, tokens).

    Raises:
        CorruptData: the path does not hold what it should.
        BadValue: the data do not suit the workload.
    """
    kind, path = parse_source(source)
    size = workload.image_size
    if workload.vocabulary:
        if path is not None:
            raise BadValue(f"{workload.name} reads text, {source} holds images", "use synthetic")
        return synthetic_text(size, workload.vocabulary, seed)
    if path is None:
        draw = synthetic_source(size, max(1, workload.classes), seed)
    elif kind == "cifar10":
        if size != 32 or 0 < workload.classes < 10:
            raise BadValue(
                f"CIFAR-10 holds 32×32 images of 10 classes, {workload.name} takes others", "use folder:PATH"
            )
        draw = cifar10_source(path, seed, part)
    else:
        draw = folder_source(path, size, workload.classes or MAX_CLASSES, seed, part)
    return lambda batch: draw(batch * workload.images)
