"""Plots of warm-up and of a step's phases, and the tables under them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from report_html import Element, read, rows, section
from report_samples import cell, cpu_pair, look, process, processes

from gpugap.core.record import Record
from gpugap.report.breakdown import shares
from gpugap.report.contents import gather
from gpugap.report.page import render_page
from gpugap.report.traces import MOST_LINES, MOST_POINTS, trace_chart, traced, warmup_table

SLOW = 12
"""Steps that are slow at the start of a long process; one is declared."""


def long_process(number: int, steps: int = 60, slow: int = SLOW) -> Record:
    """A process whose warm-up is longer than it declares."""
    times = [0.3] * slow + [0.1 * (1 + (n * 7 % 5) * 1e-3) for n in range(steps - slow)]
    return replace(process(cell(), number, 0.1), step_time_s=tuple(times), warmup_steps=1)


def panels(records: list[Record]) -> Element:
    contents = gather(records)
    return read(trace_chart("work", traced(contents.cells), contents).text)


def groups(drawn: Element, color: str, tag: str) -> list[Element]:
    found = [g for g in drawn.all("g") if color in (g.attributes.get("stroke"), g.attributes.get("fill"))]
    return [shape for group in found for shape in group.all(tag)]


def test_the_figure_of_warmup_is_followed_by_its_table():
    page = read(render_page([long_process(n) for n in range(3)], command="gpugap study"))
    strips, traces = section(page, "distributions").all("figure")
    assert [e.tag for e in traces.walk() if e.tag in ("svg", "figcaption", "table")] == ["svg", "figcaption", "table"]
    assert "in the order the steps ran" in traces.all("svg")[0].attributes["aria-label"]
    (row,) = rows(traces.all("table")[0])
    assert row["Declared warm-up"] == "1" and row["Found warm-up"] == str(SLOW)
    assert (row["Processes"], row["Values a process"], row["Kind"]) == ("3", "60", "measured")
    assert (row["Steady"], row["Never steady"], row["Too few steps"]) == ("3", "0", "0")
    assert rows(strips.all("table")[0])[0]["Values"] == str(3 * (60 - SLOW))


def test_found_warmup_is_gray_and_what_follows_is_blue():
    drawn = panels([long_process(n) for n in range(2)])
    assert f"{SLOW} steps of warm-up found" in drawn.all("svg")[0].attributes["aria-label"]
    gray, blue = (groups(drawn, color, "polyline") for color in ("var(--open)", "var(--measured)"))
    assert [len(line.attributes["points"].split()) for line in gray] == [SLOW + 1] * 2
    assert [len(line.attributes["points"].split()) for line in blue] == [60 - SLOW] * 2
    assert gray[0].attributes["points"].split()[-1] == blue[0].attributes["points"].split()[0]
    assert len(groups(drawn, "var(--open)", "circle")) == 2 * SLOW


def test_declared_and_found_ends_of_warmup_are_marked():
    drawn = panels([long_process(n) for n in range(2)])
    (dotted,) = [g for g in drawn.all("g") if g.attributes.get("stroke-dasharray") == "1 3"]
    (rug,) = groups(drawn, "var(--fg)", "path")
    said, found = (float(re.match(r"M([\d.]+),", p.attributes["d"])[1]) for p in (dotted.all("path")[0], rug))
    first, *_, last = (
        float(p.split(",")[0]) for p in groups(drawn, "var(--open)", "polyline")[0].attributes["points"].split()
    )
    assert first < said < found < last


def test_of_many_long_processes_a_part_is_drawn_and_the_table_counts_all():
    records = [long_process(n, 400, slow=SLOW + 8 * (n == 2)) for n in range(MOST_LINES + 8)]
    contents = gather(records)
    drawn = panels(records)
    assert len(groups(drawn, "var(--measured)", "polyline")) == MOST_LINES
    points = sum(len(p.attributes["points"].split()) for p in drawn.all("polyline"))
    assert points < 1.5 * MOST_POINTS
    (row,) = rows(read(warmup_table(contents.cells, contents).text).all("table")[0])
    assert row["Processes"] == str(MOST_LINES + 8)
    assert row["Found warm-up"] == f"{SLOW} to {SLOW + 8}"
    ends = [p.attributes["points"].split(" ")[-1].split(",")[0] for p in groups(drawn, "var(--open)", "polyline")]
    assert len(set(ends)) == 2, "the longest warm-up is among those drawn"


def test_a_cell_of_single_steps_has_no_trace():
    one = [replace(process(cell(), n, 0.1), step_time_s=(0.1,), warmup_steps=0) for n in range(3)]
    assert traced(gather(one).cells) == []
    assert len(section(read(render_page(one, command="x")), "distributions").all("figure")) == 1


def test_shares_of_a_step_sum_to_one_and_stand_in_the_plot():
    contents = gather([*cpu_pair(), look(cell())])
    found = shares(contents.cells[0])
    assert sum(found.values()) == pytest.approx(1)
    assert found["backward"] == pytest.approx(0.5 / (0.045 + 0.3 + 0.5 + 0.01))
    assert "host-device copy" not in found and shares(contents.cells[1]) == {}
    page = read(render_page([*cpu_pair(), look(cell())], command="x"))
    plot = section(page, "times").all("svg")[1]
    assert "backward 58 %" in plot.attributes["aria-label"]
    texts = [text.text for text in plot.all("text")]
    assert "device only 901 ms" in texts and "with input pipeline 1.10 s" in texts


def test_without_a_look_inside_there_is_no_plot_of_phases():
    assert len(section(read(render_page(processes(cell(), 0.1), command="x")), "times").all("figure")) == 1
