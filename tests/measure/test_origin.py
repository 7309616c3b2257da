"""Work that a clock would not wait for is refused, and an object of this process is timed as its framework works."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace

import pytest

import gpugap
from factories import make_cell
from gpugap.core.errors import BadStepFile
from gpugap.measure.inprocess import _check_first
from gpugap.measure.origin import check_origin, made_by, maker_of


def thing(module: str, **attributes: object) -> object:
    """An object of a class that some library might define."""
    return type("Thing", (), {"__module__": module, **attributes})()


class Place:
    """A device as PyTorch and JAX name it."""

    def __init__(self, name: str) -> None:
        self.type = self.platform = name


@pytest.mark.parametrize(
    ("module", "framework"),
    [
        ("torch", "torch"),
        ("torch.nn.modules.conv", "torch"),
        ("jaxlib._jax", "jax"),
        ("flax.nnx.module", "jax"),
        ("tensorflow.python.framework.ops", "tensorflow"),
        ("keras.src.models.functional", "tensorflow"),
        ("torchvision.models", None),
        ("numpy", None),
    ],
)
def test_a_class_tells_its_framework(module, framework):
    assert maker_of(thing(module)) == framework
    assert made_by({"a": (1.0, [thing(module)])}) == framework


@pytest.mark.parametrize("result", [1.0, None, "text", [], {}, (1, 2.0), thing("mine")])
def test_what_is_of_no_framework_passes(result):
    check_origin(result, make_cell(framework="torch", device="cpu"))


def test_work_of_another_framework_is_refused_with_the_option_to_use():
    with pytest.raises(BadStepFile, match="with jax, and is timed as torch") as told:
        check_origin([thing("jaxlib._jax")], make_cell(framework="torch", device="cpu"))
    assert told.value.remedy == "use --framework jax"


def test_a_keras_model_belongs_to_the_framework_it_computes_with():
    module = type("Module", (), {"__module__": "torch.nn.modules.module"})
    assert maker_of(type("Layer", (module,), {"__module__": "keras.src.layers.layer"})()) == "torch"


def test_a_step_that_returns_nothing_passes_beside_jax_where_a_model_tells_its_framework(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", object())
    cell = make_cell(framework="torch", device="cpu")
    _check_first(None, cell, known=True)
    with pytest.raises(BadStepFile, match="nobody can tell whether JAX"):
        _check_first(None, cell, known=False)


def test_jax_that_returns_nothing_cannot_be_waited_for():
    with pytest.raises(BadStepFile, match="returns nothing"):
        check_origin(None, make_cell(framework="jax", device="cpu"))
    check_origin(1.0, make_cell(framework="jax", device="cpu"))


@pytest.mark.parametrize(
    ("framework", "array"),
    [
        ("torch", thing("torch", device=Place("cuda"))),
        ("jax", thing("jaxlib._jax", devices=lambda _: {Place("gpu")})),
        ("tensorflow", thing("tensorflow", device="/job:localhost/replica:0/task:0/device:GPU:0")),
    ],
)
def test_an_accelerators_work_is_not_timed_as_a_cpus(framework, array):
    with pytest.raises(BadStepFile, match="computes on cuda"):
        check_origin({"loss": array}, make_cell(framework=framework, device="cpu"))
    check_origin({"loss": array}, make_cell(framework=framework, device="cuda"))


@pytest.mark.parametrize(
    ("framework", "array"),
    [
        ("torch", thing("torch", device=Place("cpu"))),
        ("jax", thing("jaxlib._jax", devices=lambda _: {Place("cpu")})),
        ("tensorflow", thing("tensorflow", device="/job:localhost/replica:0/task:0/device:CPU:0")),
        ("tensorflow", thing("tensorflow", device="")),
    ],
)
def test_what_lies_on_the_host_may_come_from_anywhere(framework, array):
    for device in ("cpu", "cuda", "mps"):
        check_origin(array, replace(make_cell(framework=framework), device=device))


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")
def test_a_file_that_hides_its_framework_is_refused(step_file, tmp_path):
    (tmp_path / "hidden.py").write_text("import torch\n\ndef one():\n    return torch.ones(1)\n")
    file = step_file("import hidden; return hidden.one")
    record = gpugap.measure(f"{file}:make_step", processes=1, steps=1, warmup_steps=0).records[0]
    assert (record.status, record.error["code"]) == ("failed", "bad-step-file")
    assert "--framework torch" in record.error["remedy"]


IN_A_NOTEBOOK = """
import sys, time
import jax, jax.numpy as jnp
import gpugap
{more}
square, multiply = jnp.full((700, 700), 1 / 700), jax.jit(lambda a: a @ a @ a @ a @ a @ a)
multiply(square).block_until_ready()
begin = time.perf_counter()
multiply(square).block_until_ready()
true_s = time.perf_counter() - begin
found = gpugap.measure(lambda: multiply(square), steps=5, warmup_steps=1).records[0]
print(found.cell.framework, found.cell.execution, max(found.steady_step_time_s) > true_s / 4, found.phases)
try:
    gpugap.measure(lambda: (multiply(square), None)[1], steps=1)
except gpugap.GpugapError as error:
    print(error.message)
"""


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("jax", "flax", "optax")), reason="needs jax"
)
@pytest.mark.parametrize("other", [None, "torch"])
def test_jax_in_a_notebook_is_waited_for(other):
    """It launches work and returns; without a fence these times are those of launching, thousands of times less."""
    if other and importlib.util.find_spec(other) is None:
        pytest.skip(f"needs {other}")
    more = f"import {other}" if other else ""
    answer = subprocess.run(
        [sys.executable, "-c", IN_A_NOTEBOOK.format(more=more)], capture_output=True, text=True, check=False
    )
    first, second = answer.stdout.splitlines()
    assert first.startswith("jax jit True "), answer.stderr
    assert ("first_step_s" in first) is (other is None)
    assert "nobody can tell" in second
