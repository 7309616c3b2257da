"""Estimates, cells, records, steps: the words everyone speaks."""

from __future__ import annotations

import json
import math
from importlib import metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import make_cell, make_record
from gpugap.core.cell import Cell, differing
from gpugap.core.errors import BadValue
from gpugap.core.estimate import KINDS, Estimate, unknown
from gpugap.core.setting import Device
from gpugap.core.step import Step
from gpugap.core.version import __version__

finite = st.floats(allow_nan=False, allow_infinity=False)
maybe = st.none() | st.floats()


def estimate(value=2.0, low=1.0, high=3.0, level=0.95, kind="measured") -> Estimate:
    return Estimate(value, low, high, level, "s", kind, "by hand", 5)


@given(maybe, maybe, maybe, maybe)
def test_an_estimate_is_sound_or_refused(value, low, high, level):
    try:
        found = estimate(value, low, high, level)
    except ValueError:
        return
    assert all(number is None or math.isfinite(number) for number in (value, low, high, level))
    assert (found.low is None) == (found.high is None)
    if found.low is not None:
        assert found.low <= found.high
        assert found.value is None or found.low <= found.value <= found.high


@given(st.lists(finite, min_size=3, max_size=3).map(sorted))
def test_every_sound_estimate_is_accepted(numbers: list[float]):
    low, value, high = numbers
    found = estimate(value, low, high)
    assert (found.low, found.value, found.high) == (low, value, high)


@pytest.mark.parametrize(
    "bad",
    [
        {"value": float("nan")},
        {"high": float("inf")},
        {"level": float("nan")},
        {"low": None},
        {"high": None},
        {"low": 3.0, "high": 1.0},
        {"value": 0.5},
        {"value": 3.5},
        {"kind": "guessed"},
    ],
)
def test_an_unsound_estimate_is_refused(bad: dict):
    with pytest.raises(ValueError, match=r"finite|both ends|swapped|outside|kind"):
        estimate(**bad)


@pytest.mark.parametrize("kind", KINDS)
def test_an_estimate_as_json_tells_its_kind(kind: str):
    found = json.loads(json.dumps(estimate(kind=kind).to_dict()))
    assert found == {
        "value": 2.0,
        "low": 1.0,
        "high": 3.0,
        "level": 0.95,
        "unit": "s",
        "kind": kind,
        "method": "by hand",
        "n": 5,
    }


def test_relative_half_width():
    assert estimate().relative_half_width == 0.5
    assert estimate(-2.0, -3.0, -1.0).relative_half_width == 0.5
    for without in (estimate(None), estimate(low=None, high=None), estimate(0.0, -1.0, 1.0)):
        assert without.relative_half_width is None


def test_the_unknown_is_not_zero():
    found = unknown("J", "no sensor")
    assert (found.value, found.low, found.high, found.n) == (None, None, None, 0)
    assert (found.unit, found.method) == ("J", "no sensor")


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10)
factors = st.fixed_dictionaries(
    {
        "workload": texts,
        "device": texts,
        "framework": texts,
        "mode": st.sampled_from(["train", "inference"]),
        "batch": st.integers(1, 2**31),
        "precision": texts,
    },
    optional={"tuning": texts, "execution": texts, "data": texts, "nodes": st.integers(), "code": texts},
)


@given(factors)
def test_a_cell_is_its_factors(found: dict):
    cell = Cell.from_dict(found)
    assert cell.to_dict() == found
    assert Cell.from_dict(cell.to_dict()) == cell
    assert json.loads(cell.key) == found
    assert Cell.from_dict(dict(reversed(found.items()))).key == cell.key


@given(factors, factors)
def test_keys_are_equal_exactly_when_the_cells_are(one: dict, other: dict):
    a, b = Cell.from_dict(one), Cell.from_dict(other)
    assert (a.key == b.key) == (a == b) == (one == other)
    assert (hash(a) == hash(b)) or a != b
    assert set(differing(a, b)) == {name for name in one.keys() & other.keys() if one[name] != other[name]}


@given(factors)
def test_a_cell_matches_each_of_its_factors(found: dict):
    cell = Cell.from_dict(found)
    for name, value in found.items():
        assert cell.matches([str(value)])
        assert cell.matches([f"{name}={value}"])
    assert cell.matches([])
    assert cell.matches([f"b{cell.batch}", cell.device, cell.mode])
    assert not cell.matches([cell.device, "no such factor at all"])


def test_a_family_names_its_sizes():
    assert make_cell(workload="resnet18@224").matches(["resnet18"])
    assert not make_cell(workload="resnet18@224").matches(["resnet"])


def test_the_label_names_what_a_table_shows():
    cell = make_cell(framework="torch", batch=128)
    assert cell.label == "conv6@32/train/b128/torch/cpu/fp32/default"
    assert make_cell(execution="compile").label.endswith("/default/compile")
    assert Cell("w", "cpu", "torch", "train", 1, "fp32").label == "w/train/b1/torch/cpu/fp32"


def test_differing_tells_both_values():
    assert differing(make_cell(batch=1), make_cell(batch=2, device="cuda")) == {
        "batch": (1, 2),
        "device": ("cpu", "cuda"),
    }
    assert differing(make_cell(tuning=None), make_cell()) == {}


def test_a_record_separates_warm_up_from_steady_steps():
    record = make_record(times=[9.0, 1.0, 2.0], warmup_steps=1)
    assert record.steady_step_time_s == (1.0, 2.0)
    assert record.mean_step_time_s == 1.5


@pytest.mark.parametrize("change", [{"status": "failed"}, {"times": ()}, {"warmup_steps": 3}])
def test_only_a_good_record_has_a_mean(change: dict):
    assert make_record(**change).mean_step_time_s is None


def test_an_environment_can_be_attached():
    record = make_record(environment=None)
    assert record.with_environment({"machine": "m2"}).environment == {"machine": "m2"}
    assert record.environment is None


def test_a_device_knows_its_kind():
    assert [Device(name, "x", None, {}).kind for name in ("cpu", "cuda", "cuda:1", "mps")] == [
        "cpu",
        "cuda",
        "cuda",
        "mps",
    ]


@pytest.mark.parametrize(
    ("batch", "inputs", "targets"),
    [
        (("x", "y"), "x", ("y",)),
        (["x", "y"], "x", ("y",)),
        (("x",), "x", ()),
        ("x", "x", ()),
        ({"a": 1}, {"a": 1}, ()),
        (("x", "y", "z"), ("x", "y", "z"), ()),
        ((("x1", "x2"), "y"), ("x1", "x2"), ("y",)),
        (None, None, ()),
    ],
)
def test_inputs_and_targets_of_a_step(batch: object, inputs: object, targets: tuple):
    assert Step(None, batch, mode="inference").inputs_and_targets() == (inputs, targets)


def test_models_and_optimizers_as_lists():
    assert Step("net", mode="inference").model_list == ["net"]
    assert Step(("g", "d"), mode="inference").model_list == ["g", "d"]
    assert Step((), mode="inference").model_list == []
    for given_, wanted in (("adam", ["adam"]), (("a", "b"), ["a", "b"]), (None, []), ((), [])):
        assert Step("net", mode="inference", optimizers=given_).optimizer_list == wanted


def test_a_step_that_cannot_be_run_is_refused():
    with pytest.raises(BadValue, match="train, inference"):
        Step(None, mode="dream")
    with pytest.raises(BadValue, match="without a loss"):
        Step("net")
    assert Step("net", run=lambda step: None).mode == "train"
    assert Step("net", loss=print).mode == "train"


def test_the_version_is_the_installed_one():
    assert metadata.version("gpugap") == __version__
