"""The page's section on a plan, the paper's checklist and the request for compute time."""

import json
import math
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_html import read, rows, section

from factories import make_record
from gpugap.catalog import load
from gpugap.core.errors import BadValue, Infeasible
from gpugap.core.estimate import Estimate
from gpugap.core.units import significant
from gpugap.plan.request import request
from gpugap.plan.rows import cautions, first_even
from gpugap.report.page import render_page
from gpugap.report.paper import PAPER_FORMATS, paper, sentences
from gpugap.report.plane import clock, clock_ticks
from gpugap.report.proposal import Purpose, proposal
from gpugap.study.outlook import Foreseen
from gpugap.study.used import resources
from plan_samples import gpu_worker, made_plan, make_ground

pytest.importorskip("altair")


@pytest.fixture(scope="module")
def plan():
    return made_plan()


def test_the_page_shows_every_option_that_none_beats(plan):
    page = render_page((), command="gpugap plan", foreseen=Foreseen(plans=(plan,)))
    section = page[page.index('<section id="plan">') :]
    for one in plan.pareto:
        assert one.worker.name in section
    for anchor in ("Options that no other beats", "buying against renting", "Sessions on", "What changes the choice"):
        assert anchor in section
    assert section.count("<svg") >= 3
    assert "Not run yet: from a predicted step time." in page
    assert "2025" in section  # dates of prices


def test_the_page_keeps_units_kinds_dates_and_cautions(plan):
    page = read(render_page((), command="gpugap plan", foreseen=Foreseen(plans=(plan,))))
    part = section(page, "plan")
    head = [cell.text for cell in part.all("table")[0].all("th") if cell.attributes.get("scope") == "col"]
    assert {"kWh", "kg CO2e", "Price of", "Kind of the step"} <= set(head)
    told = rows(part.all("table")[0])
    assert [row["Price of"] for row in told] == [one.dated for one in plan.pareto]
    assert all("predicted" in row["Kind of the step"] for row in told)
    assert all(one.worker.domain in row["Kind of the step"] for one, row in zip(plan.pareto, told, strict=True))
    for caution in cautions(plan):
        assert caution in part.text


def test_a_share_of_a_life_is_no_ratio_and_no_number_is_cut(plan):
    page = read(render_page((), command="gpugap plan", foreseen=Foreseen(plans=(plan,))))
    (drawn,) = [one for one in section(page, "plan").all("svg") if "Break-even" in one.attributes["aria-label"]]
    texts = [text.text for text in drawn.all("text")]
    assert "100 %" in texts
    assert not any("×" in text for text in texts)
    for one in first_even(plan.break_even)[0]:
        if one.utilization.value is not None:
            assert f"predicted, from {significant(one.hours.value)} h" in texts


@given(st.floats(1e-2, 1e9), st.floats(1.01, 1e6), st.floats(200, 400))
def test_ticks_of_times_are_round_and_apart(low, factor, length):
    found = clock_ticks(low, low * factor, length)
    assert found == sorted(found)
    assert all(low * 0.999 <= tick <= low * factor * 1.001 for tick in found)
    near = [math.log(b / a) / math.log(factor) * length for a, b in pairwise(found)]
    assert all(gap > 20 for gap in near)


def test_round_times_read_as_such():
    assert [clock(tick) for tick in clock_ticks(400.0, 90000.0, 320.0)] == [
        *("10 min", "20 min", "1 h", "2 h", "4 h", "8 h", "1 d")
    ]


def test_circles_carry_the_numbers_of_their_rows(plan):
    page = render_page((), command="gpugap plan", foreseen=Foreseen(plans=(plan,)))
    drawn = page[page.index("Cost and time of") :]
    texts = re.findall(r">(\d+)</text>", drawn[: drawn.index("</svg>")])
    numbers = [str(number) for number, one in enumerate(plan.pareto, 1) if one.cost.value is not None]
    assert texts[-len(numbers) :] == numbers  # behind the ticks


def test_measured_and_predicted_stand_apart(plan):
    found = resources([make_record(n) for n in range(3)], load(), "KE")
    document = plan.to_dict()
    texts = {form: paper(found, form, document) for form in PAPER_FORMATS}
    for text in texts.values():
        assert text.index("Compute resources, measured") < text.index("Compute resources, predicted")
        assert document["options"][0]["name"] in text
    assert texts["neurips"].startswith(r"\item {\bf Experiments compute resources}")
    assert r"\answerYes{}" in texts["neurips"]
    assert "| --- |" in texts["markdown"]
    assert r"\begin{tabular}" in texts["latex"]
    assert json.loads(json.dumps([one.to_dict() for one in found], allow_nan=False))[0]["runs"] == 3
    said = " ".join(sentences(found, document))
    assert "3 processes" in said
    assert "Energy predicted" in said
    assert "Energy measured" not in said
    assert "Planned, not run" in said


def test_nothing_measured_is_said(plan):
    assert r"\answerNo{}" in paper((), "neurips", plan.to_dict())


def asked(runs=5, **wish):
    workers = tuple(gpu_worker("a100-sxm-40gb", 0.03 / count**0.8, count) for count in (1, 2, 4))
    return replace(make_ground(**wish), workers=workers), runs


def test_a_request_by_hand():
    ground, runs = asked()
    found = request(ground, runs)
    assert found.chosen.count == 1  # the fewest GPU hours
    assert found.hours.value == pytest.approx(5 * found.run_time.value / 3600)
    assert found.asked_h == found.hours.high > found.hours.value
    assert [one.speedup.value for one in found.scaling] == pytest.approx([1, 2**0.8, 4**0.8])
    four = found.scaling[2]
    assert four.efficiency.value == pytest.approx(4**0.8 / 4)
    assert four.speedup.value / four.speedup.low == pytest.approx(1.25**2**0.5)  # two step times, each within 1.25
    assert (four.speedup.high, four.efficiency.high) == (4, 1)  # not more than linear
    assert (four.speedup.level, four.speedup.kind) == (0.9, "predicted")
    assert found.scaling[0].speedup.low is None  # over itself
    quick = request(replace(ground, wish=replace(ground.wish, deadline_s=found.run_time.value * 0.5)), runs)
    assert quick.chosen.count == 4


def test_a_request_that_cannot_be():
    ground, _ = asked()
    with pytest.raises(BadValue):
        request(ground, 0)
    with pytest.raises(Infeasible, match="no run ends"):
        request(replace(ground, wish=replace(ground.wish, deadline_s=1.0)), 1)
    with pytest.raises(Infeasible, match="nothing to ask for"):
        request(replace(ground, workers=()), 1)


@pytest.mark.parametrize("form", ["markdown", "latex"])
def test_the_proposal_names_every_number_that_needs_a_pilot(form):
    ground, runs = asked()
    measured = replace(ground.workers[1], step_time=Estimate(0.02, 0.019, 0.021, 0.95, "s", "measured", "x", 5))
    ground = replace(ground, workers=(ground.workers[0], measured, ground.workers[2]))
    about = Purpose("resnet18@32", "train", "fp32", "gpugap measure resnet18 --device cuda")
    text = proposal(about, request(ground, runs), ground, (), form)
    for title in ("Units", "Scaling", "Numbers that need a pilot"):
        assert title in text
    pilots = text[text.index("Numbers that need a pilot") :]
    assert "step time on A100 SXM4 40GB" in pilots
    assert "4x A100" in pilots
    assert "2x A100" not in pilots
    assert "gpugap measure resnet18" in text.replace("{", "").replace("}", "").replace("-{}-", "--")
