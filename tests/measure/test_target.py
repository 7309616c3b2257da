"""``FILE.py:make_step`` and workload names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from factories import make_job
from gpugap.core.errors import BadStepFile, UnknownName
from gpugap.core.step import Step
from gpugap.measure.job import Job
from gpugap.measure.target import Target, as_step, load_factory, parse_target


def write(path: Path, text: str | bytes) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


@pytest.mark.parametrize(("text", "name"), [("conv6", "conv6@32"), ("ResNet18@224", "resnet18@224")])
def test_a_workload_is_a_target(text: str, name: str):
    assert parse_target(text) == Target(name)


def test_an_unknown_workload_is_told_with_the_nearest():
    with pytest.raises(UnknownName, match="resnet18"):
        parse_target("resnet81")


@pytest.mark.parametrize(
    "source",
    [
        "def build(batch_size, device): ...",
        "class build: ...",
        "build = 3",
        "from elsewhere import build",
        "from elsewhere import something as build",
        "import build.inner",
    ],
)
def test_a_name_bound_at_the_top_of_the_file_is_found(tmp_path: Path, source: str):
    path = tmp_path / "own.py"
    write(path, source)
    target = parse_target(f"{path}:build")
    assert (target.name, target.path, target.function) == ("own.py:build", path, "build")


def test_make_step_is_the_default_function(tmp_path: Path):
    text = write(tmp_path / "own.py", "def make_step(batch_size, device): ...")
    assert parse_target(text) == parse_target(f"{text}:make_step")


def test_the_path_is_absolute_and_knows_the_home_folder(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path / "own.py", "def make_step(b, d): ...")
    write(home / "own.py", "def make_step(b, d): ...")
    monkeypatch.chdir(tmp_path)
    assert parse_target("own.py").path == tmp_path / "own.py"
    assert parse_target("~/own.py").path == home / "own.py"


def test_the_file_is_read_and_not_run(tmp_path: Path):
    mark = tmp_path / "ran"
    text = write(tmp_path / "own.py", f"open({str(mark)!r}, 'w')\ndef make_step(b, d): ...")
    parse_target(text)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def make_step(:\n", "line 1 is not valid Python"),
        ("x = 1\n\ndef make_step(b, d)\n    pass\n", "line 3 is not valid Python"),
        (b"\xff\xfe\x00", "not valid Python"),
        (b"x = 1\x00", "not valid Python"),
        ("def other(b, d): ...", "defines no make_step"),
        ("def outer():\n    def make_step(b, d): ...", "defines no make_step"),
        ("", "defines no make_step"),
    ],
)
def test_an_unusable_file_is_told(tmp_path: Path, source: str | bytes, told: str):
    with pytest.raises(BadStepFile, match=told) as error:
        parse_target(write(tmp_path / "own.py", source))
    assert "own.py" in error.value.message


def test_a_missing_file_is_told(tmp_path: Path):
    for path in (tmp_path / "none.py", tmp_path / "none.py" / "x.py"):
        with pytest.raises(BadStepFile, match="cannot read"):
            parse_target(str(path))
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(BadStepFile, match="cannot read"):
        parse_target(str(tmp_path / "folder.py"))


def test_the_digest_changes_with_the_code(tmp_path: Path):
    path = tmp_path / "own.py"
    digests = [parse_target(write(path, f"def make_step(b, d): return {n}")).digest for n in (1, 2, 1)]
    assert digests[0] == digests[2] != digests[1]
    assert all(digests)


@pytest.mark.parametrize(
    ("source", "framework"),
    [
        ("import torch", "torch"),
        ("import torch.nn as nn", "torch"),
        ("from torch import nn", "torch"),
        ("from torch.nn.functional import relu", "torch"),
        ("def make_step(b, d):\n    import tensorflow", "tensorflow"),
        ("if True:\n    from jax import numpy", "jax"),
        ("import numpy", "null"),
        ("from . import torch", "null"),
        ("x = 'import torch'", "null"),
        ("import torchvision_like", "null"),
    ],
)
def test_the_framework_is_the_one_the_file_imports(tmp_path: Path, source: str, framework: str):
    text = write(tmp_path / "own.py", f"{source}\nmake_step = 0\n")
    assert parse_target(text).framework == framework


def test_the_file_and_its_factory_find_no_command_line_but_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["gpugap", "fit", "--batch", "64"])
    kept = sys.argv
    monkeypatch.setattr(sys, "path", [*sys.path])
    source = "import sys\nseen = [*sys.argv]\ndef build(b, d): return seen, [*sys.argv], b\n"
    path = write(tmp_path / "own_argv.py", source)
    assert load_factory(parse_target(f"{path}:build"))(3, "cpu") == ([path], [path], 3)
    assert sys.argv is kept


def test_a_bare_callable_becomes_a_step():
    step = as_step(lambda: 42, "inference", "own.py:f")
    assert step.mode == "inference"
    assert step.run(step) == 42


def test_a_step_of_another_mode_or_no_step_is_refused():
    step = Step(models=None, mode="inference")
    assert as_step(step, "inference", "x") is step
    with pytest.raises(BadStepFile, match="inference") as error:
        as_step(step, "train", "own.py:f")
    assert "--mode inference" in error.value.remedy
    for other in (42, None, [1]):
        with pytest.raises(BadStepFile, match="not a Step or a callable"):
            as_step(other, "train", "own.py:f")


@pytest.mark.parametrize("own", [False, True])
def test_a_job_survives_its_way_to_the_child(tmp_path: Path, own: bool):
    file = tmp_path / "größe ü.py"
    write(file, "import torch\ndef make_step(b, d): ...")
    job = make_job(file if own else None, timeout_s=1.5, process=7)
    line = job.to_json()
    assert "\n" not in line
    assert Job.from_json(line) == job


@pytest.mark.parametrize(
    ("head", "said"), [("build()", "too many positional arguments"), ("build(batch, device, more)", "'more'")]
)
def test_a_factory_that_does_not_take_batch_and_device_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: str, said: str
):
    monkeypatch.setattr(sys, "path", [*sys.path])
    make = load_factory(parse_target(write(tmp_path / "own_head.py", f"def {head}:\n    return None\n") + ":build"))
    with pytest.raises(BadStepFile, match=said) as error:
        make(3, "cpu")
    assert error.value.remedy == "write it as build(batch_size, device)"
