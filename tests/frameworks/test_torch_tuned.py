"""Settings that tuning chooses, put in force in PyTorch; CUDA's on stand-ins."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch_fakes import FakeCuda, FakeMps  # noqa: E402

from factories import make_cell, make_job  # noqa: E402 - after the check for torch
from gpugap.core.errors import Unsupported  # noqa: E402
from gpugap.core.setting import Setting  # noqa: E402
from gpugap.core.step import Step  # noqa: E402
from gpugap.frameworks.torch import TorchFramework  # noqa: E402
from gpugap.frameworks.torch.backends import CpuBackend, CudaBackend, MpsBackend  # noqa: E402
from gpugap.frameworks.torch.nets.cyclegan import InstanceNorm  # noqa: E402
from gpugap.measure.outcome import numbers, outcome  # noqa: E402

pytestmark = pytest.mark.torch
CELL = make_cell(framework="torch")
CUDA = replace(CELL, device="cuda")


class GraphCuda(FakeCuda):
    """`FakeCuda` with streams and graphs; a replay is counted, and what ran under capture is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.capturing, self.replays = False, 0

    def Stream(self):  # noqa: N802 - the name is torch's
        return self

    def current_stream(self):
        return self

    def wait_stream(self, other) -> None:
        self.calls.append("wait")

    def stream(self, stream):
        return contextlib.nullcontext()

    def CUDAGraph(self):  # noqa: N802 - the name is torch's
        return self

    @contextlib.contextmanager
    def graph(self, graph):
        self.capturing = True
        yield
        self.capturing = False

    def replay(self) -> None:
        self.replays += 1


def small_step(mode: str = "train") -> Step:
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(4 * 36, 2)
    )
    optimizer = torch.optim.Adam(net.parameters()) if mode == "train" else ()
    batch = (torch.rand(2, 3, 8, 8), torch.tensor([0, 1]))
    return Step(net, batch, torch.nn.functional.cross_entropy, optimizer, mode=mode)


def test_a_cuda_graph_is_captured_after_runs_beside_it_and_then_replayed():
    cuda = GraphCuda()
    framework, step, seen = TorchFramework((CpuBackend(), CudaBackend(cuda, place_on="cpu"))), small_step(), []
    step.run = lambda step: seen.append(cuda.capturing) or torch.zeros(1)
    body = framework.body(step, CUDA, Setting(cuda_graph=True))
    assert seen == [False, False, False, True]
    assert torch.equal(body(), body())
    assert (cuda.replays, len(seen)) == (2, 4)
    assert step.optimizers.param_groups[0]["capturable"] is True


@pytest.mark.parametrize(("backend", "device"), [(CpuBackend(), "cpu"), (MpsBackend(FakeMps(), "cpu"), "mps")])
def test_other_devices_have_no_graphs(backend, device: str):
    framework = TorchFramework((backend,))
    with pytest.raises(Unsupported, match="no CUDA graphs"):
        framework.body(small_step(), replace(CELL, device=device), Setting(cuda_graph=True))


def test_cudnn_may_try_its_algorithms_and_tf32_is_set():
    framework = TorchFramework((CpuBackend(), CudaBackend(FakeCuda(), place_on="cpu")))
    try:
        framework.apply(CUDA, Setting("tf32", cudnn_benchmark=True), 0)
        found = framework.settings(small_step(), CUDA, Setting("tf32"))
        assert (found["cudnn_benchmark"], found["cudnn_allow_tf32"]) == (True, True)
    finally:
        framework.apply(CUDA, Setting(), 0)
    assert framework.settings(small_step(), CUDA, Setting())["cudnn_benchmark"] is False


@pytest.mark.parametrize(
    ("device", "backend"), [("cuda", CudaBackend(FakeCuda(), "cpu")), ("mps", MpsBackend(FakeMps(), "cpu"))]
)
def test_amp_and_layout_of_a_gpu(device: str, backend, monkeypatch: pytest.MonkeyPatch):
    kinds = []
    monkeypatch.setattr(torch, "autocast", lambda kind, dtype: kinds.append((kind, dtype)) or contextlib.nullcontext())
    step = small_step()
    TorchFramework((CpuBackend(), backend)).body(
        step, replace(CELL, device=device), Setting("bf16", channels_last=True)
    )()
    assert kinds == [(device, torch.bfloat16)]
    assert step.models[0].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("own", "inference"), [(True, True), (False, False)])
def test_inference_mode_or_no_grad(own: bool, inference: bool):
    found = TorchFramework().body(small_step("inference"), CELL, Setting(inference_mode=own))()
    assert (found.is_inference(), found.requires_grad) == (inference, False)


def test_denormals_can_be_flushed():
    framework = TorchFramework()
    try:
        framework.apply(CELL, Setting(flush_denormals=True), 0)
        assert float(torch.tensor([1e-39]) * 1.0) == 0.0
    finally:
        torch.set_flush_denormal(False)
    assert float(torch.tensor([1e-39]) * 1.0) > 0.0


def test_the_mode_of_compiling_is_handed_on(monkeypatch: pytest.MonkeyPatch):
    seen = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **known: seen.append(known))
    compiled = replace(CELL, execution="compile")
    TorchFramework().body(small_step(), compiled, Setting(compile_mode="max-autotune-no-cudagraphs"))
    TorchFramework().body(small_step(), compiled, Setting())
    assert [one["mode"] for one in seen] == ["max-autotune-no-cudagraphs", None]


def collected(setting: Setting, perturbation: float = 0.0) -> dict[str, np.ndarray]:
    job = make_job(framework="torch", setting=setting, steps=3, purpose="outcome", perturbation=perturbation)
    job = replace(job, cell=replace(job.cell, precision=setting.precision))
    return outcome(job, TorchFramework(), small_step())


def test_outcomes_of_settings_can_be_laid_side_by_side():
    plain, again, last = collected(Setting()), collected(Setting()), collected(Setting(channels_last=True))
    assert list(plain) == ["output|0", "result|0|0", "result|1|0", "result|2|0"]
    assert all(np.array_equal(plain[name], again[name]) for name in plain)  # dropout is off
    assert np.allclose(plain["output|0"], last["output|0"], rtol=1e-5)
    half = collected(Setting("bf16"))["output|0"]
    assert 0 < np.abs(half - plain["output|0"]).max() < 0.05
    shaken = collected(Setting(), 1e-3)["output|0"]
    assert 0 < np.abs(shaken - plain["output|0"]).max() < 0.05


@pytest.mark.parametrize(
    ("result", "count"),
    [(None, 0), ("text", 0), (1.5, 1), (np.ones(3), 1), (object(), 0), ((torch.ones(2), torch.ones(1)), 2)],
)
def test_whatever_a_step_returns(result, count: int):
    assert len(numbers(TorchFramework(), result)) == count


def test_instance_norm_has_the_right_gradient_channels_last():
    """PyTorch's own is wrong for one image whose incoming gradient lies channels-last."""
    torch.manual_seed(0)
    images, gradient = torch.randn(1, 64, 16, 16), torch.randn(1, 64, 16, 16)
    found = []
    for form in (torch.contiguous_format, torch.channels_last):
        given = images.clone().contiguous(memory_format=form).requires_grad_()
        InstanceNorm(64)(given).backward(gradient.contiguous(memory_format=form))
        found.append(given.grad)
    assert torch.allclose(*found, atol=1e-5)


def test_attention_and_recurrent_layers_drop_nothing_either():
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5)
    lstm = torch.nn.LSTM(8, 8, 2, dropout=0.5)
    TorchFramework().drop_nothing(Step((layer, lstm), torch.rand(3, 2, 8), None, (), mode="inference"))
    layer.train()
    lstm.train()
    given = torch.rand(3, 2, 8)
    assert torch.equal(layer(given), layer(given))
    assert torch.equal(lstm(given)[0], lstm(given)[0])
    assert torch._inductor.config.fallback_random is True


def test_results_on_cuda_begin_where_those_of_a_graph_do():
    """A graph has three runs behind it when it is captured, so the losses held beside its own begin after three."""
    cuda = CudaBackend(GraphCuda(), place_on="cpu")
    framework = TorchFramework((CpuBackend(), cuda))
    here = replace(make_job(framework="torch"), purpose="outcome", steps=4)
    job = replace(here, cell=replace(here.cell, device="cuda"), steps=1)
    found, known = outcome(job, framework, small_step()), outcome(here, framework, small_step())
    assert found["result|0|0"] == pytest.approx(known["result|3|0"], rel=1e-6)
