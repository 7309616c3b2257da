"""Tracing models that users have: copied ones, compiled ones, clipped gradients, losses that keep what they reduce."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")
import torch.distributed as dist  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from gpugap.core.errors import Unsupported  # noqa: E402
from gpugap.core.oplist import OpList, Traced  # noqa: E402
from gpugap.core.setting import Setting  # noqa: E402
from gpugap.core.step import Step  # noqa: E402
from gpugap.frameworks.torch.step import body  # noqa: E402
from gpugap.frameworks.torch.trace import sources, trace  # noqa: E402
from gpugap.frameworks.torch.trace.optimizers import as_on_gpu  # noqa: E402
from gpugap.frameworks.torch.trace.sources import of_factory, of_step  # noqa: E402
from gpugap.frameworks.torch.trace.wish import Wish  # noqa: E402
from gpugap.predict.replay import replay  # noqa: E402
from gpugap.predict.workspace import Case  # noqa: E402
from trace_meter import as_the_cpu_can, disagreement, measured_peaks, real_peaks  # noqa: E402

pytestmark = pytest.mark.torch
BATCH = 4


def traced(make, **asked) -> Traced:
    return trace(of_factory("train.py:make_step", lambda batch, _: make(batch)), Wish(BATCH, **{"both": False} | asked))


def adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters())


def encoder(batch: int) -> Step:
    """Its layers are deep copies of one."""
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), 3)
    return Step(model, torch.zeros(batch, 8, 32), torch.sum, adam(model))


def convolutional() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(288, 8))


def averaged(batch: int) -> Step:
    """A moving average beside the model; the copy has buffers too."""
    model = convolutional()
    mean, optimizer = copy.deepcopy(model).requires_grad_(requires_grad=False), adam(model)

    def run(step: Step) -> torch.Tensor:
        optimizer.zero_grad()
        loss = model(step.batch).sum()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for kept, new in zip(mean.parameters(), model.parameters(), strict=True):
                kept.mul_(0.9).add_(new, alpha=0.1)
        return loss

    return Step([model, mean], torch.zeros(batch, 3, 8, 8), optimizers=optimizer, run=run)


def images_to_images(batch: int) -> Step:
    model = nn.Conv2d(3, 3, 3, padding=1)
    images = torch.zeros(batch, 3, 32, 32)
    return Step(model, (images, images.clone()), functional.mse_loss, adam(model))


@pytest.mark.parametrize("make", [encoder, averaged, images_to_images])
def test_a_trace_agrees_with_real_allocations(make):
    with as_the_cpu_can():
        found = traced(make, attention="math").first
        assert not disagreement(found, real_peaks(make(BATCH), "fp32"))
    assert {op.name for op in found.ops}.isdisjoint({"aten.t", "aten.set_"})


AT_IMPORT = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 8))


def made_before(batch: int) -> Step:
    """Its model was there before ``make_step`` was called."""
    return Step(AT_IMPORT, torch.zeros(batch, 32), torch.sum, adam(AT_IMPORT))


def lazy(batch: int) -> Step:
    """Lazy modules cannot be made of fake tensors."""
    model = nn.Sequential(nn.LazyLinear(64), nn.ReLU(), nn.LazyLinear(8))
    model(torch.zeros(1, 32))
    return Step(model, torch.zeros(batch, 32), torch.sum, adam(model))


@pytest.mark.parametrize("make", [made_before, lazy])
def test_models_that_are_built_with_memory(make):
    found = traced(make).first
    assert not disagreement(found, real_peaks(make(BATCH), "fp32"))
    assert found.role_bytes("parameter") == 4 * (33 * 64 + 65 * 8)
    assert type(AT_IMPORT[0].weight.grad) in (type(None), torch.Tensor)


def test_what_fails_with_memory_too_is_told_as_it_fails_there():
    def make(batch: int) -> Step:
        nn.Linear(4, 4)(torch.zeros(batch, 5))
        raise AssertionError("is not reached")

    with pytest.raises(Unsupported, match=r"mat1 and mat2 shapes cannot be multiplied \(4x5 and 4x4\)"):
        traced(make)


def test_what_fails_and_is_too_large_to_be_built_is_told_as_it_failed(monkeypatch):
    monkeypatch.setattr(sources, "_LARGEST_SHARE", 0)

    def make(_: int) -> Step:
        nn.LazyLinear(64)(torch.zeros(1, 32))
        raise AssertionError("is not reached")

    with pytest.raises(
        Unsupported, match=r"train.py:make_step cannot be traced: RuntimeError: Creating a new Tensor sub"
    ):
        traced(make)


def test_many_traces_of_copied_modules_in_one_process():
    """What torch copies of a fake tensor are bytes that are not there: the process died of it, some traces later."""
    first = traced(encoder).first
    assert all(traced(encoder).first == first for _ in range(5))


def test_copies_within_a_trace():
    seen = []

    def make(batch: int) -> Step:
        model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.BatchNorm1d(4))
        model[1].weight = model[0].weight
        model[0].weight.grad = torch.zeros(4, 4)
        copied = copy.deepcopy(model)
        assert copied[1].weight is copied[0].weight is not model[0].weight
        assert isinstance(copied[0].weight, nn.Parameter)
        assert [p.requires_grad for p in copied.parameters()] == [True] * 5
        pairs = zip((*model.parameters(), *model.buffers()), (*copied.parameters(), *copied.buffers()), strict=True)
        places = [(one.untyped_storage()._cdata, other.untyped_storage()._cdata) for one, other in pairs]
        seen.append(all(one != other for one, other in places))
        with pytest.raises(RuntimeError, match="graph leaves"):
            copy.deepcopy(model[0].weight * 2)
        return Step(copied, torch.zeros(batch, 4), torch.sum, adam(copied))

    traced(make)
    assert seen == [True]
    real = torch.ones(2)
    assert copy.deepcopy(real).equal(real)


def test_clipping_works_on_all_gradients_at_once():
    """As on a GPU; a tensor at a time would be as many launches again."""

    def make(batch: int) -> Step:
        model = convolutional()
        optimizer = adam(model)

        def run(step: Step) -> None:
            optimizer.zero_grad()
            model(step.batch).sum().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

        return Step(model, torch.zeros(batch, 3, 8, 8), optimizers=optimizer, run=run)

    names = [op.name for op in traced(make).first.ops]
    assert names.count("aten._foreach_norm") == 1
    assert names.count("aten.linalg_vector_norm") == 1  # of all those norms


def linear(batch: int, optimizer: type[torch.optim.Optimizer], **embedding: bool) -> Step:
    model = nn.Embedding(100, 8, **embedding)
    return Step(model, torch.zeros(batch, dtype=torch.int64), torch.sum, optimizer(list(model.parameters())))


def parallel(batch: int) -> Step:
    model = nn.parallel.DistributedDataParallel(nn.Linear(4, 4))
    return Step(model, torch.zeros(batch, 4), torch.sum, adam(model))


@pytest.fixture
def _alone():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda batch: linear(batch, torch.optim.LBFGS), "optimizer LBFGS cannot be traced: it runs the step as often"),
        (
            lambda batch: linear(batch, torch.optim.SparseAdam, sparse=True),
            "SparseAdam cannot be traced: the memory of",
        ),
        (lambda batch: linear(batch, torch.optim.SGD, sparse=True), r"train.py:make_step uses sparse tensors, whose"),
        (parallel, "DistributedDataParallel and FSDP are not traced"),
    ],
)
@pytest.mark.usefixtures("_alone")
def test_what_is_not_modeled_is_refused(make, told: str):
    with pytest.raises(Unsupported, match=told) as error:
        traced(make)
    assert error.value.exit_code == 3


def test_an_optimizer_that_only_the_body_knows_is_refused_too():
    def make(batch: int) -> Step:
        model = nn.Linear(4, 4)
        optimizer = torch.optim.LBFGS(model.parameters())
        return Step(None, torch.zeros(batch, 4), run=lambda step: optimizer.step(lambda: model(step.batch).sum()))

    with pytest.raises(Unsupported, match="LBFGS"):
        traced(make)


def test_inference_is_not_accumulated():
    model = nn.Linear(4, 4)
    step = Step(model, torch.zeros(BATCH, 4), mode="inference")
    with pytest.raises(Unsupported, match="a step without gradients"):
        trace(of_step("net", step), Wish(BATCH, "inference", accumulation=2, both=False))


def test_a_wrong_shape_is_one_line_and_no_traceback(caplog, capfd):
    def make(batch: int) -> Step:
        model = nn.Linear(4, 4)
        return Step(model, torch.zeros(batch, 5), torch.sum, adam(model))

    with pytest.raises(Unsupported, match="cannot be traced: RuntimeError") as error:
        traced(make)
    assert "\n" not in str(error.value)
    assert capfd.readouterr().err == caplog.text == ""


class Recurrent(nn.Module):
    """A recurrent layer and its sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(4, 4, batch_first=True)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.layer(inputs)[0]


def compiled() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 4))
    model[0].compile()
    return model


@pytest.mark.parametrize(
    ("model", "topics"),
    [
        (Recurrent, {"recurrent layers"}),
        (compiled, {"torch.compile"}),
        (lambda: torch.compile(nn.Linear(4, 4)), {"torch.compile"}),
        (lambda: nn.Linear(4, 4), set()),
    ],
)
def test_what_is_traced_otherwise_than_it_runs_is_told(model, topics: set[str]):
    def make(batch: int) -> Step:
        made = model()
        return Step(made, torch.zeros(batch, 3, 4), torch.sum, adam(made))

    assert set(traced(make).first.assumed) == topics


@pytest.mark.parametrize(("precision", "topics"), [("fp32", set()), ("bf16", {"autocast"})])
def test_autocast_over_a_body_of_the_steps_own_is_told(precision: str, topics: set[str]):
    assert set(traced(averaged, precision=precision).first.assumed) == topics


def test_outputs_with_a_name_are_held_until_the_step_ends():
    """As in the loop of PyTorch's tutorials: ``outputs = model(inputs); loss = loss_of(outputs, targets)``."""

    def make(batch: int) -> Step:
        model = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 4096))
        targets = torch.zeros(batch, dtype=torch.int64)
        return Step(
            model, (torch.zeros(batch, 64), targets), functional.cross_entropy, torch.optim.SGD(model.parameters())
        )

    def wish(**asked) -> OpList:
        return trace(of_factory("net", lambda batch, _: make(batch)), Wish(512, both=False, **asked)).first

    outputs = 512 * 4096 * 4
    found = wish()
    assert [s.memory_bytes for s in found.storages if s.result] == [outputs]
    step = make(512)
    as_on_gpu(step.optimizers)
    real = measured_peaks(step, body(step, Setting(), "cpu"))
    likely, least = (replay(found, Case(name, (8, 0))) for name in ("likely", "least"))
    assert likely.allocated_bytes - likely.workspace_bytes == pytest.approx(real.whole, rel=0.002)
    assert likely.allocated_bytes - likely.workspace_bytes - (least.allocated_bytes - least.workspace_bytes) == outputs
    assert likely.roles_bytes["temporary"] - least.roles_bytes["temporary"] == outputs
    parts = wish(accumulation=2)
    assert [s.memory_bytes for s in parts.storages if s.result] == [outputs // 2]  # of the last part alone


class Block(nn.Module):
    """A block of Megatron's as Korthikanti et al. 2022 (arXiv:2205.05198) count it, attention written out."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.norm1, self.norm2 = heads, nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        shape = (batch, length, 3, self.heads, width // self.heads)
        q, k, v = self.qkv(self.norm1(x)).view(shape).permute(2, 0, 3, 1, 4)
        scores = functional.dropout((q @ k.transpose(-1, -2) * shape[-1] ** -0.5).softmax(-1), 0.1)
        x = x + functional.dropout(self.out((scores @ v).transpose(1, 2).reshape(x.shape)), 0.1)
        return x + functional.dropout(self.down(functional.gelu(self.up(self.norm2(x)))), 0.1)


@pytest.mark.parametrize("length", [64, 512])
def test_activations_of_a_transformer_layer_by_the_published_formula(length: int):
    """s b h (34 + 5 a s / h) bytes a layer in half precision."""
    width, heads = 256, 8

    def kept(blocks: int) -> int:
        def make(batch: int) -> Step:
            model = nn.Sequential(*(Block(width, heads) for _ in range(blocks))).half()
            return Step(model, torch.zeros(batch, length, width, dtype=torch.half), torch.sum, adam(model))

        found = traced(make).first
        begin = next(place for place, op in enumerate(found.ops) if op.phase == "backward")
        alive = (s for s in found.storages if 0 <= s.born < begin and (s.died is None or s.died > begin))
        return sum(s.memory_bytes for s in alive)

    by_formula = length * BATCH * width * (34 + 5 * heads * length / width)
    assert kept(3) - kept(2) == pytest.approx(by_formula, rel=0.002)
