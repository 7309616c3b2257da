"""Which cells are compared, how, and what is told of their differences."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from factories import make_cell, make_record
from gpugap.core.cell import Cell
from gpugap.explain.cells import CellSummary, summarize
from gpugap.explain.pairs import baseline_pairs, compare_cells, judged_together, match


def summary(means=(1.0, 1.1, 0.9), *, cell: Cell | None = None, **fields) -> CellSummary:
    """A cell with one process a mean, each in the block of its number."""
    cell = cell or make_cell()
    (found,) = summarize(make_record(number, times=[mean], cell=cell, **fields) for number, mean in enumerate(means))
    return found


TORCH = {"framework": "torch", "workload": "conv6@32"}
CPU = make_cell(**TORCH)
TUNED = make_cell(**TORCH, tuning="tuned-basic", precision="bf16")
CUDA = make_cell(**TORCH, device="cuda")


def test_interleaved_cells_are_paired_by_block():
    drift = [1.0, 5.0, 25.0]
    a, b = summary([2.0 * time for time in drift]), summary([1.0001 * time for time in drift], cell=make_cell(batch=9))
    pair = compare_cells(a, b)
    assert pair.comparison.paired
    assert pair.comparison.speedup.value == pytest.approx(2, rel=1e-3)
    assert pair.comparison.verdict == "faster"


@pytest.mark.parametrize(
    "fields",
    [{"session": "another"}, {"block": None}],
    ids=["another session", "no blocks"],
)
def test_cells_that_were_not_interleaved_are_not_paired(fields: dict):
    assert not compare_cells(summary(), summary(cell=make_cell(batch=9), **fields)).comparison.paired


def test_one_shared_block_is_not_enough_to_pair():
    a = summary([1.0, 1.1, 1.2])
    (b,) = summarize(
        make_record(number, block=block, times=[0.5 + 0.01 * number], cell=make_cell(batch=9))
        for number, block in enumerate((2, 7, 8))
    )
    pair = compare_cells(a, b)
    assert not pair.comparison.paired
    assert pair.comparison.n_processes == (3, 3)


def test_processes_without_a_partner_are_left_out_of_a_paired_comparison():
    a, b = summary([1.0] * 5), summary([0.5, 0.5, 0.5], cell=make_cell(batch=9))
    pair = compare_cells(a, b)
    assert pair.comparison.paired
    assert pair.comparison.n_processes == (3, 3)


def test_failures_do_not_count_on_either_side():
    a = summary()
    (b,) = summarize([make_record(0, cell=make_cell(batch=9), status="timeout", times=())])
    found = compare_cells(a, b).comparison
    assert (found.verdict, found.reason) == ("inconclusive", "no-valid-samples")


def test_the_margin_is_the_callers():
    a, b = summary([1.0, 1.03, 0.97]), summary([1.0, 1.0, 1.0], cell=make_cell(batch=9))
    assert compare_cells(a, b, margin=0.3).comparison.verdict == "equivalent"
    assert compare_cells(a, b, margin=0.01).comparison.verdict == "inconclusive"


def cells(*chosen: Cell) -> list[CellSummary]:
    return [summary(cell=cell) for cell in chosen]


def matched(side_a: list[Cell], side_b: list[Cell]) -> set[tuple[Cell, Cell]]:
    pairs = [(a.cell, b.cell) for a, b in match(cells(*side_a), cells(*side_b))]
    assert len(set(pairs)) == len(pairs)
    return set(pairs)


def at(cell: Cell, batch: int) -> Cell:
    return replace(cell, batch=batch)


def test_equal_cells_belong_together():
    assert matched([CPU, CUDA], [CUDA, CPU]) == {(CPU, CPU), (CUDA, CUDA)}


@pytest.mark.parametrize("tuning", ["tuned-basic", "tuned-each"])
def test_the_precision_of_a_tuning_is_a_part_of_it(tuning: str):
    tuned = make_cell(**TORCH, tuning=tuning, precision="bf16")
    half = replace(CUDA, precision="bf16")
    assert matched([CPU, tuned], [CUDA, half]) == {(CPU, CUDA), (tuned, CUDA), (tuned, half)}


def test_a_gpu_meets_the_default_and_the_tuned_cpu():
    assert matched([CPU, TUNED], [CUDA]) == {(CPU, CUDA), (TUNED, CUDA)}
    other = make_cell(framework="torch", workload="resnet18@32", device="cuda")
    assert matched([CPU, TUNED], [CUDA, other]) == {(CPU, CUDA), (TUNED, CUDA)}


def test_a_cell_without_an_equal_meets_the_nearest():
    assert matched([at(CPU, 8), at(CPU, 64)], [at(CUDA, 8), at(CUDA, 64)]) == {
        (at(CPU, 8), at(CUDA, 8)),
        (at(CPU, 64), at(CUDA, 64)),
    }


def test_a_tie_is_compared_both_ways():
    half = at(replace(CUDA, precision="fp16"), 64)
    assert matched([at(CPU, 8), at(CPU, 64)], [at(CUDA, 8), half]) == {
        (at(CPU, 8), at(CUDA, 8)),
        (at(CPU, 64), at(CUDA, 8)),
        (at(CPU, 64), half),
    }


def test_another_mode_or_workload_is_never_matched():
    inference = replace(CUDA, mode="inference")
    assert matched([CPU, TUNED], [inference, replace(CUDA, workload="mine")]) == set()


def test_a_side_of_one_cell_meets_every_cell_of_the_other():
    mine = make_cell(workload="own.py:make_step")
    assert matched([mine], [CPU, TUNED, CUDA]) == {(mine, CPU), (mine, TUNED), (mine, CUDA)}
    assert matched([CPU, CUDA], [mine]) == {(CPU, mine), (CUDA, mine)}


def test_a_cell_with_an_equal_looks_no_further_and_one_without_does():
    other = replace(CPU, workload="resnet18@32")
    assert matched([CPU, other], [CPU, CUDA]) == {(CPU, CPU), (CPU, CUDA)}
    assert matched([CPU, CUDA, other], [CPU, CUDA]) == {(CPU, CPU), (CUDA, CUDA)}


def test_equal_cells_of_several_machines_are_all_matched():
    m1, m2, m3 = ({"environment": {"machine": name}} for name in ("m1", "m2", "m3"))
    side_a = [summary(cell=CPU, **m3), summary(cell=CUDA, **m3)]
    side_b = [summary(cell=CPU, **m1), summary(cell=CPU, **m2), summary(cell=CUDA, **m1)]
    assert match(side_a, side_b) == [(side_a[0], side_b[0]), (side_a[0], side_b[1]), (side_a[1], side_b[2])]


def test_nothing_matches_nothing():
    assert match([], cells(CPU, CUDA)) == []
    assert match([], []) == []


MACHINE = {
    "machine": "m1",
    "os": "Linux 6",
    "cpu": {"model": "Xeon", "usable_cores": 2, "turbo": None},
    "versions": {"torch": "2.13.0", "python": "3.11"},
    "gpus": [],
    "load_average": [1, 2, 3],
}


def differs(a: CellSummary, b: CellSummary) -> dict[str, tuple]:
    return {entry["factor"]: (entry["a"], entry["b"]) for entry in compare_cells(a, b).differs}


def test_every_known_difference_is_listed():
    changes = {
        "machine": "m2",
        "cpu": {"model": "EPYC", "usable_cores": 64, "turbo": True},
        "versions": {"torch": "2.14.0", "python": "3.11", "cuda": "13"},
        "gpus": [{"name": "NVIDIA T4"}],
        "load_average": [9, 9, 9],
    }
    a = summary(environment=MACHINE, settings={"threads": 2, "seed": 0}, gpugap="0.1.0")
    b = summary(
        [1.0, 1.0],
        cell=make_cell(device="cuda"),
        environment=MACHINE | changes,
        settings={"threads": 64, "seed": 0, "autocast": "bfloat16"},
        gpugap="0.2.0",
    )
    assert differs(a, b) == {
        "device": ("cpu", "cuda"),
        "machine": ("m1", "m2"),
        "cpu.model": ("Xeon", "EPYC"),
        "cpu.usable_cores": (2, 64),
        "version.torch": ("2.13.0", "2.14.0"),
        "gpus": ([], ["NVIDIA T4"]),
        "setting.threads": (2, 64),
        "gpugap": ("0.1.0", "0.2.0"),
    }


def test_different_numbers_of_steps_are_a_difference():
    a = summarize([make_record(0, times=[1.0] * 3)])[0]
    b = summarize([make_record(0, times=[1.0] * 6, warmup_steps=1)])[0]
    assert differs(a, b) == {"warmup_steps": (0, 1), "steps": (3, 5)}


def test_what_only_one_side_knows_is_no_difference():
    assert differs(summary(environment=None), summary(environment=MACHINE)) == {}
    assert differs(summary(cell=make_cell(tuning=None)), summary()) == {}


def test_equal_cells_of_one_machine_do_not_differ():
    assert differs(summary(environment=MACHINE), summary(environment=MACHINE)) == {}


def baselines(*chosen: Cell) -> set[tuple[Cell, Cell]]:
    return {(pair.a.cell, pair.b.cell) for pair in baseline_pairs(cells(*chosen))}


def test_the_cpu_is_the_baseline_default_and_tuned():
    assert baselines(CPU, TUNED, CUDA) == {(CPU, TUNED), (CPU, CUDA), (TUNED, CUDA)}


def test_only_the_same_work_has_a_baseline():
    others = [
        replace(CUDA, workload="resnet18@32"),
        replace(CUDA, mode="inference"),
        at(CUDA, 64),
        replace(CUDA, framework="jax"),
        replace(CUDA, data="cifar10"),
        replace(CUDA, execution="compile"),
        replace(CUDA, extra=(("code", "abc"),)),
    ]
    assert baselines(CPU, *others) == set()


def test_without_a_cpu_there_is_no_baseline():
    assert baselines(CUDA, replace(CUDA, device="mps")) == set()
    assert baselines(CPU) == set()


def test_verdicts_of_a_family_hold_together():
    """One of twenty comparisons of equal sides is expected to look different; together none does."""
    a, b = summary([1.0, 1.01, 0.99, 1.0]), summary([1.02, 1.03, 1.005, 1.02], cell=make_cell(batch=9))
    alone = compare_cells(a, b)
    assert alone.comparison.verdict == "slower"
    family = judged_together([alone] * 1 + [compare_cells(a, a)] * 200)
    assert (family[0].comparison.verdict, family[0].comparison.reason) == ("inconclusive", "many-comparisons")
    assert family[0].comparison.speedup == alone.comparison.speedup
    assert judged_together([alone]) == [alone]


def test_the_json_of_a_pair():
    pair = compare_cells(summary(cell=CPU), summary([0.1, 0.1, 0.11], cell=CUDA))
    plain = json.loads(json.dumps(pair.to_dict(), allow_nan=False))
    assert "device" not in plain["cell"]
    assert plain["cell"]["workload"] == "conv6@32"
    assert (plain["a"]["cell"]["device"], plain["b"]["cell"]["device"]) == ("cpu", "cuda")
    assert plain["verdict"] == "faster"
    assert plain["speedup"]["kind"] == "measured"
    assert {"factor": "device", "a": "cpu", "b": "cuda"} in plain["differs"]
