"""The lines to paste are run: in a shell and in Python, as they stand."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gpugap.core.setting import Setting
from gpugap.sensors.cpu import cores_physical_first
from gpugap.tune.recipe import Recipe, recipe

HEAD = """
import torch
model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Flatten(), torch.nn.Linear(8 * 36, 4))
inputs, targets = torch.rand(2, 3, 8, 8), torch.tensor([0, 1])
loss_of, optimizer = torch.nn.functional.cross_entropy, torch.optim.SGD(model.parameters(), lr=0.1)
before = model[0].weight.detach().clone()
"""


def torch_lines(setting: Setting, **known) -> Recipe:
    return recipe(setting, known.pop("execution", "eager"), "torch", **known)


@pytest.mark.torch
def test_training_runs_as_it_is_pasted():
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    scope: dict = {}
    setting = Setting("bf16", 1, channels_last=True)
    try:
        exec("\n".join([HEAD, *torch_lines(setting).code]), scope)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(threads)
    assert scope["model"][0].weight.is_contiguous(memory_format=torch.channels_last)
    assert scope["inputs"].is_contiguous(memory_format=torch.channels_last)
    assert torch.isfinite(scope["loss"])
    assert not torch.equal(scope["model"][0].weight, scope["before"])


@pytest.mark.torch
@pytest.mark.parametrize(("own", "inference"), [(True, True), (False, False)])
def test_inference_runs_as_it_is_pasted(own: bool, inference: bool):
    torch = pytest.importorskip("torch")
    scope: dict = {}
    lines = torch_lines(Setting("bf16", inference_mode=own), mode="inference").code
    exec("\n".join([HEAD, *lines]), scope)
    assert scope["outputs"].dtype == torch.bfloat16
    assert scope["outputs"].is_inference() is inference
    assert not scope["outputs"].requires_grad


@pytest.mark.torch
def test_half_precision_scales_its_gradients():
    torch = pytest.importorskip("torch")
    scope: dict = {}
    exec("\n".join([HEAD, *torch_lines(Setting("fp16")).code]), scope)
    assert isinstance(scope["scaler"], torch.amp.GradScaler)
    assert not torch.equal(scope["model"][0].weight, scope["before"])


@pytest.mark.torch
def test_a_graph_is_captured_as_it_is_pasted(monkeypatch: pytest.MonkeyPatch):
    """With CUDA's streams and graphs stood in for: the order of what is pasted, and that a replay follows."""
    torch = pytest.importorskip("torch")
    calls: list[str] = []

    class Stand(contextlib.nullcontext):
        def wait_stream(self, other) -> None:
            calls.append("wait")

        def replay(self) -> None:
            calls.append("replay")

    for name in ("Stream", "current_stream", "CUDAGraph"):
        monkeypatch.setattr(torch.cuda, name, Stand)
    for name in ("stream", "graph"):
        monkeypatch.setattr(torch.cuda, name, lambda one, name=name: calls.append(name) or one)
    scope: dict = {}
    exec("\n".join([HEAD, *torch_lines(Setting(cuda_graph=True), device="cuda").code]), scope)
    assert calls == ["wait", "stream", "wait", "graph", "replay"]
    assert scope["optimizer"].param_groups[0]["capturable"] is True
    assert not torch.equal(scope["model"][0].weight, scope["before"])


def test_every_part_of_a_setting_has_its_line():
    lines = "\n".join(
        torch_lines(
            Setting("tf32", 4, True, flush_denormals=True, cudnn_benchmark=True, compile_mode="max-autotune"),
            execution="compile",
            device="cuda",
        ).code
    )
    for part in ("flush_denormal(True)", "num_threads(4)", 'precision("high")', "channels_last", "benchmark = True"):
        assert part in lines
    assert 'model.compile(dynamic=False, mode="max-autotune")' in lines
    assert recipe(Setting("bf16", 2, onednn=True), "xla", "tensorflow").environment == (
        "export TF_ENABLE_ONEDNN_OPTS=1",
    )
    assert "jit_compile=True" in recipe(Setting(), "xla", "tensorflow").code[-1]
    assert recipe(Setting(threads=2), "jit", "jax").environment == ("export PJRT_NPROC=2",)
    for code in (recipe(Setting("bf16", 2), mode, name).code for name, mode in (("tensorflow", "xla"), ("jax", "jit"))):
        compile("\n".join(code), "pasted", "exec")


@pytest.mark.skipif(shutil.which("taskset") is None, reason="no taskset here")
def test_the_shells_lines_start_the_program(tmp_path: Path):
    core = cores_physical_first()[0]
    lines = recipe(Setting(cores=(core,), variables=(("OMP_WAIT_POLICY", "PASSIVE"),)), "eager", "null").environment
    program = "import os\nprint(sorted(os.sched_getaffinity(0)), os.environ['OMP_WAIT_POLICY'])\n"
    (tmp_path / "your_program.py").write_text(program)
    text = "\n".join(lines).replace(" python ", f" {sys.executable} ")
    answer = subprocess.run(["bash", "-euc", text], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert answer.stdout.strip() == f"[{core}] PASSIVE"


def test_an_allocator_is_put_before_others():
    (line,) = recipe(Setting(allocator="tcmalloc"), "eager", "null").environment
    answer = subprocess.run(
        ["bash", "-euc", f'LD_PRELOAD="" ; {line} 2>/dev/null; builtin echo "$LD_PRELOAD"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "tcmalloc" in answer.stdout
