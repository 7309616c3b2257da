"""Profiles: kept, found again, passed over where they do not hold; and what they leave of a published speedup."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpugap.core.errors import StoreWriteFailed
from gpugap.core.estimate import Estimate
from gpugap.core.setting import Setting
from gpugap.tune.profile import Profile, profiles, save_profile, tuned_profile
from gpugap.tune.share import over_tuned, share

CORES = tuple(sorted(os.sched_getaffinity(0))[:1]) if hasattr(os, "sched_getaffinity") else None
PROFILE = Profile(
    machine="m1",
    workload="conv6@32",
    code="",
    framework="torch",
    device="cpu",
    mode="train",
    batch=128,
    precision="fp32",
    versions={"torch": "2.13.0"},
    setting=Setting("bf16", 2, channels_last=True, cores=CORES),
    execution="eager",
    result={},
)


def found(folder: Path, **changes) -> Profile | None:
    known = {"machine": "m1", "mode": "train", "batch": 128, "versions": {"torch": "2.13.0"}}
    known |= {"workload": "conv6@32", "folder": folder} | changes
    return tuned_profile(known.pop("workload"), **known)


def test_a_profile_is_found_again(tmp_path: Path):
    save_profile(PROFILE, tmp_path)
    assert found(tmp_path) == PROFILE
    assert list(tmp_path.glob("*.part")) == []


def test_the_default_place_is_the_data_folder(home: Path):
    path = save_profile(PROFILE)
    assert path.is_relative_to(home)
    assert found(None) == PROFILE


@pytest.mark.parametrize(
    "change",
    [
        {"machine": "m2"},
        {"workload": "vgg16@32"},
        {"mode": "inference"},
        {"code": "abc"},
        {"framework": "jax"},
        {"device": "cuda"},
        {"precision": "bf16"},
        {"versions": {"torch": "2.14.0"}},
        {"versions": {}},
    ],
)
def test_another_machine_workload_or_version_is_not_it(tmp_path: Path, change: dict):
    save_profile(PROFILE, tmp_path)
    assert found(tmp_path, **change) is None


def test_a_build_is_no_other_version(tmp_path: Path):
    """Wheels of PyPI have the build in ``torch.__version__`` and not in their metadata."""
    save_profile(replace(PROFILE, versions={"torch": "2.13.0+cu130"}), tmp_path)
    assert found(tmp_path) is not None
    assert found(tmp_path, versions={"torch": "2.13.0+cpu"}) is not None


@pytest.mark.parametrize("change", [{"cores": (0, 10**6)}, {"allocator": "nomalloc"}])
def test_what_cannot_be_put_in_force_now_is_passed_over(tmp_path: Path, change: dict):
    setting = replace(PROFILE.setting, cores=None)
    save_profile(replace(PROFILE, setting=setting), tmp_path)
    assert found(tmp_path) is not None
    save_profile(replace(PROFILE, setting=replace(setting, **change)), tmp_path)
    assert found(tmp_path) is None


def test_the_nearest_batch_is_taken_and_a_later_run_takes_the_place(tmp_path: Path):
    for batch in (8, 128):
        save_profile(replace(PROFILE, batch=batch), tmp_path)
    assert [found(tmp_path, batch=batch).batch for batch in (1, 16, 64, 4096)] == [8, 8, 128, 128]
    save_profile(replace(PROFILE, execution="compile"), tmp_path)
    assert len(list(profiles(tmp_path))) == 2
    assert found(tmp_path).execution == "compile"


def test_cells_of_two_findings_are_two_cells():
    assert PROFILE.digest != replace(PROFILE, execution="compile").digest
    assert PROFILE.digest == replace(PROFILE, batch=8).digest


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "gpugap.profile/2"}', '{"schema": "gpugap.profile/1"}'])
def test_a_broken_file_is_passed_over(tmp_path: Path, text: str):
    save_profile(PROFILE, tmp_path)
    (tmp_path / "a.json").write_text(text)
    assert list(profiles(tmp_path)) == [PROFILE]


def test_a_folder_that_cannot_be_written_is_one_line(disk):
    disk.remount("ro")
    with pytest.raises(StoreWriteFailed, match="the profile cannot be written") as caught:
        save_profile(PROFILE, disk.folder / "tuned")
    assert "XDG_DATA_HOME" in caught.value.remedy


def test_the_file_is_plain_json(tmp_path: Path):
    content = json.loads(save_profile(PROFILE, tmp_path).read_text())
    assert content["schema"] == "gpugap.profile/1"
    assert content["setting"]["cores"] == (None if CORES is None else list(CORES))


def gain(value: float = 2.0, low: float = 1.8, high: float = 2.2) -> Estimate:
    return Estimate(value, low, high, 0.95, "1", "measured", "t", 5)


def published(value: float | None, low: float | None = None, high: float | None = None) -> Estimate:
    return Estimate(value, low, high, None, "1", "published", "s", None)


def test_what_tuning_leaves_of_a_speedup():
    left = over_tuned(published(20.0), gain())
    assert (left.value, left.low, left.high) == (10.0, pytest.approx(20 / 2.2), pytest.approx(20 / 1.8))
    assert left.kind == "predicted"
    ranged = over_tuned(published(None, 10.0, 200.0), gain())
    assert (ranged.value, ranged.low, ranged.high) == (None, pytest.approx(10 / 2.2), pytest.approx(200 / 1.8))


def test_the_part_of_an_untuned_cpu():
    part = share(published(4.0), gain())
    assert part.value == pytest.approx(0.5)
    assert share(published(0.5), gain()).value is None
    assert share(published(1.5), gain()).value == 1.0
    assert share(published(4.0), Estimate(None, None, None, None, "1", "measured", "t", 0)).value is None


@given(st.floats(1.01, 1e4), st.floats(1.0, 10.0), st.floats(0.0, 0.5))
def test_parts_of_a_speedup_multiply_to_it(speedup: float, value: float, width: float):
    tuned = gain(value, value * (1 - width), value * (1 + width))
    left, part = over_tuned(published(speedup), tuned), share(published(speedup), tuned)
    assert left.value * value == pytest.approx(speedup)
    assert 0 <= part.low <= part.value <= part.high <= 1
    if value < speedup:
        assert speedup**part.value * left.value == pytest.approx(speedup)
