"""The memory section of a study's page: which of its works are traced, and what is said of the others."""

from __future__ import annotations

from typing import Any

import pytest

from factories import make_cell
from gpugap.core.errors import Unsupported
from gpugap.study import memory

CELLS = [
    make_cell(framework="torch", workload="conv6@32", mode="inference"),
    make_cell(framework="torch", workload="conv6@32"),
    make_cell(framework="torch", workload="conv6@32", tuning="tuned-basic"),
    make_cell(framework="torch", workload="resnet18@32"),
    make_cell(framework="torch", workload="train.py:make_step"),
    make_cell(framework="jax", workload="vgg16@32"),
]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    calls: list[tuple[str, str]] = []

    def fit(workload: str, gpus: Any, *, batch: int, mode: str, with_savings: bool) -> list[str]:
        calls.append((workload, mode))
        if workload == "resnet18@32":
            raise Unsupported("it cannot be traced", "measure it")
        return [f"{workload} {mode} b{batch} {gpu}" for gpu in gpus]

    monkeypatch.setattr(memory, "fit", fit)
    return calls


def test_every_work_of_pytorch_is_asked_once_training_first(asked: list[tuple[str, str]]):
    found = memory.foresee(CELLS, gpus=("t4", "rtx-3090"))
    assert asked == [("conv6@32", "train"), ("resnet18@32", "train"), ("conv6@32", "inference")]
    batch = CELLS[0].batch
    assert found.fits[:2] == (f"conv6@32 train b{batch} t4", f"conv6@32 train b{batch} rtx-3090")
    assert len(found.fits) == 4
    assert found.left_out == ("resnet18@32 train: it cannot be traced",)


def test_what_no_time_is_left_for_is_told(asked: list[tuple[str, str]]):
    found = memory.foresee(CELLS, limit_s=-1.0)
    assert (asked, found.fits) == ([], ())
    assert [text.partition(":")[2] for text in found.left_out] == [" no time was left"] * 3


@pytest.mark.torch
def test_a_network_of_a_study_is_traced():
    pytest.importorskip("torch")
    found = memory.foresee(CELLS[1:2], gpus=("t4",))
    (one,) = found.fits
    assert (one.workload, one.mode, one.batch, one.verdict) == ("conv6@32", "train", CELLS[1].batch, "FITS")
    assert one.memory.device.kind == "predicted"
    assert found.left_out == ()
