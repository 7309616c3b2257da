"""The answer in a sentence: computed, never bolder than its verdict."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from report_html import read
from report_samples import GPU_MACHINE, by_hand, cell, cpu_pair, failure, gpu_study, process, processes

from gpugap.core.record import Record
from gpugap.report.answer import answer
from gpugap.report.contents import gather
from gpugap.report.markup import esc


def text(content) -> str:
    return read(esc(content)).text


def lead(records) -> str:
    return text(answer(gather(records)).lead)


def flags(records) -> str:
    return " ".join(text(flag) for flag in answer(gather(records)).flags)


def test_a_gpu_leads_with_both_cpus_as_its_base():
    assert re.fullmatch(
        r"Example GPU trains ResNet-18 \(32×32, batch 128\) in fp32 at 12\.\d× \(\d+\.\d–\d+\.\d\) the speed of the "
        r"CPU as it comes, and at 4\.\d+× \(4\.\d+–4\.\d+\) the speed of the same CPU tuned\.",
        lead(gpu_study()),
    )


def test_the_numbers_of_the_lead_are_those_of_the_comparison():
    contents = gather(gpu_study(gain=7.0))
    speedup = next(
        p for p in contents.pairs if p.b.cell.device != "cpu" and p.a.cell.tuning == "default"
    ).comparison.speedup
    assert f"{speedup.value:.2f}× ({speedup.low:.2f}–{speedup.high:.2f})" in text(answer(contents).lead)


def test_without_a_gpu_it_says_so_and_answers_with_the_tuning():
    found = answer(gather(cpu_pair()))
    assert text(found.lead).startswith("No GPU was measured here. With tuning alone, the CPU trains ResNet-18")
    assert "2.5" in text(found.lead)
    assert "bf16 autocast, 8 threads, channels-last, eager" in " ".join(map(text, found.basis))
    assert "95 % intervals · n = 3 pairs of processes · torch 2.9.0" in text(found.basis[0])


def test_a_published_number_stands_beside_and_is_not_compared():
    (beside,) = answer(gather(cpu_pair())).beside
    assert text(beside).startswith("published NVIDIA T4 over Intel Xeon CPU: ResNet-18 training 51–116× (Al Amin")
    assert "does not say how that CPU was set up" in text(beside)


def test_the_heaviest_training_leads_whatever_its_result():
    small = cpu_pair("conv6@32", 0.2, gain=9.0)
    quick = cpu_pair(mode="inference", mean_s=5.0, gain=9.0)
    assert "trains ResNet-18" in lead([*small, *quick, *cpu_pair(gain=1.1)])


def test_an_interval_around_one_is_inconclusive():
    slow = processes(cell(device="cuda:0"), 0.9, spread=40.0)
    records = [replace(r, environment=GPU_MACHINE) for r in [*processes(cell(), 0.9), *slow]]
    assert "at a speed that is inconclusive against the CPU as it comes" in lead(records)
    assert "the interval is too wide to tell" in lead(records)


def test_one_process_a_side_is_inconclusive_without_an_interval():
    records = processes(cell(), 0.9, 1) + processes(cell(device="cuda:0"), 0.1, 1)
    assert "9.00×, with one process the spread between processes is unknown" in lead(records)
    assert "One process only: spread between processes unknown" in flags(records)
    assert "no interval" in text(answer(gather(records)).basis[0])


def test_a_slower_gpu_is_called_slower():
    assert "more slowly, at 0.80" in lead(gpu_study(gain=0.8))


def test_equal_times_are_called_equal_within_the_margin():
    records = processes(cell(), 0.9) + processes(cell(device="cuda:0"), 0.9)
    assert "as fast as the CPU as it comes within 2 %: 1.00×" in lead(records)


def test_a_pipeline_check_is_never_an_answer():
    records = [replace(r, cell=replace(r.cell, framework="null")) for r in cpu_pair(gain=3.0)]
    found = answer(gather(records))
    assert text(found.lead).startswith("Pipeline check: no network was run.")
    assert "×" not in text(found.lead) and not found.others and not found.beside
    assert "no network was run in 2 cells" in flags(records)


def test_a_users_own_function_on_the_null_framework_is_an_answer():
    own = cell("own.py:make_step", framework="null", data="own")
    records = processes(own, 0.2) + processes(replace(own, tuning="tuned-basic"), 0.1)
    assert "runs own.py:make_step training (batch 128) at 2.0" in lead(records)


def test_a_lone_cell_tells_its_time():
    assert lead(by_hand()).startswith("A step of my net training (batch 4) takes 101 ms (98.5–104) on CPU; nothing")


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], "There are no records, so nothing was measured."),
        ([failure(cell()), failure(cell(), 1)], "Nothing was measured: 2 processes ran and none gave a step time."),
        ([failure(cell())], "Nothing was measured: 1 process ran and gave no step time."),
    ],
)
def test_nothing_measured_is_said(records, expected):
    assert lead(records) == expected


def test_a_gpu_that_failed_is_not_called_absent():
    assert lead([*cpu_pair(), failure(cell(device="cuda:0"))]).startswith("No measurement on a GPU succeeded here.")


def test_a_gpu_without_a_cpu_beside_it_is_flagged():
    lonely = processes(cell(device="cuda:0", batch=7), 0.1)
    assert "No CPU beside it" in flags([*cpu_pair(), *lonely])


def test_cells_that_did_not_converge_are_flagged_and_the_others_not():
    wide = processes(cell(), 0.9, spread=30.0)
    assert (
        "Not converged: the interval is wider than ±5 % of the step time for ResNet-18 at 32×32, training (CPU as it "
        in (flags(wide))
    )
    assert "Not converged" not in flags(cpu_pair())


def test_another_machines_cpu_is_named_as_such():
    gpu = [replace(r, environment=GPU_MACHINE) for r in processes(cell(device="cuda:0"), 0.05)]
    assert "the speed of the CPU of another machine (Machine 1) as it comes, and at" in lead([*cpu_pair(), *gpu])


def test_a_gpu_is_compared_with_its_own_machines_cpu_only():
    home = gpu_study()
    elsewhere = processes(cell(), 90.0)
    pairs = gather([*elsewhere, *home]).pairs
    assert {pair.a.step_time.value < 10 for pair in pairs} == {True}


def test_records_of_two_machines_are_never_pooled():
    one, two = processes(cell(), 1.0), [replace(r, environment=GPU_MACHINE) for r in processes(cell(), 2.0)]
    cells = gather([*one, *two]).cells
    assert [round(summary.step_time.value, 1) for summary in cells] == [1.0, 2.0]


def test_the_page_is_about_good_and_bad_processes_alike():
    records: list[Record] = [process(cell(), 0, 0.9), process(cell(), 1, 0.91), failure(cell(), 2)]
    assert "1 process of 3 ended badly" in flags(records)


def test_a_verdict_that_does_not_stand_among_many_is_inconclusive():
    close = [r for batch in range(1, 12) for r in (*processes(cell(batch=batch), 0.9), *_slightly_faster(batch))]
    assert "at a speed that is inconclusive" in lead(close)
    assert "does not stand when all comparisons here are weighed together" in lead(close)
    assert "inconclusive" not in lead([*processes(cell(batch=1), 0.9), *_slightly_faster(1)])


def _slightly_faster(batch: int) -> list[Record]:
    return processes(cell(batch=batch, tuning="tuned-basic"), 0.87, spread=4.2)


def test_pipeline_checks_do_not_weigh_among_the_comparisons():
    checks = [
        replace(r, cell=replace(r.cell, framework="null", batch=batch))
        for batch in range(1, 12)
        for r in cpu_pair(gain=1)
    ]
    assert "inconclusive" not in lead([*checks, *processes(cell(batch=1), 0.9), *_slightly_faster(1)])


def test_processes_that_never_became_steady_are_flagged():
    drifting = tuple(0.1 + 0.01 * step for step in range(40))
    records = [replace(r, step_time_s=drifting) for r in processes(cell(), 0.1)]
    assert "Never steady: step times of at least one process still shifted" in flags(records)
    assert "Never steady" not in flags(cpu_pair())


def test_disturbed_processes_are_flagged_by_what_disturbed_them():
    records = [replace(r, guards={"tags": ["throttled"], "throttled_s": 1.5}) for r in processes(cell(), 0.1, 2)]
    assert "Disturbed: throttled (2 processes); tagged and kept." in flags(records)
    assert "Disturbed" not in flags(cpu_pair())
