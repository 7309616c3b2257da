"""A framework that computes something else is caught, and the layer is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from factories import make_job
from gpugap.measure.parity import collect, failure, judge, restore, save

torch = pytest.importorskip("torch")

from gpugap.frameworks.torch import TorchFramework  # noqa: E402 - after the check for torch
from gpugap.frameworks.torch import nets as torch_nets  # noqa: E402

pytestmark = pytest.mark.torch


def job(name: str):
    made = make_job(framework="torch", purpose="parity")
    return replace(made, cell=replace(made.cell, workload=name, batch=2, execution="eager"))


def found_with(name: str, monkeypatch: pytest.MonkeyPatch, spoil) -> dict[str, np.ndarray]:
    """What torch computes when `spoil` has changed the networks it builds."""
    original = torch_nets.build_nets

    def spoiled(workload):
        built = original(workload)
        spoil(built[0])
        return built

    with monkeypatch.context() as patch:
        patch.setattr(torch_nets, "build_nets", spoiled)
        return collect(job(name), TorchFramework())


@pytest.fixture(scope="module")
def truth() -> dict[str, dict[str, np.ndarray]]:
    return {name: collect(job(name), TorchFramework()) for name in ("resnet18@32", "cyclegan@32")}


def blame(name, truth, monkeypatch, spoil):
    checks = judge(name, found_with(name, monkeypatch, spoil), truth[name])
    return failure(checks)


def test_a_framework_agrees_with_itself(truth):
    checks = judge("resnet18@32", truth["resnet18@32"], truth["resnet18@32"])
    assert failure(checks) is None
    places = {(check["precision"], check["mode"], check["group"]) for check in checks}
    for precision in ("fp32", "fp64"):
        assert (precision, "inference", "activation") in places
        assert (precision, "inference", "result") in places
        assert {(precision, "train", group) for group in ("activation", "loss", "gradient", "result")} <= places
    assert ("fp64", "train", "parameter") in places
    single = [check for check in checks if check["precision"] == "fp32"]
    assert all(0 < check["error"] < check["limit"] for check in single)


def test_a_wrong_padding_in_one_layer_is_named(truth, monkeypatch):
    def shift(net) -> None:
        layer = net.layer2[0].conv1  # stride 2: padded on the right and below alone, as "same" padding does
        layer.padding = (0, 0)
        layer.register_forward_pre_hook(lambda _, inputs: torch.nn.functional.pad(inputs[0], (0, 1, 0, 1)))

    worst = blame("resnet18@32", truth, monkeypatch, shift)
    assert (worst["group"], worst["tensor"]) == ("activation", "layer2.0.conv1")
    assert worst["error"] > 0.01


def test_a_wrong_epsilon_in_one_layer_is_named(truth, monkeypatch):
    def loosen(net) -> None:
        net.layer3[1].bn2.eps = 1e-3

    worst = blame("resnet18@32", truth, monkeypatch, loosen)
    assert (worst["group"], worst["tensor"]) == ("activation", "layer3.1.bn2")


def test_a_wrong_epsilon_of_an_instance_norm_is_named(truth, monkeypatch):
    def loosen(net) -> None:
        net.blocks[4].conv2_norm.eps = 1e-3

    worst = blame("cyclegan@32", truth, monkeypatch, loosen)
    assert (worst["group"], worst["tensor"]) == ("activation", "generator.0.blocks.4.conv2_norm")


def test_a_wrong_momentum_shows_in_the_running_statistics(truth, monkeypatch):
    def slow(net) -> None:
        net.bn1.momentum = 0.01

    worst = blame("resnet18@32", truth, monkeypatch, slow)
    assert (worst["group"], worst["tensor"]) == ("parameter", "bn1.running_mean")


def test_a_layer_that_does_not_learn_shows_in_the_parameters(truth, monkeypatch):
    found = dict(truth["resnet18@32"])
    key = "fp64|train|parameter|fc.weight"
    found[key] = found[key] * (1 + 1e-5)
    worst = failure(judge("resnet18@32", found, truth["resnet18@32"]))
    assert (worst["group"], worst["tensor"]) == ("parameter", "fc.weight")


def test_arrays_come_back_from_a_file_in_order(truth, tmp_path):
    path = tmp_path / "arrays.npz"
    save(path, truth["cyclegan@32"])
    back = restore(path)
    assert list(back) == list(truth["cyclegan@32"])
    assert all(np.array_equal(back[key], value) for key, value in truth["cyclegan@32"].items())


def test_a_device_without_double_precision_is_held_against_single(truth):
    single = {key: value for key, value in truth["resnet18@32"].items() if key.startswith("fp32")}
    checks = judge("resnet18@32", single, single)
    assert checks
    assert failure(checks) is None
    assert {check["precision"] for check in checks} == {"fp32"}


def test_only_cyclegans_single_precision_may_meet_kinks(truth):
    own = {name: judge(name, arrays, arrays) for name, arrays in truth.items()}
    limits = {
        (name, check["precision"]): check["limit"]
        for name, checks in own.items()
        for check in checks
        if check["group"] == "gradient"
    }
    assert limits == {
        ("resnet18@32", "fp32"): 1e-3,
        ("resnet18@32", "fp64"): 1e-7,
        ("cyclegan@32", "fp32"): 1e-2,
        ("cyclegan@32", "fp64"): 1e-7,
    }
