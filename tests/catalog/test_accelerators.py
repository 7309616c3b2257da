"""Accelerators by name: what people type finds the row they mean, and what could be several asks."""

from __future__ import annotations

from datetime import date

import pytest

from gpugap import catalog
from gpugap.catalog.accelerators import RATES, VENDORS, all_gpus
from gpugap.core.errors import AmbiguousName, BadValue, UnknownName


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("t4", "t4"),
        ("T4", "t4"),
        ("Tesla T4", "t4"),
        ("NVIDIA T4", "t4"),
        ("4090", "rtx-4090"),
        ("rtx-4090", "rtx-4090"),
        ("RTX4090", "rtx-4090"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("4090 laptop", "rtx-4090-laptop"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "rtx-4090-laptop"),
        ("rtx-3090", "rtx-3090"),
        ("3090 ti", "rtx-3090-ti"),
        ("a100-40gb", "a100-sxm-40gb"),
        ("A100 80 GB", "a100-sxm-80gb"),
        ("NVIDIA A100-SXM4-40GB", "a100-sxm-40gb"),
        ("NVIDIA A100 80GB PCIe", "a100-pcie-80gb"),
        ("NVIDIA H100 80GB HBM3", "h100-sxm"),
        ("NVIDIA H200", "h200-sxm"),
        ("Tesla V100-SXM2-16GB", "v100-sxm-16gb"),
        ("Tesla P100-PCIE-16GB", "p100-pcie"),
        ("Quadro RTX 6000", "quadro-rtx-6000"),
        ("NVIDIA RTX 6000 Ada Generation", "rtx-6000-ada"),
        ("a10", "a10"),
        ("a2", "a2"),
        ("1080", "gtx-1080"),
        ("7900 xtx", "rx-7900-xtx"),
        ("AMD Instinct MI300X", "mi300x"),
        ("Apple M1 Max", "apple-m1-max"),
        ("tpu v5e", "tpu-v5e"),
        ("k80", "k80"),
    ],
)
def test_what_people_type_finds_the_row(typed, key):
    assert catalog.gpu(typed).key == key


@pytest.mark.parametrize(
    ("typed", "some"),
    [
        ("A100", {"a100-sxm-40gb", "a100-sxm-80gb", "a100-pcie-40gb", "a100-pcie-80gb"}),
        ("V100", {"v100-sxm-16gb", "v100-sxm-32gb"}),
        ("H100", {"h100-sxm", "h100-pcie", "h100-nvl"}),
        ("RTX 6000", {"quadro-rtx-6000", "rtx-6000-ada", "rtx-pro-6000"}),
        ("titan x", {"titan-x-maxwell", "titan-x-pascal"}),
        ("3080", {"rtx-3080-10gb", "rtx-3080-12gb"}),
        ("3060", {"rtx-3060-8gb", "rtx-3060-12gb"}),
    ],
)
def test_what_could_be_several_asks(typed, some):
    with pytest.raises(AmbiguousName) as raised:
        catalog.gpu(typed)
    assert all(key in raised.value.message for key in some)


@pytest.mark.parametrize(
    ("typed", "near"), [("rtx 4099", "rtx-409"), ("4099", "4090"), ("mi300y", "mi300"), ("a100-41gb", "a100")]
)
def test_what_is_unknown_names_the_nearest(typed, near):
    with pytest.raises(UnknownName, match="did you mean") as raised:
        catalog.gpu(typed)
    assert near in raised.value.remedy


@pytest.mark.parametrize("typed", ["", "  ", "gpu", "???", "zzzzqqqq"])
def test_nonsense_is_one_clear_line(typed):
    with pytest.raises(UnknownName) as raised:
        catalog.gpu(typed)
    assert len(str(raised.value)) < 500


def test_every_name_of_every_row_finds_that_row():
    for row in all_gpus():
        for name in (row.key, *row.names):
            assert catalog.gpu(name) is row, name


def test_a_choice_of_gpus():
    large = catalog.gpus(min_memory="24GB", vendor="nvidia", category="consumer")
    assert {"rtx-3090", "rtx-4090", "titan-rtx"} <= {one.key for one in large}
    assert all(one.memory_bytes >= 24e9 and one.vendor == "NVIDIA" for one in large)
    assert [one.released for one in large] == sorted(one.released for one in large)
    assert {one.vendor for one in catalog.gpus()} == set(VENDORS)
    assert catalog.gpus(min_memory=10**15) == ()
    for wrong in ({"vendor": "nvidai"}, {"category": "server"}):
        with pytest.raises(UnknownName):
            catalog.gpus(**wrong)
    with pytest.raises(BadValue):
        catalog.gpus(min_memory="lots")


def test_units_of_a_t4():
    """8.1 TFLOP/s in fp32, 65 in fp16, 320 GB/s, 16 GiB of which about 15 are left, 70 W: NVIDIA's data sheet."""
    t4 = catalog.gpu("t4")
    assert (t4.memory_bytes, t4.memory_bandwidth_bytes_per_s) == (16 * 2**30, 320e9)
    assert (t4.peak_flop_per_s("fp32"), t4.peak_flop_per_s("fp16")) == (8.1e12, 65e12)
    assert t4.peak_flop_per_s("bf16") is None
    assert t4.ridge_flop_per_byte("fp32") == pytest.approx(25.3, abs=0.1)
    assert (t4.tdp_w, t4.sm_count, t4.compute_capability, t4.l2_cache_mib) == (70, 40, "7.5", 4)
    assert 14 * 2**30 < t4.usable_memory().value < 15 * 2**30
    with pytest.raises(UnknownName):
        t4.peak_flop_per_s("fp99")


def test_marketed_rates_are_not_the_rates():
    """The RTX 4090's 330 TFLOP/s accumulate in fp16; the H100's 1979 count zeros."""
    card = catalog.gpu("4090")
    assert card.peak_flop_per_s("fp16") == pytest.approx(165.2e12)
    assert card.peak_flop_per_s("fp16-acc16") == pytest.approx(330.3e12)
    assert "330" in card.disagrees
    assert catalog.gpu("h100-sxm").peak_flop_per_s("bf16") == pytest.approx(989.4e12)


def test_usable_memory_is_published_or_a_predicted_interval_below_what_is_sold():
    for row in all_gpus():
        usable = row.usable_memory()
        assert 0.6 * row.memory_bytes < usable.value < row.memory_bytes, row.key
        assert usable.kind == ("published" if row.usable_memory_gib else "predicted")
        assert usable.unit == "B"
        if usable.kind == "predicted":
            assert usable.low <= usable.value <= usable.high
            shown = row.usable_memory_gib
            assert shown is None
    gddr = catalog.gpu("l40")
    assert gddr.usable_memory().high < 45 * 2**30


def test_the_rule_for_usable_memory_holds_where_it_is_known():
    """Published totals lie within the interval that the rule would give."""
    from dataclasses import replace

    known = [row for row in all_gpus() if row.usable_memory_gib is not None]
    assert len(known) > 20
    for row in known:
        rule = replace(row, usable_memory_gib=None).usable_memory()
        assert rule.low <= row.usable_memory().value <= rule.high, row.key


def test_rows_grow_stale():
    t4 = catalog.gpu("t4")
    assert not t4.is_stale(date(2026, 11, 24))
    assert t4.is_stale(date(2027, 11, 24))
    assert "(stale)" in t4.estimate(8.1e12, "FLOP/s", date(2027, 11, 24)).method
    assert set(RATES.values()) <= set(type(t4).__dataclass_fields__)


def test_an_a10g_has_the_rates_of_its_80_sms():
    """AWS tells 320 tensor cores, four an SM; of 128 cores each at 1.71 GHz are the 35 TFLOP/s of its data sheet."""
    a10g = catalog.gpu("a10g")
    assert a10g.sm_count == 80
    assert a10g.sm_count * 128 * 2 * a10g.boost_clock_mhz * 1e6 == pytest.approx(a10g.peak_flop_per_s("fp32"), rel=1e-3)
