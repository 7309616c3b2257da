"""What a study's page foresees: which of its works are traced, and what is said of the others."""

from __future__ import annotations

from typing import Any

import pytest

from factories import make_cell, make_record
from gpugap.catalog import gpu
from gpugap.core.errors import Unsupported
from gpugap.study import outlook

RECORDS = [
    make_record(cell=make_cell(framework="torch", batch=128, **factors))
    for factors in (
        {"mode": "inference"},
        {},
        {"tuning": "tuned-basic"},
        {"workload": "resnet18@32"},
        {"workload": "train.py:make_step"},
    )
] + [make_record(cell=make_cell(framework="jax", workload="vgg16@32"))]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    calls: list[tuple[str, str]] = []

    def add(self: Any, work: tuple[str, str, int], gpus: Any, own: Any) -> None:
        calls.append(work[:2])
        if work[0] == "resnet18@32":
            raise Unsupported("it cannot be traced", "measure it")
        self.fits.extend((work[0], work[1], one.key) for one in gpus)

    monkeypatch.setattr(outlook._Found, "add", add)
    monkeypatch.setattr(outlook, "host_rates", lambda: "rates")
    monkeypatch.setattr(outlook, "_cpu", lambda *_: "this CPU")
    return calls


def test_every_work_of_pytorch_is_asked_once_training_first(asked: list[tuple[str, str]]):
    found = outlook.foresee(RECORDS, [gpu("t4"), gpu("4090")])
    assert asked == [("conv6@32", "train"), ("resnet18@32", "train"), ("conv6@32", "inference")]
    assert found.fits[:2] == (("conv6@32", "train", "t4"), ("conv6@32", "train", "rtx-4090"))
    assert found.left_out == ("resnet18@32 train: it cannot be traced",)


def test_what_no_time_is_left_for_is_told(asked: list[tuple[str, str]]):
    found = outlook.foresee(RECORDS, [gpu("t4")], limit_s=-1.0)
    assert (asked, found.fits) == ([], ())
    assert [text.partition(":")[2] for text in found.left_out] == [" no time was left"] * 3
