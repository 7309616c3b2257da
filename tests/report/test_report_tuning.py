"""The ladder on the page, from the document of a result."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from report_samples import cell, cpu_pair

from gpugap.core.estimate import Estimate
from gpugap.report.page import render_page
from gpugap.report.tuning import tuning_lead, tuning_section
from gpugap.tune.ladder import Contribution, Ladder
from prediction_samples import forecasts

pytest.importorskip("altair")


STARTS = ("2026-11-24T15:13:00+00:00", "2026-11-24T14:59:00+00:00")


def measured(value: float | None, unit: str = "1") -> Estimate:
    if value is None:
        return Estimate(None, None, None, None, unit, "measured", "t", 0)
    return Estimate(value, 0.95 * value, 1.05 * value, 0.95, unit, "measured", "t", 5)


def sample(**changes) -> Ladder:
    known = {
        "cell": cell("conv6@32"),
        "base": measured(1.2, "s"),
        "tuned": measured(0.4, "s"),
        "rungs": (
            Contribution("bf16 autocast", measured(1.8), "faster"),
            Contribution("channels-last", measured(1.02), "inconclusive"),
            Contribution("tcmalloc", measured(1.63), "faster"),
        ),
        "apart": Contribution("together, same allocator", measured(1.84), "faster"),
        "whole": Contribution("together", measured(3.0), "faster"),
        "memory": measured(1.1),
        "equality": {"outputs": {"error": 2e-3, "limit": 3e-2}, "results": None, "why": None},
        "recipe": {"environment": ["export LD_PRELOAD=x"], "code": ["import torch", "a < b"]},
        "adopted": True,
    }
    return Ladder(**(known | changes))


def test_every_rung_has_its_bar_and_its_row():
    text = tuning_section([sample()]).text
    for name in ("bf16 autocast", "channels-last", "tcmalloc", "together, same allocator", "together"):
        assert text.count(name) >= 2, name
    assert "1.20 s → 400 ms a step" in text
    assert "<svg" in text
    assert "export LD_PRELOAD=x\nimport torch\na &lt; b" in text
    assert "Outputs differ by 2.0e-03, allowed 0.03" in text


def test_published_speedups_are_shown_over_a_tuned_cpu():
    text = tuning_section([sample()]).text
    assert "Left over a tuned CPU" in text
    assert "arXiv" in text
    assert "Left over a tuned CPU" not in tuning_section([sample(cell=cell("train.py:make_step"))]).text


def test_predicted_speedups_are_shown_over_both_cpus():
    """Over 1.2 s as it comes and 0.4 s tuned: three times less, and log 3 of log of the speedup is the CPU's."""
    found = forecasts(["t4"])
    made = found.forecasts[0].prediction
    one = sample(cell=replace(sample().cell, workload=made.workload, mode=made.mode, batch=made.batch))
    text = tuning_section([one], [found]).text
    over = 1.2 / made.step_time.value
    assert f"{made.gpu_name} over this CPU" in text
    assert f"{over:.3g}× (" in text
    assert f"{over / 3:.3g}× (" in text
    assert f"{100 * math.log(3) / math.log(over):.3g} % (" in text
    other = replace(one, cell=replace(one.cell, batch=made.batch + 1))
    assert "over this CPU" not in tuning_section([other], [found]).text


def test_nothing_is_to_be_pasted_unless_it_is_faster_and_computes_the_same():
    text = tuning_section([sample(adopted=False)]).text
    assert "<svg" in text
    for told in ("to paste", "LD_PRELOAD", "Left over a tuned CPU"):
        assert told not in text


def test_a_page_without_ladders_has_no_section():
    assert tuning_section(()).text == ""
    assert 'id="tuning"' not in render_page(cpu_pair(), command="c")


def test_a_page_of_tuning_alone_and_one_beside_records():
    alone = render_page((), command="gpugap tune conv6", tunings=[sample()])
    assert 'id="tuning"' in alone
    assert "Tuned, against as it comes" in alone
    assert "dates unknown" not in render_page((), command="c", tunings=[sample()], tuned_at=STARTS)
    assert "2026-11-24 14:59 UTC to 2026-11-24 15:13 UTC" in render_page(
        (), command="c", tunings=[sample()], tuned_at=STARTS
    )
    both = render_page(cpu_pair(), command="c", tunings=[sample(), sample(cell=cell("vgg16@32"), rungs=(), apart=None)])
    assert both.index('id="tuning"') < both.index('id="again"')
    assert both == render_page(
        cpu_pair(), command="c", tunings=[sample(), sample(cell=cell("vgg16@32"), rungs=(), apart=None)]
    )


def test_what_is_not_known_is_said():
    text = tuning_section([sample(memory=measured(None), equality={"why": "the step returns no numbers"})]).text
    assert "unknown" in text
    assert "Not compared: the step returns no numbers" in text
    assert "Conv-6" in tuning_lead([sample()]).text
