"""Axes, ticks, rounding, and thinning of dots."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import cell, process

from gpugap.core.estimate import Estimate
from gpugap.report import figures
from gpugap.report.contents import gather
from gpugap.report.drawing import LEFT, RIGHT, WIDTH, Axis, axis_around, draw, draw_free, headings, ticks
from gpugap.report.marks import Marks, cut, merged
from gpugap.report.strips import MOST_DOTS, groups, strip_chart, thinned

SIZES = st.floats(1e-60, 1e60)


@given(SIZES, SIZES)
def test_ticks_lie_on_the_axis_and_leave_room_for_their_labels(one: float, other: float):
    axis = axis_around("", [one, other], str)
    found = ticks(axis.low, axis.high)
    assert found == sorted(set(found)) and 1 <= len(found) <= 12
    places = [axis.pixel(tick) for tick in found]
    assert all(-1e-6 <= place <= WIDTH + 1e-6 for place in places)
    assert all(b - a > 40 for a, b in pairwise(places))


def test_an_axis_holds_its_values_with_room():
    axis = axis_around("", [2.0, 2.0], str)
    assert axis.low < 2 < axis.high
    assert axis_around("", [1.0, 100.0], str).pixel(10.0) == pytest.approx(WIDTH / 2)


def test_a_plot_has_the_size_it_was_laid_out_in_whatever_the_texts():
    axis = Axis("title", 1.0, 10.0, figures.tick)
    view = set()
    for text in ("a", "a very long label " * 20):
        marks = [Marks("text", [{"y": 10, "text": text}], {"text_anchor": "end"}, at=-20, limit=100)]
        view.add(re.search(r'viewBox="0 0 (\d+) (\d+)"', draw(marks, axis, 50, "x", "about").text).groups())
    assert len(view) == 1
    assert int(view.pop()[0]) == LEFT + WIDTH + RIGHT


def test_a_long_heading_breaks_the_grid_and_a_short_one_does_not():
    rows = [{"y": 20, "text": "ResNet-18 at 32×32, training, batch 128, fp32: Tesla T4 over this CPU"}]
    ground, text = headings(rows, (1.0, 10.0), -LEFT)
    assert (ground.shape, ground.style["fill"], text.shape) == ("rect", "var(--bg)", "text")
    assert ground.rows[0]["y"] < 20 < ground.rows[0]["y2"]
    assert [mark.shape for mark in headings([{"y": 20, "text": "Conv-6"}], (1.0, 10.0), -LEFT)] == ["text"]


def test_marks_land_where_their_values_are():
    axis = Axis("t", 1.0, 100.0, figures.tick)
    drawn = draw([Marks("circle", [{"x": 10.0, "y": 7}], {"fill": "red"}, radius=3)], axis, 50, "x", "about").text
    assert f"translate({WIDTH / 2:g},7)" in drawn


def test_marks_of_equal_looks_are_drawn_as_one_at_pixels():
    look, other = {"stroke": "red"}, {"stroke": "blue"}
    rows = [{"x": 1, "y": 2, "y2": 3}]
    marks = [Marks("rule", rows, look), Marks("rule", rows, other), Marks("rule", rows, look, at=9), Marks("text", [])]
    first, second = merged(marks)
    assert first.rows == [rows[0], {"x": 9, "y": 2, "y2": 3}] and first.at is None
    assert (second.style, second.rows) == (other, rows)


def test_a_plot_without_an_axis_lies_at_pixels():
    line = [{"x": 10 * n, "y": n * n, "series": "a"} for n in range(3)]
    marks = [
        Marks("line", line, {"stroke": "red"}),
        Marks("diamond", [{"x": 3, "y": 4}], {"fill": "blue"}, radius=2),
        Marks("rect", [{"x": 1, "x2": 5, "y": 2, "y2": 3}], {"fill": "green"}),
    ]
    drawn = draw_free(marks, 40, "x", "about").text
    assert 'd="M0,0L10,1L20,4"' in drawn and "translate(3,4)" in drawn and 'd="M1,2h4v1h-4Z"' in drawn
    assert f'viewBox="0 0 {LEFT + WIDTH + RIGHT} 40"' in drawn


def test_a_text_that_is_too_wide_is_cut():
    whole = "Example GPU 9000 with a very long name"
    shown = cut(whole, 80, 10)
    assert shown.endswith("…") and whole.startswith(shown[:-1]) and 8 < len(shown) < 20
    assert cut("short", 80, 10) == "short"
    marks = Marks("text", [{"x": 0, "y": 0, "text": whole}], {"font_size": 10}, limit=80)
    assert [row["text"] for row in merged([marks])[0].rows] == [shown]


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=900), st.integers(3, 500))
def test_thinning_keeps_extremes_and_order(times: list[float], most: int):
    found = thinned(times, most)
    assert len(found) <= most
    assert (min(found), max(found)) == (min(times), max(times))
    iterator = iter(times)
    assert all(value in iterator for value in found)
    assert found == thinned(times, most)


def test_of_very_many_steps_a_part_is_drawn():
    records = [process(cell(), n, 0.1) for n in range(2)]
    many = [
        type(r)(r.cell, r.session, r.process, r.block, tuple(0.1 + i % 7 * 1e-4 for i in range(5000)), "ok")
        for r in records
    ]
    ((heading, cells),) = groups(contents := gather(many))
    drawn = strip_chart(heading, cells, contents, "s").text
    dots = re.findall(r'<path[^>]*fill="var\(--measured\)"', drawn)
    assert 0.5 * MOST_DOTS < len(dots) <= MOST_DOTS
    assert "10\N{NARROW NO-BREAK SPACE}000 values, 2 processes" in drawn


def measured(value, low, high, unit="1") -> Estimate:
    return Estimate(value, low, high, None if low is None else 0.95, unit, "measured", "m", 5)


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (measured(2.154, 1.4, 3.344), "2.15× (1.40–3.34)"),
        (measured(0.0123, 0.0119, 0.0128, "s"), "12.3 ms (11.9–12.8)"),
        (measured(1.00012, 1.00011, 1.00013, "s"), "1.00012 s (1.00011–1.00013)"),
        (measured(2.0, 2.0, 2.0), "2.00× (2.00–2.00)"),
        (measured(3.0, None, None), "3.00×"),
        (measured(0.66, 0.66 - 1e-16, 0.66 + 1e-16, "s"), "660 ms (660–660)"),
        (measured(1.5 * 2**30, 2**29, 2**31, "B"), "1.50 GiB (0.500–2.00)"),
        (measured(0.0, 0.0, 1.0, "J"), "0 J (0–1.00)"),
        (measured(1e-6, 1e-6, 2e-6, "s"), "1.00 µs (1.00–2.00)"),
        (measured(1e4, 1e3, 1e5, "s"), "10000 s (1000–100000)"),
        (measured(1e12, 1e11, 1e13), "1.00·10¹²× (1.00·10¹¹–1.00·10¹³)"),
        (measured(2e-9, 1e-9, 3e-9), "2.00·10⁻⁹× (1.00·10⁻⁹–3.00·10⁻⁹)"),
        (measured(None, None, None, "s"), "unknown"),
        (Estimate(None, 51.0, 116.0, None, "1", "published", "source", None), "51–116×"),
        (Estimate(246.0, None, None, None, "1", "published", "source", None), "246×"),
    ],
)
def test_estimates_are_written_with_their_interval_and_unit(estimate, expected):
    assert figures.full(estimate) == expected


@given(st.floats(1e-12, 1e12), st.floats(0, 0.5))
def test_rounding_never_moves_a_number_by_more_than_half_a_percent(value: float, width: float):
    text = figures.shown(measured(value, value * (1 - width), value * (1 + width))).removesuffix("×")
    mantissa, _, power = text.partition("·10")
    digits = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    assert math.isclose(float(mantissa) * 10.0 ** int(digits or 0), value, rel_tol=0.0051)


@pytest.mark.parametrize(
    ("value", "expected"), [(20.0, "20"), (0.5, "0.5"), (1.5, "1.5"), (1e-9, "10⁻⁹"), (2e7, "2·10⁷"), (100.0, "100")]
)
def test_ticks_have_no_trailing_zeros(value, expected):
    assert figures.tick(value) == expected
