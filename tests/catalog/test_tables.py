"""Tables of users: what is malformed is named by file, line and column."""

from __future__ import annotations

from datetime import date

import pytest

from gpugap import catalog
from gpugap.catalog.prices import Offer, price_list
from gpugap.catalog.tables import parsed, written
from gpugap.core.errors import BadTable, GpugapError

HEAD = "gpu,usd_per_h\n"


def listed(tmp_path, text: str | bytes):
    path = tmp_path / "mine.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return price_list(path)


def test_two_columns_are_enough(tmp_path):
    rows = listed(tmp_path, HEAD + "4090,0.3\nA100 80GB,1.5\n")
    assert [(one.gpu, one.usd_per_h, one.provider) for one in rows] == [
        ("rtx-4090", 0.3, "mine"),
        ("a100-sxm-80gb", 1.5, "mine"),
    ]
    assert {one.source for one in rows} == {"mine.csv"}
    assert not any(one.is_stale() for one in rows)


def test_spreadsheets_are_read_too(tmp_path):
    rows = listed(tmp_path, b'\xef\xbb\xbfgpu,usd_per_h,notes\r\nt4,0.2,"cheap, slow"\r\n')
    assert (rows[0].gpu, rows[0].notes) == ("t4", "cheap, slow")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEAD + "t4,0.2\n4090,cheap\n", ("line 3", "'usd_per_h'", "'cheap'")),
        (HEAD + "t4,-1\n", ("line 2", "'usd_per_h'", "greater than 0")),
        (HEAD + "t4,0\n", ("line 2", "'usd_per_h'")),
        (HEAD + "t4,nan\n", ("line 2", "'usd_per_h'")),
        (HEAD + "t4,inf\n", ("line 2", "'usd_per_h'")),
        (HEAD + "t4,1e999\n", ("line 2", "'usd_per_h'")),
        (HEAD + "t4,\n", ("line 2", "'usd_per_h'", "spot_usd_per_h")),
        (HEAD + "A100,1\n", ("line 2", "'gpu'", "could be any of", "a100-sxm-40gb")),
        (HEAD + "t5,1\n", ("line 2", "'gpu'", "unknown GPU")),
        (HEAD + "t4\n", ("line 2", "2 columns")),
        (HEAD + "t4,1,2\n", ("line 2", "2 columns")),
        ("gpu,price\nt4,1\n", ("line 1", "'price'", "usd_per_h")),
        ("gpu,usd_per_h,gpu\nt4,1,t4\n", ("line 1", "twice")),
        ("gpu;usd_per_h\nt4;1\n", ("line 1", "'gpu;usd_per_h'")),
        ("", ("line 1", "no header")),
        ("gpu,usd_per_h,date\nt4,1,tomorrow\n", ("line 2", "'date'", "2026-03-18")),
        ("gpu,usd_per_h,date\nt4,1,2026-13-01\n", ("line 2", "'date'")),
        ("gpu,usd_per_h,confidence\nt4,1,sure\n", ("line 2", "'confidence'", "'sure'")),
        ("gpu,usd_per_h,gpu_count\nt4,1,1.5\n", ("line 2", "'gpu_count'")),
        ("gpu,usd_per_h,gpu_count\nt4,1,0\n", ("line 2", "'gpu_count'")),
        (b"gpu,usd_per_h\n\xff\xfe,1\n", ("UTF-8",)),
        ('gpu,usd_per_h\n"t4,1\n', ("line", "comma-separated")),
        ("\x00\x00", ("mine.csv",)),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_malformed_is_named_by_line_and_column(tmp_path, text, told):
    with pytest.raises(BadTable) as raised:
        listed(tmp_path, text)
    message = str(raised.value)
    assert "mine.csv" in message
    assert "\n" not in message
    for word in told:
        assert word in message


def test_a_file_that_is_not_there_or_is_a_folder(tmp_path):
    for path in (tmp_path / "no.csv", tmp_path):
        with pytest.raises(BadTable, match="cannot read"):
            price_list(path)


def test_what_is_written_is_read_back():
    for rows in (catalog.load().price_list, catalog.load().accelerators):
        assert parsed(type(rows[0]), written(rows), "again") == rows
    assert written(()) == ""


def test_own_rows_stand_over_the_packaged_ones():
    own = {
        "gpu": [
            {"key": "t4", "tdp_w": 60},
            {
                **{"key": "lab-card", "name": "Lab card", "vendor": "NVIDIA", "category": "workstation"},
                **{"architecture": "Ada Lovelace", "release_date": "2026-01-01", "memory_gib": 48},
                **{"memory_type": "GDDR6", "memory_bandwidth_gb_per_s": 800, "matrix_units": True},
            },
        ],
        "offer": [{"gpu": "lab-card", "usd_per_h": 0.05}],
        "carbon_intensity": [{"iso3": "Kenya", "year": 2026, "gco2e_per_kwh": 70}],
        "electricity_price": [{"iso3": "KE", "customer": "household", "usd_per_kwh": 0.21}],
    }
    today = date(2026, 11, 24)
    whole = catalog.load(own, today=today)
    assert whole.gpu("t4").tdp_w == 60
    assert (whole.gpu("t4").sm_count, whole.gpu("t4").source, whole.gpu("t4").date) == (40, "gpugap.toml", "2026-11-24")
    assert catalog.gpu("t4").tdp_w == 70
    assert whole.offers("lab card")[0].usd_per_h == 0.05
    kenya = whole.country("KE")
    assert kenya.carbon_intensity().value == 70
    assert kenya.electricity_price().value == 0.21
    assert kenya.carbon_intensity(2024).value == catalog.country("KE").carbon_intensity(2024).value
    assert len(whole.accelerators) == len(catalog.load().accelerators) + 1


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({"gpus": []}, "'gpus'"),
        ({"gpu": {"key": "t4"}}, "[[catalog.gpu]]"),
        ({"prices": 3}, "prices"),
        ({"prices": "no-such.csv"}, "cannot read no-such.csv"),
        ({"gpu": [{"key": "t4", "tdp": 60}]}, "'tdp'"),
        ({"gpu": [{"key": "t4"}, {"key": "t4", "tdp_w": "hot"}]}, "number 2, column 'tdp_w'"),
        ({"gpu": [{"key": "new"}]}, "is empty"),
        ({"offer": [{"gpu": "A100", "usd_per_h": 1}]}, "could be any of"),
        ({"electricity_price": [{"iso3": "Atlantis", "customer": "household", "usd_per_kwh": 1}]}, "unknown country"),
        ({"electricity_price": [{"iso3": "KE", "customer": "king", "usd_per_kwh": 1}]}, "'customer'"),
    ],
    ids=str,
)
def test_own_rows_that_are_malformed(own, told):
    with pytest.raises(BadTable) as raised:
        catalog.load(own)
    assert told in str(raised.value)


def test_a_price_list_takes_the_place_of_the_packaged_offers(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(HEAD + "t4,0.1\n")
    whole = catalog.load(price_file=path)
    assert len(whole.price_list) == 1
    path.write_text(HEAD)
    assert catalog.load(price_file=path).offers("t4") == ()
    assert len(catalog.load({"offer": [{"gpu": "t4", "usd_per_h": 1}]}, path).price_list) == 1
    path.write_text(HEAD + "t4,0.1\n")
    assert len(catalog.load({"prices": str(path), "offer": [{"gpu": "l4", "usd_per_h": 1}]}).price_list) == 2


def test_offers_are_found_and_sorted():
    rows = catalog.offers(gpu="t4")
    costs = [one.usd_per_gpu_h or one.spot_usd_per_gpu_h for one in rows]
    assert costs == sorted(costs)
    assert {one.gpu for one in rows} == {"t4"}
    nordic = catalog.offers(gpu="h100-sxm", region="EU-NORTH-1")
    assert {one.region for one in nordic} == {"eu-north-1"}
    assert {one.gpu for one in catalog.offers(gpu="cpu")} == {""}
    assert {one.provider for one in catalog.offers(provider="aws")} == {"AWS"}
    price = nordic[0].price()
    assert (price.unit, price.kind) == ("USD/h", "published")
    assert "2025-10" in price.method
    for wrong in ({"gpu": "A100"}, {"region": "mars"}, {"region": ""}, {"provider": "nobody"}):
        with pytest.raises(GpugapError):
            catalog.offers(**wrong)


def test_an_offer_needs_a_price_and_a_number_of_gpus():
    stamp = {"provider": "x", "source": "s", "date": "2026", "confidence": "low"}
    with pytest.raises(ValueError, match="usd_per_h"):
        Offer(gpu="t4", **stamp)
    with pytest.raises(ValueError, match="gpu_count"):
        Offer(usd_per_h=1.0, **stamp)
    assert Offer(gpu_count=0, usd_per_h=1.0, **stamp).usd_per_gpu_h is None


def test_the_examples_of_the_documentation_run(tmp_path):
    import re
    import tomllib
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text()
    names: dict = {}
    exec(re.search(r"```python\n(.*?)```", page, re.S)[1], names)  # our own page
    assert names["card"].key == "rtx-4090"
    own = tomllib.loads(re.search(r"```toml\n(.*?)```", page, re.S)[1])["catalog"]
    (tmp_path / own["prices"]).write_text(HEAD + "t4,0.1\n")
    whole = catalog.load(own | {"prices": str(tmp_path / own["prices"])})
    assert [one.gpu for one in whole.price_list] == ["t4", "rtx-3090"]
    assert whole.country("KE").electricity_price().value == 0.21
