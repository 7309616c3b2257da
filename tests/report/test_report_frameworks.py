"""Frameworks on the page: what is compared, what it is made of, whether it was proved, and nothing in its way."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import replace

import pytest
from framework_samples import TIMES, checked, study, timed
from report_html import Element, read, rows, section
from report_samples import GPU_MACHINE, cpu_pair, gpu_study, mixed

from gpugap.report.contents import gather
from gpugap.report.exports import render
from gpugap.report.page import render_page

HEADING = "Conv-6 at 32×32, inference, batch 1, CPU as it comes"


def page(records) -> Element:
    return read(render_page(records, command="gpugap study"))


@pytest.fixture(scope="module")
def tree() -> Element:
    return page(study())


@pytest.fixture(scope="module")
def part(tree) -> Element:
    return section(tree, "frameworks")


def marks(tree: Element, color: str) -> list[Element]:
    shapes = tree.all("path", "line", "rect")
    return [s for s in shapes if color in (s.attributes.get("fill"), s.attributes.get("stroke"))]


def test_the_section_stands_after_step_by_step_and_only_where_frameworks_are_compared(tree):
    anchors = [one.attributes["id"] for one in tree.all("section")]
    assert anchors.index("frameworks") == anchors.index("distributions") + 1
    for records in (mixed(), cpu_pair(), timed({("torch", "eager"): 0.01})):
        assert "frameworks" not in [one.attributes["id"] for one in page(records).all("section")]


def test_the_sentences_say_what_the_difference_is_and_the_published_one_stands_beside(part):
    first, *_, published = [item.text for item in part.all("ul")[0].all("li")]
    assert first.startswith(f"measured {HEADING}: TensorFlow as it comes takes 12 % less time than PyTorch as it comes")
    assert "fusion by the graph optimizer −16 %" in first and first.endswith("n = 6 pairs. verified")
    assert published.startswith("published TensorFlow against PyTorch, inference latency −15.0 % through kernel fusion")
    assert "arXiv:2603.20920" in published


def test_every_mode_has_a_point_and_a_row_with_kernels_and_start(part):
    found = rows(part.all("table")[0])
    assert len(found) == 3 * len(TIMES)
    assert {row["Kind"] for row in found} == {"measured"} and {row["n"] for row in found} == {"6"}
    compiled = next(row for row in found if row["Framework, mode"] == "PyTorch compile")
    assert compiled["Kernels a step"] == "21 6 fused" and compiled["Compiling"].startswith("9.22 s")
    assert re.fullmatch(r"[\d ]+ steps over eager", compiled["Pays after"])
    assert [row["Framework, mode"] for row in found[2:5]] == [
        f"TensorFlow {m}" for m in ("eager", "unfused", "function")
    ]
    assert "JAX op-by-op, JAX jit: optimized HLO" in part.all("caption")[0].text
    drawn = " ".join(text.text for svg in part.all("svg")[:3] for text in svg.all("text"))
    for row in found:
        assert row["Step time"] in drawn


def test_the_waterfall_multiplies_to_the_whole(part):
    found = rows(part.all("table")[1])[:5]
    ratios = [float(row["After / before"].rstrip("×")) for row in found]
    assert math.prod(ratios[:3]) == pytest.approx(ratios[3], rel=2e-3)
    shares = [float(row["Share"].rstrip(" %").replace("−", "-")) for row in found[:4]]
    assert sum(shares[:3]) == pytest.approx(shares[3] == 100 and 100, abs=1.5)
    assert found[4]["Kind"] == "published" and found[4]["Change of time"] == "−15.0 %"
    assert found[4]["Same results"] == "not measured here"


def test_only_the_published_bar_is_hatched_and_it_stands_beside_the_whole(part):
    plots = part.all("svg")[3:]
    published = [mark for svg in plots for mark in marks(svg, "var(--published)")]
    assert [mark.attributes["fill"] for mark in published] == ["url(#hatch)"] * 3
    assert all(marks(svg, "var(--measured)") for svg in plots)


def test_training_has_no_published_number_beside_it():
    found = section(page([*timed(mode="train"), *checked()]), "frameworks")
    assert "published" not in [row["Kind"] for row in rows(found.all("table")[1])]


def test_no_difference_has_no_shares(part):
    found = [row for row in rows(part.all("table")[1]) if row["Kind"] == "measured"]
    assert {row["Share"] for row in found[8:]} == {"no difference"}


def test_a_whole_that_is_not_settled_is_not_called_no_difference():
    found = rows(section(page([*timed(count=1), *checked()]), "frameworks").all("table")[1])
    assert {row["Share"] for row in found if row["Kind"] == "measured"} == {"not settled"}


def test_a_change_alone_stands_under_the_whole_and_is_not_called_unfused():
    changed = timed({("tensorflow", "function"): 8e-3}, tuning="allocator")
    found = section(page([*timed(), *changed, *checked()]), "frameworks")
    whole, alone = [item.text for item in found.all("ul")[0].all("li")][:2]
    assert alone.startswith("Another allocator alone changes TensorFlow by −9 %")
    assert whole.startswith("measured")
    row = next(row for row in rows(found.all("table")[0]) if "another allocator" in row["Framework, mode"])
    assert row["Pays after"] == "not compared"


def test_effects_say_verdict_and_proof(part):
    found = rows(part.all("table")[2])
    assert {row["Effect of"] for row in found} == {"framework", "fusion", "whole"}
    for row in found[: len(found) // 3]:
        failed = "JAX jit" in (row["A (base)"], row["B"])
        assert row["Same results"] == ("unverified" if failed else "verified")
    assert {row["Same results"] for row in found[-11:]} == {"unverified"}


def test_the_parity_table_names_the_check_that_failed(part):
    found = rows(part.all("table")[3])
    assert len(found) == 2 * len(TIMES)
    failed = next(row for row in found if row["Passed"] == "failed")
    assert failed["Framework, mode"] == "JAX jit" and failed["Worst check"] == "gradient conv3.weight fp32, training"
    assert (failed["Error"], failed["Limit"], failed["Reference"]) == ("0.030", "0.001", "PyTorch eager")
    assert [row["Passed"] for row in found[len(TIMES) :]] == ["not checked"] * len(TIMES)


def test_the_newest_check_counts_and_a_crash_has_its_message():
    late = replace(checked()[0], started_at="2026-01-03T00:00:00+00:00", status="timeout", parity={"checks": []})
    late = replace(late, error={"code": "timeout", "message": "ran past 600 s"})
    found = rows(section(page([late, *timed(), *checked()]), "frameworks").all("table")[3])
    assert (found[0]["Passed"], found[0]["Worst check"]) == ("failed", "ran past 600 s")


def test_the_flags_say_what_is_unverified(tree):
    (flags,) = [one for one in tree.all("ul") if one.attributes.get("class") == "flags"]
    assert "Unverified: 17 of 33 comparisons of frameworks and modes" in flags.text
    assert "Unverified" not in page([*cpu_pair(), *timed(), *checked()]).all("header")[0].text


def test_without_checks_the_section_says_so():
    found = section(page(timed()), "frameworks")
    assert "gpugap parity makes them" in found.text and len(found.all("table")) == 3


def test_the_answer_is_of_the_first_framework():
    slower = [
        replace(r, cell=replace(r.cell, framework="tensorflow", execution="function")) for r in cpu_pair(mean_s=9)
    ]
    found = page([*slower, *cpu_pair(), *timed()])
    assert (
        "With tuning alone, the CPU trains ResNet-18 (32×32, batch 128) with PyTorch eager" in found.all("h1")[0].text
    )
    header = found.all("header")[0].text
    assert header.count("With tuning alone") == 1 and "tensorflow" not in header
    gpu = gpu_study()
    jax = [replace(r, cell=replace(r.cell, framework="jax", execution="jit")) for r in gpu]
    assert "Example GPU trains ResNet-18" in page([*jax, *gpu]).all("h1")[0].text
    assert "PyTorch eager" in page([*jax, *gpu]).all("h1")[0].text


def test_other_sections_name_framework_and_mode_and_leave_the_comparison_out(tree):
    times = rows(section(tree, "times").all("table")[0])
    assert len(times) == 4 + 3 and all("torch eager" in row["Cell"] for row in times)
    lanes = [text.text for svg in section(tree, "distributions").all("svg") for text in svg.all("text")]
    assert "batch 1 · fp32 · tensorflow unfused" in lanes


def test_default_and_tuned_of_one_framework_and_mode_are_paired():
    tuned = timed({("tensorflow", "function"): 5e-3, ("jax", "jit"): 5e-3}, tuning="tuned-basic", precision="bf16")
    found = gather([*timed(), *tuned])
    setups = [{(side.cell.framework, side.cell.execution) for side in (pair.a, pair.b)} for pair in found.pairs]
    assert setups == [{("tensorflow", "function")}, {("jax", "jit")}]
    texts = [text.text for text in section(page([*timed(), *tuned]), "speedups").all("text")]
    assert {"CPU tuned · tensorflow function", "CPU tuned · jax jit"} <= set(texts)


def test_a_flag_names_framework_and_mode_and_stays_short():
    lone = [record for record in timed() if record.process == 0 or record.purpose == "details"]
    header = page(lone).all("header")[0].text
    assert "CPU as it comes · torch eager, CPU as it comes · torch compile" in header and "3 more" in header


def test_the_methods_say_that_effects_are_judged_together(tree):
    assert "33 effects of frameworks and fusion are judged as a family of their own" in section(tree, "method").text


def test_the_fairness_sheet_lists_every_framework_and_mode(tree):
    table = next(t for t in section(tree, "fairness").all("table") if "frameworks compared" in t.all("caption")[0].text)
    found = rows(table)
    assert len(found) == 2 * len(TIMES)
    row = next(row for row in found if row["Framework, mode"] == "JAX jit")
    assert row == {
        **{"Framework, mode": "JAX jit", "Batch": "1, 32", "Side": "CPU as it comes", "Allocator": "system"},
        **{"Version": "0.7.2", "Threads": "8", "Precision": "fp32", "Memory format": "channels-last"},
        "oneDNN": "not told",
    }
    assert {row["oneDNN"] for row in found if row["Framework, mode"] == "TensorFlow function"} == {"on"}
    told = "Data loading and copies: outside the timed step; the batch stays on the device."
    assert told in table.all("caption")[0].text


def test_machines_are_never_compared_with_each_other():
    other = [replace(r, environment=GPU_MACHINE) for r in timed({("tensorflow", "function"): 1e-3})]
    assert gather([*timed({("torch", "eager"): 1e-2}), *other]).frameworks == ()
    assert len(gather([*timed(), *(replace(r, environment=GPU_MACHINE) for r in checked())]).machines) == 1


def test_the_exports_carry_effects_and_steps():
    table = list(csv.DictReader(io.StringIO(render(study(), "csv"))))
    whole = [row for row in table if row["quantity"] == "effect: whole"]
    assert len(whole) == 3 and whole[0]["verdict"] == "faster, verified" and whole[2]["verdict"].endswith("unverified")
    assert float(whole[0]["value"]) == pytest.approx(10 / 8.8, rel=0.01) and whole[0]["unit"] == "1"
    steps = [row for row in table if row["quantity"].startswith("effect: step of the whole") and row["work"] == HEADING]
    assert math.prod(float(row["value"]) for row in steps) == pytest.approx(float(whole[0]["value"]))
    (published,) = [row for row in table if row["quantity"] == "effect: kernel fusion"]
    assert published["kind"] == "published" and float(published["value"]) == pytest.approx(1 / 0.85)
    for form in ("md", "tex"):
        text = render(study(), form)
        assert "PyTorch eager" in text and "unverified" in text and "kernel fusion" in text
    assert "Frameworks" not in render(cpu_pair(), "md") and "kernel fusion" not in render(cpu_pair(), "csv")
