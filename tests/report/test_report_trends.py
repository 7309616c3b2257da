"""The page's section on trends: golden but for its drawings, and what the drawings say.

After a wanted change: ``GPUGAP_REWRITE_GOLDEN=1 python -m pytest tests/report/test_report_trends.py``, then read the
difference.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest
from report_html import read, without_drawings
from report_samples import mixed

from gpugap.catalog.demand import ladder
from gpugap.core.version import __version__
from gpugap.report.page import render_page
from gpugap.report.trends import trends
from gpugap.trends.claim import through
from gpugap.trends.dates import year_end
from gpugap.trends.gap import behind, fits
from gpugap.trends.overview import CLASSES, Overview
from gpugap.trends.projection import Wish, project
from gpugap.trends.series import record_line
from trend_samples import flat, made

pytest.importorskip("altair")

GOLDEN = Path(__file__).parent / "golden" / "trends.html"
REWRITE = "GPUGAP_REWRITE_GOLDEN" in os.environ
TODAY = date(2026, 11, 24)


@pytest.fixture(scope="module")
def history() -> Overview:
    devices = made(growth=1.35, last=2025, title="made-up memory, record <line>")
    record = record_line(devices, "record", devices.title)
    wish = Wish(until=year_end(2030))
    lines = [project(one, wish, TODAY) for one in (record, made(growth=1.1, last=2025), flat(*range(3, 19)))]
    fitting = [fits(rung, lines[0], record) for rung in ladder()[4:6] for _ in CLASSES]
    gap = project(made(growth=1.2, last=2025, unit="1", id="gap"), wish, TODAY)
    owner = behind(devices, lines[0], year_end(2025))
    return Overview(tuple(lines), (gap,), tuple(fitting), owner, through(record))


def test_the_section_is_the_golden_one(history):
    found = without_drawings(trends(history).text, __version__)
    if REWRITE:
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8")


def test_plots_and_tables(history):
    page = read(render_page(mixed(), command="x", history=history))
    (section,) = [one for one in page.all("section") if one.attributes["id"] == "trends"]
    plots = section.all("svg")
    assert len(plots) == 6
    fan = plots[0].attributes["aria-label"]
    assert "Predicted by" in fan
    assert "2030-12-31" in fan
    assert len(section.all("table")) == 9
    text = section.text
    for words in (
        "Nothing here is measured",
        "raw cubic",
        "When a network fits",
        "their sources",
        "through raw values",
    ):
        assert words in text
    assert "record <line>" in text
    kinds = {one.attributes["class"] for one in section.all("span") if "kind" in one.attributes.get("class", "")}
    assert kinds == {"kind published", "kind predicted"}


def test_texts_stay_inside_the_plots(history):
    section = read(trends(history).text)
    for plot in section.all("svg"):
        _, _, width, height = map(float, plot.attributes["viewbox"].split())
        assert 900 < width < 1100
        assert 100 < height < 500


def test_a_page_without_history_has_no_such_section():
    page = read(render_page(mixed(), command="x"))
    assert not [one for one in page.all("section") if one.attributes["id"] == "trends"]
