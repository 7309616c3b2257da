"""``gpugap fit`` as a process: its table, its document, its exit codes."""

from __future__ import annotations

import json

import pytest
from test_cli_json import check

pytestmark = pytest.mark.torch
pytest.importorskip("torch")

STEP = """
import torch
from torch import nn
from gpugap import Step
def make_step(batch_size, device):
    model = nn.Sequential(nn.Linear(256, 1024), nn.ReLU(inplace=True), nn.Linear(1024, 256)).to(device)
    batch = (torch.randn(batch_size, 256, device=device), torch.randn(batch_size, 256, device=device))
    return Step(model, batch, nn.functional.mse_loss, torch.optim.AdamW(model.parameters()))
"""
ATTENTION = """
import torch
from torch import nn
from gpugap import Step
def make_step(batch_size, device):
    model = nn.Linear(64, 64).to(device)
    def loss(tokens):
        heads = tokens.view(batch_size, 10, 4, 16).transpose(1, 2)
        return nn.functional.scaled_dot_product_attention(heads, heads, heads).sum()
    tokens = torch.randn(batch_size, 10, 64, device=device)
    return Step(model, tokens, loss, torch.optim.SGD(model.parameters()))
"""
NONZERO = STEP.replace("nn.functional.mse_loss", "lambda out, _: out[out > 0].sum()")


def test_a_step_that_fits_and_one_that_does_not(gpugap):
    target = gpugap.step_file(STEP)
    answer = gpugap("fit", target, "--gpu", "t4,rtx-3090", "--batch", "64")
    assert answer.returncode == 0, answer.stderr
    for text in ("Tesla T4", "FITS", "PREDICTED", "peak:", "assumed cublas", "parameters"):
        assert text in answer.stdout
    assert answer.stdout.count("assumed cublas") == 1, "GPUs of one answer share it"
    answer = gpugap("fit", target, "--gpu", "t4", "--batch", "4000000", "--json")
    assert answer.returncode == 1
    document = json.loads(answer.stdout)
    check("fit", document)
    (one,) = document["result"]["fits"]
    assert one["verdict"] == "DOES NOT FIT"
    assert one["device_bytes"]["kind"] == "predicted"
    assert one["max_batch"]["low"] < 4_000_000
    assert [saving["name"] for saving in one["savings"]]


def test_a_gate_for_a_build(gpugap):
    target = gpugap.step_file(STEP)
    answer = gpugap("fit", target, "--ci", "--budget", "8GiB")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("FITS: train.py:make_step b32 takes up to")
    assert answer.stdout.endswith("on a budget of 8 GiB (compute capability 8.0)\n")
    assert len(answer.stdout.splitlines()) == 1
    answer = gpugap.here("fit", target, "--ci", "--budget", "100MiB")
    assert answer.returncode == 1
    assert answer.stdout.startswith("DOES NOT FIT")


EXITS = "import sys, torch\ndef make_step(batch_size, device):\n    sys.exit(0)\n"
ASKED = {
    "fit": ("--ci", "--budget", "8GiB"),
    "predict": ("--gpu", "t4"),
    "plan": ("--epochs", "1", "--samples", "64", "--batch", "8", "--gpu", "t4"),
}


@pytest.mark.parametrize("verb", ASKED)
def test_a_step_that_exits_is_no_success(gpugap, verb: str):
    answer = gpugap.here(verb, gpugap.step_file(EXITS), *ASKED[verb])
    assert answer.returncode == 2, answer.stderr
    assert answer.stdout == ""
    assert "train.py:make_step ends the program (train.py:3): SystemExit: 0" in answer.stderr


def test_a_command_line_of_the_steps_own_is_not_gpugaps(gpugap):
    parsed = STEP.replace("import torch", "import argparse, torch", 1).replace(
        "    model =", "    argparse.ArgumentParser().parse_args()\n    model ="
    )
    answer = gpugap.here("fit", gpugap.step_file(parsed), "--ci", "--budget", "8GiB")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("FITS")


def test_a_gpu_of_ones_own(gpugap):
    row = 'key = "mine"\nname = "My GPU"\nvendor = "NVIDIA"\ncategory = "consumer"\narchitecture = "Ampere"\n'
    row += 'release_date = "2020"\nmemory_gib = 8\nmemory_type = "GDDR6"\nmemory_bandwidth_gb_per_s = 448\n'
    row += 'matrix_units = true\nsource = "me"\ndate = "2026-11-24"\nconfidence = "low"\n'
    for capability, code, said in (('compute_capability = "8.6"\n', 0, "My GPU"), ("", 3, "compute capability")):
        (gpugap.folder / "gpugap.toml").write_text(f"[[catalog.gpu]]\n{row}{capability}")
        answer = gpugap.here("fit", gpugap.step_file(STEP), "--gpu", "mine", "--ci")
        assert answer.returncode == code, answer.stderr
        assert said in answer.stdout + answer.stderr


@pytest.mark.parametrize("verb", ["fit", "predict"])
def test_a_kernel_that_does_not_run_there_is_one_line(gpugap, verb: str):
    answer = gpugap.here(verb, gpugap.step_file(ATTENTION), "--gpu", "t4", "--attention", "flash")
    assert answer.returncode == 3
    (line,) = [line for line in answer.stderr.splitlines() if line.startswith("gpugap: ")]
    assert "the flash kernel cannot run this attention: PyTorch has none for float32" in line
    assert "use --attention efficient or --attention math" in line


def test_bad_input_is_one_line(gpugap):
    target = gpugap.step_file(NONZERO)
    for arguments, code, said in (
        ((target, "--gpu", "t4"), 3, "train.py:8"),
        ((target, "--gpu", "t5"), 2, "unknown GPU 't5'"),
        ((target,), 2, "no GPU and no budget"),
        (("no_such.py:make_step", "--gpu", "t4"), 2, "cannot read"),
    ):
        answer = gpugap.here("fit", *arguments)
        assert answer.returncode == code, answer.stderr
        lines = [line for line in answer.stderr.splitlines() if line.startswith("gpugap: ")]
        assert len(lines) == 1
        assert said in lines[0]
        assert "Traceback" not in answer.stderr
