"""``gpugap.fit``: verdicts, savings and what a reader sees, from traces of small steps."""

from __future__ import annotations

import psutil
import pytest

torch = pytest.importorskip("torch")

import gpugap as gg  # noqa: E402
from gpugap.core.errors import BadStepFile, BadValue, GpugapError, NoKernel, UnknownName, Unsupported  # noqa: E402
from gpugap.core.oplist import Traced  # noqa: E402
from gpugap.frameworks.torch.nets.transformer import GPT2, language_loss  # noqa: E402
from gpugap.frameworks.torch.trace.wish import Wish  # noqa: E402
from gpugap.predict.fit import budget  # noqa: E402
from gpugap.predict.memory import memory  # noqa: E402
from gpugap.study.fit import Fits, fit_traced  # noqa: E402
from gpugap.study.tracing import Tracer  # noqa: E402
from trace_meter import traced_peak  # noqa: E402

pytestmark = pytest.mark.torch
GIB = 2**30


def small_step(blocks: int = 2) -> gg.Step:
    model = GPT2((64, 4, blocks), 1000, 64)
    tokens = torch.zeros(64, 64, dtype=torch.int64)
    return gg.step(model, (tokens, tokens), loss=language_loss, optimizer=torch.optim.AdamW(model.parameters()))


@pytest.fixture(scope="module")
def found() -> Fits:
    return gg.fit(small_step(), ["t4", "rtx-3090"])


def test_a_step_in_memory(found: Fits):
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
    amp = memory(tracer.trace(Wish(1024, precision="bf16", both=False)).first, (8, 0), usable=one.target.usable).device
    assert next(s for s in one.savings if s.name == "amp").device == amp


def test_a_trace_is_taken_again_where_kernels_are_the_same(monkeypatch):
    from gpugap.frameworks.torch import trace

    calls: list[Wish] = []
    real = trace.trace

    def counted(source, wish: Wish) -> Traced:
        calls.append(wish)
        return real(source, wish)

    monkeypatch.setattr(trace, "trace", counted)
    gg.fit(small_step(1), ["rtx-3090", "a100-40gb", "t4"])
    assert len(calls) == 1  # single precision: the efficient kernel on all of them
    gg.fit(small_step(1), ["rtx-3090", "a100-40gb", "t4"], precision="fp16")
    assert len(calls) == 3  # flash on two, efficient on the T4


@pytest.mark.parametrize(
    ("gpus", "kernel", "said"),
    [
        (["rtx-3090", "t4"], "math", "compute capability 7.5, the lowest of those named"),
        ([], "flash", "compute capability 8.0"),
    ],
)
def test_a_budget_is_judged_for_the_oldest_of_the_gpus(gpus: list[str], kernel: str, said: str):
    """Bfloat16 attention is fused from Ampere on: what fits an A100 in 8 GiB need not fit a T4 in them."""
    found = gg.fit(small_step(1), gpus, precision="bf16", budget_bytes=8 * GIB)
    own = found["budget"]
    assert own.memory.assumed["GPU"] == said
    assert kernel in own.memory.assumed["attention"]
    assert own.memory.allocated == (found["t4"] if gpus else own).memory.allocated
    assert not any("GPU" in one.memory.assumed for one in found if one is not own)


def test_a_forced_kernel_is_checked_on_every_gpu():
    with pytest.raises(NoKernel, match=r"compute capability 7\.5") as found:
        gg.fit(small_step(1), ["rtx-3090", "t4"], precision="fp16", attention="flash")
    assert found.value.exit_code == 3
    assert "\n" not in str(found.value)
    (one,) = gg.fit(small_step(1), ["rtx-3090"], precision="fp16", attention="flash")
    assert "flash" in one.memory.assumed["attention"]


def test_gpt2_small_by_its_attention_kernel():
    """A peer says 2.3 GiB for this step, and that it fits; scores kept by the math kernel alone take 10 GiB more."""
    tracer = Tracer("gpt2", "train")
    for kernel in ("efficient", "math"):
        found = tracer.trace(Wish(8, attention=kernel, both=False)).first
        assert found.parameters == 124_439_808
        held = memory(found, (8, 0))
        by_hand = _gpt2_by_hand(scores_kept=2.25 if kernel == "math" else 0)
        assert traced_peak(found) == pytest.approx(by_hand, rel=0.002)
        named = by_hand + 8 * 1024 * 50257 * 4  # a loop has a name for the logits
        assert held.allocated.low == pytest.approx(by_hand, rel=0.003)
        assert held.allocated.value == pytest.approx(named, rel=0.003)
        assert held.device.low < 1.05 * by_hand < named < held.device.value < held.device.high < 1.2 * named
        assert (held.peak.phase, held.peak.op) == ("backward", "aten._log_softmax_backward_data")
    assert 10.5 * GIB < _gpt2_by_hand(0) < 10.8 * GIB
    assert 20.7 * GIB < by_hand < 20.9 * GIB


def _gpt2_by_hand(scores_kept: float) -> float:
    """Bytes live while the loss's gradient is made, for 8 texts of 1024 tokens in fp32 with AdamW.

    Args:
        scores_kept: attention scores a block keeps: of the math kernel the softmax, what dropout leaves of it, and
            dropout's mask of a byte each; none of the fused kernels.
    """
    hidden, scores, logits = 8 * 1024 * 768 * 4, 8 * 12 * 1024 * 1024 * 4, 8 * 1024 * 50257 * 4
    state = 3 * 4 * 124_439_808  # weights and two moments; the gradients of the step before are gone
    # input of both norms and of what follows them, queries, keys, values, attention's result, GELU's input and result,
    # two masks of dropout of a byte each
    block = (2 + 2 + 3 + 1 + 4 + 4 + 2 / 4) * hidden + scores_kept * scores
    ends = (1 / 4 + 2) * hidden  # dropout of the embeddings, input and result of the last norm
    return state + 12 * block + ends + 3 * logits  # log-probabilities, their gradient, that of the logits


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
        ("import jax\ndef make_step(b, d): ...", Unsupported, "own.py:make_step is no step in PyTorch"),
        ("import tensorflow\ndef make_step(b, d): ...", Unsupported, "own.py:make_step is no step in PyTorch"),
    ],
)
def test_files_that_cannot_be_used_are_told(tmp_path, source: str, error: type[GpugapError], said: str):
    path = tmp_path / "own.py"
    path.write_text(source)
    with pytest.raises(error) as found:
        gg.fit(f"{path}:make_step", ["t4"])
    assert said in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("framework", ["jax", "tensorflow"])
def test_a_step_in_memory_of_another_framework_is_told(framework: str):
    class Model:
        """Looks like a model of the framework."""

    Model.__module__ = f"{framework}.nn"
    with pytest.raises(Unsupported) as found:
        gg.fit(gg.Step(Model(), None, lambda out: out, mode="inference"), ["t4"])
    assert "no step in PyTorch" in found.value.message
    assert "gpugap measure runs others" in found.value.remedy


LARGE = """
import torch
from gpugap import Step
def make_step(batch_size, device):
    {first}
    model = torch.nn.Sequential(*(torch.nn.Linear(2**20, 2**20) for _ in range({count})))
    inputs = torch.{make}((batch_size, 2**20), device=device)
    return Step(model, inputs, lambda out: out.sum(), torch.optim.AdamW(model.parameters()))
"""


def test_a_step_larger_than_this_machine_is_traced_without_memory(tmp_path):
    """Four layers of 4 TiB: nothing is allocated, and nothing is killed."""
    (tmp_path / "own.py").write_text(LARGE.format(first="", count=4, make="zeros"))
    before = psutil.Process().memory_info().rss
    (found,) = gg.fit(f"{tmp_path / 'own.py'}:make_step", ["a100-80gb"], batch=2**20, with_savings=False)
    assert found.verdict == "DOES NOT FIT"
    assert found.memory.allocated.low > 4 * 4 * 2**40 * 4
    assert psutil.Process().memory_info().rss - before < GIB


@pytest.mark.parametrize(("count", "make"), [(1, "zeros"), (0, "zeros"), (0, "randn"), (0, "ones")])
def test_a_step_that_must_be_built_for_real_and_is_too_large_is_told(tmp_path, count: int, make: str):
    """It reads a value while it is built, so that it cannot be built without memory."""
    text = LARGE.format(first="float(torch.linspace(0, 1, 3)[1])", count=count, make=make)
    (tmp_path / "own.py").write_text(text)
    before = psutil.Process().memory_info().rss
    with pytest.raises(Unsupported, match="too large to be built in this memory") as error:
        gg.fit(f"{tmp_path / 'own.py'}:make_step", ["t4"], batch=2**20)
    assert "\n" not in str(error.value)
    assert psutil.Process().memory_info().rss - before < GIB


def test_a_training_step_needs_an_optimizer():
    with pytest.raises(BadValue, match="optimizer"):
        gg.step(torch.nn.Linear(2, 2), torch.zeros(1, 2), loss=lambda out: out.sum())
    assert gg.step(torch.nn.Linear(2, 2), torch.zeros(1, 2)).mode == "inference"


def test_the_page_shows_it(found: Fits):
    from gpugap.report.page import render_page
    from gpugap.study.outlook import Foreseen

    pytest.importorskip("altair")
    page = render_page((), command="gpugap fit", foreseen=Foreseen(fits=found.fits))
    assert page.count("<section") == 2
    assert "dates unknown" not in page
    assert "0 sessions" not in page
    wanted = ("Does it fit?", "Tesla T4", "FITS", "predicted", "cublas", "Least to most", "Predicted, not measured")
    for text in (*wanted, "nothing measured", "Ask again", "optimizer state"):
        assert text in page
    assert page.count("<svg xmlns") == 2  # the bars, and one timeline as all share one trace
    assert "Does it fit?" not in render_page((), command="gpugap report")


def test_savings_of_every_gpu_are_on_the_page():
    """Two budgets, one trace: the timeline once, what they share once, what takes less for each."""
    pytest.importorskip("altair")
    from gpugap.report.memory import fit_section

    targets = [budget(0.7 * GIB, (8, 0)), budget(0.6 * GIB, (8, 0))]
    fits = fit_traced(Tracer(small_step(1), "train"), Wish(256), targets, with_savings=True)
    assert all(one.savings for one in fits)
    text = fit_section(fits.fits).text
    assert text.count("<svg xmlns") == 2
    for one in fits:
        lines = [line for line in text.splitlines() if "saves: " in line and one.target.name in line]
        assert len(lines) == len(one.savings)
    assert text.count("<b>allocator: </b>") == 1
    assert f"<b>{fits.fits[0].target.name}, {fits.fits[1].target.name}: </b>" in text
