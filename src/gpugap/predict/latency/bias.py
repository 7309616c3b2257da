"""`Common`: one measured step removes what all predictions of a model on a GPU have wrong in common."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Common:
    """The ratio of a measured step to the same step predicted.

    Attributes:
        ratio: measured over predicted.
        gpu_id: the GPU it was measured on.
        source: of the measurement, for people: ``record.jsonl, batch 32``.
    """

    ratio: float
    gpu_id: str
    source: str


def common(measured_s: float, predicted_s: float, gpu_id: str, source: str) -> Common:
    """The common bias that a measured step shows.

    Args:
        measured_s: of the step on the GPU.
        predicted_s: of the same step on the same GPU, without any calibration.
        gpu_id: key in the catalog.
        source: of the measurement.

    Raises:
        ValueError: a time is not above 0.
    """
    if not (measured_s > 0 and predicted_s > 0):
        raise ValueError(f"times must be above 0, not {measured_s} and {predicted_s}")
    return Common(measured_s / predicted_s, gpu_id, source)
