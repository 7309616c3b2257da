"""Whatever the points are: a trend with finite, ordered numbers, or an error that says why; never anything else."""

from __future__ import annotations

import json
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gpugap.core.errors import GpugapError
from gpugap.trends.projection import Wish, project
from gpugap.trends.series import Point, make_series, published

days = st.dates(date(1990, 1, 1), date(2026, 1, 1))
values = st.one_of(
    st.floats(-1e6, 1e6),
    st.floats(1e-9, 1e18),
    st.integers(1, 5).map(float),
    st.just(7.0),
)
extreme = st.one_of(values, st.sampled_from([1e-300, 1e300, 5e-324, 1e-99, 1e99, -1e99]))
wishes = st.builds(
    Wish,
    until=st.none() | st.none() | st.none() | st.dates(date(2000, 1, 1), date(2210, 1, 1)),
    degree=st.none() | st.integers(1, 3),
    log=st.sampled_from([False, False, False, True]),
    as_of=st.none() | st.none() | days,
    far=st.booleans(),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(days, values), min_size=0, max_size=40), wishes)
def test_any_series(pairs, wish):
    points = [Point(day, published(value, "1", "x"), str(place)) for place, (day, value) in enumerate(pairs)]
    _check(make_series("any", "any", "1", points, "x"), wish)


@settings(max_examples=60)
@given(st.lists(extreme, min_size=5, max_size=40), st.sampled_from([1, 30, 365]), wishes)
def test_any_even_series(numbers, step_days, wish):
    points = [
        Point(date(1995, 1, 1) + timedelta(days=step_days * place), published(value, "1", "x"), "")
        for place, value in enumerate(numbers)
    ]
    _check(make_series("even", "even", "1", points, "x"), wish)


def _check(series, wish) -> None:
    try:
        trend = project(series, wish, date(2026, 11, 24))
    except GpugapError as error:
        assert error.remedy
        return
    json.dumps(trend.to_dict(), allow_nan=False)
    assert trend.projection
    for one in trend.projection:
        assert one.estimate.low <= one.estimate.value <= one.estimate.high
        assert not series.positive or one.estimate.low > 0 or one.estimate.low == 0
