"""Published speedups are told as published, with source and date."""

from __future__ import annotations

import re

from gpugap.catalog.published import published_speedups

ROWS = published_speedups()


def test_every_row_says_who_measured_what_against_what_and_when():
    assert len(ROWS) >= 4
    for row in ROWS:
        assert row.speedup.kind == "published"
        assert row.speedup.unit == "1"
        assert row.speedup.method == row.source
        assert row.mode in ("train", "inference")
        assert row.workload
        assert row.baseline
        assert row.device
        assert re.search(r"\b(19|20)\d\d\b", row.source)
        assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", row.date)


def test_no_level_or_number_of_processes_is_made_up():
    assert all((row.speedup.level, row.speedup.n) == (None, None) for row in ROWS)


def test_the_numbers_are_those_of_the_study():
    found = {row.workload: row.speedup for row in ROWS if "2603.20920" in row.source}
    assert (found["conv6"].value, found["conv6"].low, found["conv6"].high) == (246.0, None, None)
    for name in ("vgg16", "resnet18"):
        assert (found[name].value, found[name].low, found[name].high) == (None, 51.0, 116.0)
    assert (found["cyclegan"].value, found["cyclegan"].low) == (11.0, None)
