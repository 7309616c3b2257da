"""Prices of today through gpuhunt: a fake at its boundary, and the real one where it is installed."""

from __future__ import annotations

import csv
import io
import logging
import sys
import zipfile
from dataclasses import dataclass
from datetime import date
from types import SimpleNamespace

import pytest

from gpugap.catalog.accelerators import all_gpus
from gpugap.catalog.live import fetched
from gpugap.catalog.prices import price_list
from gpugap.catalog.tables import written
from gpugap.core.errors import MissingExtra, Offline

TODAY = date(2026, 11, 24)


@dataclass
class Item:
    """As gpuhunt's ``CatalogItem`` 0.1.34, as far as it is used."""

    provider: str
    instance_name: str
    location: str
    price: float
    cpu: int
    memory: float
    gpu_count: int
    gpu_name: str | None
    gpu_memory: float | None
    spot: bool


ITEMS = (
    Item("aws", "g4dn.xlarge", "us-east-1", 0.526, 4, 16.0, 1, "T4", 16.0, False),
    Item("aws", "g4dn.xlarge", "us-east-1", 0.21, 4, 16.0, 1, "T4", 16.0, True),
    Item("aws", "g4dn.xlarge", "us-east-1", 0.19, 4, 16.0, 1, "T4", 16.0, True),
    Item("aws", "p4d.24xlarge", "us-east-1", 21.9, 96, 1152.0, 8, "A100", 40.0, False),
    Item("runpod", "a100", "EU", 1.6, 12, 100.0, 1, "A100", 80.0, False),
    Item("gcp", "h100", "us", 3.0, 26, 200.0, 1, "H100", 80.0, False),
    Item("gcp", "rtx", "us", 0.3, 26, 200.0, 1, "RTX3060", 12.0, False),
    Item("gcp", "none", "us", 1.0, 26, 200.0, 1, "NextGen9000", 999.0, False),
    Item("gcp", "free", "us", 0.0, 26, 200.0, 1, "T4", 16.0, False),
    Item("aws", "m5.large", "us-east-1", 0.096, 2, 8.0, 0, None, None, False),
)


def fake(items=ITEMS, error: Exception | None = None):
    """The module gpuhunt, as far as it is used; the keyword arguments are those of version 0.1.34."""

    class GPUHuntError(Exception):
        pass

    class Catalog:
        def __init__(self, balance_resources: bool = True, auto_reload: bool = True) -> None:
            assert not auto_reload, "a query must not load again"
            self.loaded = False

        def load(self, version: str | None = None) -> None:
            log = logging.getLogger("gpuhunt._internal.catalog")
            log.error("Failed to load %s catalog.", "oci", exc_info=OSError("nobody wants to see this"))
            if error is not None:
                raise GPUHuntError("Failed to load catalogs of all providers") from error
            self.loaded = True

        def query(self) -> list[Item]:
            assert self.loaded
            return list(items)

    return SimpleNamespace(Catalog=Catalog, GPUHuntError=GPUHuntError)


def test_offers_are_joined_named_and_dated():
    found = fetched(all_gpus(), TODAY, fake())
    by_instance = {one.instance: one for one in found.offers}
    assert {one.gpu for one in found.offers} == {
        "t4",
        "a100-sxm-40gb",
        "a100-sxm-80gb",
        "h100-sxm",
        "rtx-3060-12gb",
        "",
    }
    t4 = by_instance["g4dn.xlarge"]
    assert (t4.usd_per_h, t4.spot_usd_per_h, t4.region, t4.vcpus) == (0.526, 0.19, "us-east-1", 4)
    assert by_instance["p4d.24xlarge"].usd_per_gpu_h == pytest.approx(21.9 / 8)
    assert by_instance["m5.large"].gpu_count == 0
    assert "free" not in by_instance
    assert {(one.date, one.confidence) for one in found.offers} == {("2026-11-24", "medium")}
    assert dict(found.unknown) == {"NextGen9000 999 GB": 1}
    assert found.providers == ("aws", "gcp", "runpod")
    assert found.problems == ("Failed to load oci catalog.",)


def test_a_snapshot_is_a_price_list(tmp_path):
    offers = fetched(all_gpus(), TODAY, fake()).offers
    path = tmp_path / "offers-2026-11-24.csv"
    path.write_text(written(offers))
    assert price_list(path) == offers


def test_offline_is_one_error_and_no_log(capsys):
    with pytest.raises(Offline) as raised:
        fetched(all_gpus(), TODAY, fake(error=OSError("no route")))
    assert raised.value.exit_code == 3
    assert "\n" not in str(raised.value)
    assert capsys.readouterr().err == ""


def test_without_gpuhunt_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gpuhunt", None)
    with pytest.raises(MissingExtra, match="live"):
        fetched(all_gpus(), TODAY)


def test_the_real_gpuhunt(tmp_path, monkeypatch):
    """Its own reader on lists of its own layout, from a folder in place of the network."""
    gpuhunt = pytest.importorskip("gpuhunt")
    catalog = pytest.importorskip("gpuhunt._internal.catalog")
    storage = pytest.importorskip("gpuhunt._internal.storage")
    for provider in catalog.OFFLINE_PROVIDERS:
        (tmp_path / provider / "1").mkdir(parents=True)
        (tmp_path / provider / "version").write_text("1")
        text = io.StringIO()
        writer = csv.DictWriter(text, storage.CATALOG_V2_FIELDS)
        writer.writeheader()
        for one in ITEMS:
            vendor = gpuhunt.AcceleratorVendor.NVIDIA if one.gpu_count else None
            item = gpuhunt.CatalogItem(**vars(one), disk_size=None, gpu_vendor=vendor)
            if one.provider == provider:
                writer.writerow(storage.item_to_row(item))
        with zipfile.ZipFile(tmp_path / provider / "1" / "catalog.zip", "w") as archive:
            archive.writestr(f"{provider}.csv", text.getvalue())
    monkeypatch.setenv("GPUHUNT_CATALOG_URL", tmp_path.as_uri())
    assert fetched(all_gpus(), TODAY).problems == ()
    assert set(fetched(all_gpus(), TODAY).offers) == set(fetched(all_gpus(), TODAY, fake()).offers)
    monkeypatch.setenv("GPUHUNT_CATALOG_URL", (tmp_path / "nowhere").as_uri())
    with pytest.raises(Offline):
        fetched(all_gpus(), TODAY)
