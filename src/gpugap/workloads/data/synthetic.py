"""Seeded random images whose spectrum and colors resemble natural ones.

Natural images have an amplitude spectrum falling as 1/f (Field 1987, J. Opt. Soc. Am. A 4, 2379) and strongly
correlated color channels (Ruderman et al. 1998). Constant or white inputs draw less power and hide denormals, so the
time they give is not the time of real data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Batch = tuple[NDArray[np.float32], NDArray[np.int64]]

DISTINCT_IMAGES = 1024
"""At most this many different images are drawn; larger batches repeat them, so memory stays near the batch itself."""

_SMALL = 64
"""Up to this size in pixels the pool holds all distinct images; above, a sixteenth, to keep it in a few MiB."""

_LUMA_SHARE = 0.9
"""Share of a channel's variance common to all three channels."""


def synthetic(batch: int, size: int, classes: int, seed: int) -> Batch:
    """Images with a 1/f amplitude spectrum and correlated channels, and uniform labels.

    Args:
        batch: samples.
        size: height and width in pixels.
        classes: labels are drawn from ``range(classes)``.
        seed: the same seed gives the same batch.

    Returns:
        Images as float32 (batch, 3, size, size), each channel with zero mean and unit variance; labels int64 (batch,).
    """
    random = np.random.default_rng(seed)
    distinct = min(batch, DISTINCT_IMAGES)
    luma = _pink(random, (distinct, 1, size))
    color = _pink(random, (distinct, 3, size))
    images = np.sqrt(_LUMA_SHARE) * luma + np.sqrt(1 - _LUMA_SHARE) * color
    images -= images.mean(axis=(2, 3), keepdims=True)
    images /= images.std(axis=(2, 3), keepdims=True)
    images = images.astype(np.float32)
    if batch > distinct:
        images = np.resize(images, (batch, 3, size, size))
    labels = random.integers(0, classes, size=batch, dtype=np.int64)
    return np.ascontiguousarray(images), labels


def synthetic_source(size: int, classes: int, seed: int) -> Callable[[int], Batch]:
    """Draws random batches from a pool of synthetic images in memory, as a small data set would be fed.

    Args:
        size: height and width in pixels.
        classes: as `synthetic`.
        seed: of the pool and of the draws.
    """
    pixels, labels = synthetic(DISTINCT_IMAGES if size <= _SMALL else DISTINCT_IMAGES // 16, size, classes, seed)
    random = np.random.default_rng(seed)

    def draw(batch: int) -> Batch:
        chosen = random.integers(0, len(labels), size=batch)
        return pixels[chosen], labels[chosen]

    return draw


def synthetic_text(tokens: int, vocabulary: int, seed: int) -> Callable[[int], Batch]:
    """Draws random texts: tokens by Zipf's law, the first the most frequent, as in natural language.

    Args:
        tokens: of a sample.
        vocabulary: different tokens.
        seed: of the draws.

    Returns:
        A function of the batch size that gives tokens as float32, which holds them exactly, and the tokens after them
        as int64, both (batch, tokens).
    """
    random = np.random.default_rng(seed)
    share = 1 / np.arange(1, vocabulary + 1)

    def draw(batch: int) -> Batch:
        text = random.choice(vocabulary, size=(batch, tokens + 1), p=share / share.sum())
        return text[:, :-1].astype(np.float32), np.ascontiguousarray(text[:, 1:])

    return draw


def _pink(random: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Noise of shape (n, channels, size, size) with amplitude 1/f, unit variance."""
    count, channels, size = shape
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = np.inf
    white = random.standard_normal((count, channels, size, size))
    noise: NDArray[np.float64] = np.fft.irfft2(np.fft.rfft2(white) / frequency, s=(size, size))
    noise /= noise.std(axis=(2, 3), keepdims=True)
    return noise
