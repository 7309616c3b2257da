"""Cells, comparisons and trainings as rows of text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factories import make_cell, make_record
from gpugap.core.cell import Cell
from gpugap.explain.cells import CellSummary, summarize
from gpugap.explain.pairs import compare_cells
from gpugap.study.rows import CELL_HEADER, PAIR_HEADER, TRAINING_HEADER, cell_rows, pair_rows, setup, training_rows

CPU, TUNED = make_cell(framework="torch"), make_cell(framework="torch", tuning="tuned-basic", precision="bf16")
GPU = replace(CPU, device="cuda:0")


def summary(cell: Cell, *means_s: float, **fields) -> CellSummary:
    records = [make_record(number, cell=cell, times=[mean] * 3, **fields) for number, mean in enumerate(means_s)]
    return summarize(records)[0]


@pytest.mark.parametrize(
    ("among", "expected"),
    [
        ([CPU], "torch cpu fp32 default"),
        ([CPU, CPU], "torch cpu fp32 default"),
        ([CPU, TUNED], "fp32 default"),
        ([CPU, TUNED, GPU], "cpu fp32 default"),
        ([CPU, replace(CPU, framework="null")], "torch fp32 default"),
        ([CPU, replace(CPU, data="cifar10")], "fp32 default synthetic"),
        ([CPU, replace(CPU, extra=(("side", "b"),))], "fp32 default side=None"),
    ],
)
def test_a_setup_leaves_out_what_all_share_and_tells_what_differs(among, expected):
    found = setup(CPU, among)
    assert found == expected.removesuffix(" side=None")
    assert setup(among[-1], among) != found or among[-1] == CPU


def test_a_cell_is_a_row():
    (row,) = cell_rows([summary(CPU, 0.010, 0.0101, 0.0102)])
    assert dict(zip(CELL_HEADER, row, strict=True)) == {
        **{"network": "conv6@32", "mode": "train", "batch": "8", "setup": "torch cpu fp32 default"},
        **{"step time": "10.1 ms", "95 % interval": "9.85 – 10.4 ms", "samples/s": "792"},
        **{"n": "3", "status": "converged", "kind": "MEASURED"},
    }


def test_what_is_unknown_is_called_so():
    (row,) = cell_rows([summary(CPU, 0.01)])
    assert dict(zip(CELL_HEADER, row, strict=True))["95 % interval"] == "unknown"
    (row,) = cell_rows(summarize([make_record(cell=CPU, times=(), status="out-of-memory")]))
    assert row[4:] == ("unknown", "unknown", "unknown", "0", "out-of-memory", "MEASURED")


def test_rows_follow_the_works_and_the_cpu_as_it_comes_is_first():
    cells = [GPU, TUNED, replace(CPU, mode="inference"), CPU, replace(CPU, workload="vgg16@32"), replace(CPU, batch=2)]
    cells += [replace(CPU, workload="a.py:make_step"), replace(CPU, workload="cyclegan@256")]
    rows = cell_rows([summary(cell, 0.01) for cell in cells])
    assert [row[:4] for row in rows] == [
        ("conv6@32", "train", "2", "cpu fp32 default"),
        ("conv6@32", "train", "8", "cpu fp32 default"),
        ("conv6@32", "train", "8", "cpu bf16 tuned-basic"),
        ("conv6@32", "train", "8", "cuda:0 fp32 default"),
        ("conv6@32", "inference", "8", "cpu fp32 default"),
        ("vgg16@32", "train", "8", "cpu fp32 default"),
        ("cyclegan@256", "train", "8", "cpu fp32 default"),
        ("a.py:make_step", "train", "8", "cpu fp32 default"),
    ]


def test_a_comparison_is_a_row():
    pair = compare_cells(summary(CPU, 1.0, 1.01, 1.02), summary(GPU, 0.1, 0.102, 0.103))
    (row,) = pair_rows([pair])
    found = dict(zip(PAIR_HEADER, row, strict=True))
    assert (found["A (base)"], found["B"]) == ("cpu fp32 default", "cuda:0 fp32 default")
    assert (found["speedup"], found["verdict on B"], found["reason"]) == ("9.93×", "faster", "interval excludes 1")
    assert (found["n"], found["kind"]) == ("3 pairs", "MEASURED")


def test_a_comparison_of_equal_cells_names_the_sessions():
    one, two = summary(CPU, 1.0, 1.0, session="x"), summary(CPU, 1.0, 1.0, session="y")
    (row,) = pair_rows([compare_cells(one, two)])
    assert row[3:5] == ("torch cpu fp32 default, session x", "torch cpu fp32 default, session y")
    assert row[9] == "2 processes"


def test_a_comparison_of_different_work_tells_both():
    (row,) = pair_rows([compare_cells(summary(CPU, 1.0), summary(replace(CPU, batch=16), 1.0))])
    assert row[:3] == ("conv6@32", "train", "8 → 16") and row[5:7] == ("1.00×", "unknown")


def training(*reached: bool) -> list[CellSummary]:
    runs = [
        make_record(
            100 + number,
            cell=CPU,
            times=(),
            purpose="accuracy",
            accuracy={"target": 0.9, "reached": there, "steps": 40, "time_s": 10.0 + number, "curve": []},
        )
        for number, there in enumerate(reached)
    ]
    return summarize([make_record(cell=CPU), *runs])


@pytest.mark.parametrize(
    ("reached", "time", "censored", "estimate"),
    [
        ((True, True, True), "11.0 s", "0 of 3", "mean"),
        ((True, True, False), "11.0 s", "1 of 3", "Kaplan-Meier median"),
        ((True, False, False), "not reached by half", "2 of 3", "Kaplan-Meier median"),
        ((False, False), "not reached", "2 of 2", "Kaplan-Meier median"),
    ],
)
def test_a_training_is_a_row(reached, time, censored, estimate):
    (row,) = training_rows([*training(*reached), *summarize([make_record(cell=GPU)])])
    found = dict(zip(TRAINING_HEADER, row, strict=True))
    assert (found["accuracy"], found["time to it"], found["censored"]) == ("90 %", time, censored)
    assert (found["estimate"], found["n"], found["kind"]) == (estimate, str(len(reached)), "MEASURED")
