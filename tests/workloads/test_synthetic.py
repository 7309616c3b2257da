"""Synthetic images look like natural ones to the hardware."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from gpugap.core.errors import BadValue
from gpugap.workloads import workload
from gpugap.workloads.data import load_batch, open_data, parse_source
from gpugap.workloads.data.synthetic import DISTINCT_IMAGES, synthetic


@pytest.mark.parametrize(("batch", "size"), [(1, 32), (5, 32), (3, 33), (2, 224)])
def test_shape_and_type(batch: int, size: int):
    images, labels = synthetic(batch, size, 10, 0)
    assert (images.shape, images.dtype) == ((batch, 3, size, size), np.float32)
    assert (labels.shape, labels.dtype) == ((batch,), np.int64)
    assert images.flags.c_contiguous


def test_every_channel_has_zero_mean_and_unit_variance():
    images, _ = synthetic(20, 32, 10, 0)
    assert np.abs(images.mean(axis=(2, 3))).max() < 1e-5
    assert np.abs(images.std(axis=(2, 3)) - 1).max() < 1e-5


def test_the_seed_decides_everything():
    one, same, other = (synthetic(4, 32, 10, seed) for seed in (7, 7, 8))
    assert np.array_equal(one[0], same[0])
    assert np.array_equal(one[1], same[1])
    assert not np.array_equal(one[0], other[0])


def test_images_differ_from_each_other():
    images, _ = synthetic(DISTINCT_IMAGES, 8, 10, 0)
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == DISTINCT_IMAGES


def test_labels_cover_all_classes_and_no_others():
    _, labels = synthetic(1000, 8, 10, 0)
    assert set(labels.tolist()) == set(range(10))


def test_the_amplitude_falls_as_one_over_the_frequency():
    """Slope of the radially averaged amplitude in logarithms, over 64 images of 64 pixels: -1 within 0.05. Seed 1."""
    size = 64
    images, _ = synthetic(64, size, 10, 1)
    amplitude = np.sqrt((np.abs(np.fft.fft2(images)) ** 2).mean(axis=(0, 1)))
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None, :])
    edges = np.geomspace(2 / size, 0.45, 12)
    inside = [(frequency >= low) & (frequency < high) for low, high in pairwise(edges)]
    mean_frequency = [np.exp(np.log(frequency[ring]).mean()) for ring in inside]
    mean_amplitude = [np.sqrt((amplitude[ring] ** 2).mean()) for ring in inside]
    slope = np.polyfit(np.log(mean_frequency), np.log(mean_amplitude), 1)[0]
    assert slope == pytest.approx(-1, abs=0.05)


def test_channels_are_correlated_as_colors_are():
    """Error budget: mean correlation of the three pairs of channels over 200 images; 0.9 within 0.02. Seed 2."""
    images, _ = synthetic(200, 32, 10, 2)
    red, green, blue = np.moveaxis(images, 1, 0)
    for one, other in ((red, green), (green, blue), (red, blue)):
        assert (one * other).mean() == pytest.approx(0.9, abs=0.02)


def test_large_batches_repeat_their_images():
    images, labels = synthetic(DISTINCT_IMAGES + 100, 8, 10, 0)
    assert len(images) == len(labels) == DISTINCT_IMAGES + 100
    assert np.array_equal(images[DISTINCT_IMAGES:], images[:100])
    assert images.flags.c_contiguous


@pytest.mark.parametrize(
    ("name", "images", "classes"), [("conv6", 4, 10), ("resnet18@224", 4, 1000), ("cyclegan", 8, 1)]
)
def test_a_batch_suits_its_workload(name: str, images: int, classes: int):
    spec = workload(name)
    pixels, labels = load_batch("synthetic", spec, 4, 0)
    assert pixels.shape == (images, *spec.input_shape)
    assert labels.min() >= 0
    assert labels.max() < classes


def test_an_open_source_draws_another_batch_at_every_call():
    for wanted in (3, 2000):
        draw = open_data("synthetic", workload("conv6"), 0)
        one, other = draw(wanted), draw(wanted)
        assert one[0].shape == other[0].shape == (wanted, 3, 32, 32)
        assert not np.array_equal(one[0], other[0])


def test_sources_are_parsed(tmp_path, home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert parse_source("synthetic") == ("synthetic", None)
    assert parse_source("cifar10:here") == ("cifar10", tmp_path / "here")
    assert parse_source("folder:~/there") == ("folder", home / "there")
    assert parse_source("folder:/a:b") == ("folder", tmp_path.__class__("/a:b"))


@pytest.mark.parametrize(
    "text", ["", "cifar10", "cifar10:", "folder:", "synthetic:x", "imagenet:/x", ":x", "Synthetic"]
)
def test_what_is_no_source_is_refused(text: str):
    with pytest.raises(BadValue, match="data source"):
        parse_source(text)
