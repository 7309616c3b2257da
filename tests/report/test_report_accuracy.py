"""The page of accuracy: every number on it comes from scores and from the fit's report."""

from __future__ import annotations

import pytest

from gpugap.catalog import gpu
from gpugap.predict.latency.table_ops import op_of_row
from gpugap.report.accuracy import accuracy_page
from gpugap.study.scoring.cases import Case
from gpugap.study.scoring.predicting import Answer, Scored
from gpugap.study.scoring.scores import scores

GOAL = {
    "case": "ops, GPU add",
    "goal_mean": "20", "goal_median": "10", "aim_mean": "9", "aim_median": "8",
}  # fmt: skip
PUBLISHED = {
    "method": "Other", "case": "whole models", "n": "80", "mean": "8.9", "median": "6.2", "source": "s", "date": "2025",
}  # fmt: skip


def found(measured_s: float, count: int = 25):
    work = op_of_row({"op_kind": "add", "rows": 10, "row_len": 10})
    t4 = gpu("t4")
    one = Case("t.csv", 1, "ops", "add", "", "forward", "Tesla T4", t4, measured_s, work)
    answers = {"model": Answer(1e-5, 9e-6, 2e-5, "seen", True), "roofline": Answer(5e-6, None, None, "seen", True)}
    lost = Scored(one, {}, "of no use")
    return scores([Scored(one, answers)] * count + [lost], ("model", "roofline"))


def cell(**changed):
    made = {"case": GOAL["case"], "n": 100, "groups": 5, "mean": 15.04, "median": 9.5}
    return made | {"p90": 30.0, "worst": 80.0, "bias": 1.0, "coverage": 0.91} | changed


def page(*cells, worst=()):
    manifest = {"gpus": {"t4": {}}, "date": "2026-11-29", "report": {"cells": list(cells), "worst": list(worst)}}
    return accuracy_page(found(2e-5), manifest, [GOAL], [PUBLISHED])


ROW = "| ops, GPU add | 100 | 5 |"
ROOFLINE = "75.0 / 75.0 |  |  |"


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, f"{ROW} 15.0 / 9.5 | {ROOFLINE} 20 / 10 | 9 / 8 | must |"),
        ({"mean": 8.0, "median": 7.0}, f"{ROW} 8.0 / 7.0 | {ROOFLINE} 20 / 10 | 9 / 8 | aim |"),
        ({"mean": 23.0}, f"{ROW} 23.0 / 9.5 | {ROOFLINE} 20 / 10 | 9 / 8 | missed by 3.0 / 0.0 |"),
    ],
)
def test_what_was_owed_and_reached(changed, verdict):
    assert verdict in page(cell(**changed))


def test_power_limited_cards_have_a_row_without_a_goal():
    text = page(cell(), cell(case=f"power-limited: {GOAL['case']}", mean=33.3))
    assert "| power-limited: ops, GPU add | 100 | 5 | 33.3 / 9.5 | 75.0 / 75.0 |  |  |  |  |  |" in text


def test_a_baseline_that_wins_is_named():
    assert "below that of each baseline" in page(cell())
    assert "Not better than: ops, GPU add: roofline." in page(cell(mean=75.1))
    assert "below that of each baseline" in page(cell(mean=75.1, n=19))


def test_other_operators_have_no_goal():
    assert "| shapes relu | 100 | 5 | 15.0 / 9.5 |" in page(cell(), cell(case="shapes relu")).partition("Other oper")[2]


@pytest.mark.parametrize(("coverage", "within"), [(0.91, "yes"), (0.5, "below"), (1.0, "above")])
def test_coverage_is_held_against_the_binomial_band(coverage, within):
    assert f"| {100 * coverage:.0f} % | 84 to 95 % | {within} |" in page(cell(coverage=coverage))


def test_tables_worst_cases_and_what_was_not_scored():
    one = {"case": "c", "what": "conv 3x3", "gpu": "t4", "ratio": 3.0, "error": 200.0}
    text = page(cell(), worst=[one | {"error": float(place)} for place in range(30)])
    assert text.count("conv 3x3") == 20
    assert "| 29 |" in text
    assert "| 9 |" not in text.partition("fitted to")[0].partition("worst twenty")[2]
    assert "| operators, one by one | 25 | 50.0 / 50.0 | 75.0 / 75.0 |" in text
    assert "| add | 25 |" in text
    assert "| power-limited | 25 |" in text
    assert "| of no use | 1 |" in text
    assert "| Other | whole models | 80 | 8.9 | 6.2 | s | 2025 |" in text


def test_without_a_report_it_says_so():
    assert "holds no report" in accuracy_page(found(1e-5), {"gpus": {}}, [GOAL], [])


def test_whole_steps_are_drawn_and_the_plot_stands_alone():
    pytest.importorskip("altair")
    from xml.etree import ElementTree

    from gpugap.report.scatter import scatter, standalone

    assert scatter(found(1e-5).scored, "plot") is None  # operators alone
    cases = []
    for place in range(1000):
        case = Case("t", place, "images", "images", "resnet", "training", "T4", gpu("t4"), 0.01 * (place + 1), None)
        cases.append(Scored(case, {"model": Answer(0.02 * (place + 1), None, None, "seen", False)}))
    text = standalone(scatter(cases, "plot"))
    root = ElementTree.fromstring(text)
    assert "--predicted: #6b3fa0" in root[0].text
    drawn = text.count("<path")
    assert 334 <= drawn < 600  # every third of them, and lines
    assert "image models, training" in text
    assert "image models, inference" not in text
