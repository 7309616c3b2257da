"""Time to accuracy: every run drawn, censored ones marked, and nothing where no cell trained to a target."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from report_html import Element, read, rows, section
from report_samples import cell, cpu_pair, failure, process, processes

from gpugap.core.record import Record
from gpugap.report.exports import render
from gpugap.report.page import render_page


def run(number: int, time_s: float, *, reached: bool = True, target: float = 0.9, of=None) -> Record:
    """A process that trained: accuracy rises evenly at ten looks."""
    end = target if reached else target - 0.2
    curve = [(20 * look, time_s * look / 10, 0.1 + (end - 0.1) * look / 10) for look in range(11)]
    told = {"target": target, "reached": reached, "steps": 200, "time_s": time_s, "curve": curve}
    return replace(process(of or cell(), 100 + number, 1.0), step_time_s=(), purpose="accuracy", accuracy=told)


def trained(*times_s: float, given_up: tuple[float, ...] = ()) -> list[Record]:
    reached = [run(number, time_s) for number, time_s in enumerate(times_s)]
    censored = [run(number, time_s, reached=False) for number, time_s in enumerate(given_up, start=len(times_s))]
    return [*processes(cell(), 0.9), *reached, *censored]


def shown(records: list[Record]) -> Element:
    return section(read(render_page(records, command="gpugap measure")), "accuracy")


def row(records: list[Record]) -> dict[str, str]:
    (found,) = rows(shown(records).all("table")[0])
    return found


def paths(drawn: Element, color: str, *, moved: bool) -> list[str]:
    """Where symbols (moved to their place) or lines of a color are."""
    found = [path.attributes for path in drawn.all("path") if path.attributes.get("stroke") == color]
    return [path.get("transform", path["d"]) for path in found if ("transform" in path) is moved]


def test_without_training_there_is_no_such_section():
    page = read(render_page(cpu_pair(), command="x"))
    assert "accuracy" not in [part.attributes["id"] for part in page.all("section")]
    assert "Time to accuracy" not in page.text


def test_runs_that_all_got_there_give_a_mean_with_its_interval():
    found = row(trained(100.0, 110.0, 105.0))
    assert (found["Target"], found["Time to it"], found["95 % interval"]) == ("90 %", "105 s", "93.2–118 s")
    assert (found["Got there"], found["Censored"], found["Steps to it"]) == ("3", "0", "200")
    assert (found["Method"], found["n"], found["Kind"]) == ("mean Student's t on logarithms", "3", "measured")


def test_censored_runs_are_marked_and_counted():
    """By hand: one of five was given up at 90 s; of the other four, half are there after 110 s, the median."""
    records = trained(100.0, 110.0, 130.0, given_up=(90.0, 300.0))
    found = row(records)
    assert (found["Got there"], found["Censored"]) == ("3", "2 after 300 s at most")
    assert found["Time to it"] == "110 s" and found["Method"] == "median Kaplan-Meier"
    drawn = shown(records).all("svg")[0]
    assert "2 of 5 censored" in drawn.attributes["aria-label"]
    assert [text.text for text in drawn.all("text") if "censored" in text.text] == ["measured, 2 of 5 censored"]
    hollow = [path for path in drawn.all("path") if path.attributes.get("fill") == "var(--bg)"]
    assert [path.attributes["stroke"] for path in hollow] == ["var(--open)"] * 2
    arrows = [line for line in paths(drawn, "var(--open)", moved=False) if line.count("L") == 2]
    curves = [line for line in paths(drawn, "var(--open)", moved=False) if line.count("L") == 9]
    assert (len(arrows), len(curves)) == (2, 2)
    assert len([line for line in paths(drawn, "var(--measured)", moved=False) if line.count("L") == 9]) == 3


def test_the_methods_count_trainings_and_censored_ones():
    page = read(render_page(trained(100.0, given_up=(90.0,)), command="x"))
    text = section(page, "method").text
    assert "2 further processes trained to a target accuracy" in text
    assert "1 of them were given up before they got there and count as censored." in text
    assert "trained to a target" not in section(read(render_page(cpu_pair(), command="x")), "method").text


@pytest.mark.parametrize(
    ("reached", "given_up", "told"),
    [((), (50.0, 60.0), "not reached"), ((40.0,), (50.0, 60.0), "not reached by half")],
)
def test_a_target_that_was_missed_has_no_time(reached, given_up, told):
    found = row(trained(*reached, given_up=given_up))
    assert found["Time to it"] == told and found["95 % interval"] == "no interval"
    assert found["n"] == str(len(reached) + len(given_up))


def test_runs_that_failed_are_told_and_draw_nothing():
    bad = replace(failure(cell(), 7), purpose="accuracy")
    records = [*processes(cell(), 0.9), bad]
    found = row(records)
    assert (found["Target"], found["Time to it"], found["Censored"], found["n"]) == ("unknown", "unknown", "0", "0")
    assert shown(records).all("svg") == []


def test_a_run_that_was_there_from_the_start_is_drawn_without_its_first_look():
    """A logarithmic axis has no place for the look before training."""
    drawn = shown(trained(100.0)).all("svg")[0]
    (curve,) = [line for line in paths(drawn, "var(--measured)", moved=False) if line.count("L") == 9]
    assert "NaN" not in curve and "Infinity" not in curve


def test_of_many_long_runs_a_part_is_drawn():
    curve = [(look, float(look), 0.5) for look in range(2000)]
    told = {"target": 0.9, "reached": False, "steps": 2000, "time_s": 1999.0, "curve": curve}
    many = [replace(run(number, 1.0), accuracy=told) for number in range(20)]
    drawn = shown([*processes(cell(), 0.9), *many]).all("svg")[0]
    lines = [line for line in paths(drawn, "var(--open)", moved=False) if line.count("L") > 2]
    assert len(lines) == 20 and max(line.count("L") for line in lines) <= 200


def test_exported_numbers_hold_the_time_to_accuracy():
    table = list(csv.DictReader(io.StringIO(render(trained(100.0, 110.0, given_up=(200.0,)), "csv"))))
    (found,) = [line for line in table if line["quantity"] == "time_to_accuracy"]
    assert (float(found["value"]), found["unit"], found["kind"], found["n"]) == (110.0, "s", "measured", "3")
    assert "1 of 3 runs censored" in found["method"]
    markdown = render(trained(100.0, 110.0, given_up=(200.0,)), "md")
    assert "## Time to accuracy" in markdown and "| 90 % | 110 s |" in markdown and "| 1 of 3 |" in markdown
    assert "Time to accuracy" not in render(cpu_pair(), "md")
