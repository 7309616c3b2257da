"""Parameters and operations of the specifications, against numbers worked out by hand."""

from __future__ import annotations

import pytest

from gpugap.core.errors import UnknownName
from gpugap.core.workload import Layer
from gpugap.workloads import all_workloads, workload

NAMES = ["conv6@32", "vgg16@32", "resnet18@32", "cyclegan@256", "vgg16@224", "resnet18@224"]


def test_the_names():
    assert sorted(all_workloads()) == sorted(NAMES)
    assert all(spec.name == name for name, spec in all_workloads().items())


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("conv6@32", 2_262_602),
        ("resnet18@32", 11_173_962),
        ("resnet18@224", 11_689_512),
        ("vgg16@32", 14_728_266),
        ("vgg16@224", 138_357_544),
        ("cyclegan@256", 2 * 11_378_179 + 2 * 2_764_737),
    ],
)
def test_parameters(name: str, parameters: int):
    assert workload(name).parameters == parameters


def test_parameters_of_conv6_by_hand():
    convolutions = 64 * 3 * 9 + 64, 64 * 64 * 9 + 64, 128 * 64 * 9 + 128, 128 * 128 * 9 + 128
    more = 256 * 128 * 9 + 256, 256 * 256 * 9 + 256
    linear = 256 * 4 * 4 * 256 + 256, 256 * 256 + 256, 256 * 10 + 10
    assert workload("conv6").parameters == sum(convolutions) + sum(more) + sum(linear)


CONV6_FIRST = 2 * 3 * 64 * 9 * 32 * 32
CONV6_FORWARD = (
    CONV6_FIRST
    + 2 * 64 * 64 * 9 * 32 * 32
    + 2 * 64 * 128 * 9 * 16 * 16
    + 2 * 128 * 128 * 9 * 16 * 16
    + 2 * 128 * 256 * 9 * 8 * 8
    + 2 * 256 * 256 * 9 * 8 * 8
    + 2 * (256 * 4 * 4) * 256
    + 2 * 256 * 256
    + 2 * 256 * 10
)

RESNET32_FIRST = 2 * 3 * 64 * 9 * 32 * 32
RESNET32_FORWARD = (
    RESNET32_FIRST
    + 4 * (2 * 64 * 64 * 9 * 32 * 32)
    + (2 * 64 * 128 * 9 * 16 * 16)
    + 3 * (2 * 128 * 128 * 9 * 16 * 16)
    + (2 * 64 * 128 * 1 * 16 * 16)
    + (2 * 128 * 256 * 9 * 8 * 8)
    + 3 * (2 * 256 * 256 * 9 * 8 * 8)
    + (2 * 128 * 256 * 1 * 8 * 8)
    + (2 * 256 * 512 * 9 * 4 * 4)
    + 3 * (2 * 512 * 512 * 9 * 4 * 4)
    + (2 * 256 * 512 * 1 * 4 * 4)
    + 2 * 512 * 10
)

RESNET224_FIRST = 2 * 3 * 64 * 49 * 112 * 112
RESNET224_FORWARD = (
    RESNET224_FIRST
    + 4 * (2 * 64 * 64 * 9 * 56 * 56)
    + (2 * 64 * 128 * 9 * 28 * 28)
    + 3 * (2 * 128 * 128 * 9 * 28 * 28)
    + (2 * 64 * 128 * 1 * 28 * 28)
    + (2 * 128 * 256 * 9 * 14 * 14)
    + 3 * (2 * 256 * 256 * 9 * 14 * 14)
    + (2 * 128 * 256 * 1 * 14 * 14)
    + (2 * 256 * 512 * 9 * 7 * 7)
    + 3 * (2 * 512 * 512 * 9 * 7 * 7)
    + (2 * 256 * 512 * 1 * 7 * 7)
    + 2 * 512 * 1000
)

VGG224_FIRST = 2 * 3 * 64 * 9 * 224 * 224
VGG224_FORWARD = (
    VGG224_FIRST
    + 2 * 64 * 64 * 9 * 224 * 224
    + 2 * 64 * 128 * 9 * 112 * 112
    + 2 * 128 * 128 * 9 * 112 * 112
    + 2 * 128 * 256 * 9 * 56 * 56
    + 2 * (2 * 256 * 256 * 9 * 56 * 56)
    + 2 * 256 * 512 * 9 * 28 * 28
    + 2 * (2 * 512 * 512 * 9 * 28 * 28)
    + 3 * (2 * 512 * 512 * 9 * 14 * 14)
    + 2 * (512 * 7 * 7) * 4096
    + 2 * 4096 * 4096
    + 2 * 4096 * 1000
)

VGG32_FIRST = 2 * 3 * 64 * 9 * 32 * 32
VGG32_FORWARD = (
    VGG32_FIRST
    + 2 * 64 * 64 * 9 * 32 * 32
    + 2 * 64 * 128 * 9 * 16 * 16
    + 2 * 128 * 128 * 9 * 16 * 16
    + 2 * 128 * 256 * 9 * 8 * 8
    + 2 * (2 * 256 * 256 * 9 * 8 * 8)
    + 2 * 256 * 512 * 9 * 4 * 4
    + 2 * (2 * 512 * 512 * 9 * 4 * 4)
    + 3 * (2 * 512 * 512 * 9 * 2 * 2)
    + 2 * 512 * 10
)


@pytest.mark.parametrize(
    ("name", "forward", "first"),
    [
        ("conv6@32", CONV6_FORWARD, CONV6_FIRST),
        ("resnet18@32", RESNET32_FORWARD, RESNET32_FIRST),
        ("resnet18@224", RESNET224_FORWARD, RESNET224_FIRST),
        ("vgg16@32", VGG32_FORWARD, VGG32_FIRST),
        ("vgg16@224", VGG224_FORWARD, VGG224_FIRST),
    ],
)
def test_operations_by_hand(name: str, forward: int, first: int):
    spec = workload(name)
    assert spec.flops(1, "inference") == forward
    assert spec.flops(1, "train") == 3 * forward - first
    for batch in (2, 128):
        assert spec.flops(batch, "inference") == batch * forward
        assert spec.flops(batch, "train") == batch * (3 * forward - first)


def test_resnet18_takes_the_operations_of_its_paper():
    # He et al. 2016, table 1: 1.8e9 multiply-adds, of which we count two operations each
    assert workload("resnet18@224").flops(1, "inference") == pytest.approx(2 * 1.8e9, rel=0.02)


GENERATOR_STEM = 2 * 3 * 64 * 49 * 256 * 256
GENERATOR = (
    GENERATOR_STEM
    + 2 * 64 * 128 * 9 * 128 * 128
    + 2 * 128 * 256 * 9 * 64 * 64
    + 18 * (2 * 256 * 256 * 9 * 64 * 64)
    + 2 * 256 * 128 * 9 * 64 * 64
    + 2 * 128 * 64 * 9 * 128 * 128
    + 2 * 64 * 3 * 49 * 256 * 256
)
CRITIC_STEM = 2 * 3 * 64 * 16 * 128 * 128
CRITIC = (
    CRITIC_STEM
    + 2 * 64 * 128 * 16 * 64 * 64
    + 2 * 128 * 256 * 16 * 32 * 32
    + 2 * 256 * 512 * 16 * 31 * 31
    + 2 * 512 * 1 * 16 * 30 * 30
)


def test_operations_of_cyclegan_by_hand():
    spec = workload("cyclegan")
    assert spec.flops(1, "inference") == GENERATOR
    # each generator: three passes forward, three back to the weights, three back to the inputs; only that of the
    # cycle goes on to the images themselves
    generators = 2 * (9 * GENERATOR - 2 * GENERATOR_STEM)
    # each critic: once for the generator (forward, back to its image), twice for itself (forward and back)
    critics = 2 * ((2 * CRITIC) + 2 * (3 * CRITIC - CRITIC_STEM))
    assert spec.flops(1, "train") == generators + critics


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("conv6", "conv6@32"),
        ("resnet18", "resnet18@32"),
        ("ResNet18", "resnet18@32"),
        ("RESNET18@224", "resnet18@224"),
        ("vgg16", "vgg16@32"),
        ("cyclegan", "cyclegan@256"),
    ],
)
def test_a_workload_by_name(text: str, name: str):
    assert workload(text).name == name


@pytest.mark.parametrize("text", ["resnet81", "resnet18@33", "resnet-18"])
def test_an_unknown_workload_is_told_with_the_nearest(text: str):
    with pytest.raises(UnknownName) as error:
        workload(text)
    assert text in error.value.message
    assert "resnet18@32" in error.value.remedy


@pytest.mark.parametrize("text", ["", "@", "quux"])
def test_a_workload_like_no_other_is_told(text: str):
    with pytest.raises(UnknownName, match="unknown workload"):
        workload(text)


@pytest.mark.parametrize("name", NAMES)
def test_a_specification_is_consistent(name: str):
    spec = workload(name)
    assert spec.input_shape == (3, spec.image_size, spec.image_size)
    assert spec.source.count("arXiv:") == 1
    for network in spec.networks:
        names = [layer.name for layer in network.layers]
        assert len(set(names)) == len(names)
        assert network.layers[0].inputs == 3
    if spec.classes:
        assert spec.layers[-1].outputs == spec.classes


def test_a_layer_by_hand():
    conv = Layer("c", "conv", 3, 8, size=10, kernel=5)
    assert (conv.parameters, conv.flops) == (3 * 8 * 25 + 8, 2 * 3 * 8 * 25 * 100)
    assert Layer("c", "conv", 3, 8, size=10, kernel=5, bias=False).parameters == 3 * 8 * 25
    assert Layer("b", "batchnorm", 8, 8).parameters == 16
    assert Layer("b", "batchnorm", 8, 8).flops == 0
    assert Layer("l", "linear", 7, 5).parameters == 7 * 5 + 5
    assert Layer("l", "linear", 7, 5).flops == 2 * 7 * 5
