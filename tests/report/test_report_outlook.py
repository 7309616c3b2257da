"""The section on GPUs that are not here: what is drawn, what its tables say, and that nothing looks measured."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from report_html import read, rows, section

from gpugap.core.estimate import Estimate
from gpugap.core.units import seconds
from gpugap.explain.crossover import OwnCpu
from gpugap.explain.gap import speedup
from gpugap.report import figures
from gpugap.report.page import render_page
from gpugap.report.plane import Plane, apart
from gpugap.report.roofline import roofline_chart
from gpugap.report.sweep import sweep_chart
from gpugap.study import predict
from gpugap.study.forecasts import crossover_words, span_ends
from gpugap.study.outlook import Foreseen, claims_of
from prediction_samples import estimate, forecasts, on_gpu

pytest.importorskip("altair")
pytest.importorskip("torch")


@pytest.fixture(scope="module")
def work():
    """A network of the study on two GPUs, beside a CPU measured in two setups."""
    setups = [
        ("fp32 tuned-basic", estimate(0.0002, 1.05, "measured")),
        ("fp32 default", estimate(0.4, 1.1, "measured")),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predict, "step_on_gpu", on_gpu)
        found = forecasts(measured={1: setups[0][1]}, samples=5000)
    own = replace(found.own, setups=tuple(OwnCpu(*setup) for setup in setups))
    named = [replace(one, prediction=replace(one.prediction, workload="conv6@32")) for one in found]
    return replace(found, forecasts=tuple(named), own=own)


@pytest.fixture(scope="module")
def page(work):
    foreseen = Foreseen(forecasts=(work,), claims=tuple(claims_of(work)))
    return render_page((), command="gpugap predict conv6 --gpu t4", foreseen=foreseen)


def test_the_page_says_what_is_predicted(page, work):
    root = read(page)
    part = section(root, "predicted")
    assert root.all("h1")[0].text.startswith("Conv-6 at 32×32, training, batch 32, fp32: Tesla T4")
    assert "Predicted, not measured." in root.all("h1")[0].text
    headings = [one.text for one in part.all("h3")]
    assert headings[0] == "The published speedups"
    assert [text.partition(":")[0] for text in headings[1:]] == [
        "What the gap is made of",
        "Roofline",
        "From which batch on a GPU is faster",
        "Where the time goes on Tesla T4",
    ]
    assert len([svg for svg in part.all("svg") if svg.attributes.get("role") == "img"]) == 5
    assert headings[3] == "From which batch on a GPU is faster: Conv-6 at 32×32, training, fp32"
    for said in ("host: made up", "115 times that of one AVX2 core", "246×", "246"):
        assert said in part.text


def test_tables_hold_the_numbers(page, work):
    claims, times, factors, roofs, batches, shares = section(read(page), "predicted").all("table")
    found = {row["GPU"]: row for row in rows(times)}
    one = work["t4"]
    assert found["Tesla T4"]["Step time"] == figures.shown(one.step_time)
    assert found["Tesla T4"]["Compute"] == seconds(one.prediction.parts_s["compute"])
    assert found["Tesla T4"]["Copy"] == "0"
    assert found["Tesla T4"]["Memory"] == "FITS"
    assert found["Tesla T4"]["Kind"] == "predicted"
    assert found["GeForce RTX 4090"]["Domain"] == "unseen"
    assert found["this CPU fp32 default"]["Kind"] == "measured"
    assert [row["Factor"] for row in rows(factors)][-1] == figures.shown(one.gap.speedup)
    assert [row["Kind"] for row in rows(claims)] == ["predicted", "predicted", "published"]
    roof = {row["What"]: row for row in rows(roofs)}
    assert roof["Tesla T4"]["Share of time"] == "100.0 %"
    assert 0 < float(roof["convolution"]["Reached"].removesuffix(" %")) <= 100
    assert len(rows(batches)) == len(one.sweep)
    assert sum(float(row["Share"].removesuffix(" %")) for row in rows(shares)) == pytest.approx(200, abs=1.5)


def test_what_is_predicted_never_looks_measured(page, work):
    part = re.search(r'(?s)<section id="predicted">.*?</section>', page)[0]
    plots = re.findall(r"(?s)<svg xmlns.*?</svg>", part)
    measured = [one for one in plots if "var(--measured)" in one]
    assert len(measured) == 2  # times and batches, where the measured CPU is
    for plot in plots:
        assert "var(--predicted)" in plot
        solid = re.findall(r'<path[^>]*fill="var\(--predicted\)"[^>]*>', plot)
        assert all("fill-opacity" in mark or 'opacity="0' in mark for mark in solid)
    without = replace(work, own=replace(work.own, setups=(), measured={}))
    alone = render_page((), command="x", foreseen=Foreseen(forecasts=(without,)))
    plots = re.findall(r"(?s)<svg xmlns.*?</svg>", alone)
    assert "The published speedups" not in alone
    unjudged = replace(work, forecasts=tuple(replace(one, fits=None) for one in work))
    assert ">Memory<" not in render_page((), command="x", foreseen=Foreseen(forecasts=(unjudged,)))
    assert "solid" in alone


def test_what_is_assumed_of_one_gpu_alone_names_it(work):
    first, *rest = work.forecasts
    told = {**first.prediction.assumed, "power": "limited"}
    named = replace(first, prediction=replace(first.prediction, assumed=told))
    text = render_page((), command="x", foreseen=Foreseen(forecasts=(replace(work, forecasts=(named, *rest)),)))
    assert f"power on {first.prediction.gpu_name}: " in text
    assert "host: " in text
    assert "host on " not in text


def test_a_step_without_products_has_no_roofline_and_one_batch_no_sweep(work):
    one = work.forecasts[0]
    idle = replace(one.prediction, ops=tuple(replace(op, flops=0) for op in one.prediction.ops))
    assert roofline_chart([idle], "r") is None
    assert roofline_chart([], "r") is None
    assert sweep_chart([replace(one, sweep=())], "s") is None
    bare = replace(work, forecasts=(replace(one, prediction=idle, sweep=(), gap=None),))
    text = render_page((), command="x", foreseen=Foreseen(forecasts=(bare,)))
    assert "Roofline" not in text
    assert "What the gap is made of" not in text


def test_a_crossing_is_drawn_where_the_lines_meet(work):
    found = work["t4"].faster_from
    assert found.value > 1
    drawn = sweep_chart(work.forecasts, "s").text
    assert f">{crossover_words(found)}<" in drawn
    assert "faster than this CPU: Tesla T4 from batch" in drawn


def test_every_interval_says_its_level(page, work):
    part = section(read(page), "predicted")
    assert "90 % interval" in read(page).all("h1")[0].text
    notes = [caption.text for caption in part.all("figcaption")]
    assert "whiskers to the ends of the 90 % interval" in " ".join(notes)
    assert "each GPU with its 90 % interval" in " ".join(notes)
    assert "measured: solid, this CPU, whiskers to the" in " ".join(notes)


def test_the_band_of_a_gpu_holds_its_line(work):
    """It is drawn along both ends, not in steps beside the line."""
    from gpugap.report.sweep import _slices

    found = list(_slices((0.0, 80.0), (10.0, 30.0), (90.0, 110.0)))
    assert [(one["x"], one["x2"]) for one in found][:2] == [(0.0, 10.0), (10.0, 20.0)]
    middles = [(one["y"] + one["y2"]) / 2 for one in found]
    lines = [20.0 + 80.0 * (place + 0.5) / 8 for place in range(8)]
    assert middles == pytest.approx(lines)
    drawn = sweep_chart(work.forecasts, "s").text
    assert drawn.count("fill-opacity") >= 8 * sum(len(one.sweep) - 1 for one in work) or "0.12" in drawn


def test_a_rough_cpu_makes_no_interval_of_the_speedup(work):
    rough = Estimate(0.5, None, None, None, "s", "predicted", "best rates", None)
    one = work.forecasts[0]
    one = replace(one, cpu=rough, gap=replace(one.gap, speedup=speedup(rough, one.prediction.step_time)))
    bare = replace(work, forecasts=(one,), own=replace(work.own, setups=(), measured={}))
    text = render_page((), command="x", foreseen=Foreseen(forecasts=(bare,)))
    whole = next(row for table in read(text).all("table") for row in rows(table) if row.get("Cause") == "the whole")
    assert whole["Interval"] == "no interval"
    assert "this CPU's time is rough" in read(text).text


def test_a_run_is_shown_with_its_ends(work):
    one = work.forecasts[0]
    (cell,) = {row["Epoch (steps alone)"] for row in rows(_times(work)) if row["GPU"] == "Tesla T4"}
    assert span_ends(one.epoch_time) in cell
    assert "0 s" not in cell.split()[:2]


def _times(work):
    text = render_page((), command="x", foreseen=Foreseen(forecasts=(work,)))
    return section(read(text), "predicted").all("table")[0]


def test_places_on_a_plane():
    plane = Plane((1.0, 100.0), (1e-3, 1.0), 300)
    assert plane.across(10) == pytest.approx((plane.across(1) + plane.across(100)) / 2)
    assert plane.down(1.0) < plane.down(0.1) < plane.down(1e-3)
    assert plane.down(1e-9) == plane.down(1e-3)
    assert apart([10, 12, 100], 14) == [10, 24, 100]
    assert apart([12, 10], 14) == [24, 10]


def test_nothing_is_said_where_nothing_is_predicted():
    assert 'id="predicted"' not in render_page((), command="x")
