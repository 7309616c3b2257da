"""Tall plots in sheets of a printed page's height, and the table beside the answer."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from report_html import Element, read, rows, section
from report_samples import cell, cpu_pair, look, processes

from gpugap.report.page import render_page
from gpugap.report.sheets import TALLEST, sheets

HEADING, ROW = 36.0, 46.0
WORKS = [
    {"workload": name, "mode": mode}
    for name in ("conv6@32", "vgg16@32", "resnet18@32", "cyclegan@256")
    for mode in ("train", "inference")
]


def study() -> list:
    """The CPU as it comes and tuned, in four networks and two modes."""
    return [record for work in WORKS for record in (*cpu_pair(**work), look(cell(**work)))]


def page() -> Element:
    return read(render_page(study(), command="gpugap study"))


@given(st.lists(st.integers(1, 30), max_size=12))
def test_no_sheet_is_too_tall_and_nothing_is_lost(sizes: list[int]):
    entries = [(name, row) for name, size in enumerate(sizes) for row in range(size)]
    cut = sheets(entries, lambda entry: str(entry[0]), HEADING, ROW)
    assert [entry for groups in cut for _, members in groups for entry in members] == entries
    heights = [sum(HEADING + ROW * len(members) for _, members in groups) for groups in cut]
    assert all(height <= TALLEST for height in heights)
    for height, (_, following) in zip(heights, pairwise(cut), strict=False):
        assert height + HEADING + ROW * len(following[0][1]) > TALLEST, "it had room on the sheet before"


def test_a_group_stays_on_one_sheet_where_it_can():
    entries = [(name, row) for name in "abc" for row in range(5)]
    cut = sheets(entries, lambda entry: entry[0], HEADING, ROW)
    assert [[(name, len(members)) for name, members in groups] for groups in cut] == [[("a", 5), ("b", 5)], [("c", 5)]]


def ticks(plot: Element) -> list[str]:
    """The labels of the axis, which are drawn first, in a plot that has one."""
    texts = [text.text for text in plot.all("text")]
    return texts[: next((place for place, text in enumerate(texts) if "axis" in text), 0)]


def test_every_sheet_has_the_same_axis_and_fits_on_paper():
    found = page()
    for anchor, plots in (("speedups", 1), ("times", 2)):
        for figure in section(found, anchor).all("figure")[:plots]:
            drawn = figure.all("svg")
            heights = [float(re.match(r"0 0 \S+ (\S+)", plot.attributes["viewbox"])[1]) for plot in drawn]
            assert len(drawn) > 1 and max(heights) < TALLEST + 80
            assert len({tuple(ticks(plot)) for plot in drawn}) == 1
            assert len(figure.all("table")) == 1
    ids = [element.attributes["id"] for element in found.walk() if "id" in element.attributes]
    assert len(ids) == len(set(ids))


def test_many_comparisons_are_told_in_a_table_beside_the_answer():
    found = page()
    (table,) = found.all("header")[0].all("table")
    lines = rows(table)
    assert len(lines) == len(WORKS)
    column = "CPU tuned (bf16) over CPU as it comes (fp32)"
    assert list(lines[0]) == ["", column]
    assert lines[0][""] == "Conv-6 training 32×32, batch 128"
    assert re.fullmatch(r"2\.50× \(2\.\d+–2\.\d+\) faster", lines[0][column])
    caption = table.all("caption")[0].text
    assert "95 % intervals, n = 3 pairs of processes. Verdicts hold for all comparisons together." in caption
    assert "With tuning alone" not in " ".join(item.text for item in found.all("header")[0].all("li"))


def test_a_few_comparisons_are_told_in_sentences():
    few = read(render_page([*cpu_pair(), *cpu_pair("conv6@32")], command="x"))
    assert few.all("header")[0].all("table") == []
    assert "With tuning alone, the CPU trains Conv-6" in few.all("header")[0].text


def test_a_verdict_that_is_none_is_not_bold():
    wide = [
        r
        for work in WORKS
        for r in (
            *processes(cell(**work), 0.9, spread=40.0),
            *processes(cell(tuning="tuned-basic", **work), 0.9, spread=-40.0),
        )
    ]
    (table,) = read(render_page(wide, command="x")).all("header")[0].all("table")
    cells = [found for row in table.all("tbody")[0].all("tr") for found in row.all("td")]
    assert all("inconclusive" in found.text and found.all("b") == [] for found in cells)


def test_when_no_cell_converged_it_is_said_once():
    wide = [r for work in WORKS for r in processes(cell(**work), 0.9, spread=40.0)]
    flags = read(render_page(wide, command="x")).all("header")[0].text
    assert "wider than ±5 % of the step time for every one of 8 cells." in flags
