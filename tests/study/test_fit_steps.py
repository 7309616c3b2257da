"""``gpugap.fit``: verdicts, savings and what a reader sees, from traces of small steps."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import gpugap as gg  # noqa: E402
from gpugap.core.errors import BadStepFile, BadValue, GpugapError, UnknownName, Unsupported  # noqa: E402
from gpugap.core.oplist import Traced  # noqa: E402
from gpugap.frameworks.torch.nets.transformer import GPT2, language_loss  # noqa: E402
from gpugap.frameworks.torch.trace.wish import Wish  # noqa: E402
from gpugap.predict.memory import memory  # noqa: E402
from gpugap.study.tracing import Tracer  # noqa: E402

pytestmark = pytest.mark.torch
GIB = 2**30


def small_step() -> gg.Step:
    model = GPT2((64, 4, 4), 1000, 64)
    tokens = torch.zeros(64, 64, dtype=torch.int64)
    return gg.step(model, (tokens, tokens), loss=language_loss, optimizer=torch.optim.AdamW(model.parameters()))


def test_a_step_in_memory():
    found = gg.fit(small_step(), ["t4", "rtx-3090"])
    assert [one.target.key for one in found] == ["t4", "rtx-3090"]
    assert found["t4"].verdict == "FITS"
    assert found.exit_code == 0
    assert found["t4"].savings == ()
    assert found["t4"].batch == 64
    assert found["t4"].max_batch.low > 64
    assert "Tesla T4" in repr(found)
    assert "PREDICTED" in repr(found)
    assert found._repr_html_().count("<tr>") == 3
    with pytest.raises(UnknownName):
        found["h100"]


def test_what_takes_less_is_traced_and_ranked():
    found = gg.fit(small_step(), batch=1024, budget_bytes=1.3 * GIB)
    (one,) = found
    assert one.verdict != "FITS"
    assert found.exit_code == 1
    names = [saving.name for saving in one.savings]
    assert {"smaller-batch", "accumulation"} <= set(names)
    sizes = [saving.device.value for saving in one.savings]
    assert sizes == sorted(sizes)
    smaller = next(saving for saving in one.savings if saving.name == "smaller-batch")
    assert smaller.verdict == "FITS"
    assert 64 < one.max_batch.low < 1024
    # the number is that of a trace of the changed step
    tracer = Tracer(small_step(), "train")
    amp = memory(tracer.trace(Wish(1024, precision="bf16", both=False)).first, (8, 0)).device
    assert next(s for s in one.savings if s.name == "amp").device == amp


def test_a_trace_is_taken_again_where_kernels_are_the_same(monkeypatch):
    from gpugap.frameworks.torch import trace

    calls: list[Wish] = []
    real = trace.trace

    def counted(source, wish: Wish) -> Traced:
        calls.append(wish)
        return real(source, wish)

    monkeypatch.setattr(trace, "trace", counted)
    gg.fit(small_step(), ["rtx-3090", "a100-40gb", "t4"])
    assert len(calls) == 1  # single precision: the efficient kernel on all of them
    gg.fit(small_step(), ["rtx-3090", "a100-40gb", "t4"], precision="fp16")
    assert len(calls) == 3  # flash on two, efficient on the T4


def test_gpt2_small_by_its_attention_kernel():
    """A peer says 2.3 GiB for this step, and that it fits; scores kept by the math kernel alone take 10 GiB more."""
    tracer = Tracer("gpt2", "train")
    peaks = {}
    for kernel in ("efficient", "math"):
        found = tracer.trace(Wish(8, attention=kernel, both=False)).first
        assert found.parameters == 124_439_808
        peaks[kernel] = memory(found, (8, 0)).device.value / GIB
    assert 10 < peaks["efficient"] < 13
    assert 20 < peaks["math"] < 30


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"gpus": ["t5"]}, UnknownName, "t5"),
        ({"gpus": ["A100"]}, GpugapError, "A100"),
        ({"gpus": ["rx-7900-xtx"]}, Unsupported, "compute capability"),
        ({"gpus": []}, BadValue, "no GPU"),
        ({"gpus": ["t4"], "batch": 0}, BadValue, "batch 0"),
        ({"gpus": ["t4"], "precision": "fp8"}, UnknownName, "fp8"),
        ({"gpus": ["t4"], "attention": "triton"}, UnknownName, "triton"),
        ({"gpus": ["t4"], "optimizer": "lion"}, UnknownName, "lion"),
    ],
)
def test_bad_values_are_told(arguments: dict, error: type[GpugapError], said: str):
    with pytest.raises(error) as found:
        gg.fit("conv6", **arguments)
    assert said.lower() in str(found.value).lower()
    assert found.value.exit_code in (2, 3)


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        ("import torch\nimport no_such_module\ndef make_step(b, d): ...", BadStepFile, "no_such_module"),
        ("import torch\nraise SystemExit(3)\ndef make_step(b, d): ...", BadStepFile, "SystemExit"),
        ("import torch\ndef make_step(b, d): return 3", BadStepFile, "int"),
        ("import torch\ndef make_step(b, d): 1 / 0", Unsupported, "ZeroDivisionError"),
        ("import jax\ndef make_step(b, d): ...", Unsupported, "PyTorch"),
    ],
)
def test_files_that_cannot_be_used_are_told(tmp_path, source: str, error: type[GpugapError], said: str):
    path = tmp_path / "own.py"
    path.write_text(source)
    with pytest.raises(error) as found:
        gg.fit(f"{path}:make_step", ["t4"])
    assert said in str(found.value)
    assert "\n" not in str(found.value)


def test_a_training_step_needs_an_optimizer():
    with pytest.raises(BadValue, match="optimizer"):
        gg.step(torch.nn.Linear(2, 2), torch.zeros(1, 2), loss=lambda out: out.sum())
    assert gg.step(torch.nn.Linear(2, 2), torch.zeros(1, 2)).mode == "inference"


def test_the_page_shows_it():
    from gpugap.report.page import render_page
    from gpugap.study.outlook import Foreseen

    pytest.importorskip("altair")
    found = gg.fit(small_step(), ["t4", "rtx-3090"], budget_bytes=0.3 * GIB, with_savings=False)
    page = render_page((), command="gpugap fit", foreseen=Foreseen(fits=found.fits))
    assert page.count("<section") == 2
    for text in ("Does it fit?", "Tesla T4", "FITS", "predicted", "cublas", "Least to most", "Predicted, not measured"):
        assert text in page
    assert page.count("<svg xmlns") == 2  # the bars, and one timeline as all share one trace
    assert "Does it fit?" not in render_page((), command="gpugap report")
