"""The page as a whole: self-contained, escaped, complete, and the same every time."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

import pytest
from report_html import Element, read, rows, section
from report_samples import GPU_MACHINE, MACHINE, by_hand, cell, cpu_pair, failure, look, mixed, process, processes

from gpugap.core.errors import MissingExtra
from gpugap.core.record import Record
from gpugap.report.page import render_page

ORDER = ["speedups", "times", "distributions", "fairness", "failures", "environment", "method", "again"]


def page(records, command="gpugap study", **options) -> Element:
    return read(render_page(records, command=command, **options))


@pytest.fixture(scope="module")
def full() -> str:
    return render_page(mixed(), command="gpugap study --preset quick")


@pytest.fixture(scope="module")
def tree(full) -> Element:
    return read(full)


def test_sections_stand_in_order(tree):
    assert [part.attributes["id"] for part in tree.all("section")] == ORDER
    assert len(tree.all("h1")) == 1


def test_links_lead_to_every_section(tree):
    assert [link.attributes["href"] for link in tree.all("nav")[0].all("a")] == [f"#{anchor}" for anchor in ORDER]


def loads(text: str) -> list[str]:
    """Everything in a page that would fetch or run something."""
    found = [
        f"<{e.tag}>"
        for e in read(text).all("script", "link", "img", "iframe", "object", "embed", "use", "image", "base")
    ]
    for element in read(text).walk():
        for name, value in element.attributes.items():
            outside = name in ("src", "href", "xlink:href", "style") and re.search(r"//|url\((?!#)", value)
            if outside or name.startswith("on") or re.search(r"url\((?!#)|javascript:", value):
                found.append(f"{element.tag}[{name}={value}]")
    style = " ".join(element.text for element in read(text).all("style"))
    return found + re.findall(r"@import|url\((?!#)|https?:", style)


def test_nothing_is_loaded_and_nothing_runs(full):
    assert loads(full) == []


@pytest.mark.parametrize(
    "planted",
    [
        "<script>1</script>",
        '<link rel="stylesheet">',
        '<img src="http://x/y.png">',
        '<p onclick="f()"></p>',
        '<a href="https://x"></a>',
        "<style>@import 'x';</style>",
        '<rect fill="url(http://x#y)"/>',
    ],
)
def test_the_search_for_loads_can_fail(planted):
    assert loads(f"<html><body>{planted}</body></html>")


def test_the_same_records_give_the_same_page(full):
    assert render_page(mixed(), command="gpugap study --preset quick") == full


EVIL = "</text><script>alert(1)</script>&amp;'\"><b>.py:make_step"


def test_everything_from_outside_is_escaped():
    evil = {"cpu": {"model": EVIL}, "gpus": [{"name": EVIL}], EVIL: EVIL, "machine": EVIL, "versions": {EVIL: EVIL}}
    fields = {"environment": evil, "settings": {EVIL: EVIL, "threads": EVIL}, "session": EVIL, "started_at": EVIL}
    of = cell(EVIL, device=EVIL, tuning=EVIL, precision=EVIL, framework=EVIL, execution=EVIL, extra=((EVIL, EVIL),))
    base = cell(EVIL, tuning="default", framework=EVIL, execution=EVIL, extra=((EVIL, EVIL),))
    bad = replace(failure(of, 9), error={"code": EVIL, "message": EVIL, "remedy": EVIL}, environment=evil)
    records = [*processes(of, 0.1, **fields), *processes(base, 0.2, **fields), bad]
    found = page(records, command=EVIL, title=EVIL)
    assert found.all("script") == []
    assert [element.text for element in found.all("head")[0].all("title")] == [EVIL]
    assert EVIL in found.all("h1")[0].text
    assert section(found, "again").all("pre")[0].text == EVIL
    assert any(EVIL in text.text for text in section(found, "speedups").all("text"))


def test_every_plot_is_followed_by_a_table_with_its_numbers(tree):
    plots = [svg for svg in tree.all("svg") if "pattern" not in svg.attributes.get("class", "")]
    figures = tree.all("figure")
    assert len(plots) == len(figures) == 7
    for figure in figures:
        tags = [element.tag for element in figure.walk() if element.tag in ("svg", "table")]
        assert tags == ["svg", "table"]
    for anchor in ("speedups", "times"):
        drawn, table = section(tree, anchor).all("svg")[0], section(tree, anchor).all("table")[0]
        values = [
            found.group() for text in drawn.all("text") if (found := re.match(r"[\d.]+(×| m?s)(?= \()", text.text))
        ]
        assert len(values) >= 4
        assert [value for value in values if value not in table.text] == []


def test_plots_are_described_and_scale(tree):
    for figure in tree.all("figure"):
        (plot,) = figure.all("svg")
        assert plot.attributes["role"] == "img"
        assert len(plot.attributes["aria-label"]) > 20
        assert "viewbox" in plot.attributes and "width" not in plot.attributes
    ids = [element.attributes["id"] for element in tree.walk() if "id" in element.attributes]
    assert len(ids) == len(set(ids))


def marks(tree: Element, color: str) -> list[Element]:
    shapes = tree.all("path", "line", "rect")
    return [s for s in shapes if color in (s.attributes.get("fill"), s.attributes.get("stroke"))]


def test_published_marks_are_hatched_and_measured_ones_never(tree):
    plot = section(tree, "speedups").all("svg")[0]
    published, measured = marks(plot, "var(--published)"), marks(plot, "var(--measured)")
    assert len(published) == 1
    assert {mark.attributes["fill"] for mark in published} == {"url(#hatch)"}
    assert len(marks(plot, "url(#hatch)")) == len(published)
    assert len(measured) > 5
    assert not [mark for mark in measured if "hatch" in str(mark.attributes)]
    assert tree.all("pattern")[0].attributes["id"] == "hatch"


def test_a_range_is_a_bar_and_a_single_number_a_diamond():
    ranged = section(page(cpu_pair("resnet18@32")), "speedups").all("svg")[0]
    single = section(page(cpu_pair("conv6@32")), "speedups").all("svg")[0]
    (bar,), (diamond,) = marks(ranged, "url(#hatch)"), marks(single, "url(#hatch)")
    assert "transform" not in bar.attributes and "transform" in diamond.attributes


def test_the_speedup_table_states_kind_n_and_source_of_every_number(tree):
    found = rows(section(tree, "speedups").all("table")[0])
    kinds = [row["Kind"] for row in found]
    assert kinds.count("published") == 1 and kinds.count("measured") == len(kinds) - 1 >= 4
    published = next(row for row in found if row["Kind"] == "published")
    assert published["Speedup of B"] == "51–116×" and "arXiv:2603.20920" in published["Source"]
    assert published["n"] == "not stated" and published["95 % interval"] == "a range, no level"
    gpu = next(row for row in found if row["B"].startswith("Example GPU"))
    assert gpu["n"] == "3 pairs" and gpu["A (base)"] == "CPU as it comes fp32 · torch · Machine 1"
    assert gpu["Verdict on B, reason"] == "faster interval excludes 1"


def test_pipeline_checks_are_labelled_wherever_they_stand(tree):
    label = "pipeline check: no network was run"
    (check,) = [row for row in rows(section(tree, "speedups").all("table")[0]) if row["Source"] == label]
    assert check["Verdict on B, reason"] == "none pipeline check"
    for anchor in ("speedups", "times", "distributions"):
        assert any(label in text.text for text in section(tree, anchor).all("text", "h3"))


def test_failures_tell_code_message_and_remedy(tree):
    (row,) = rows(section(tree, "failures").all("table")[0])
    assert row["Code"] == "out-of-memory"
    assert row["What happened"] == "batch 4096 does not fit <here>"
    assert row["What to do"] == "use a smaller --batch"
    assert "failures" not in [part.attributes["id"] for part in page(cpu_pair()).all("section")]


def environment(records) -> dict[str, dict[str, str]]:
    (table,) = section(page(records), "environment").all("table")
    return {row[""]: row for row in rows(table)}


def test_machines_stand_side_by_side():
    gpu = [replace(r, environment=GPU_MACHINE) for r in processes(cell(device="cuda:0"), 0.1)]
    found = environment([*cpu_pair(), *gpu])
    assert found["Memory"] == {"": "Memory", "Machine 1": "32.0 GiB", "Machine 2": "32.0 GiB"}
    assert found["GPU 0"]["Machine 1"] == "none" and found["GPU 0"]["Machine 2"] == "Example GPU"
    assert found["GPU 0, throttled by"]["Machine 2"] == "software power cap, software thermal"
    assert found["Governor"]["Machine 1"] == "unknown"
    assert found["Core limit of the container"]["Machine 1"] == "none"
    assert found["torch"]["Machine 2"] == "2.9.0"


def test_unmeasured_energy_is_told_with_its_reason_and_never_zero():
    assert (
        environment(cpu_pair())["Energy"]["This machine"] == "not measured: no energy counter for cpu on this machine"
    )
    times = section(page([*cpu_pair(), look(cell())]), "times")
    assert not any("Energy a step" in row for row in rows(times.all("table")[2])), "a column of nothing"
    assert "no energy counter for cpu on this machine (energy a step)" in times.text


def test_measured_energy_has_an_interval():
    measured = look(cell(), energy={"energy_j": 50.0, "steps": 5, "sensor": "rapl"})
    resources = rows(section(page([*cpu_pair(), measured]), "times").all("table")[2])
    assert [row["Energy a step"] for row in resources] == ["10.0 J 9.50–10.5 J", "not measured"]


def test_records_by_hand_make_a_page_of_unknowns():
    records = [*by_hand(), *by_hand("cuda", (0.02, 0.021, 0.022))]
    found = page(records)
    assert "cuda trains my net (batch 4) in fp32 at 4.81×" in found.all("h1")[0].text
    assert environment(records)["CPU"]["This machine"] == "unknown"
    assert environment(records)["Energy"]["This machine"] == "not measured: the records hold no reading"
    fair = rows(section(found, "fairness").all("table")[0])[0]
    assert fair["Threads"].startswith("unknown")
    assert "Unknown of every comparison: memory format, execution, data loading and copies." in (
        section(found, "fairness").text
    )
    method = section(found, "method").text
    assert "How 6 records were timed is unknown" in method and "The records do not say in which order" in method
    assert "dates unknown" in found.all("header")[0].text


def test_one_process_has_no_interval_anywhere():
    found = page(processes(cell(), 0.5, 1))
    (row,) = rows(section(found, "times").all("table")[0])
    assert row["95 % interval"] == "no interval" or row["Step time"] == "500 ms"
    assert "spread between processes unknown" in row["Status"] and row["n"] == "1"
    assert "Nothing here can be compared" in section(page(by_hand()), "speedups").text


def test_a_failed_cell_reads_unknown_and_never_zero():
    found = page([*cpu_pair(), failure(cell(batch=4096))])
    row = next(row for row in rows(section(found, "times").all("table")[0]) if "4096" in row["Cell"])
    assert row["Step time"] == "unknown" and row["Status"] == "out-of-memory" and row["n"] == "0"


@pytest.mark.parametrize("records", [[], [failure(cell())]], ids=["nothing", "failures-only"])
def test_there_is_a_page_even_without_numbers(records):
    found = page(records)
    assert "measured" in found.all("h1")[0].text
    assert found.all("figure") == []


def test_fairness_names_what_differs(tree):
    gpu = next(
        r for r in rows(section(tree, "fairness").all("table")[0]) if r["B over A"] == "Example GPU over CPU tuned"
    )
    assert gpu["Precision"] == "bf16 (autocast) → fp32"
    assert gpu["Threads"] == "8 → does not apply"
    assert gpu["Data loading and copies"] == "outside the timed step; the batch stays on the device"


def test_methods_are_counted_from_the_records():
    text = section(page(cpu_pair()), "method").text
    assert "2 cells were measured in 1 session, each in 3 fresh processes (6 in all). 0 failed." in text
    assert "ran 2 warm-up steps" in text and "then 5 steady steps." in text
    assert "1 of 1 comparison could be paired by block." in text
    lone = section(page([process(cell(), 0, 0.1, window_steps=5)]), "method").text
    assert "1 cell was measured in 1 session, each in 1 fresh process (1 in all" in lone
    assert "steady windows, each the mean of 5 steps." in lone


def test_the_rules_of_reporting_are_checked_one_by_one():
    def met(records) -> dict[str, str]:
        return {row["Rule"]: row["Met"] for row in rows(section(page(records), "method").all("table")[0])}

    whole, poor = met(cpu_pair()), met([*by_hand(), *processes(cell(), 0.1, 1)])
    assert len(whole) == len(poor) == 12
    factors, intervals, bounds, subsets = (next(r for r in whole if r.startswith(f"{n}.")) for n in (9, 5, 11, 2))
    assert whole[factors] == "met" and poor[factors] == "partly"
    assert whole[intervals] == "met" and poor[intervals] == "partly"
    assert whole[bounds] == "not met" and whole[subsets] == "partly"
    assert set(whole.values()) | set(poor.values()) == {"met", "partly", "not met"}


def test_the_rules_name_their_source_and_are_numbered(tree):
    table = section(tree, "method").all("table")[0]
    assert "Hoefler & Belli" in table.all("caption")[0].text
    assert [row["Rule"].split(".")[0] for row in rows(table)] == [str(place) for place in range(1, 13)]
    assert all(len(row["What this page does"]) > 20 for row in rows(table))


def test_it_says_how_to_measure_again_and_when_it_was_measured(tree):
    again = section(tree, "again")
    assert again.all("pre")[0].text == "gpugap study --preset quick"
    assert "2026-01-02 03:00 UTC to 2026-01-02 04:00 UTC; 4 records undated" in again.text


def test_huge_and_tiny_numbers_are_drawn():
    records = processes(cell(), 1e-6) + processes(cell(device="cuda:0"), 1e4)
    found = page(records)
    assert "10⁻" in found.all("h1")[0].text
    assert "NaN" not in section(found, "times").all("svg")[0].text


def test_without_altair_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(
        MissingExtra, match=r"Altair, which draws the charts, is not installed - pip install 'gpugap\[report\]'"
    ):
        page(cpu_pair())


def test_published_numbers_come_from_the_catalog(monkeypatch):
    from gpugap.report import contents

    rows_now = contents.published_speedups()
    other = tuple(replace(row, speedup=replace(row.speedup, low=60.5, high=70.5, value=None)) for row in rows_now)
    monkeypatch.setattr(contents, "published_speedups", lambda: other)
    text = page(cpu_pair()).text
    assert "60.5–70.5×" in text and "51–116×" not in text


def test_an_odd_environment_is_shown_as_it_is():
    odd = {
        "cpu": "just a text",
        "gpus": "none",
        "devices": [1],
        "memory_bytes": "much",
        "load_average": [],
        "note": 1.5,
    }
    found = environment([replace(r, environment=odd) for r in processes(cell(), 0.1)])
    assert found["CPU"]["This machine"] == "unknown"
    assert found["Memory"]["This machine"] == "much" and found["note"]["This machine"] == "1.5"


def test_energy_of_a_machine_with_and_without_readings_is_told_both_ways():
    records: list[Record] = [
        process(cell(), 0, 0.1),
        process(cell(), 1, 0.1, energy={"energy_j": 9.0, "sensor": "rapl"}),
    ]
    told = environment(records)["Energy"]["This machine"]
    assert told == "measured by rapl or not measured: no energy counter for cpu on this machine"
    assert MACHINE["machine"] == environment(records)["Hardware digest"]["This machine"]


def test_a_look_inside_is_shown_and_is_no_replicate():
    found = page([*cpu_pair(), look(cell())])
    inside, startup = (rows(section(found, "times").all("table")[place])[0] for place in (1, 2))
    phases = ["Loading", "Forward", "Backward", "Optimizer"]
    assert list(inside) == ["Cell", *phases, "Step device only", "Step with input pipeline", "n"]
    assert list(startup) == ["Cell", "Import", "Build", "First step", "Process memory", "n"]
    assert inside["Forward"] == "300 ms" and startup["Build"] == "250 ms 250–250 ms"
    assert inside["Step with input pipeline"] == "1.10 s"
    assert inside["Step device only"] == "901 ms 893–909 ms"
    assert (inside["n"], startup["n"]) == ("3 + 1", "3 + 1")
    assert "the CPU computes in the memory the batch lies in (host-device copy)" in section(found, "times").text
    times = rows(section(found, "times").all("table")[0])
    assert [row["n"] for row in times] == ["3", "3"]
    steps = rows(section(found, "distributions").all("table")[0])
    assert [row["Processes"] for row in steps] == ["3", "3"]
    method = section(found, "method").text
    assert "(6 in all). 0 failed." in method and "1 further process looked inside steps: memory" in method


def test_memory_is_in_binary_units_and_unmeasured_memory_is_never_zero():
    times = section(page([*cpu_pair(), look(cell())]), "times")
    assert [row["Process memory"] for row in rows(times.all("table")[2])] == ["1.50 GiB", "not measured"]
    assert "torch keeps no such peak on cpu (allocated on device, reserved on device)" in times.text


def test_what_a_step_does_not_do_is_none_and_not_unmeasured():
    forward = replace(look(cell(mode="inference")), details={"phases_s": {"forward": [0.2]}})
    inference = [*processes(cell(mode="inference"), 0.3), forward]
    both = page([*cpu_pair(), look(cell()), *inference])
    found = rows(section(both, "times").all("table")[1])
    told = [(row["Forward"], row["Backward"]) for row in found]
    assert told == [("300 ms", "500 ms"), ("not measured", "not measured"), ("200 ms", "none")]


def test_what_no_comparison_differs_in_is_told_once():
    fair = section(page(cpu_pair()), "fairness")
    (row,) = rows(fair.all("table")[0])
    assert list(row) == ["B over A", "Threads", "Precision", "Memory format"]
    assert "The same on both sides of every comparison: batch: 128; execution: eager; data loading" in fair.text
    assert "Nothing else that the records know of differs." in fair.text
