"""The page's section on access: golden but for its drawings, and what the drawings say.

After a wanted change: ``GPUGAP_REWRITE_GOLDEN=1 python -m pytest tests/report/test_report_access.py``, then read the
difference.
"""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path

import pytest
from report_html import read, without_drawings

from gpugap.catalog import FreeTier, Offer, gpu, load
from gpugap.catalog.compute import KnownCompute, OwnedMemory
from gpugap.core.estimate import Estimate
from gpugap.core.version import __version__
from gpugap.plan.access import Means, terms
from gpugap.plan.imbalance import VIEWS, imbalance_of
from gpugap.plan.job import stated_job, step_job
from gpugap.plan.owned import reach
from gpugap.plan.run import Run
from gpugap.report.access import access_section
from gpugap.report.page import render_page
from gpugap.study.access import Access
from gpugap.study.outlook import Foreseen

pytest.importorskip("altair")

GOLDEN = Path(__file__).parent / "golden" / "access.html"
REWRITE = "GPUGAP_REWRITE_GOLDEN" in os.environ
TODAY = date(2026, 11, 24)
FACTS = {"source": "made <up>", "date": "2020-01", "confidence": "low"}
COUNTRIES = ("KEN", "DEU", "USA", "BRA", "ETH", "IND", "PSE")


def holders() -> list[KnownCompute]:
    made = [("KEN", 1.0), ("DEU", 4.0), ("USA", 40.0), ("USA", 20.0), ("BRA", 2.0), ("", 3.0)]
    base = {"unit": "H100", **FACTS}
    clusters = [
        KnownCompute(scope="cluster", name=f"c{place}", iso3=code, amount=size, sector=sector, **base)
        for place, (code, size) in enumerate(made)
        for sector in (("private", "public")[place % 2],)
    ]
    computers = [
        KnownCompute(scope="supercomputer", name=code, iso3=code, amount=size, unit="FLOP/s", **FACTS)
        for code, size in (("USA", 3e18), ("DEU", 1e18), ("KEN", 1e15))
    ]
    universities = [
        KnownCompute(scope="university", name=f"U <{place}>", iso3="USA", amount=size, people=100.0 - place, **base)
        for place, size in enumerate((0.0, 5.0, 50.0, 9.0))
    ]
    return [*clusters, *computers, *universities]


@pytest.fixture(scope="module")
def found() -> Access:
    world = load()
    offers = tuple(
        Offer(provider="AWS", gpu="t4", usd_per_h=price, region=region, **FACTS)
        for price, region in ((0.4, "eu-west-1"), (0.6, ""), (0.9, "ap-south-1"))
    )
    tier = FreeTier(service="Free <one>", gpu="t4", usd_per_month=0.0, session_h=12.0, gpu_h_per_day=4.0, **FACTS)
    kept = tuple(one for one in world.countries() if one.iso3 in COUNTRIES)
    means = Means(offers, kept, (tier,), today=TODAY)
    step = Estimate(0.1, 0.08, 0.13, 0.9, "s", "measured", "mean", 5)
    jobs = [
        step_job("small <x>", gpu("t4"), Run(10, 9_000, 1), step, watts=100.0),
        stated_job(gpu("t4"), 500.0, watts=100.0),
    ]
    need = Estimate(6 * 2**30, 3 * 2**30, 9 * 2**30, None, "B", "predicted", "traced", None)
    rows = [
        OwnedMemory(at=at, memory_gb=8.0, share=share, **FACTS) for at, share in (("2016-12", 0.1), ("2026-04", 0.7))
    ]
    views = tuple(imbalance_of(view, holders()) for view in VIEWS)
    return Access(tuple(terms(one, means) for one in jobs), views, (reach("network", need, rows),))


def test_the_section_is_the_golden_one(found):
    text = without_drawings(access_section(found).text, __version__)
    if REWRITE:
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_plots_tell_what_they_show(found):
    section = read(access_section(found).text)
    plots = [one.attributes["aria-label"] for one in section.all("svg")]
    assert len(plots) == 4
    work, carbon, curves, owned = plots
    assert "500 GPU hours, Kenya" in work
    assert "small <x>, United States" in work
    assert "Palestine" not in work  # its income is not known
    assert "kg" in carbon
    assert "Gini" in curves
    assert "2016-12 10.0 %, 2026-04 70.0 %" in owned
    assert len(section.all("table")) == 6


def test_dots_are_countries(found):
    drawn = read(access_section(found).text).all("svg")[0]
    circles = [one for one in drawn.all("path") if "A" in one.attributes["d"]]
    dots = [one for one in circles if one.attributes.get("stroke") == "var(--predicted)"]  # hollow
    dots += [one for one in circles if "fill-opacity" in one.attributes]
    assert len(dots) == 2 * (len(COUNTRIES) - 1)


def test_every_number_has_its_kind(found):
    section = read(access_section(found).text)
    kinds = {one.attributes["class"] for one in section.all("span") if "kind" in one.attributes.get("class", "")}
    assert kinds == {"kind published", "kind predicted"}
    work = section.all("table")[0]
    assert [row.text.split()[-1] for row in work.all("tr")[1:]] == [
        "measured",
        "published",
    ]  # of the first: predicted, step measured


def test_what_is_not_known_is_said(found):
    text = read(access_section(found).text).text
    for words in (
        "What this does not know",
        "GDP a head is a mean",
        "1 offers do not say where they are",
        "Coverage: 1 of 6 holders, 4.3 % of the amount",
        "If United States had none of what the list leaves out",
    ):
        assert words in text


def test_texts_stay_inside_the_plots(found):
    for plot in read(access_section(found).text).all("svg"):
        _, _, width, height = map(float, plot.attributes["viewbox"].split())
        assert 900 < width < 1100
        assert 60 < height < 700
        for text in plot.all("text"):
            moved = re.search(r"translate\((-?[\d.]+),(-?[\d.]+)\)", text.attributes.get("transform", ""))
            if moved:
                assert -width < float(moved[1]) < width
                assert -20 < float(moved[2]) < height


def test_a_page_about_access_alone(found):
    page = read(render_page((), command="gpugap access", foreseen=Foreseen(access=found)))
    (heading,) = page.all("h1")
    assert heading.text.startswith("United States holds 89.6 %")
    assert [one.attributes["id"] for one in page.all("section")] == ["access", "again"]
    assert "<one>" in page.text


def test_without_access_there_is_no_section():
    assert access_section(None).text == ""
    page = read(render_page((), command="x"))
    assert not [one for one in page.all("section") if one.attributes["id"] == "access"]


def test_imbalance_without_runs(found):
    section = read(access_section(Access((), found.imbalance, found.memory)).text)
    assert len(section.all("svg")) == 2
    assert "What a run costs whom" not in section.text
