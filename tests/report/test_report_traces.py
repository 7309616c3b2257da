"""Plots of warm-up and of a step's phases, and the tables under them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from report_html import Element, read, rows, section
from report_samples import cell, cpu_pair, look, process, processes

from gpugap.core.record import Record
from gpugap.report import strips, traces
from gpugap.report.breakdown import shares
from gpugap.report.contents import gather
from gpugap.report.page import render_page
from gpugap.report.strips import MOST_DOTS, dots_a_cell
from gpugap.report.traces import MOST_LINES, MOST_POINTS, points_a_cell, trace_chart, traced, warmup_table

SLOW = 12
"""Steps that are slow at the start of a long process; one is declared."""


def long_process(number: int, steps: int = 60, slow: int = SLOW) -> Record:
    """A process whose warm-up is longer than it declares."""
    times = [0.3] * slow + [0.1 * (1 + (n * 7 % 5) * 1e-3) for n in range(steps - slow)]
    return replace(process(cell(), number, 0.1), step_time_s=tuple(times), warmup_steps=1)


def panels(records: list[Record]) -> Element:
    contents = gather(records)
    return read(trace_chart("work", traced(contents.cells), contents, "t").text)


def lines(drawn: Element, color: str) -> list[list[str]]:
    """The points of the lines of a color; a symbol is moved to its place, a line is not."""
    paths = [path.attributes for path in drawn.all("path") if path.attributes.get("stroke") == color]
    return [re.split("[ML]", path["d"])[1:] for path in paths if "transform" not in path]


def dots(drawn: Element, color: str) -> list[Element]:
    moved = [path for path in drawn.all("path") if "transform" in path.attributes]
    return [path for path in moved if color in (path.attributes.get("stroke"), path.attributes.get("fill"))]


def upright(drawn: Element, name: str, value: str) -> list[float]:
    """Where vertical rules of a look stand."""
    rules = [rule.attributes for rule in drawn.all("line") if rule.attributes.get(name) == value]
    return [float(re.match(r"translate\(([\d.]+),", rule["transform"])[1]) for rule in rules]


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
    gray, blue = (lines(drawn, color) for color in ("var(--open)", "var(--measured)"))
    assert [len(line) for line in gray] == [SLOW + 1] * 2
    assert [len(line) for line in blue] == [60 - SLOW] * 2
    assert gray[0][-1] == blue[0][0]
    assert len(dots(drawn, "var(--open)")) == 2 * SLOW
    assert len(dots(drawn, "var(--measured)")) == 2 * (60 - SLOW)


def test_declared_and_found_ends_of_warmup_are_marked():
    drawn = panels([long_process(n) for n in range(2)])
    ((said,), (found,)) = upright(drawn, "stroke-dasharray", "1,3"), upright(drawn, "stroke", "var(--fg)")
    first, *_, last = (float(point.split(",")[0]) for point in lines(drawn, "var(--open)")[0])
    assert first < said < found < last


def test_a_process_that_never_becomes_steady_is_amber():
    drifting = replace(process(cell(), 0, 0.1), step_time_s=tuple(0.1 + 0.002 * n for n in range(60)), warmup_steps=0)
    drawn = panels([drifting])
    assert lines(drawn, "var(--measured)") == [] and [len(line) for line in lines(drawn, "var(--warn)")] == [30]
    (row,) = rows(read(warmup_table(gather([drifting]).cells, gather([drifting])).text).all("table")[0])
    assert (row["Declared warm-up"], row["Found warm-up"], row["Never steady"]) == ("0", "30", "1")


def test_of_many_long_processes_a_part_is_drawn_and_the_table_counts_all():
    records = [long_process(n, 400, slow=SLOW + 8 * (n == 2)) for n in range(MOST_LINES + 8)]
    contents = gather(records)
    drawn = panels(records)
    assert len(lines(drawn, "var(--measured)")) == MOST_LINES
    points = sum(map(len, lines(drawn, "var(--measured)") + lines(drawn, "var(--open)")))
    assert points < 1.5 * MOST_POINTS
    (row,) = rows(read(warmup_table(contents.cells, contents).text).all("table")[0])
    assert row["Processes"] == str(MOST_LINES + 8)
    assert row["Found warm-up"] == f"{SLOW} to {SLOW + 8}"
    assert len({line[-1].split(",")[0] for line in lines(drawn, "var(--open)")}) == 2, "the longest is among them"


@pytest.mark.parametrize(("cells", "processes_", "steps"), [(10, 20, 100), (4, 10, 500)])
def test_a_large_set_makes_a_page_of_bounded_size(cells, processes_, steps):
    times = [0.1 * (1 + (n * 7919 % 101) * 1e-4) for n in range(steps)]
    records = [
        replace(process(cell(batch=2**place), number, 0.1), step_time_s=tuple(times))
        for place in range(cells)
        for number in range(processes_)
    ]
    assert sum(len(record.step_time_s) for record in records) == 20_000
    text = render_page(records, command="gpugap study")
    assert len(text.encode()) < 4_000_000
    plots = section(read(text), "distributions").all("svg")
    drawn = [len(dots(plot, "var(--measured)")) for plot in plots]
    joined = sum(len(line) for plot in plots for line in lines(plot, "var(--measured)"))
    assert 0 < drawn[0] <= cells * MOST_DOTS
    assert drawn[1] + joined < 2 * cells * 1.5 * MOST_POINTS
    assert f"{processes_ * (steps - 2):,}".replace(",", "\N{NARROW NO-BREAK SPACE}") in text


@pytest.mark.parametrize("cells", [1, 40, 100])
def test_the_more_cells_the_fewer_points_of_each(cells):
    assert strips.FEWEST <= dots_a_cell(cells) <= MOST_DOTS
    assert traces.FEWEST <= points_a_cell(cells) <= MOST_POINTS
    assert cells * dots_a_cell(cells) <= max(strips.MOST_ON_PAGE, cells * strips.FEWEST)
    assert cells * points_a_cell(cells) <= max(traces.MOST_ON_PAGE, cells * traces.FEWEST)


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
