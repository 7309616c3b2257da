"""A live machine's parts by the names its drivers tell; countries by code and name; CPUs; free tiers."""

from __future__ import annotations

from datetime import date

import pytest

from gpugap import catalog
from gpugap.catalog.grid import carbon_rows
from gpugap.core.errors import AmbiguousName, BadTable, UnknownName, Unsupported

GIB = 2**30


@pytest.mark.parametrize(
    ("told", "memory_bytes", "key"),
    [
        ("Tesla T4", 15360 * 2**20, "t4"),
        ("NVIDIA A100-SXM4-40GB", 40536 * 2**20, "a100-sxm-40gb"),
        ("NVIDIA A100-PCIE-40GB", 40 * GIB, "a100-pcie-40gb"),
        ("NVIDIA H100 80GB HBM3", 81559 * 2**20, "h100-sxm"),
        ("NVIDIA H100 PCIe", 81559 * 2**20, "h100-pcie"),
        ("NVIDIA B200", 183359 * 2**20, "b200"),
        ("NVIDIA A10G", 23028 * 2**20, "a10g"),
        ("NVIDIA GeForce RTX 3060", 12 * GIB, "rtx-3060-12gb"),
        ("NVIDIA GeForce RTX 3060", 8 * GIB, "rtx-3060-8gb"),
        ("NVIDIA GeForce RTX 3060 Laptop GPU", 6 * GIB, "rtx-3060-laptop"),
        ("NVIDIA GeForce RTX 3080", 12 * GIB, "rtx-3080-12gb"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", 97887 * 2**20, "rtx-pro-6000"),
        ("NVIDIA GeForce GTX TITAN X", 12 * GIB, "titan-x-maxwell"),
        ("AMD Instinct MI250X", 64 * GIB, "mi250x"),
        ("Apple M1 Max", None, "apple-m1-max"),
        ("NVIDIA GeForce RTX 4090 D", 24 * GIB, None),
        ("NVIDIA GeForce GTX 1060 3GB", 3 * GIB, None),
        ("NVIDIA GeForce RTX 3060", None, None),
        ("A GPU of the future", 24 * GIB, None),
        ("", None, None),
    ],
)
def test_a_live_gpu_is_recognized(told, memory_bytes, key):
    found = catalog.match_gpu(told, memory_bytes)
    assert (found.key if found else None) == key


@pytest.mark.parametrize(
    ("told", "threads", "key"),
    [
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", 2, "colab-broadwell"),
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", 4, "kaggle"),
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", 8, None),
        ("Intel(R) Xeon(R) CPU E5-2699 v4 @ 2.20GHz", 88, "xeon-e5-2699-v4"),
        ("Intel(R) Xeon(R) CPU E5-2630 v4 @ 2.20GHz", 40, None),
        ("Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz", 4, "aws-g4dn-xlarge"),
        ("Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz", 96, "xeon-8259cl"),
        ("AMD EPYC 7742 64-Core Processor", 256, "epyc-7742"),
        ("AMD EPYC 7763 64-Core Processor", 16, "epyc-7763"),
        ("13th Gen Intel(R) Core(TM) i9-13900K", 32, "core-i9-13900k"),
        ("Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz", 12, None),
        ("AMD Ryzen 7 7840U w/ Radeon 780M Graphics", 16, "ryzen-7-7840u"),
        ("Apple M1", 8, "apple-m1-cpu"),
        ("Apple M1 Max", 10, None),
        ("x86_64", 2, None),
        ("", 2, None),
    ],
)
def test_a_live_cpu_is_recognized(told, threads, key):
    found = catalog.match_cpu(told, threads)
    assert (found.key if found else None) == key


def test_cpus_by_name():
    """A core with AVX2 at 2.2 GHz has 70.4 GFLOP/s: 2.2e9 times 2 units times 8 lanes times 2."""
    colab = catalog.cpu("colab")
    assert (colab.key, colab.peak_fp32_flop_per_s) == ("colab-broadwell", pytest.approx(70.4e9))
    assert catalog.cpu("EPYC 7742").key == "epyc-7742"
    assert {one.category for one in catalog.cpus(category="cloud slice")} == {"cloud slice"}
    assert {one.vendor for one in catalog.cpus(vendor="amd")} == {"AMD"}
    with pytest.raises(UnknownName, match="epyc-7742"):
        catalog.cpu("epyc-7743")
    with pytest.raises(AmbiguousName):
        catalog.cpu("xeon")
    assert sum(one.category == "cloud slice" for one in catalog.cpus()) >= 6


@pytest.mark.parametrize("name", ["KE", "ke", "KEN", "Kenya", " kenya "])
def test_a_country_by_code_and_name(name):
    kenya = catalog.country(name)
    assert (kenya.iso2, kenya.iso3) == ("KE", "KEN")
    latest = kenya.carbon_intensity(today=date(2026, 11, 24))
    assert 30 < latest.value < 200
    assert (latest.unit, latest.kind) == ("gCO2e/kWh", "published")
    assert "Our World in Data" in latest.method
    assert kenya.carbon_intensity(2015).value != latest.value


def test_what_is_not_known_of_a_country_is_said():
    kenya = catalog.country("KE")
    price = kenya.electricity_price("household")
    assert price.value is None
    assert "state yours" in price.method
    with pytest.raises(Unsupported, match="1950"):
        kenya.carbon_intensity(1950)
    with pytest.raises(UnknownName):
        kenya.electricity_price("royal")
    with pytest.raises(Unsupported, match="none"):
        catalog.country("LI").carbon_intensity()
    with pytest.raises(UnknownName, match="germany"):
        catalog.country("Germny")
    assert 0.05 < catalog.country("DE").electricity_price("industrial").value < 0.4


def test_free_tiers_tell_their_limits():
    tiers = {one.key: one for one in catalog.free_tiers()}
    assert tiers["Kaggle Notebooks, t4"].gpu_h_per_week == 30
    assert tiers["Google Colab, t4"].session_h == 12
    assert all(one.limits for one in tiers.values())
    assert not tiers["Hugging Face ZeroGPU"].trains


def test_no_electricity_is_without_carbon():
    """The source rounds the little that the smallest grids emit to 0; by life cycle none does."""
    assert min(row.gco2e_per_kwh for row in carbon_rows()) > 5
    with pytest.raises(BadTable, match="gco2e_per_kwh"):
        catalog.load({"carbon_intensity": [{"iso3": "Kenya", "year": 2026, "gco2e_per_kwh": 0}]})
