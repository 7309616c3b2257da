"""Input batches as NumPy arrays: synthetic with natural-image statistics, CIFAR-10, or a folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gpugap.core.errors import BadValue
from gpugap.workloads.data.cifar import cifar10
from gpugap.workloads.data.folder import image_folder
from gpugap.workloads.data.synthetic import synthetic

if TYPE_CHECKING:
    from gpugap.core.workload import Workload
    from gpugap.workloads.data.synthetic import Batch

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
    """One batch for a workload.

    Args:
        source: as `parse_source` takes it.
        workload: gives image size and number of classes.
        batch: samples.
        seed: of synthetic images, and of the choice of samples from a data set.

    Returns:
        Images as float32 of shape (batch, 3, size, size) near zero mean and unit variance; labels as int64 (batch,).

    Raises:
        CorruptData: the path does not hold what it should.
        BadValue: the data do not suit the workload.
    """
    kind, path = parse_source(source)
    if path is None:
        return synthetic(batch, workload.image_size, workload.classes, seed)
    if kind == "cifar10":
        if workload.image_size != 32 or workload.classes < 10:
            raise BadValue(
                f"CIFAR-10 holds 32×32 images of 10 classes, {workload.name} takes others", "use folder:PATH"
            )
        return cifar10(path, batch, seed)
    return image_folder(path, (batch, workload.image_size, workload.classes), seed)
