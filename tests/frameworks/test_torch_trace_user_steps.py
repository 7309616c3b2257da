"""Tracing what users write: steps that exit, batches of every container, parameters that no gradient reaches."""

from __future__ import annotations

import argparse
import os
import sys
from collections import OrderedDict, UserDict, namedtuple
from types import MappingProxyType

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from gpugap.core.errors import BadStepFile, Unsupported  # noqa: E402
from gpugap.core.step import Step  # noqa: E402
from gpugap.frameworks.torch.trace import trace  # noqa: E402
from gpugap.frameworks.torch.trace.optimizers import named_optimizer  # noqa: E402
from gpugap.frameworks.torch.trace.sources import of_factory, of_step, with_batch  # noqa: E402
from gpugap.frameworks.torch.trace.wish import Wish  # noqa: E402
from gpugap.measure.inprocess import batch_of  # noqa: E402
from trace_meter import as_the_cpu_can, disagreement, real_peaks  # noqa: E402

pytestmark = pytest.mark.torch


def small(batch: int) -> Step:
    model = nn.Linear(4, 4)
    return Step(model, torch.zeros(batch, 4), lambda out: out.sum(), torch.optim.SGD(model.parameters()))


def parses(_batch: int) -> Step:
    return argparse.ArgumentParser(exit_on_error=False).parse_args(["--help"])


def leaves(batch: int) -> Step:
    return sys.exit(0)


def leaves_in_its_loss(batch: int) -> Step:
    made = small(batch)
    made.loss = lambda _: sys.exit()
    return made


def leaves_at_once(batch: int) -> Step:
    """A child of its own may."""
    if child := os.fork():
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        os._exit(0)
    os._exit(3)


@pytest.mark.parametrize("make", [leaves, parses, leaves_in_its_loss, leaves_at_once])
def test_a_step_that_exits_is_told_with_its_line(make, capsys):
    with pytest.raises(BadStepFile, match="SystemExit") as error:
        trace(of_factory("train.py:make_step", lambda batch, _: make(batch)), Wish(2))
    assert error.value.message.startswith("train.py:make_step ends the program (test_torch_trace_user_steps.py:")
    assert error.value.exit_code == 2


def test_a_step_that_exits_at_another_batch_has_no_other_batch():
    found = trace(of_factory("net", lambda batch, _: small(batch) if batch == 2 else leaves(batch)), Wish(2))
    assert found.why == "at batch 4 it raises SystemExit: 0"


class BatchEncoding(UserDict):
    """As that of Hugging Face's tokenizers: a mapping, no dict, whose constructor takes no keywords."""

    def __init__(self, data, encodings=None) -> None:
        super().__init__(data)
        self.encodings = encodings


class Adds(nn.Module):
    """Takes keywords."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 3)

    def forward(self, ids: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return self.fc(ids).sum(0) * scale


Pair = namedtuple("Pair", ["ids", "scale"])


@pytest.mark.parametrize("kind", [dict, BatchEncoding, OrderedDict, MappingProxyType])
def test_a_batch_in_any_mapping(kind):
    batch = kind({"ids": torch.zeros(2, 5), "scale": torch.ones(3)})
    model = Adds()
    step = Step(model, batch, lambda out: out.sum(), torch.optim.SGD(model.parameters()))
    bigger = with_batch(step, 2, 7).batch
    assert {name: tuple(value.shape) for name, value in bigger.items()} == {"ids": (7, 5), "scale": (3,)}
    assert type(bigger) is (dict if kind is MappingProxyType else kind)
    assert batch["ids"].shape == (2, 5)
    assert batch_of(step) == 2


def test_a_batch_encoding_is_traced_at_every_size():
    model = Adds()
    batch = BatchEncoding({"ids": torch.zeros(2, 5), "scale": torch.ones(3)}, encodings=["kept"])
    step = Step(model, batch, lambda out: out.sum(), torch.optim.SGD(model.parameters()))
    assert with_batch(step, 2, 7).batch.encodings == ["kept"]
    found = trace(of_step("net", step), Wish(8))
    assert found.why == ""
    assert {op.dimension("m") for op in found.first.ops if op.name == "aten.addmm"} == {8}
    assert found.at(3) == trace(of_step("net", step), Wish(3, both=False)).first


def test_a_batch_in_a_named_tuple():
    inputs = Pair(torch.zeros(2, 5), torch.ones(3))
    step = Step(Adds(), (inputs, [torch.zeros(2)]), lambda out, _: out.sum(), ())
    inputs, targets = with_batch(step, 2, 7).batch
    assert (type(inputs), type(targets)) == (Pair, list)
    assert (inputs.ids.shape, inputs.scale.shape, targets[0].shape) == ((7, 5), (3,), (7,))
    assert batch_of(step) == 2


def test_a_tensor_that_is_there_twice_stays_one():
    model = nn.Embedding(10, 10)
    tokens = torch.zeros(4, 3, dtype=torch.int64)
    loss = lambda out, labels: nn.functional.cross_entropy(out.flatten(0, 1), labels.flatten())  # noqa: E731
    step = Step(model, (tokens, tokens), loss, torch.optim.SGD(model.parameters()))
    found = trace(of_step("net", step), Wish(4))
    assert found.why == ""
    for one in (found.first, found.second):
        assert one.role_bytes("input") == 8 * 3 * one.batch


def test_inputs_that_want_a_gradient_want_it_at_every_size():
    model = nn.Linear(5, 5)
    step = Step(model, torch.zeros(2, 5, requires_grad=True), torch.sum, torch.optim.SGD(model.parameters()))
    assert trace(of_step("net", step), Wish(2)).why == ""


@pytest.mark.parametrize(
    ("batch", "size"),
    [
        (torch.zeros(3, 2), 3),
        ((torch.tensor(1.0), torch.zeros(4)), 4),
        (({"scale": torch.tensor(1.0), "ids": torch.zeros(5, 1)}, None), 5),
        (torch.tensor(1.0), None),
        ((), None),
        ("text", None),
        (None, None),
    ],
)
def test_the_batch_of_a_step(batch, size):
    assert batch_of(Step(None, batch, mode="inference")) == size


class TwoHeads(nn.Module):
    """A body and two heads, of which the loss sees one."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.used, self.unused = nn.Linear(32, 64), nn.Linear(64, 8), nn.Linear(64, 100)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self.body(inputs)
        return self.used(hidden), self.unused(hidden)


USED, UNUSED = 4 * (33 * 64 + 65 * 8), 4 * 65 * 100


def two_heads(batch: int = 16) -> Step:
    model = TwoHeads()
    return Step(model, torch.zeros(batch, 32), lambda out: out[0].sum(), torch.optim.Adam(model.parameters()))


@pytest.mark.parametrize(
    ("optimizer", "state"),
    [
        ("adam", 2 * USED),
        ("sgd-momentum", USED),
        ("adagrad", USED + UNUSED),  # makes its state as it is made
    ],
)
def test_optimizer_state_follows_the_gradients(optimizer: str, state: int):
    found = trace(of_step("net", two_heads()), Wish(16, optimizer=optimizer))
    for one in (found.first, found.second, found.at(48)):
        assert one.role_bytes("optimizer") == state
        gradients = [s for s in one.storages if s.role == "gradient"]
        assert sum(s.memory_bytes for s in gradients if s.born < 0) == USED
        assert sum(s.memory_bytes for s in gradients if s.died is None) == USED
    step = two_heads()
    step.optimizers = named_optimizer(optimizer, step.models.parameters())
    assert not disagreement(found.first, real_peaks(step, "fp32"))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_optimizer_state_follows_the_gradients_of_parts(precision: str):
    with as_the_cpu_can():
        wish = Wish(32, precision=precision, accumulation=2, both=False)
        found = trace(of_step("net", two_heads(32)), wish).first
        assert found.role_bytes("optimizer") == 2 * USED
        assert not disagreement(found, real_peaks(two_heads(16), precision, parts=2))


def test_state_from_before_is_kept():
    """A head that was trained once and is not any more keeps its moments."""
    step = two_heads()
    sum(head.sum() for head in step.models(step.batch)).backward()
    step.optimizers.step()
    found = trace(of_step("net", step), Wish(16))
    for one in (found.first, found.second):
        assert one.role_bytes("optimizer") == 2 * (USED + UNUSED)


def test_a_trainable_part_without_an_optimizer_keeps_its_gradient():
    """Nothing sets it to none, so that it is there from the second step on."""
    step = two_heads()
    step.optimizers = torch.optim.Adam(step.models.used.parameters())
    found = trace(of_step("net", step), Wish(16)).first
    assert found.role_bytes("optimizer") == 2 * 4 * 65 * 8
    kept = [s for s in found.storages if s.role == "gradient" and s.born < 0 and s.died is None]
    assert sum(s.memory_bytes for s in kept) == 4 * 33 * 64
    assert not disagreement(found, real_peaks(step, "fp32"))


def test_inference_holds_no_gradient_and_no_state():
    made = two_heads()
    step = Step(made.models, made.batch, optimizers=made.optimizers, mode="inference")
    found = trace(of_step("net", step), Wish(16, "inference", both=False)).first
    assert found.role_bytes("optimizer") == found.role_bytes("gradient") == 0
    assert found.role_bytes("parameter") == USED + UNUSED


def misspells(batch: int) -> Step:
    return small(batch, 1)


def misspells_in_its_loss(batch: int) -> Step:
    made = small(batch)
    made.loss = lambda out: out.summ()
    return made


@pytest.mark.parametrize("make", [misspells, misspells_in_its_loss])
def test_a_slip_of_the_pen_is_a_bad_step_file_and_not_something_to_measure(make):
    with pytest.raises(BadStepFile, match=r"make_step raises (Type|Attribute)Error: .*user_steps.py:") as error:
        trace(of_factory("train.py:make_step", lambda batch, _: make(batch)), Wish(2))
    assert "mend that line" in error.value.remedy


def test_what_torch_raises_for_want_of_numbers_is_unsupported():
    def counts(batch: int) -> Step:
        made = small(batch)
        made.loss = lambda out: torch.ones(int(out.sum()))
        return made

    with pytest.raises(Unsupported):
        trace(of_factory("train.py:make_step", lambda batch, _: counts(batch)), Wish(2))
