"""Projections: the choice uses nothing later, scores are what they say, intervals hold their points."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from gpugap.catalog.demand import ladder
from gpugap.core.errors import BadSeries, BadValue, UnknownName
from gpugap.core.estimate import Estimate
from gpugap.trends.api import trends
from gpugap.trends.claim import through
from gpugap.trends.dates import decimal_year, year_end
from gpugap.trends.gap import behind, crossing, fits
from gpugap.trends.listing import named_series
from gpugap.trends.models import Ranking, rank
from gpugap.trends.overview import overview, sentence
from gpugap.trends.projection import REACH, Wish, project
from gpugap.trends.rows import cautions
from gpugap.trends.series import Point, make_series, published, record_line
from trend_samples import WOBBLE, flat, made

TODAY = date(2026, 11, 24)
RECORD = "datacenter-memory-record"


def wish(**fields) -> Wish:
    return Wish(**fields)


def needed(value: float, low: float | None = None, high: float | None = None) -> Estimate:
    return Estimate(value, low, high, None, "B", "predicted", "made up", None)


def test_constant_growth_is_projected():
    trend = project(made(), wish(until=year_end(2028)), TODAY)
    assert trend.chosen.curve.id == "log-1"
    assert trend.ranking.reason == "wins the backtest"
    assert [one.date.year for one in trend.projection] == [2025, 2026, 2027, 2028]
    for one in trend.projection:
        truth = 2**30 * 1.3 ** (one.date.year - 2008)
        assert one.estimate.kind == "predicted"
        assert one.estimate.low < truth < one.estimate.high
        assert one.estimate.value == pytest.approx(truth, rel=0.2)
        assert one.bootstrap.low < one.bootstrap.value < one.bootstrap.high
        assert one.cubic is not None
    assert trend.growth_per_year.low < 1.3 < trend.growth_per_year.high
    assert trend.growth_per_year.value == pytest.approx(1.3, rel=0.03)


def test_looking_back_uses_nothing_later():
    """What came after changes neither the choice nor the projection, only the scores."""
    series = made()
    later = made(growth=1.9)
    other = type(series)(series.id, series.title, series.unit, (*series.points[:12], *later.points[12:]), series.source)
    then = wish(as_of=series.points[11].date, until=year_end(2024))
    one, two = project(series, then, TODAY), project(other, then, TODAY)
    assert one.chosen.curve == two.chosen.curve
    assert [p.estimate for p in one.projection] == [p.estimate for p in two.projection]
    assert [m.to_dict() for m in one.ranking.models] == [m.to_dict() for m in two.ranking.models]
    assert [s.predicted for s in one.scored] == [s.predicted for s in two.scored]
    assert [s.covered for s in one.scored] != [s.covered for s in two.scored]
    assert len(one.scored) == 5


def test_scores_are_what_they_say():
    trend = project(made(), wish(as_of=year_end(2020)), TODAY)
    assert [one.point.date.year for one in trend.scored] == [2021, 2022, 2023, 2024]
    for one in trend.scored:
        ratio = one.predicted.value / one.point.value
        assert one.factor_error == pytest.approx(max(ratio, 1 / ratio))
        assert one.covered == (one.predicted.low <= one.point.value <= one.predicted.high)
    assert trend.at(year_end(2022)) == trend.scored[1].predicted


def test_the_asked_polynomial_is_used():
    trend = project(made(), wish(degree=2, log=True), TODAY)
    assert trend.chosen.curve.id == "log-2"
    assert trend.ranking.reason == "asked for"
    x = np.array([decimal_year(p.date) for p in trend.used.points]) - trend.chosen.fitted.x_origin
    expected = np.polynomial.polynomial.polyfit(x, np.log(trend.used.values), 2)
    assert trend.chosen.to_dict()["coefficients"] == pytest.approx(expected.tolist())
    raw = project(made(), wish(degree=3), TODAY)
    assert raw.chosen.curve.id == "raw-3"
    assert all(one.estimate.low > 0 for one in raw.projection)
    assert project(made(), wish(log=True), TODAY).chosen.curve.log


def test_values_of_both_signs():
    trend = project(flat(*(3 * math.sin(k) + k - 6 for k in range(16))), wish(), TODAY)
    assert trend.chosen.curve.id.startswith("raw")
    assert {model.curve.log for model in trend.ranking.models} == {False}
    assert trend.growth_per_year is None
    assert trend.ranking.yardstick == ()
    assert trend.chosen.horizons[0].factor_error is None
    assert trend.projection[0].estimate.low < trend.projection[0].estimate.high


def test_few_points_have_no_backtest():
    trend = project(flat(1, 2, 4, 8, 17), wish(), TODAY)
    assert trend.chosen.curve.id == "log-1"
    assert "too few for a backtest" in trend.ranking.reason
    assert trend.chosen.horizons == ()
    assert trend.chosen.to_dict()["backtest"] is None


def test_records_never_fall():
    line = record_line(flat(1, 2, 4, 8, 16, 16, 16, 15, 14, 12, 11, 10, 9), "r", "r")
    trend = project(line, wish(degree=2), TODAY)
    assert all(one.estimate.low >= 16 for one in trend.projection)


def test_breaks_are_told():
    values = [2 ** min(k, 8) * 1.1 ** max(0, k - 8) * (1 + 0.02 * (-1) ** k) for k in range(18)]
    model = rank(flat(*values, first=2000)).of("break")
    told = model.to_dict()["break"]
    assert abs(int(told["date"][:4]) - 2008) <= 1
    assert told["p_value"] <= 0.01
    assert len(model.to_dict()["coefficients"]) == 3


def test_a_break_that_only_the_last_points_show_does_not_project():
    """It is the best description, and yet no origin of the backtest has seen what it says of later years."""

    def bent(at: int, growth: float, wobble: float) -> Ranking:
        values = (1.2 ** min(k, at) * growth ** max(0, k - at) * WOBBLE[k % 7] ** wobble for k in range(22))
        return rank(flat(*values, first=2000))

    ranking = bent(18, 1.8, 1.0)
    late = ranking.of("break")
    assert int(late.to_dict()["break"]["date"][:4]) in (2016, 2017, 2018)
    assert late.aicc == min(model.aicc for model in ranking.models)
    assert (late.supported, late.gain) == (True, None)
    assert ranking.chosen is not late
    alone = bent(17, 2.0, 0.5)  # nothing else describes the points
    assert alone.chosen.curve.id == "break"
    assert "too few origins" in alone.reason
    assert project(named_series("datacenter-memory"), wish(), TODAY).chosen.curve.id != "break"
    early = rank(flat(*(2 ** min(k, 6) * 1.1 ** max(0, k - 6) * (1 + 0.02 * (-1) ** k) for k in range(22)), first=2000))
    assert early.chosen.curve.id == "break"


def test_no_device_is_projected_above_the_record_line():
    """Devices that catch up with the record are projected past it by their own curve alone."""
    record = record_line(flat(*(100 * 1.05**k for k in range(16))), "r", "r")
    rising = replace(flat(*(1.36**k * (1 + 0.05 * (-1) ** k) for k in range(16))), ceiling=record)
    alone = project(replace(rising, ceiling=None), wish(until=year_end(2030)), TODAY).projection[-1].estimate
    held, top = (project(one, wish(until=year_end(2030)), TODAY) for one in (rising, record))
    for most in top.projection:
        (one,) = (one for one in held.projection if one.date == most.date)
        assert one.estimate.value <= most.estimate.value
        assert one.estimate.high <= most.estimate.high
    assert held.projection[-1].estimate.value == top.projection[-1].estimate.value < alone.value
    assert any("alone would say" in text for text in cautions(held))
    assert not any("alone would say" in text for text in cautions(top))
    asked = project(rising, wish(until=year_end(2030), degree=1, log=True), TODAY)
    assert asked.projection[-1].estimate.value > top.projection[-1].estimate.high
    past = rising.until(year_end(2020))
    assert past.ceiling.points[-1].date == year_end(2020)


def test_no_projection_past_its_reach():
    series = made()
    first, last = series.x[0], series.x[-1]
    reach = first + REACH * (last - first)
    inside, outside = year_end(math.floor(reach) - 1), year_end(math.floor(reach) + 1)
    project(series, wish(until=inside), TODAY)
    with pytest.raises(BadValue, match=r"1\.5 times the span.*--far"):
        project(series, wish(until=outside), TODAY)
    assert project(series, wish(until=outside, far=True), TODAY).projection[-1].date == outside
    short = project(made(first=2018), wish(), TODAY)
    assert decimal_year(short.projection[-1].date) <= short.used.x[0] + REACH * np.ptp(short.used.x) + 0.01


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"as_of": date(2027, 1, 1)}, "future"),
        ({"until": date(2020, 1, 1)}, "not after"),
        ({"degree": 4}, "degree is 4"),
        ({"degree": 0}, "degree is 0"),
        ({"until": date(2900, 1, 1), "far": True}, "too far"),
    ],
)
def test_wishes_that_are_refused(fields, words):
    with pytest.raises(BadValue, match=words):
        project(made(), wish(**fields), TODAY)


def test_points_that_are_too_few_then():
    with pytest.raises(BadSeries, match="has 3 points"):
        project(made(), wish(as_of=year_end(2010)), TODAY)
    with pytest.raises(BadSeries, match="too few for raw cubic"):
        project(flat(1, 2, 3, 4, 5), wish(degree=3), TODAY)


def test_through_2025():
    """The claim's numbers are those of the projections themselves."""
    series = named_series(RECORD)
    claim = through(series)
    assert {one.as_of for one in claim.answers} == set(range(2019, 2025))
    told = {one.by: one.scored for one in claim.answers if one.as_of == 2022}
    for degree in (1, 2, 3):
        asked = project(series, wish(as_of=year_end(2022), degree=degree, until=year_end(2025)), TODAY)
        assert asked.scored[-1].predicted.value == pytest.approx(told[f"raw-{degree}"].predicted.value)
    free = project(series, wish(as_of=year_end(2022), until=year_end(2025)), TODAY)
    assert free.scored[-1].predicted == told["backtest"].predicted
    assert claim.came.value == series.points[-1].value
    assert "288 GiB came" in claim.sentence
    assert through(made()) is None


def test_when_networks_fit():
    line = record_line(made(growth=2, first=2005, last=2025), "r", "r")
    trend = project(line, wish(until=year_end(2032)), TODAY)
    rungs = {rung.key: rung for rung in ladder()}
    past = fits(rungs["bert-large"], trend, line)
    assert past.starts.kind == "published"
    assert past.earliest <= past.starts.value <= past.latest
    sure = fits(rungs["bert-large"], trend, line, lambda _: needed(past.need.value))
    assert sure.earliest == sure.latest == sure.starts.value == past.starts.value
    value = 4 * line.points[-1].value
    year, early, late = crossing(trend, needed(value))
    assert year.kind == "predicted"
    assert early <= year.value <= late
    at = trend.fan[[x for x, _ in trend.fan].index(year.value)][1]
    assert at.value >= value
    unsure, sooner, later = crossing(trend, needed(value, 0.5 * value, 2 * value))
    assert (unsure.value, sooner < early, later > late) == (year.value, True, True)
    never, _, _ = crossing(trend, needed(1e30))
    assert never.value is None
    assert "not by" in never.method


def test_a_line_that_falls_stops_fitting():
    rungs = {rung.key: rung for rung in ladder()}
    gib = [2**30 * size for size in (1, 4, 8, 8, 9, 8, 7, 3, 3, 2, 2, 1)]
    series = flat(*gib)
    found = fits(rungs["bert-large"], project(series, wish(), TODAY), series)
    assert int(found.starts.value) == 2012
    assert int(found.stops.value) == 2017


def test_years_behind_for_the_owner_of_a_card():
    devices = named_series("datacenter-memory")
    record = project(named_series(RECORD), wish(), TODAY)
    found = behind(devices, record, year_end(2025))
    assert found.frontier.value >= 24 * 2**30
    assert found.years.value == pytest.approx(decimal_year(year_end(2025)) - decimal_year(found.frontier.date))
    assert found.by_curve.low < found.by_curve.value < found.by_curve.high
    assert behind(devices, record, year_end(2025), 1e30) is None


def test_the_overview_as_of_then():
    then = overview(wish(as_of=year_end(2021)), TODAY)
    assert then.claim is None
    assert all(trend.used.points[-1].date <= year_end(2021) for trend in (*then.trends, *then.gaps))
    assert all(one.starts.kind == "predicted" or one.starts.value < 2022 for one in then.fits)
    assert all(sentence(trend) in then.sentences for trend in then.trends)


def test_in_python(tmp_path):
    trend = trends(RECORD, as_of=2022, until="2025")
    assert trend.scored[-1].point.date == year_end(2025)
    assert "PREDICTED" in repr(trend)
    assert trend._repr_html_().startswith("<table>")
    pairs = trends([(2010 + k, 1.5**k) for k in range(12)], until=2024)
    assert pairs.projection[-1].estimate.value == pytest.approx(1.5**14, rel=0.01)
    path = tmp_path / "two.csv"
    path.write_text("date,value,group\n" + "".join(f"{2010 + k},{k + 1},{g}\n" for k in range(8) for g in "ab"))
    assert trends(str(path), group="b").series.id == "b"
    with pytest.raises(BadSeries, match="2 groups: a, b"):
        trends(path)
    with pytest.raises(UnknownName, match="unknown group"):
        trends(path, group="c")


def dated(*dates: date):
    return make_series("mine", "mine", "1", [Point(at, published(1.0 + at.day, "1", "x"), "") for at in dates], "x")


@pytest.mark.parametrize("odd", [date.max, date.min, date(9998, 5, 1)])
def test_dates_that_nobody_observes_are_refused(odd):
    with pytest.raises(BadSeries, match="give dates from") as error:
        project(dated(*(date(2020, month, month) for month in range(1, 7)), odd), wish(), TODAY)
    assert str(odd) in error.value.message


@pytest.mark.parametrize("last", [2029, 2030, 2036, 2150])
def test_a_series_that_reaches_2030_itself_is_projected_past_its_end(last):
    """And not only to the day of its last point, which is no projection."""
    series = dated(*(date(year, 6, year % 28 + 1) for year in range(last - 12, last + 1)))
    end = project(series, wish(), TODAY).projection[-1].date
    assert end >= max(year_end(2030), year_end(last))


def test_a_look_back_from_after_the_last_point_still_looks_ahead():
    trend = project(named_series(RECORD), wish(as_of=TODAY), TODAY)
    assert trend.projection[-1].date == year_end(2030)
    assert not trend.scored
