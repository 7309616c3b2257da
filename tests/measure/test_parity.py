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


def test_a_unit_within_rounding_of_a_kink_widens_the_limit_of_gradients(truth):
    found = dict(truth["resnet18@32"])
    (limit,) = [one["limit"] for one in judge("resnet18@32", found, truth["resnet18@32"]) if gradient_in_single(one)]
    exact = {key.replace("fp64", "fp32"): value for key, value in found.items() if key.startswith("fp64|train|act")}
    (strict,) = [one for one in judge("resnet18@32", found | exact, found) if gradient_in_single(one)]
    assert strict["limit"] == 1e-3 <= limit
    key = "fp32|train|activation|layer4.1.bn2"
    unit = np.argmin(np.abs(exact[key]))
    moved = exact[key].copy()
    moved.flat[unit] *= -1
    (wider,) = [one for one in judge("resnet18@32", found | exact | {key: moved}, found) if gradient_in_single(one)]
    assert wider["limit"] == pytest.approx(1e-3 + 3 / np.sqrt(np.count_nonzero(exact[key] > 0)))


def gradient_in_single(check) -> bool:
    return (check["precision"], check["group"]) == ("fp32", "gradient")


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


def test_cyclegans_single_precision_meets_many_kinks(truth):
    """Activations in double precision for both: no unit is seen on the other side of zero."""
    for name, single in (("resnet18@32", 1e-3), ("cyclegan@32", 1e-2)):
        exact = {key.replace("fp64", "fp32"): value for key, value in truth[name].items() if "fp64|train|act" in key}
        checks = judge(name, truth[name] | exact, truth[name])
        limits = {one["precision"]: one["limit"] for one in checks if one["group"] == "gradient"}
        assert limits == {"fp32": single, "fp64": 1e-7}
