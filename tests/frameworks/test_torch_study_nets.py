"""VGG-16 and CycleGAN in PyTorch: the networks are what their specifications say, and CycleGAN trains."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.utils.flop_counter import FlopCounterMode  # noqa: E402 - after the check that torch is here

from gpugap.core.cell import Cell  # noqa: E402
from gpugap.core.setting import Setting  # noqa: E402
from gpugap.frameworks.torch import TorchFramework  # noqa: E402
from gpugap.frameworks.torch.nets import build_nets, build_step  # noqa: E402
from gpugap.frameworks.torch.nets.cyclegan import Discriminator, Generator, ImagePool  # noqa: E402
from gpugap.workloads import workload  # noqa: E402
from gpugap.workloads.data import load_batch  # noqa: E402
from gpugap.workloads.weights import initial_weights  # noqa: E402

pytestmark = pytest.mark.torch


def shapes(layers) -> dict[str, tuple[int, ...]]:
    """Weight shapes in PyTorch's layout, from a specification."""
    found = {}
    for layer in layers:
        if layer.kind == "conv":
            found[f"{layer.name}.weight"] = (layer.outputs, layer.inputs, layer.kernel, layer.kernel)
        elif layer.kind == "transposed":
            found[f"{layer.name}.weight"] = (layer.inputs, layer.outputs, layer.kernel, layer.kernel)
        elif layer.kind == "linear":
            found[f"{layer.name}.weight"] = (layer.outputs, layer.inputs)
        else:
            found[f"{layer.name}.weight"] = (layer.outputs,)
        if layer.bias:
            found[f"{layer.name}.bias"] = (layer.outputs,)
    return found


@pytest.mark.parametrize("name", ["vgg16@32", "vgg16@224"])
def test_vgg16_is_its_specification(name):
    spec = workload(name)
    (net,) = build_nets(spec)
    assert {key: tuple(value.shape) for key, value in net.named_parameters()} == shapes(spec.layers)


def test_cyclegan_is_its_specification():
    generator, discriminator = workload("cyclegan").networks
    with torch.device("meta"):
        nets = Generator(), Discriminator()
    for net, network in zip(nets, (generator, discriminator), strict=True):
        assert {key: tuple(value.shape) for key, value in net.named_parameters()} == shapes(network.layers)


@pytest.mark.parametrize("mode", ["train", "inference"])
def test_vgg16_flops_agree_with_a_counter(mode):
    spec, framework = workload("vgg16@32"), TorchFramework()
    cell = Cell("vgg16@32", "cpu", "torch", mode, 2, "fp32")
    step = framework.build(spec, cell, initial_weights(spec, 0), load_batch("synthetic", spec, 2, 0))
    body = framework.body(step, cell, Setting())
    with FlopCounterMode(display=False) as counter:
        body()
    assert counter.get_total_flops() == spec.flops(2, mode)


def test_cyclegan_flops_agree_with_a_counter():
    """One translation and one critic; a whole training step at 256×256 takes too long for a test, its passes are
    counted by hand in `tests/workloads`."""
    spec = workload("cyclegan")
    cell, arrays = Cell(spec.name, "cpu", "torch", "inference", 1, "fp32"), load_batch("synthetic", spec, 1, 0)
    framework = TorchFramework()
    body = framework.body(framework.build(spec, cell, initial_weights(spec, 0), arrays), cell, Setting())
    with FlopCounterMode(display=False) as counter:
        body()
    assert counter.get_total_flops() == spec.flops(1, "inference")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        Discriminator()(torch.from_numpy(arrays[0][:1]))
    assert counter.get_total_flops() == sum(layer.flops for layer in spec.networks[1].layers)


def test_cyclegan_losses_move_as_they_should():
    """Dark squares against bright ones: the generators' loss falls, and the critics learn to tell real from made.

    Seeded; 14 steps at 32×32. Untrained generators lose about 26 (ten times the cycle and five times the identity
    error); the critics' first updates overshoot, as least-squares critics do, and settle below where they started.
    """
    random = np.random.default_rng(0)
    dark = -0.8 + 0.1 * random.standard_normal((2, 3, 32, 32))
    bright = 0.8 + 0.1 * random.standard_normal((2, 3, 32, 32))
    arrays = np.concatenate([dark, bright]).astype(np.float32), np.zeros(4, np.int64)
    spec, cell = workload("cyclegan@32"), Cell("cyclegan@32", "cpu", "torch", "train", 2, "fp32")
    step = build_step(spec, cell, initial_weights(spec, 2), arrays, torch.device("cpu"))
    body = TorchFramework().body(step, cell, Setting())
    losses = np.array([body().numpy() for _ in range(14)])
    assert np.isfinite(losses).all()
    generators, critics = losses[:, 0], losses[:, 1]
    assert generators[-5:].mean() < generators[0] / 2
    assert critics[-5:].mean() < critics[0]
    assert critics[-5:].mean() < critics[1:6].mean() / 3


def test_half_precision_scales_both_losses_and_skips_what_is_not_finite():
    spec, cell = workload("cyclegan@32"), Cell("cyclegan@32", "cpu", "torch", "train", 1, "fp16")
    arrays = load_batch("synthetic", spec, 1, 0)
    step = build_step(spec, cell, initial_weights(spec, 0), arrays, torch.device("cpu"))
    TorchFramework().body(step, cell, Setting())
    assert step.run.scalers == ()
    TorchFramework().body(step, cell, Setting("fp16"))
    weights = [next(model.parameters()) for model in step.models]
    before = [weight.detach().clone() for weight in weights]
    step.batch[0].fill_(float("nan"))
    step.run(step)  # in single precision: a CPU takes half a minute for half
    assert [scaler.get_scale() for scaler in step.run.scalers] == [2.0**15, 2.0**15]
    assert all(torch.equal(weight, kept) for weight, kept in zip(weights, before, strict=True))
    TorchFramework().feed(step, arrays)
    assert torch.isfinite(step.run(step)).all()
    assert not any(torch.equal(weight, kept) for weight, kept in zip(weights, before, strict=True))


def test_image_pool():
    pool = ImagePool(3)
    first = torch.arange(3.0).reshape(3, 1)
    assert torch.equal(pool.exchange(first), first)
    seen = {float(value) for _ in range(30) for value in pool.exchange(torch.full((1, 1), 9.0)).flatten()}
    assert 9.0 in seen
    assert seen & {0.0, 1.0, 2.0}


def test_a_batch_is_two_domains():
    spec = workload("cyclegan")
    images, labels = load_batch("synthetic", spec, 1, 0)
    assert images.shape == (2, 3, 256, 256)
    assert set(labels.tolist()) == {0}
