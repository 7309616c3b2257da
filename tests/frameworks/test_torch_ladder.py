"""Networks of the ladder: parameters as published, and the packaged memory is what a trace says."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from gpugap.catalog.demand import ladder, ladder_memory  # noqa: E402
from gpugap.frameworks.torch.nets.ladder import rung_step  # noqa: E402
from gpugap.frameworks.torch.trace import trace  # noqa: E402
from gpugap.frameworks.torch.trace.sources import of_factory  # noqa: E402
from gpugap.frameworks.torch.trace.wish import Wish  # noqa: E402
from gpugap.predict.memory import memory  # noqa: E402

pytestmark = pytest.mark.torch
RUNGS = {rung.key: rung for rung in ladder()}
EXACT = {"lenet-5", "alexnet", "vgg-16", "resnet-50", "llama-13b", "llama-2-70b"}
"""Published to the last parameter; the others are rounded, or count a head that is not trained."""


@pytest.mark.parametrize("key", RUNGS)
def test_parameters_are_those_published(key: str):
    with torch.device("meta"):
        step = rung_step(RUNGS[key], 1)
    count = sum(parameter.numel() for parameter in step.models.parameters())
    assert count == pytest.approx(RUNGS[key].parameters, rel=0 if key in EXACT else 0.02)
    assert count == ladder_memory()[key].traced_parameters


@pytest.mark.parametrize("key", ["alexnet", "gpt-2-xl"])
def test_the_packaged_memory_is_what_a_trace_says(key: str):
    row = ladder_memory()[key]
    source = of_factory(key, lambda batch, _: rung_step(RUNGS[key], batch))
    found = memory(trace(source, Wish(1, precision=row.precision, both=False)).first, (8, 0)).device
    told = (row.low_bytes, row.likely_bytes, row.high_bytes)
    assert (found.low, found.value, found.high) == pytest.approx(told, rel=0.01)
