"""CIFAR-10 batches and image folders: read, and refused when they are not what they should be."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpugap.core.errors import BadValue, CorruptData
from gpugap.workloads import workload
from gpugap.workloads.data import load_batch
from gpugap.workloads.data.cifar import MEAN, STD, cifar10
from gpugap.workloads.data.folder import image_folder

FILES = [f"data_batch_{number}" for number in range(1, 6)]


def content(rows: int = 20, seed: int = 0) -> dict[bytes, object]:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (rows, 3072), dtype=np.uint8)
    return {b"data": pixels, b"labels": random.integers(0, 10, rows).tolist(), b"batch_label": b"x"}


def write(folder: Path, protocol: int = 2, **changes: object) -> Path:
    """The five files of the set, the third with changes."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(FILES):
        held = content(seed=number) | ({k.encode(): v for k, v in changes.items()} if number == 2 else {})
        (folder / name).write_bytes(pickle.dumps(held, protocol))
    return folder


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.filterwarnings("error")
def test_cifar10_is_read_and_normalized(tmp_path: Path, protocol: int):
    folder = write(tmp_path / "cifar-10-batches-py", protocol)
    images, labels = cifar10(folder, 100, 0)
    assert (images.shape, images.dtype) == ((100, 3, 32, 32), np.float32)
    assert (labels.shape, labels.dtype) == ((100,), np.int64)
    assert images.flags.c_contiguous
    raw = np.concatenate([content(seed=number)[b"data"] for number in range(5)])
    back = np.rint((images * STD + MEAN) * 255).astype(np.uint8).reshape(100, 3072)
    assert sorted(map(bytes, back)) == sorted(map(bytes, raw))  # 100 of 100: each exactly once
    known = {
        bytes(row): label
        for number in range(5)
        for row, label in zip(*(content(seed=number)[key] for key in (b"data", b"labels")), strict=True)
    }
    assert [known[bytes(row)] for row in back] == labels.tolist()


@pytest.mark.filterwarnings("error")
def test_the_published_files_name_numpys_old_module(tmp_path: Path):
    for name in FILES:
        held = pickle.dumps(content(), 2).replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
        assert b"cnumpy.core.multiarray\n" in held
        (tmp_path / name).write_bytes(held)
    assert cifar10(tmp_path, 3, 0)[0].shape == (3, 3, 32, 32)


def test_the_folder_above_will_do(tmp_path: Path):
    write(tmp_path / "cifar-10-batches-py")
    assert cifar10(tmp_path, 5, 0)[0].shape == (5, 3, 32, 32)


def test_the_seed_decides_which_images(tmp_path: Path):
    folder = write(tmp_path)
    one, same, other = (cifar10(folder, 8, seed)[0] for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_batch_beyond_the_set_repeats_images(tmp_path: Path):
    images, labels = cifar10(write(tmp_path), 250, 0)
    assert len(images) == len(labels) == 250


def test_no_batches_are_told(tmp_path: Path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(CorruptData, match="no CIFAR-10 python batches"):
            cifar10(folder, 5, 0)


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path, protocol: int):
    mark = tmp_path / "ran"
    write(tmp_path, protocol, extra=Bomb(mark))
    with pytest.raises(CorruptData, match=r"data_batch_3.*mkdir"):
        cifar10(tmp_path, 5, 0)
    assert not mark.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"data": np.zeros((20, 3071), np.uint8)},
        {"data": np.zeros((19, 3072), np.uint8)},
        {"data": np.zeros((20, 3, 32, 32), np.uint8)},
        {"data": np.zeros((0, 3072), np.uint8), "labels": []},
        {"data": b"no array"},
        {"data": None},
        {"labels": [10] * 20},
        {"labels": [-1] * 20},
        {"labels": ["cat"] * 20},
        {"labels": [[1]] * 20},
        {"labels": 3},
    ],
    ids=str,
)
def test_wrong_shapes_and_labels_are_told(tmp_path: Path, changes: dict):
    with pytest.raises(CorruptData, match="data_batch_3"):
        cifar10(write(tmp_path, **changes), 5, 0)


@pytest.mark.parametrize("keep", [0, 1, 100, 30_000])
def test_a_truncated_file_is_told(tmp_path: Path, keep: int):
    path = write(tmp_path) / "data_batch_5"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CorruptData, match="data_batch_5"):
        cifar10(tmp_path, 5, 0)


@pytest.mark.parametrize("held", [[1, 2], 7, "text", {b"data": 1}, {}])
def test_another_pickle_is_told(tmp_path: Path, held: object):
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(held))
    with pytest.raises(CorruptData, match="data_batch_1"):
        cifar10(tmp_path, 5, 0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.data())
def test_a_damaged_file_is_read_or_told(tmp_path: Path, data: st.DataObject):
    whole = bytearray(pickle.dumps(content(2), 2))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, 300))] = data.draw(st.integers(0, 255))
    (tmp_path / "data_batch_1").write_bytes(whole)
    try:
        images, _ = cifar10(tmp_path, 2, 0)
    except CorruptData:
        return
    assert images.shape == (2, 3, 32, 32)


@pytest.mark.parametrize("name", ["resnet18@224", "vgg16@224", "cyclegan"])
def test_cifar10_does_not_suit_every_workload(tmp_path: Path, name: str):
    with pytest.raises(BadValue, match="32×32"):
        load_batch(f"cifar10:{write(tmp_path)}", workload(name), 2, 0)


def test_cifar10_through_the_front_door(tmp_path: Path):
    images, labels = load_batch(f"cifar10:{write(tmp_path)}", workload("conv6"), 6, 0)
    assert images.shape == (6, 3, 32, 32)
    assert labels.max() <= 9


def draw_images(folder: Path, classes: dict[str, int], suffix: str = ".png") -> Path:
    """A folder a class, each image of one color that tells class and number."""
    image = pytest.importorskip("PIL.Image")
    for label, (name, count) in enumerate(classes.items()):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            color = (50 * label, 10 * number, 255)
            image.new("RGB", (40, 30), color).save(folder / name / f"{number}{suffix}")
    return folder


def test_a_folder_is_read_resized_and_scaled(tmp_path: Path):
    folder = draw_images(tmp_path / "set", {"b-dog": 3, "a-cat": 2})
    images, labels = image_folder(folder, (5, 16, 10), 0)
    assert (images.shape, images.dtype, labels.dtype) == ((5, 3, 16, 16), np.float32, np.int64)
    assert labels.tolist().count(0) == 2  # in the alphabet, cats come first
    assert np.all(images[:, 2] == 1)
    assert images.min() >= -1
    red = np.rint((images[:, 0, 0, 0] + 1) * 127.5).tolist()
    assert [label for label, value in zip(labels, red, strict=True) if value == 50] == [0, 0]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG", ".bmp", ".webp", ".ppm"])
def test_formats(tmp_path: Path, suffix: str):
    folder = draw_images(tmp_path / "set", {"a": 1}, suffix)
    assert image_folder(folder, (1, 8, 10), 0)[0].shape == (1, 3, 8, 8)


def test_gray_transparent_and_palette_images_become_rgb(tmp_path: Path):
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "a").mkdir()
    for mode in ("L", "RGBA", "P", "1", "CMYK"):
        suffix = "jpg" if mode == "CMYK" else "png"
        image.new(mode, (8, 8)).save(tmp_path / "a" / f"{mode}.{suffix}")
    assert image_folder(tmp_path, (5, 8, 10), 0)[0].shape == (5, 3, 8, 8)


def test_a_batch_beyond_the_folder_repeats_images(tmp_path: Path):
    folder = draw_images(tmp_path / "set", {"a": 2, "b": 1})
    images, labels = image_folder(folder, (50, 8, 10), 0)
    assert len(images) == 50
    assert set(labels.tolist()) == {0, 1}


def test_other_files_and_hidden_folders_are_left_alone(tmp_path: Path):
    folder = draw_images(tmp_path / "set", {"a": 1})
    (folder / "README.txt").write_text("x")
    (folder / "a" / "notes.txt").write_text("x")
    (folder / ".git").mkdir()
    assert image_folder(folder, (3, 8, 1), 0)[1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("damage", ["text", "cut", "empty", "folder"])
def test_a_corrupt_image_is_told_by_name(tmp_path: Path, damage: str):
    folder = draw_images(tmp_path / "set", {"a": 1})
    path = folder / "a" / "0.png"
    whole = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes({"text": b"hello", "cut": whole[: len(whole) // 2], "empty": b""}[damage])
    with pytest.raises(CorruptData, match=r"0\.png"):
        image_folder(folder, (1, 8, 10), 0)


def test_an_image_too_large_to_be_honest_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = draw_images(tmp_path / "set", {"a": 1})
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 100)  # 40 × 30 is more than twice as many
    with pytest.raises(CorruptData, match=r"0\.png"):
        image_folder(folder, (1, 8, 10), 0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data(), suffix=st.sampled_from([".png", ".jpg", ".bmp", ".webp"]))
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_image_is_read_or_told(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, suffix: str):
    folder = draw_images(tmp_path_factory.mktemp("damaged") / "set", {"a": 1}, suffix)
    path = folder / "a" / f"0{suffix}"
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    try:
        images, _ = image_folder(folder, (1, 8, 10), 0)
    except CorruptData:
        return
    assert images.shape == (1, 3, 8, 8)


def test_missing_and_empty_folders_are_told(tmp_path: Path):
    (tmp_path / "empty" / "a").mkdir(parents=True)
    (tmp_path / "file").touch()
    for path in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(CorruptData, match="no such folder"):
            image_folder(path, (1, 8, 10), 0)
    with pytest.raises(CorruptData, match="no images"):
        image_folder(tmp_path / "empty", (1, 8, 10), 0)


def test_too_many_classes_are_told(tmp_path: Path):
    folder = draw_images(tmp_path / "set", {"a": 1, "b": 1, "c": 1})
    with pytest.raises(CorruptData, match="3 classes"):
        image_folder(folder, (1, 8, 2), 0)
    assert image_folder(folder, (1, 8, 3), 0)[0].shape == (1, 3, 8, 8)


def test_a_folder_through_the_front_door(tmp_path: Path):
    folder = draw_images(tmp_path / "set", {"a": 2})
    images, _ = load_batch(f"folder:{folder}", workload("resnet18@224"), 3, 0)
    assert images.shape == (3, 3, 224, 224)
    images, labels = load_batch(f"folder:{folder}", workload("cyclegan"), 1, 0)
    assert (images.shape, labels.shape) == ((2, 3, 256, 256), (2,))
