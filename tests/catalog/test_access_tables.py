"""The tables behind ``gpugap access``: faults are found, sources credited, places and amounts as published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gpugap.catalog import checks, load
from gpugap.catalog.compute import coverage, known_compute, owned_memory
from gpugap.catalog.economies import distance_km, economies, recipes, regions

NOTICE = (Path(__file__).parents[2] / "NOTICE").read_text(encoding="utf-8")


def told() -> str:
    return "; ".join(f"{one.table} {one.row}: {one.problem}" for one in checks.check(load()))


@pytest.mark.parametrize(
    ("table", "change", "words"),
    [
        ("known_compute", lambda rows: (replace(rows[0], iso3="XXX"), *rows[1:]), "no country XXX"),
        ("known_compute", lambda rows: (replace(rows[0], source=" "), *rows[1:]), "no source"),
        ("known_compute", lambda rows: (replace(rows[0], date="2199"), *rows[1:]), "after today"),
        ("owned_memory", lambda rows: (*rows, rows[0]), "stands twice"),
        ("owned_memory", lambda rows: rows[3:], "its shares sum to"),
        ("economies", lambda rows: {**rows, "KEN": replace(rows["KEN"], gdp_usd=1e15)}, "USD a head and year"),
        ("economies", lambda rows: {**rows, "XXX": replace(rows["KEN"], iso3="XXX")}, "economies XXX: no such country"),
        ("regions", lambda rows: {key: one for key, one in rows.items() if key[1] != "eu-west-1"}, "it is not placed"),
    ],
    ids=["country", "source", "date", "twice", "sum", "amount", "unknown", "placed"],
)
def test_a_fault_that_is_put_in_is_found(monkeypatch, table, change, words):
    rows = getattr(checks, table)()
    monkeypatch.setattr(checks, table, lambda: change(rows))
    assert words in told()


def test_every_source_is_credited():
    names = {
        one.source.split(",")[0].split(" (")[0]
        for rows in (known_compute(), owned_memory(), economies().values())
        for one in rows
    }
    assert names == {
        "Epoch AI",
        "Top500 list of June 2024",
        "GPUsPerStudent.org",
        "Steam Hardware Survey",
        "CIA World Factbook",
    }
    for name in (*names, "Pilz et al. 2025"):
        assert name in NOTICE


def test_regions_lie_in_their_countries():
    for one in regions().values():
        capital = economies()[one.iso3]
        if one.latitude is not None:
            assert distance_km((one.latitude, one.longitude), (capital.latitude, capital.longitude)) < 4500, one


def test_numbers_as_published():
    """The list's sums without the phases that are part of later ones, and the arithmetic of the recipes."""
    clusters = [one for one in known_compute() if one.scope == "cluster"]
    assert sum(one.amount for one in clusters if one.iso3 == "CHN") == pytest.approx(109_211, rel=1e-4)
    assert sum(one.amount for one in clusters if one.iso3 == "NOR") == 20_480
    top = sum(one.amount for one in known_compute() if one.scope == "supercomputer")
    assert top == pytest.approx(3857.28e15 / 0.6253, rel=1e-3)
    assert recipes()["resnet18"].epochs == pytest.approx(64_000 * 128 / 50_000, abs=0.2)
    assert recipes()["conv6"].epochs == 30_000 * 60 / 50_000
    assert recipes()["gpt2"].samples == 600_000 * 480


def test_what_is_recalled_says_so():
    for one in (*regions().values(), *coverage()):
        if "recalled" in one.source:
            assert one.confidence != "high"
