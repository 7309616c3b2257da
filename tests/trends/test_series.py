"""Dates, series and files: what is read, what is refused, and where every number comes from."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpugap.catalog import gpus
from gpugap.catalog.demand import dated_values, ladder, ladder_memory
from gpugap.core.errors import BadSeries, BadTable, BadValue, UnknownName
from gpugap.trends.dates import day_of, decimal_year, last_day
from gpugap.trends.gap import behind_series, first_with
from gpugap.trends.ladder import ladder_series, training_bytes
from gpugap.trends.listing import DEFAULT, listed, named_series
from gpugap.trends.own import is_file, own_series
from gpugap.trends.series import MIN_POINTS, check, median_line, published, ratio, record_line
from trend_samples import flat, made

GIB = 2**30


@given(st.dates(date(1950, 1, 1), date(2100, 12, 31)))
def test_days_survive_decimal_years(day):
    assert day_of(decimal_year(day)) == day


def test_a_year_means_its_last_day():
    assert last_day("2022", "x") == date(2022, 12, 31)
    assert last_day("2024-02", "x") == date(2024, 2, 29)
    assert last_day(" 2024-02-03 ", "x") == date(2024, 2, 3)


@pytest.mark.parametrize(
    "text", ["", "22", "2022-13", "2022-00", "2022-01-00", "2023-02-29", "2022/01/01", "soon", "0000", "-2022"]
)
def test_what_is_no_date(text):
    with pytest.raises(BadValue, match=r"x '.*' is not a date"):
        last_day(text, "x")


@pytest.mark.parametrize("id", [id for id, _ in listed()])
def test_every_series_can_be_fitted_and_names_its_sources(id):
    series = named_series(id)
    check(series)
    assert len(series.points) >= MIN_POINTS
    assert series.positive
    assert series.source
    for point in series.points:
        assert point.estimate.kind in ("published", "predicted")
        assert len(point.estimate.method) > 5
        assert point.label
        assert point.estimate.unit == series.unit
    assert [point.date for point in series.points] == sorted(point.date for point in series.points)


def test_ids_are_unique_and_the_defaults_exist():
    ids = [id for id, _ in listed()]
    assert len(ids) == len(set(ids))
    assert set(DEFAULT) <= set(ids)
    with pytest.raises(UnknownName, match="datacenter-memory"):
        named_series("datacentre-memory")


def test_record_lines_are_the_catalogs():
    line = named_series("datacenter-memory-record")
    sure = [gpu for gpu in gpus(category="datacenter") if gpu.confidence != "low"]
    for point in line.points:
        assert point.value == max(gpu.memory_bytes for gpu in sure if gpu.released <= point.date.isoformat())
    assert all(a.value <= b.value for a, b in zip(line.points, line.points[1:], strict=False))
    assert line.never_falls


def test_announced_devices_are_left_out():
    labels = {point.label for point in named_series("datacenter-memory").points}
    assert not any("Rubin" in label or "MI455X" in label for label in labels)


def test_lines_of_a_series():
    series = flat(1, 3, 2, 5, 4)
    assert [p.value for p in record_line(series, "r", "r").points] == [1, 3, 3, 5, 5]
    assert median_line(series, "m", "m").points == ()
    doubled = ratio(record_line(series, "r", "r"), record_line(series, "s", "s"), "q", "q")
    assert [p.value for p in doubled.points] == [1, 1, 1, 1, 1]


def test_years_behind():
    frontier, line = made(growth=2, first=2000, last=2020), made(growth=2, first=2004, last=2020)
    behind = behind_series(frontier, line, "b", "b")
    assert behind.unit == "year"
    assert all(point.value > 0 for point in behind.points)
    assert first_with(frontier, 1e30) is None


def test_the_need_of_the_ladder():
    """Never below what is certain: weights, gradients and two moments in fp32, 16 bytes a parameter; of the largest
    networks not far above, as one sample adds little."""
    rows = ladder_memory()
    for rung in ladder():
        need, traced = training_bytes(rung), rows[rung.key].traced_parameters
        assert need.kind == "predicted"
        assert need.low <= need.value <= need.high
        assert need.low > 16 * traced
        assert traced == pytest.approx(rung.parameters, rel=0.02)
        assert rung.date <= rows[rung.key].date
    largest = training_bytes(ladder()[-1])
    assert 16 * 68_976_648_192 < largest.low < 1.1 * 16 * 68_976_648_192
    assert [point.label for point in ladder_series().points] == [rung.name for rung in ladder()]
    traced = published(5.0, "B", "a trace")
    assert [point.estimate for point in ladder_series(lambda rung: traced).points] == [traced] * 10


def test_demand_is_reduced_and_credited():
    rows = dated_values()
    assert len(rows) < 150
    assert all("Epoch AI" in row.source or "Valve" in row.source for row in rows)
    assert all("CC BY 4.0" in row.source for row in rows if "Epoch" in row.source)


@pytest.mark.parametrize(
    ("series", "log", "words"),
    [
        (flat(1, 2, 3, 4), False, "4 points"),
        (flat(), False, "0 points"),
        (flat(1, 2, 0, 4, 5), True, "0 on 2012-06-30"),
        (flat(1, 2, -3, 4, 5), True, "-3 on 2012-06-30"),
    ],
)
def test_what_cannot_be_fitted(series, log, words):
    with pytest.raises(BadSeries, match=words):
        check(series, log)


FILES = {
    "no header": ("2020,1\n2021,2\n", "unknown column '2020'"),
    "unknown column": ("date,value,color\n2020,1,red\n", "unknown column 'color'"),
    "no value": ("date\n2020\n", "column 'value' is missing"),
    "bad date": ("date,value\n2020,1\nsoon,2\n", "line 3, column 'date'"),
    "no such day": ("date,value\n2023-02-29,1\n", "line 2, column 'date'"),
    "bad value": ("date,value\n2020,many\n", "line 2, column 'value'"),
    "nan": ("date,value\n2020,nan\n", "line 2, column 'value'"),
    "infinite": ("date,value\n2020,inf\n", "line 2, column 'value'"),
    "empty": ("", "no header"),
    "header only": ("date,value\n", "no points"),
    "more cells": ("date,value\n2020,1,2\n", "line 2"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_refused(name, tmp_path):
    text, words = FILES[name]
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(BadTable, match=words):
        own_series(path)


def test_files_that_are_read(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("group,date,value\nb,2021-05,-2.5\na,2020,1e3\nb,2019-01-02,4\n", encoding="utf-8-sig")
    b, a = own_series(path)
    assert (b.id, a.id) == ("b", "a")
    assert [(point.date, point.value) for point in b.points] == [(date(2019, 1, 2), 4.0), (date(2021, 5, 31), -2.5)]
    assert a.points[0].date == date(2020, 12, 31)
    assert not b.positive
    with pytest.raises(BadTable, match="cannot read"):
        own_series(tmp_path / "missing.csv")
    path.write_bytes(b"date,value\n2020,\xff\n")
    with pytest.raises(BadTable, match="UTF-8"):
        own_series(path)


def test_what_is_a_file():
    assert is_file("mine.csv")
    assert is_file("./mine")
    assert not is_file("datacenter-memory")
