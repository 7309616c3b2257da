"""Numbers on screen and durations on the command line."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gpugap.core.errors import BadValue
from gpugap.core.units import (
    UNKNOWN,
    amount,
    duration,
    gibibytes,
    parse_count,
    parse_duration,
    parse_share,
    seconds,
    significant,
    time_scale,
)

numbers = st.floats(1e-12, 1e15)


@given(numbers, st.integers(1, 6))
def test_significant_keeps_so_many_digits_and_no_exponent(number: float, digits: int):
    text = significant(number, digits)
    assert re.fullmatch(r"\d+(\.\d+)?", text)
    assert float(text) == pytest.approx(number, rel=0.5000001 * 10 ** (1 - digits))
    assert significant(-number, digits) == f"-{text}"


@pytest.mark.parametrize(
    ("number", "text"),
    [(1234.5, "1230"), (0.01234, "0.0123"), (0.0, "0"), (1.0, "1.00"), (99.96, "100.0"), (float("nan"), "nan")],
)
def test_significant_by_example(number: float, text: str):
    assert significant(number) == text


@given(st.floats(1e-9, 1e6))
def test_a_time_is_read_in_a_unit_in_which_it_is_at_least_one(time_s: float):
    scale, unit = time_scale(time_s)
    assert time_s / scale >= 1
    assert unit == {1.0: "s", 1e-3: "ms", 1e-6: "µs", 1e-9: "ns"}[scale]
    number, shown = seconds(time_s).split(" ")
    assert shown == unit
    assert float(number) * scale == pytest.approx(time_s, rel=0.006)


@pytest.mark.parametrize(
    ("time_s", "text"),
    [(None, UNKNOWN), (0.0123, "12.3 ms"), (4.56, "4.56 s"), (2.5e-6, "2.50 µs"), (0.0, "0 ns"), (7200.0, "7200 s")],
)
def test_times_by_example(time_s: float | None, text: str):
    assert seconds(time_s) == text


@pytest.mark.parametrize(
    ("time_s", "text"),
    [
        (45.4, "45 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (0, "0 s"),
        (-3, "0 s"),
    ],
)
def test_spans_by_example(time_s: float, text: str):
    assert duration(time_s) == text


@pytest.mark.parametrize(
    ("memory_bytes", "text"),
    [
        (None, UNKNOWN),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (512 * 1024**2, "512 MiB"),
        (3.2 * 1024**3, "3.20 GiB"),
        (140 * 1024**3, "140 GiB"),
    ],
)
def test_memory_is_read_in_binary_units(memory_bytes: float | None, text: str):
    assert gibibytes(memory_bytes) == text


@given(st.integers(0, 99), st.integers(0, 999), st.integers(0, 9999))
def test_a_duration_is_the_sum_of_its_parts(hours: int, minutes: int, rest: int):
    assume(hours + minutes + rest)
    wanted = 3600 * hours + 60 * minutes + rest
    assert parse_duration(f"{hours}h{minutes}m{rest}s") == wanted
    assert parse_duration(f" {wanted} ") == wanted
    if minutes:
        assert parse_duration(f"{minutes}m") == 60 * minutes
        assert parse_duration(f"{hours}h{minutes}m") == 3600 * hours + 60 * minutes


@given(st.floats(0.001, 1e6).map(lambda number: f"{number:.3f}"))
def test_a_duration_may_have_decimals(text: str):
    assert parse_duration(f"{text}s") == float(text)
    assert parse_duration(f"{text}m") == pytest.approx(60 * float(text))


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "0", "0s", "0h0m0s", "-5", "-5m", "1e3", "5x", "m", "h", "s", "5 m", "1m1h", "1.5.2", ".5"),
        *("inf", "nan", "½", "٣", "9" * 400, "1_000", "5mm", "0x10"),
    ],
)
def test_what_is_no_duration_is_refused(text: str):
    with pytest.raises(BadValue, match="1h30m"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "days"), [("3d", 3), ("1.5d", 1.5), ("1d12h", 1.5), ("2d30m", 2 + 1 / 48)])
def test_days(text: str, days: float):
    assert parse_duration(text) == pytest.approx(86400 * days)


def test_long_spans_are_told_in_days():
    assert duration(71 * 3600) == "71 h 00 min"
    assert duration(99 * 3600) == "4 d 03 h"


@given(st.text(max_size=12))
def test_any_text_is_a_duration_above_zero_or_refused(text: str):
    try:
        found = parse_duration(text)
    except BadValue:
        return
    assert 0 < found < math.inf


@pytest.mark.parametrize(("text", "share"), [("2%", 0.02), ("0.02", 0.02), ("99.5%", 0.995), ("1e-3", 0.001)])
def test_a_share_is_a_number_or_a_percentage(text: str, share: float):
    assert parse_share(text, "--margin") == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "%", "0", "0%", "1", "100%", "2", "-2%", "nan", "inf", "two", "2%%%x"])
def test_what_is_no_share_is_refused_by_the_options_name(text: str):
    with pytest.raises(BadValue, match="--margin"):
        parse_share(text, "--margin")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (80 * 2**30, "B", "80.0 GiB"),
        (1e20, "B", "9.31e+10 GiB"),
        (-(2.0**30), "B", "-1.00 GiB"),
        (3.35e12, "B/s", "3.35 TB/s"),
        (9.9e14, "FLOP/s", "990 TFLOP/s"),
        (700, "W", "700 W"),
        (0.5, "W", "0.500 W"),
        (1599, "USD", "USD 1600"),
        (3e12, "1", "3.00e+12"),
        (7.76, "year", "7.76"),
        (0, "1", "0"),
    ],
)
def test_amounts_by_example(value: float, unit: str, text: str):
    assert amount(value, unit) == text


@pytest.mark.parametrize(("text", "count"), [("50000", 50_000), ("1.2e6", 1_200_000), ("50_000", 50_000), ("-3", -3)])
def test_whole_numbers_as_people_write_them(text, count):
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["1.5", "many", "nan", "1e400", "inf", ""])
def test_what_is_no_whole_number_is_refused(text):
    with pytest.raises(BadValue, match="whole number"):
        parse_count(text)
