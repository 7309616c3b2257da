"""Networks that others have measured: parameters and operations by hand, and timm's models where timm is."""

from __future__ import annotations

import importlib.util

import pytest

torch = pytest.importorskip("torch")

from gpugap.core.errors import Unsupported  # noqa: E402
from gpugap.frameworks.torch.trace import trace  # noqa: E402
from gpugap.frameworks.torch.trace.wish import Wish  # noqa: E402
from gpugap.frameworks.torch.zoo.blocks import Dimensions  # noqa: E402
from gpugap.frameworks.torch.zoo.language import LANGUAGE_MODELS, language_source  # noqa: E402

pytestmark = pytest.mark.torch
SMALL = Dimensions(2, 64, 4, 256, 100, 16)


@pytest.mark.parametrize(
    ("kind", "size", "training", "millions"),
    [
        ("gpt2", Dimensions(12, 768, 12, 3072, 50257, 1024), False, 124.4),
        ("bert", Dimensions(24, 1024, 16, 4096, 30522, 512), True, 336.2),  # BertForPreTraining of bert-large
        ("opt", Dimensions(24, 2048, 32, 8192, 50272, 2048), False, 1315.8),
        ("switch", Dimensions(24, 1024, 32, 16384, 32128, 512, 4), False, 5267.5),
    ],
)
def test_parameters_of_published_models(kind, size, training, millions):
    with torch.device("meta"):
        model = LANGUAGE_MODELS[kind](size, training)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, rel=1e-3)


def traced(kind: str, size: Dimensions, mode: str = "inference", batch: int = 2):
    return trace(language_source(kind, kind, size, mode), Wish(batch, mode))


def block_flops(size: Dimensions, batch: int) -> int:
    """Of one block, forward: four projections, two linear layers, scores and values."""
    tokens = batch * size.length
    return 2 * tokens * (4 * size.width**2 + 2 * size.width * size.inner) + 4 * tokens * size.length * size.width


@pytest.mark.parametrize("kind", ["gpt2", "bert", "opt"])
def test_operations_by_hand(kind):
    heads = {"bert": 2 * 2 * (SMALL.width**2 + 2 * SMALL.width)}  # pooler and classifier of two samples
    last = heads.get(kind, 2 * 2 * SMALL.length * SMALL.width * SMALL.vocabulary)
    found = traced(kind, SMALL)
    assert found.first.flops == SMALL.layers * block_flops(SMALL, 2) + last
    assert found.at(6).flops == 3 * found.first.flops
    assert not found.first.uncounted
    assert not found.first.attention  # eager: its products are operators of their own


@pytest.mark.parametrize("kind", list(LANGUAGE_MODELS))
def test_training_is_forward_and_backward_alone(kind):
    size = Dimensions(2, 32, 2, 64, 50, 8, 2 if kind == "switch" else 0)
    inference, training = traced(kind, size), traced(kind, size, "train")
    assert not training.why
    assert {op.phase for op in training.first.ops} == {"forward", "backward"}
    assert not training.first.optimizer
    assert sum(op.name == "aten.native_dropout" for op in training.first.ops) >= 2 * size.layers
    if kind != "bert":  # it is trained with other heads than it is used with
        forward = sum(op.flops for op in training.first.ops if op.phase == "forward")
        backward = training.first.flops - forward
        assert forward == inference.first.flops
        assert backward == 2 * forward or kind == "switch"


def test_experts_share_the_tokens():
    sparse = Dimensions(2, 64, 4, 256, 100, 16, 4)
    dense, shared = traced("switch", SMALL), traced("switch", sparse)
    router = 2 * 2 * 2 * 16 * 64 * 4  # in the second block of encoder and decoder
    assert shared.first.flops == dense.first.flops + router
    assert shared.first.parameters == dense.first.parameters + 2 * (3 * 2 * 64 * 256 + 64 * 4)


def test_initial_values_are_left_out_whatever_memory_holds():
    from gpugap.frameworks.torch.zoo.images import without_values

    held = torch.full((100, 100), 9e9)  # beyond every bound
    with without_values():
        for fill in (torch.nn.init.trunc_normal_, torch.nn.init.orthogonal_, torch.nn.init.kaiming_uniform_):
            fill(held)
    assert (held == 9e9).all()
    assert torch.nn.init.trunc_normal_(held).abs().max() <= 2


def test_models_of_timm():
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed")
    from gpugap.frameworks.torch.zoo.images import Built, image_source

    def image(name: str, size: int = 224, mode: str = "inference", modern: bool = True, merged: bool = False):
        return trace(image_source(name, size, mode, Built(modern, modern, merged)), Wish(4, mode))

    found = image("resnet18")
    assert found.first.parameters == 11_689_512
    assert found.first.flops / 4 == pytest.approx(2 * 1.814e9, rel=1e-3)  # multiply-adds as published
    assert {op.dtype for op in found.first.ops if op.kind == "conv"} == {"float16"}
    training = image("resnet18", 64, "train", modern=False)
    assert training.first.optimizer == "SGD"
    assert {op.phase for op in training.first.ops} == {"forward", "backward", "optimizer"}
    wide = image("vit_tiny_patch16_224", 384).first
    assert wide.attention
    assert {op.dtype for op in wide.ops if op.name == "aten.native_layer_norm"} == {"float16"}
    assert not image("vit_tiny_patch16_224", modern=False).first.attention
    branches, merged = (image("repvgg_a0", 64, merged=merged).first for merged in (False, True))
    assert sum(op.kind == "conv" for op in branches.ops) > 2 * sum(op.kind == "conv" for op in merged.ops) - 2
    assert branches.parameters > merged.parameters
    with pytest.raises(Unsupported, match="has no architecture nosuchnet"):
        image("nosuchnet")
