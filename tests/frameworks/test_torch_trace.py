"""Tracing: operators, FLOPs by hand, CUDA's rules, and steps that cannot be traced."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from gpugap.core.errors import NoKernel, UnknownName, Unsupported  # noqa: E402
from gpugap.core.step import Step  # noqa: E402
from gpugap.frameworks.torch.trace import trace  # noqa: E402
from gpugap.frameworks.torch.trace.sources import of_factory, of_step, of_workload, with_batch  # noqa: E402
from gpugap.frameworks.torch.trace.wish import Wish  # noqa: E402
from gpugap.workloads import workload  # noqa: E402

pytestmark = pytest.mark.torch


def training(model: nn.Module, inputs: torch.Tensor, optimizer=None) -> Step:
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.1)
    return Step(model, (inputs, None), lambda outputs, _: outputs.float().sum(), optimizer)


def traced(model: nn.Module, inputs: torch.Tensor, **wish):
    batch = wish.pop("batch", inputs.shape[0])
    optimizer = wish.pop("own", None)
    return trace(of_step("net", training(model, inputs, optimizer)), Wish(batch, both=False, **wish)).first


def flops(oplist, kind: str, phase: str) -> int:
    return sum(op.flops for op in oplist.ops if op.kind == kind and op.phase == phase)


@pytest.mark.parametrize(
    ("model", "shape", "forward"),
    [
        (nn.Conv2d(8, 16, 3, padding=1), (2, 8, 10, 10), 2 * 2 * 100 * 8 * 16 * 9),
        (nn.Conv2d(8, 16, 3, stride=2), (2, 8, 11, 11), 2 * 2 * 25 * 8 * 16 * 9),
        (nn.Conv2d(8, 16, 3, padding=1, groups=4), (2, 8, 10, 10), 2 * 2 * 100 * (8 // 4) * 16 * 9),
        (nn.Conv2d(8, 8, 5, padding=2, groups=8), (2, 8, 10, 10), 2 * 2 * 100 * 8 * 25),  # depthwise
        (nn.ConvTranspose2d(8, 16, 4, stride=2, padding=1), (2, 8, 10, 10), 2 * 2 * 100 * 8 * 16 * 16),
        (nn.Conv1d(4, 6, 3), (2, 4, 12), 2 * 2 * 10 * 4 * 6 * 3),
    ],
)
def test_convolutions_by_hand(model, shape, forward: int):
    """The input needs a gradient here, so that the backward pass computes both: twice the forward pass."""
    first = nn.Identity()
    whole = nn.Sequential(first, model)
    found = traced(whole, torch.randn(shape).requires_grad_())
    assert flops(found, "conv", "forward") == forward
    assert flops(found, "conv", "backward") == 2 * forward


def test_the_first_layer_has_no_gradient_of_its_input():
    found = traced(nn.Conv2d(8, 8, 3, groups=8), torch.randn(2, 8, 6, 6))
    assert flops(found, "conv", "backward") == flops(found, "conv", "forward") == 2 * 2 * 16 * 8 * 9


def test_products_by_hand():
    found = traced(nn.Linear(6, 5), torch.randn(7, 6).requires_grad_())
    assert flops(found, "gemm", "forward") == 2 * 7 * 6 * 5
    assert flops(found, "gemm", "backward") == 2 * (2 * 7 * 6 * 5)


class Attention(nn.Module):
    """Queries, keys and values from one layer."""

    def __init__(self, *, causal: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.qkv = nn.Linear(64, 3 * 64)
        self.causal, self.dropout = causal, dropout

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        batch, length, _ = tokens.shape
        query, key, value = self.qkv(tokens).view(batch, length, 3, 4, 16).permute(2, 0, 3, 1, 4)
        return functional.scaled_dot_product_attention(query, key, value, dropout_p=self.dropout, is_causal=self.causal)


@pytest.mark.parametrize(("causal", "pairs"), [(False, 100), (True, 55)])
@pytest.mark.parametrize(("precision", "kernel"), [("fp16", "flash"), ("fp32", "efficient")])
def test_fused_attention_by_hand(precision: str, kernel: str, causal: bool, pairs: int):
    found = traced(Attention(causal=causal, dropout=0.1), torch.randn(2, 10, 64), precision=precision)
    assert list(found.attention.values()) == [kernel]
    assert flops(found, "attention", "forward") == 2 * 2 * 2 * 4 * pairs * 16
    assert flops(found, "attention", "backward") == 5 * 2 * 2 * 4 * pairs * 16


@pytest.mark.parametrize(
    ("wish", "kernel"),
    [
        ({"precision": "fp16", "capability": (7, 5)}, "efficient"),
        ({"precision": "bf16", "capability": (7, 5)}, "math"),
        ({"precision": "fp16", "attention": "math"}, "math"),
    ],
)
def test_the_kernel_follows_the_gpu(wish: dict, kernel: str):
    found = traced(Attention(), torch.randn(2, 10, 64), **wish)
    assert list(found.attention.values()) == [kernel]
    assert bool(flops(found, "attention", "forward")) == (kernel != "math")


class Flat(Attention):
    """Heads in one dimension with the batch, as fused kernels do not take them."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return functional.scaled_dot_product_attention(tokens, tokens, self.qkv(tokens)[..., :64])


class Grouped(Attention):
    """Four heads of queries to two of keys."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        query = self.qkv(tokens)[..., :64].view(*tokens.shape[:2], 4, 16).transpose(1, 2)
        return functional.scaled_dot_product_attention(query, query[:, :2], query[:, :2], enable_gqa=True)


class SwitchedOff(Attention):
    """Fused kernels are not wanted here."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            return super().forward(tokens)


@pytest.mark.parametrize(
    ("model", "wish", "said"),
    [
        (Attention, {"attention": "flash", "capability": (7, 5)}, "float32, heads of 16, a backward pass on compute"),
        (Attention, {"attention": "flash", "capability": (7, 5), "precision": "fp16"}, "capability 7.5"),
        (Attention, {"attention": "efficient", "capability": (7, 5), "precision": "bf16"}, "bfloat16"),
        (Flat, {"attention": "flash", "precision": "fp16"}, "4 dimensions, these have 3"),
        (Grouped, {"attention": "efficient"}, "no grouped queries"),
        (SwitchedOff, {"attention": "efficient"}, "the step switches it off"),
    ],
)
def test_a_kernel_that_is_forced_must_run(model: type[Attention], wish: dict, said: str):
    with pytest.raises(NoKernel) as found:
        traced(model(), torch.randn(2, 10, 64), **wish)
    assert found.value.exit_code == 3
    assert f"the {wish['attention']} kernel cannot run this attention: " in found.value.message
    assert said in found.value.message
    assert "--attention math" in found.value.remedy
    assert f"--attention {wish['attention']}" not in found.value.remedy
    free = {name: value for name, value in wish.items() if name != "attention"}
    assert wish["attention"] not in traced(model(), torch.randn(2, 10, 64), **free).attention.values()


def dtypes(oplist, name: str) -> set[str]:
    return {op.dtype for op in oplist.ops if op.name == f"aten.{name}"}


class Mixed(nn.Module):
    """Layers on which the CPU's autocast differs from CUDA's."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(3, 8, 3), nn.LayerNorm(8), nn.Linear(8, 8)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = functional.pad(self.conv(images), (1, 1, 1, 1), mode="reflect").mean((2, 3))
        hidden = self.fc(self.fc(self.norm(hidden)))
        return functional.softmax(hidden, -1) * hidden.exp()


def test_double_is_traced_in_double_or_refused():
    single, double = (
        trace(of_workload(workload("conv6"), "train"), Wish(2, "train", precision)).first
        for precision in ("fp32", "fp64")
    )
    assert {op.dtype for op in double.ops if op.flops} == {"float64"}
    assert double.role_bytes("parameter") == 2 * single.role_bytes("parameter")
    assert double.role_bytes("optimizer") == pytest.approx(2 * single.role_bytes("optimizer"), rel=1e-3)
    assert torch.get_default_dtype() == torch.float32
    with pytest.raises(Unsupported, match="parameters in float32, asked for fp64"):
        traced(nn.Linear(4, 4), torch.zeros(2, 4), precision="fp64")
    held = traced(nn.Linear(4, 4).double(), torch.zeros(2, 4, dtype=torch.float64), precision="fp64")
    assert {op.dtype for op in held.ops if op.flops} == {"float64"}


@pytest.mark.parametrize(("precision", "half"), [("fp16", "float16"), ("bf16", "bfloat16")])
def test_autocast_is_that_of_cuda(precision: str, half: str):
    found = traced(Mixed(), torch.randn(2, 3, 6, 6), precision=precision)
    assert dtypes(found, "convolution") == dtypes(found, "addmm") == {half}
    assert dtypes(found, "native_layer_norm") == dtypes(found, "exp") == {"float32"}
    assert dtypes(found, "reflection_pad2d") == {half}  # the CPU's autocast would pad in single precision
    # CUDA's softmax reads float16 itself; bfloat16 it converts first
    assert dtypes(found, "_softmax") == {"float16" if precision == "fp16" else "float32"}


def test_a_weight_used_twice_is_cast_once():
    found = traced(Mixed(), torch.randn(2, 3, 6, 6), precision="bf16")
    casts = [op for op in found.ops if op.name == "aten._to_copy" and op.phase == "forward" and op.module == "fc"]
    sizes = [op.dimension("elements") for op in casts]
    assert sizes.count(64) == 1
    assert sizes.count(8) == 1


def test_dropout_keeps_one_byte_an_element():
    found = traced(nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5)), torch.randn(4, 8))
    (dropped,) = (op for op in found.ops if op.name == "aten.native_dropout")
    assert [found.storages[index].memory_bytes for index in dropped.outputs] == [4 * 8 * 4, 4 * 8]


class InPlace(nn.Module):
    """A layer and an activation, which may work in place."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.fc, self.act = nn.Linear(64, 64), nn.ReLU(inplace)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.act(self.fc(inputs))


def activations(oplist) -> int:
    return oplist.role_bytes("activation")


def test_an_activation_in_place_is_counted_once():
    inputs = torch.randn(32, 64)
    once, twice = (traced(InPlace(inplace), inputs, mode="train") for inplace in (True, False))
    made = [
        sum(s.memory_bytes for s in found.storages if s.born >= 0 and s.memory_bytes == 32 * 64 * 4)
        for found in (once, twice)
    ]
    assert made[1] - made[0] == 32 * 64 * 4


class Tied(nn.Module):
    """An embedding whose table is the last layer's weight."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(100, 8)
        self.head = nn.Linear(8, 100, bias=False)
        self.head.weight = self.table.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.table(tokens))


def test_tied_weights_are_counted_once():
    model = Tied()
    found = traced(model, torch.zeros(4, 3, dtype=torch.int64), own=torch.optim.Adam(model.parameters()))
    assert found.parameters == 800
    assert found.role_bytes("parameter") == 3200
    assert found.role_bytes("optimizer") == 2 * 3200
    at_end = [s for s in found.storages if s.role == "gradient" and s.died is None]
    assert sum(s.memory_bytes for s in at_end) == 3200


def test_the_second_step_is_traced():
    """Its optimizer state is there before it begins, and the gradients of the first step die in it."""
    found = traced(nn.Linear(8, 8), torch.randn(2, 8), optimizer="adamw")
    state = [s for s in found.storages if s.role == "optimizer"]
    assert len(state) == 2 * 2 + 2
    assert all(s.born == -1 for s in state)
    assert sorted(s.memory_bytes for s in state) == [0, 0, 32, 32, 256, 256]  # step counts lie in host memory
    first, second = (
        [s for s in found.storages if s.role == "gradient" and (s.born < 0) == old] for old in (True, False)
    )
    assert [s.died for s in first] == [0, 0]
    assert [s.died for s in second] == [None, None]
    assert found.optimizer == "AdamW (foreach)"


def test_foreach_is_one_launch_and_fused_is_less():
    each = traced(nn.Linear(8, 8), torch.randn(2, 8), optimizer="adamw")
    fused = traced(nn.Linear(8, 8), torch.randn(2, 8), optimizer="adamw-fused")
    updates = [[op for op in found.ops if op.phase == "optimizer"] for found in (each, fused)]
    assert any(op.outputs for op in updates[0])  # foreach keeps the root of every second moment at once
    assert len(updates[1]) < len(updates[0])
    assert not any(op.outputs for op in updates[1])


def test_modules_lines_and_phases():
    found = traced(Mixed(), torch.randn(2, 3, 6, 6))
    (forward,) = (op for op in found.ops if op.name == "aten.convolution")
    (backward,) = (op for op in found.ops if op.name == "aten.convolution_backward")
    assert (forward.module, forward.phase) == (backward.module, "forward")
    assert forward.module == "conv"
    assert backward.phase == "backward"
    assert forward.source.startswith("test_torch_trace.py:")
    assert backward.source == forward.source


@pytest.mark.parametrize(
    ("name", "both"),
    [("conv6@32", True), ("resnet18@32", True), ("vgg16@32", False), ("gpt2@32", False), ("vit@32", False)],
)
def test_built_in_steps_take_the_operations_of_their_specification(name: str, both: bool):
    found = trace(of_workload(workload(name), "train"), Wish(2, attention="math", both=both))
    for one in (found.first, found.second, found.at(5)) if both else (found.first,):
        assert one.flops == workload(name).flops(one.batch, "train")
    assert found.first.parameters == workload(name).parameters
    assert not found.first.uncounted


def test_a_batch_between_is_what_a_trace_of_it_is():
    source = of_workload(workload("conv6@32"), "train")
    assert trace(source, Wish(2)).at(7) == trace(source, Wish(7, both=False)).first


def test_a_step_that_grows_with_its_batch_in_operators():
    found = trace(of_step("net", training(Chooses(lambda x: sum(row.relu() for row in x)), torch.randn(2, 4))), Wish(2))
    assert "number of operators" in found.why
    assert found.second is not None


def test_the_users_step_is_left_as_it_is():
    model = nn.Linear(4, 4)
    before = model.weight.detach().clone()
    step = training(model, torch.randn(2, 4))
    trace(of_step("net", step), Wish(64, optimizer="adamw", checkpointing=False))
    assert torch.equal(model.weight, before)
    assert model.weight.grad is None
    assert isinstance(step.optimizers, torch.optim.SGD)
    assert step.batch[0].shape[0] == 2


def test_torch_is_left_as_it_is():
    kept = (torch.get_rng_state, torch.inference_mode.__enter__, torch.amp.GradScaler.step, torch.clear_autocast_cache)
    traced(Mixed(), torch.randn(2, 3, 6, 6), precision="fp16")
    now = (torch.get_rng_state, torch.inference_mode.__enter__, torch.amp.GradScaler.step, torch.clear_autocast_cache)
    assert now == kept
    inputs, weight = torch.randn(4, 8), torch.randn(8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert functional.mse_loss(inputs @ weight, torch.zeros(4, 8)).dtype == torch.float32
        assert functional.layer_norm(inputs @ weight, (8,)).dtype == torch.bfloat16
    with torch.inference_mode():
        assert torch.zeros(1).is_inference()


def test_a_batch_of_another_size():
    step = Step(None, {"ids": torch.zeros(2, 5), "scale": torch.ones(3)}, mode="inference")
    bigger = with_batch(step, 2, 7)
    assert bigger.batch["ids"].shape == (7, 5)
    assert bigger.batch["scale"].shape == (3,)


class Chooses(nn.Module):
    """Takes the rows that are positive."""

    def __init__(self, how) -> None:
        super().__init__()
        self.fc, self.how = nn.Linear(4, 4), how

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.how(self.fc(inputs))


@pytest.mark.parametrize(
    ("how", "operator"),
    [
        (lambda x: x * x.sum().item(), "aten._local_scalar_dense"),
        (lambda x: x[x > 0], "aten.index"),
        (lambda x: x[torch.nonzero(x[:, 0])], "aten.nonzero"),
        (lambda x: x if bool(x.sum() > 0) else -x, "aten._local_scalar_dense"),
    ],
)
def test_a_step_that_depends_on_its_data_is_told_with_operator_and_line(how, operator: str):
    with pytest.raises(Unsupported) as error:
        traced(Chooses(how), torch.randn(2, 4))
    assert error.value.message.startswith(operator)
    assert "test_torch_trace.py:" in error.value.message
    assert "gpugap measure" in error.value.remedy


def test_a_wrong_batch_is_one_line():
    with pytest.raises(Unsupported, match="RuntimeError") as error:
        traced(nn.Linear(4, 4), torch.randn(2, 5))
    assert "\n" not in str(error.value)


def test_a_step_that_asks_for_a_gpu_is_told():
    def make(batch: int, device: str) -> Step:
        return training(nn.Linear(4, 4).to("cuda"), torch.randn(batch, 4))

    with pytest.raises(Unsupported, match="asks for a GPU"):
        trace(of_factory("train.py:make_step", make), Wish(2))


def test_an_unknown_optimizer_is_refused_by_name():
    class Lion:
        """No torch.optim.Optimizer."""

        def step(self) -> None:
            """Nothing."""

    with pytest.raises(Unsupported, match="Lion"):
        traced(nn.Linear(4, 4), torch.randn(2, 4), own=Lion())
    with pytest.raises(UnknownName, match="lion"):
        traced(nn.Linear(4, 4), torch.randn(2, 4), optimizer="lion")


def test_a_model_that_reads_values_while_it_is_built_is_built_for_real():
    def make(batch: int, device: str) -> Step:
        rates = [x.item() for x in torch.linspace(0, 0.1, 3)]
        model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(rates[1]), nn.Linear(4, 4))
        return training(model, torch.randn(batch, 4))

    found = trace(of_factory("train.py:make_step", make), Wish(2))
    assert not found.why
    assert found.at(9).batch == 9


def test_steps_with_bodies_and_autocast_of_their_own():
    def make(batch: int, device: str) -> Step:
        model = nn.Linear(8, 8)
        optimizer = torch.optim.AdamW(model.parameters())
        scaler = torch.amp.GradScaler("cuda")

        def run(step: Step) -> torch.Tensor:
            optimizer.zero_grad()
            with torch.autocast("cuda", dtype=torch.float16):
                loss = model(step.batch).float().sum()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            return loss.detach()

        return Step(model, torch.randn(batch, 8), None, optimizer, run=run)

    found = trace(of_factory("train.py:make_step", make), Wish(4))
    assert not found.why
    assert dtypes(found.first, "addmm") == {"float16"}
    assert {op.phase for op in found.first.ops} == {"forward", "backward", "optimizer"}
    assert "aten._amp_foreach_non_finite_check_and_unscale_" in {op.name for op in found.first.ops}


def test_a_model_that_is_moved_and_cast():
    def make(batch: int, device: str) -> Step:
        model = Tied()
        optimizer = torch.optim.AdamW(model.parameters())
        model.to(device).to(torch.bfloat16)
        return training(model, torch.zeros(batch, 3, dtype=torch.int64), optimizer)

    found = trace(of_factory("train.py:make_step", make), Wish(4)).first
    assert found.parameters == 800
    assert found.role_bytes("parameter") == 1600  # half precision, and still one tied weight
    assert found.role_bytes("optimizer") == 2 * 1600
    assert dtypes(found, "mm") == {"bfloat16"}


def test_a_bare_callable_with_an_optimizer_of_its_own():
    def make(batch: int, device: str) -> Step:
        model = nn.Linear(8, 8)
        optimizer = torch.optim.AdamW(model.parameters())
        inputs = torch.randn(batch, 8)

        def once(_: Step) -> None:
            optimizer.zero_grad()
            model(inputs).sum().backward()
            optimizer.step()

        return Step(models=(), run=once)

    found = trace(of_factory("train.py:make_step", make), Wish(4)).first
    assert found.optimizer == "AdamW (foreach)"
    weights = 4 * (8 * 8 + 8)
    assert found.role_bytes("parameter") == weights
    assert found.role_bytes("optimizer") == 2 * weights
    assert sum(s.memory_bytes for s in found.storages if s.role == "gradient" and s.died is None) == weights


def test_what_is_not_counted_is_listed():
    found = traced(Chooses(torch.linalg.svdvals), torch.randn(2, 4))
    assert any("svd" in name for name in found.uncounted)
    assert all("test_torch_trace.py:" in where for where in found.uncounted.values())
