"""What is told about memory format and autocast is read from tensors and from torch, never from the request."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from torch import nn  # noqa: E402 - after the check for torch

from factories import make_cell  # noqa: E402
from gpugap.core.setting import Setting  # noqa: E402
from gpugap.core.step import Step  # noqa: E402
from gpugap.frameworks.torch import TorchFramework, settings  # noqa: E402

pytestmark = pytest.mark.torch
CELL = make_cell(framework="torch")
TUNED = Setting("bf16", channels_last=True)


def convolution() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def images(batch: int = 2) -> torch.Tensor:
    return torch.ones(batch, 3, 8, 8)


def told(step: Step, setting: Setting, prepare: bool = True) -> dict:
    framework = TorchFramework()
    if prepare:
        framework.body(step, CELL, setting)
    return dict(framework.settings(step, CELL, setting))


@pytest.mark.parametrize(
    ("setting", "layout", "dtype"),
    [(Setting(), "contiguous", None), (TUNED, "channels_last", "bfloat16"), (Setting("fp16"), "contiguous", "float16")],
)
def test_a_prepared_step_is_told_as_it_is(setting: Setting, layout: str, dtype: str | None):
    found = told(Step(convolution(), images(), mode="inference"), setting)
    assert (found["memory_format"], found["autocast"]) == (layout, dtype)


def test_what_was_asked_for_and_not_done_is_not_told():
    assert told(Step(convolution(), images(), mode="inference"), TUNED, prepare=False)["memory_format"] == "contiguous"


def test_a_layout_nobody_asked_for_is_told():
    net = convolution().to(memory_format=torch.channels_last)
    batch = images().contiguous(memory_format=torch.channels_last)
    assert told(Step(net, batch, mode="inference"), Setting())["memory_format"] == "channels_last"


def test_weights_and_batch_that_differ_are_mixed():
    net = convolution().to(memory_format=torch.channels_last)
    assert told(Step(net, (images(), torch.zeros(2)), mode="inference"), Setting())["memory_format"] == "mixed"
    assert told(Step(net, {"a": [images()]}, mode="inference"), Setting())["memory_format"] == "mixed"
    transposed = images().permute(1, 0, 3, 2)
    assert told(Step((), transposed, run=lambda _: None), Setting())["memory_format"] == "mixed"


@pytest.mark.parametrize(
    "batch", [None, torch.ones(2, 5), torch.ones(2, 1, 8, 8), torch.ones(2, 3, 1, 1), ("words", 3)]
)
def test_without_a_tensor_that_tells_the_layout_is_unknown(batch):
    assert told(Step(nn.Linear(5, 1), batch, run=lambda _: None), TUNED)["memory_format"] is None


def test_a_step_without_its_own_tensors_has_no_layout():
    assert told(Step((), run=lambda _: None), Setting())["memory_format"] is None


def test_what_torch_computes_with_is_told(monkeypatch: pytest.MonkeyPatch):
    assert told(Step((), run=lambda _: None), Setting())["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    described = (
        "  - Intel(R) oneAPI Math Kernel Library Version 2024.2-Product Build\n  - Intel(R) MKL-DNN v3.12.0 (Git"
    )
    monkeypatch.setattr("torch.__config__.show", lambda: described)
    found = TorchFramework().versions()
    assert (found["mkl"], found["onednn"], found["numpy"]) == ("2024.2", "3.12.0", np.__version__)
    monkeypatch.setattr("torch.__config__.show", lambda: "built with: oneDNN v4.0.1\n")
    found = TorchFramework().versions()
    assert (found.get("mkl"), found["onednn"]) == (None, "4.0.1")


def test_autocast_that_surrounds_the_step_is_told():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert told(Step((), run=lambda _: None), Setting())["autocast"] == "bfloat16"
    assert told(Step((), run=lambda _: None), Setting())["autocast"] is None


@pytest.mark.filterwarnings("ignore:In CPU autocast, but the target dtype is not supported")
def test_autocast_that_torch_refuses_is_not_told(monkeypatch: pytest.MonkeyPatch):
    """torch switches autocast off, with a warning, for a dtype it cannot do on a device."""
    monkeypatch.setitem(settings.AUTOCAST, "bf16", torch.float64)
    step = Step((), run=lambda _: torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype, mode="inference")
    assert TorchFramework().body(step, CELL, Setting("bf16"))() == torch.float32
    assert told(step, Setting("bf16"))["autocast"] is None


def test_what_the_step_computes_in_is_what_is_told():
    seen = []
    step = Step((), run=lambda _: seen.append(torch.get_autocast_dtype("cpu")), mode="inference")
    once = TorchFramework().body(step, CELL, Setting("bf16"))
    once()
    assert str(seen[0]) == f"torch.{told(step, Setting('bf16'), prepare=False)['autocast']}"
