"""Liveness of a trace against allocations of the same step on real CPU tensors, and against torch's own tracker."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from gpugap.core.cell import Cell  # noqa: E402
from gpugap.core.oplist import OpList  # noqa: E402
from gpugap.core.step import Step  # noqa: E402
from gpugap.frameworks.torch import nets, trace  # noqa: E402
from gpugap.frameworks.torch.nets.transformer import GPT2, ViT, language_loss  # noqa: E402
from gpugap.frameworks.torch.trace.optimizers import named_optimizer  # noqa: E402
from gpugap.frameworks.torch.trace.sources import of_step, of_workload  # noqa: E402
from gpugap.frameworks.torch.trace.variants import _checkpoint  # noqa: E402
from gpugap.frameworks.torch.trace.wish import Wish  # noqa: E402
from gpugap.workloads import workload  # noqa: E402
from gpugap.workloads.data import load_batch  # noqa: E402
from gpugap.workloads.weights import initial_weights  # noqa: E402
from trace_meter import (  # noqa: E402
    AGREEMENT,
    as_the_cpu_can,
    disagreement,
    real_peaks,
    traced_peak,
    tracker_peak,
)

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def _as_the_cpu_can():
    torch.manual_seed(0)
    with as_the_cpu_can():
        yield


def gpt2() -> Step:
    model = GPT2((32, 4, 3), 100, 16, 0.1)
    tokens = torch.randint(0, 100, (4, 16))
    return Step(model, (tokens, tokens), language_loss, torch.optim.AdamW(model.parameters()))


def vit() -> Step:
    model = ViT((32, 4, 3), 32, 8, 10)
    batch = (torch.randn(4, 3, 32, 32), torch.randint(0, 10, (4,)))
    return Step(model, batch, torch.nn.functional.cross_entropy, torch.optim.Adam(model.parameters()))


def built(name: str, batch: int, mode: str = "train") -> Step:
    spec = workload(name)
    cell = Cell(name, "cpu", "torch", mode, batch, "fp32")
    arrays = load_batch("synthetic", spec, batch, 0)
    return nets.build_step(spec, cell, initial_weights(spec, 0), arrays, torch.device("cpu"))


@pytest.mark.parametrize(
    ("name", "precision", "optimizer"),
    [
        ("conv6@32", "fp32", None),
        ("conv6@32", "bf16", "sgd-momentum"),
        ("conv6@32", "fp16", "adamw-fused"),
        ("resnet18@32", "fp32", None),
        ("vgg16@32", "fp32", None),
    ],
)
def test_built_in_networks(name: str, precision: str, optimizer: str | None):
    wish = Wish(2, precision=precision, optimizer=optimizer, both=False)
    found = trace.trace(of_workload(workload(name), "train"), wish).first
    step = built(name, 2)
    if optimizer:
        step.optimizers = named_optimizer(optimizer, step.models.parameters())
    assert not disagreement(found, real_peaks(step, precision))


def test_a_step_of_four_models():
    found = trace.trace(of_workload(workload("cyclegan@32"), "train"), Wish(1, both=False)).first
    assert found.flops == workload("cyclegan@32").flops(1, "train")
    assert not disagreement(found, real_peaks(built("cyclegan@32", 1), "fp32"))


@pytest.mark.parametrize(("name", "precision"), [("conv6@32", "fp32"), ("conv6@32", "bf16"), ("resnet18@32", "fp32")])
def test_inference(name: str, precision: str):
    wish = Wish(4, "inference", precision, both=False)
    found = trace.trace(of_workload(workload(name), "inference"), wish).first
    assert not disagreement(found, real_peaks(built(name, 4, "inference"), precision))


OPTIMIZERS = [
    "sgd",
    "sgd-momentum",
    "adam",
    "adamw",
    "adamw-fused",
    "adamw-8bit",
    "rmsprop",
    "adagrad",
    "adadelta",
    "nadam",
]


PRECISIONS = ["fp32", "bf16", "fp16"]
CASES = [
    (make, optimizer, PRECISIONS[(place + shift) % 3])
    for shift, make in enumerate((gpt2, vit))
    for place, optimizer in enumerate(OPTIMIZERS)
]
"""Every optimizer with either network, every precision with every few optimizers."""


@pytest.mark.parametrize(("make", "optimizer", "precision"), CASES)
def test_transformers_with_every_optimizer(make, optimizer: str, precision: str):
    step = make()
    wish = Wish(4, precision=precision, optimizer=optimizer, attention="math", both=False)
    found = trace.trace(of_step("net", step), wish).first
    step.optimizers = named_optimizer(optimizer, step.models.parameters())
    assert not disagreement(found, real_peaks(step, precision))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_checkpointing(precision: str):
    step = gpt2()
    wish = Wish(4, precision=precision, attention="math", checkpointing=True, both=False)
    found = trace.trace(of_step("net", step), wish).first
    plain = trace.trace(of_step("net", step), Wish(4, precision=precision, attention="math", both=False)).first
    _checkpoint(step)
    assert not disagreement(found, real_peaks(step, precision))
    assert traced_peak(found) < 0.9 * traced_peak(plain)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_accumulation_by_hand(precision: str):
    """Two parts of two samples: gradients of the first wait while the second runs."""
    step = gpt2()
    wish = Wish(4, precision=precision, attention="math", accumulation=2, both=False)
    found = trace.trace(of_step("net", step), wish).first
    part = step.batch[0][:2].clone()
    step.batch = (part, part)
    assert not disagreement(found, real_peaks(step, precision, parts=2))
    whole = trace.trace(of_step("net", gpt2()), replace(wish, accumulation=1)).first
    assert len(casts(found)) == 2 * len(casts(whole))  # of weights too: every pass casts them anew
    assert bool(casts(found)) == (precision != "fp32")
    update = next(place for place, op in enumerate(found.ops) if op.phase == "optimizer")
    assert all(found.storages[copy].died <= update for copy in casts(found))


def casts(oplist: OpList) -> list[int]:
    """Storages of the copies in half precision that the forward passes make."""
    made = (op for op in oplist.ops if op.name == "aten._to_copy" and op.phase == "forward" and op.dtype == "float32")
    return [index for op in made for index in op.outputs]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_activation_that_is_not_counted_is_noticed(precision: str):
    """Any one of them, but for those below what is allowed: statistics of norms."""
    step = gpt2()
    found = trace.trace(of_step("net", step), Wish(4, precision=precision, attention="math", both=False)).first
    real = real_peaks(step, precision)
    assert not disagreement(found, real)
    made = real.forward - sum(s.memory_bytes for s in found.storages if s.born < 0 and s.died != 0)
    saved = [
        place
        for place, storage in enumerate(found.storages)
        if storage.role == "activation" and storage.born >= 0 and storage.memory_bytes > AGREEMENT * made
    ]
    assert len(saved) > 40
    for place in saved:
        pieces = [replace(s, memory_bytes=0) if at == place else s for at, s in enumerate(found.storages)]
        assert "forward" in disagreement(replace(found, storages=tuple(pieces)), real), found.storages[place]


@pytest.mark.parametrize(
    ("make", "optimizer"), [(gpt2, "adamw"), (vit, "sgd-momentum"), (lambda: built("conv6@32", 8), "adamw")]
)
def test_against_torchs_own_tracker(make, optimizer: str):
    """`MemTracker` counts the same step on fake tensors, with hooks of its own."""
    source = of_step("net", make())
    wish = Wish(make().batch[0].shape[0], optimizer=optimizer, attention="math", both=False)
    assert traced_peak(trace.trace(source, wish).first) == pytest.approx(tracker_peak(source, wish), rel=0.002)
